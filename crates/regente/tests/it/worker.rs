//! `regente worker`.

use std::time::Duration;

use domain::job::Status;

use crate::{
    client::{Client, PASSWORD},
    process::{Place, Running},
};

pub(crate) fn place() -> Place {
    Place::new().with("REGENTE__ADMIN__PASSWORD", PASSWORD).with("REGENTE__LEASE__AGENT", "2s").with("REGENTE__LEASE__HEARTBEAT", "500ms")
}

/// A worker on the same machine as its hub.
pub(crate) fn start(place: &Place, address: &str, queue: &str) -> Running {
    place.start(&[
        "worker",
        "--server",
        address,
        "--queue",
        queue,
        "--key-file",
        "data/worker-key",
        "--work-dir",
        "work",
        "--name",
        "robot",
    ])
}

#[tokio::test]
async fn a_worker_runs_jobs_until_it_is_told_to_stop() {
    let place = place();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let script = place.write("robot.sh", "echo \"olá $PARAM_NOME\"\necho 'ERROR but not fatal'\necho '{\"n\": 3}' > result.json\n");
    let automation = client.shell("greetings", &script).await;
    let worker = start(&place, &address, "greetings");
    let job = client.execute(&automation).await;
    let ended = client.ended(job.id).await;
    assert_eq!((ended.status, ended.result), (Status::Completed, Some(serde_json::json!({"n": 3}))), "{:?}", ended.error_message);
    assert_eq!(
        client.messages(job.id).await,
        ["olá", "but not fatal"].map(|line| if line == "olá" { "olá ".to_owned() } else { format!("ERROR {line}") })
    );
    worker.stop().await;
    hub.stop().await;
}

#[tokio::test]
async fn a_worker_that_is_stopped_lets_its_job_end() {
    let place = place();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let script = place.write("robot.sh", "echo begun; sleep 1; echo done\n");
    let automation = client.shell("drained", &script).await;
    let worker = start(&place, &address, "drained");
    let job = client.execute(&automation).await;
    client.logged(job.id, "begun").await;
    worker.stop().await;
    assert_eq!(client.job_when(job.id, "has ended", |job| job.status.is_terminal()).await.status, Status::Completed);
    assert_eq!(client.messages(job.id).await, ["begun", "done"]);
    hub.stop().await;
}

#[tokio::test]
async fn a_worker_that_the_hub_does_not_want_says_why() {
    let place = place();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let table = [
        (vec!["--key", "wrong"], "check its key"),
        (vec![], "check its key"),
        (vec!["--key-file", "missing-key"], "cannot read missing-key"),
        (vec!["--key", "x", "--slots", "0"], "slots must be 1 to 10000"),
        (vec!["--key", "x", "--server", "ftp://hub"], "must start with http"),
        (vec!["--key", "x", "--log", "worker_agent=loud"], "log filter"),
    ];
    for (over, words) in table {
        let mut arguments = vec!["worker", "--queue", "q", "--work-dir", "work"];
        if !over.contains(&"--server") {
            arguments.extend(["--server", &address]);
        }
        arguments.extend(&over);
        let ended = place.start(&arguments).ended(Duration::from_secs(20)).await;
        let line = ended.one_line();
        assert!(line.contains(words), "{over:?}: {line}");
    }
    hub.stop().await;
}
