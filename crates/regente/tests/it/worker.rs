//! `regente worker`.

use std::time::Duration;

use domain::{
    ids::JobId,
    job::{ErrorClass, Status},
};

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
async fn a_worker_runs_jobs_until_it_is_stopped() {
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
async fn a_restarted_worker_reports_the_true_end() {
    let place = place().with("REGENTE__LEASE__AGENT", "60s");
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let stays = place.write("stays.sh", "echo begun; echo $$ > pid; exec sleep 1000\n");
    let ends = place.write("ends.sh", "echo begun; while [ ! -e go ]; do sleep 0.05; done; echo '{\"n\": 7}' > new; mv new result.json\n");
    let (stays, ends) = (client.shell("stays", &stays).await, client.shell("ends", &ends).await);
    let arguments = |slots| {
        ["worker", "--server", &address, "--queue", "stays", "--queue", "ends", "--key-file", "data/worker-key", "--work-dir", "work"]
            .into_iter()
            .chain(["--name", "robot", "--slots", slots])
            .collect::<Vec<_>>()
    };
    let worker = place.start(&arguments("2"));
    let (stays, ends) = (client.execute(&stays).await, client.execute(&ends).await);
    for job in [stays.id, ends.id] {
        client.logged(job, "begun").await;
    }
    let folder = |job: JobId| place.path("work/jobs").join(job.to_string());
    let pid = std::fs::read_to_string(folder(stays.id).join("pid")).unwrap();
    let alive = || std::path::Path::new("/proc").join(pid.trim()).exists();
    worker.kill();
    assert!(alive(), "the program outlives its worker");
    std::fs::write(folder(ends.id).join("go"), "").unwrap();
    test_support::eventually("the other program ends", async || folder(ends.id).join("result.json").exists().then_some(())).await;
    let worker = place.start(&arguments("2"));
    let stays = client.ended(stays.id).await;
    assert_eq!((stays.status, stays.error_class), (Status::Failed, Some(ErrorClass::Killed)));
    assert!(
        stays.error_message.as_deref().is_some_and(|message| message.contains("the worker crashed while the program ran")),
        "{stays:?}"
    );
    test_support::eventually("the program is gone", async || (!alive()).then_some(())).await;
    let ends = client.ended(ends.id).await;
    assert_eq!((ends.status, ends.result), (Status::Completed, Some(serde_json::json!({"n": 7}))), "{:?}", ends.error_message);
    let lines = client.messages(ends.id).await;
    assert!(lines.len() == 2 && lines[0] == "begun" && lines[1].contains("its exit code is unknown"), "{lines:?}");
    worker.stop().await;
    hub.stop().await;
}

/// As a robot may do that wants to leave something behind: no mark, no session, no parent, and no supervisor to reap it.
#[tokio::test]
async fn a_worker_ends_and_reaps_what_a_job_leaves_even_without_its_supervisor() {
    let place = place();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let script =
        "(env -i setsid sh -c 'sh -c \"trap : TERM; echo \\$\\$ > ../../escaped; while :; do sleep 0.1; done\" &' > /dev/null 2>&1 &)
until [ -s ../../escaped ]; do sleep 0.02; done
[ \"$PARAM_HOW\" = orderly ] || kill -9 $PPID
";
    let automation = client.shell("escapes", &place.write("escapes.sh", script)).await;
    let worker = start(&place, &address, "escapes");
    for how in ["orderly", "orderly", "killed"] {
        let escaped = place.path("work/escaped");
        let _not_there_yet = std::fs::remove_file(&escaped);
        let job = client.execute_with(&automation, serde_json::json!({"how": how})).await;
        let ended = client.ended(job.id).await;
        assert_eq!(ended.status, if how == "orderly" { Status::Completed } else { Status::Failed }, "{:?}", ended.error_message);
        let pid = std::fs::read_to_string(&escaped).unwrap();
        let process = std::path::Path::new("/proc").join(pid.trim());
        test_support::eventually("the helper is ended and reaped", async || (!process.exists()).then_some(())).await;
    }
    worker.stop().await;
    hub.stop().await;
}

#[tokio::test]
async fn a_worker_that_the_hub_refuses_reports_why() {
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

#[tokio::test]
async fn a_work_folder_of_another_worker_is_reported_once() {
    let place = Place::new();
    std::fs::create_dir_all(place.path("work")).unwrap();
    let _taken = worker_agent::FolderLock::take(&place.path("work/agent.lock")).unwrap();
    let ended = place.run(&["worker", "--server", "http://127.0.0.1:1", "--queue", "q", "--work-dir", "work"]).await;
    let line = ended.one_line();
    assert_eq!((line.matches("another worker uses it").count(), ended.status.code()), (1, Some(1)), "{line}");
}
