//! A worker with a token of its own.

use api_types::{Worker, WorkerTokenCreated};
use domain::{
    job::{ErrorClass, Status},
    worker::State,
};
use serde_json::json;
use test_support::eventually;

use crate::{
    client::{Client, PASSWORD},
    process::Running,
    worker::place,
};

async fn logs(worker: &Running, words: &str) {
    let said = || worker.out() + &worker.err();
    eventually(&format!("the worker logs \"{words}\""), async || said().contains(words).then_some(())).await;
}

#[tokio::test]
async fn a_worker_works_with_its_own_token_until_that_is_revoked() {
    let place = place();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let made = client.post("/api/v1/worker-tokens", &json!({"name": "of the robot", "worker_name": "robot", "queues": ["own"]})).await;
    assert_eq!(made.status(), 201);
    let made: WorkerTokenCreated = made.json().await.unwrap();
    let script = "echo begun; while [ ! -e \"$PARAM_GO\" ]; do sleep 0.05; done\n";
    let automation = client.shell("own", &place.write("robot.sh", script)).await;
    let execute = async |go: &str| {
        let path = format!("/api/v1/automations/{}/execute", automation.id);
        client.post(&path, &json!({"go": place.path(go)})).await.json::<api_types::Job>().await.unwrap().id
    };
    let own = ["worker", "--server", &address, "--queue", "own", "--work-dir", "work", "--name", "robot", "--key", &made.token];
    let worker = place.start(&own);
    place.write("first", "");
    assert_eq!(client.ended(execute("first").await).await.status, Status::Completed);

    let job = execute("second").await;
    client.logged(job, "begun").await;
    assert_eq!(client.delete(&format!("/api/v1/worker-tokens/{}", made.kept.id)).await.status(), 204);
    logs(&worker, "the hub refuses this worker").await;
    logs(&worker, "refused with 401").await;
    logs(&worker, "ask an administrator for another one").await;
    let lost = client.ended(job).await;
    assert_eq!((lost.status, lost.error_class), (Status::Failed, Some(ErrorClass::WorkerLost)));
    let said = worker.out() + &worker.err();
    assert!(!said.contains(&made.token), "its token is told to nobody");
    let workers: Vec<Worker> = client.get("/api/v1/workers").await;
    assert_eq!(workers.iter().map(|worker| (worker.name.as_str(), worker.state)).collect::<Vec<_>>(), [("robot", State::Lost)]);
    let waiting = execute("first").await;
    place.write("second", "");
    worker.kill();

    let refused = place.start(&own).ended(std::time::Duration::from_secs(20)).await;
    assert!(refused.status.code() == Some(1) && refused.err.contains("check its key or token"), "{refused:?}");
    let worker = crate::worker::start(&place, &address, "own");
    assert_eq!(client.ended(waiting).await.status, Status::Completed, "the shared key is still good");
    assert_eq!(client.ended(job).await.error_class, Some(ErrorClass::WorkerLost), "what the lost one reports late changes nothing");
    worker.stop().await;
    hub.stop().await;
}
