//! What a kill -9 leaves behind is put right.

use domain::job::{ErrorClass, Status};

use crate::{
    client::{Client, PASSWORD},
    worker::{place, start},
};

#[tokio::test]
async fn a_job_survives_its_hub_and_its_log_is_complete() {
    let place = place().with("REGENTE__LEASE__AGENT", "20s");
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let script = "i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.05; done; echo '{\"n\":60}' > result.json\n";
    let automation = client.shell("outlives", &place.write("robot.sh", script)).await;
    let worker = start(&place, &address, "outlives");
    let job = client.execute(&automation).await;
    client.logged(job.id, "line 10").await;
    hub.kill();
    let place = place.with("REGENTE__HTTP__BIND", address.trim_start_matches("http://"));
    let mut hub = place.start(&["up"]);
    assert_eq!(hub.address().await, address);
    let ended = client.ended(job.id).await;
    assert_eq!((ended.status, ended.result), (Status::Completed, Some(serde_json::json!({"n": 60}))), "{:?}", ended.error_message);
    assert_eq!(client.messages(job.id).await, (0..60).map(|n| format!("line {n}")).collect::<Vec<_>>(), "each line once");
    assert_eq!(client.jobs().await.len(), 1, "no second attempt");
    worker.stop().await;
    hub.stop().await;
}

#[tokio::test]
async fn accepted_jobs_survive_a_crash() {
    let place = place();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let automation = client.shell("accepted", &place.write("robot.sh", "exit 0\n")).await;
    let mut accepted = Vec::new();
    for _ in 0..30 {
        accepted.push(client.execute(&automation).await.id);
    }
    hub.kill();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let worker = start(&place, &address, "accepted");
    for id in accepted {
        assert_eq!(client.ended(id).await.status, Status::Completed);
    }
    assert_eq!(client.jobs().await.len(), 30);
    worker.stop().await;
    hub.stop().await;
}

#[tokio::test]
async fn a_killed_workers_job_is_lost_when_its_lease_expires() {
    let place = place();
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    let client = Client::new(&address, PASSWORD).await;
    let automation = client.shell("lost", &place.write("robot.sh", "echo begun; sleep 20\n")).await;
    let worker = start(&place, &address, "lost");
    let job = client.execute(&automation).await;
    client.logged(job.id, "begun").await;
    worker.kill();
    let lost = client.ended(job.id).await;
    assert_eq!((lost.status, lost.error_class), (Status::Failed, Some(ErrorClass::WorkerLost)));
    assert!(lost.completed_at.unwrap() >= lost.last_heartbeat_at.unwrap() + chrono::TimeDelta::seconds(2), "not before its lease ended");
    // The next worker with this folder takes up work, and ends what the first one left running.
    let quick = client.shell("quick", &place.write("quick.sh", "echo quick\n")).await;
    let worker = start(&place, &address, "quick");
    let job = client.execute(&quick).await;
    assert_eq!(client.ended(job.id).await.status, Status::Completed);
    worker.stop().await;
    hub.stop().await;
}
