//! Workers report on a job: start, progress, status, cancellation.

use std::time::Duration;

use api_types::{JobStatusResponse, StartResponse};
use domain::job::Status;
use e2e::{Delivery, on_both};
use serde_json::{Value, json};

use crate::support::{ask, automation, calm, claim, fields, pending, register, report, running, start, with};

on_both!(
    start_grants_the_lease_to_one_worker,
    start_is_refused_once_a_job_has_ended,
    start_by_a_worker_that_never_registered_is_refused,
    progress_is_taken_in_both_spellings,
    status_and_cancellation_have_their_documented_shapes,
    a_token_of_another_lease_changes_nothing,
    a_worker_that_polls_for_cancellation_is_lost_sooner,
);

async fn start_grants_the_lease_to_one_worker(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = pending(&world).await;
    let (mine, other) = (register(&world, "mine", &["x"]).await, register(&world, "other", &["x"]).await);
    let answer = report(&world, job.id, "start", &json!({"worker_id": mine})).await.expect(200);
    let shown: Value = answer.json();
    let keys: Vec<_> = shown.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, ["job_id", "lease_expires_at", "lease_token", "message", "status"]);
    let started: StartResponse = answer.json();
    assert_eq!((started.job_id, started.status), (job.id, Status::Running));
    let again: StartResponse = report(&world, job.id, "start", &json!({"worker_id": mine})).await.expect(200).json();
    assert_eq!(again.lease_token, started.lease_token, "the holder keeps its lease");
    let by_token = world.client.report(&format!("/jobs/{}/start", job.id), Some(started.lease_token), &json!({})).await.expect(200);
    assert_eq!(by_token.json::<StartResponse>().lease_token, started.lease_token);
    let stale = world.client.report(&format!("/jobs/{}/start", job.id), Some(job.id.get()), &json!({"worker_id": mine})).await;
    assert_eq!(stale.problem(409).code, "stale_lease", "a token that is not the lease's");
    for body in [json!({"worker_id": other}), json!({})] {
        assert_eq!(report(&world, job.id, "start", &body).await.problem(409).code, "lease_held", "{body}");
    }
    assert_eq!(fields(&report(&world, job.id, "start", &json!({"worker_id": "x"})).await.problem(422)), ["worker_id"]);
    let stored = world.client.job(job.id).await;
    assert_eq!((stored.status, stored.worker_id), (Status::Running, Some(mine)));
    world.end().await;
}

async fn start_by_a_worker_that_never_registered_is_refused(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = pending(&world).await;
    let stranger = json!({"worker_id": "0193f2c4-7b1a-7000-8000-00000000dead"});
    let problem = report(&world, job.id, "start", &stranger).await.problem(404);
    assert!(problem.detail.starts_with("worker "), "{problem:?}");
    assert_eq!(world.client.job(job.id).await.status, Status::Pending);
    world.end().await;
}

async fn start_is_refused_once_a_job_has_ended(delivery: Delivery) {
    let world = calm(delivery).await;
    for status in ["completed", "completed_no_invoices", "failed", "canceled"] {
        let job = running(&world).await;
        if status == "canceled" {
            let _asked = world.client.post(&format!("/api/v1/jobs/{}/cancel", job.id), &json!({})).await.expect(202);
        }
        let _ended = report(&world, job.id, "finish", &json!({"status": status})).await.expect(200);
        let problem = report(&world, job.id, "start", &json!({})).await.problem(409);
        assert_eq!(problem.code, "wrong_state");
        assert!(problem.detail.contains(status), "{}", problem.detail);
    }
    world.end().await;
}

async fn progress_is_taken_in_both_spellings(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    let ours = json!({"step": 2, "total_steps": 5, "percent": 40.5, "message": "lendo"});
    let theirs = json!({"etapa_atual": 3, "total_etapas": 5, "percentual": 60, "mensagem": "a\u{0}b"});
    let answered: Value = report(&world, job.id, "progress", &ours).await.expect(200).json();
    assert_eq!((&answered["job_id"], &answered["status"]), (&json!(job.id), &json!("running")));
    assert_eq!(json!(world.client.job(job.id).await.progress), ours);
    let _stored = report(&world, job.id, "progress", &theirs).await.expect(200);
    let stored = json!(world.client.job(job.id).await.progress);
    assert_eq!(stored, json!({"step": 3, "total_steps": 5, "percent": 60.0, "message": "a\u{fffd}b"}));
    let table = [
        (json!({"percent": 100.5}), vec!["percent"]),
        (json!({"percentual": -1}), vec!["percent"]),
        (json!({"percent": "half"}), vec!["percent"]),
        (json!({"step": -1, "total_steps": -2}), vec!["step", "total_steps"]),
        (json!({"step": 1.5}), vec!["step"]),
    ];
    for (body, named) in table {
        assert_eq!(fields(&report(&world, job.id, "progress", &body).await.problem(422)), named, "{body}");
    }
    assert_eq!(json!(world.client.job(job.id).await.progress), stored);
    let _ended = report(&world, job.id, "finish", &json!({"status": "completed"})).await.expect(200);
    let _late = report(&world, job.id, "progress", &ours).await.expect(200);
    assert_eq!(json!(world.client.job(job.id).await.progress), stored, "what has ended changes no more");
    world.end().await;
}

async fn status_and_cancellation_have_their_documented_shapes(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = pending(&world).await;
    let waiting: Value = ask(&world, job.id, "status").await.expect(200).json();
    let expected = json!({"status": "pending", "terminal": false, "started_at": null, "completed_at": null, "last_heartbeat_at": null,
        "cancellation_requested_at": null, "retry_count": 0});
    assert_eq!(waiting, expected);
    let no: Value = ask(&world, job.id, "cancellation").await.expect(200).json();
    assert_eq!(no, json!({"cancellation_requested": false}));
    start(&world, job.id).await;
    let before: JobStatusResponse = ask(&world, job.id, "status").await.expect(200).json();
    let asked = ask(&world, job.id, "cancellation").await.expect(200);
    assert_eq!(asked.json::<Value>(), json!({"cancellation_requested": false}));
    let after: JobStatusResponse = ask(&world, job.id, "status").await.expect(200).json();
    assert!(after.last_heartbeat_at > before.last_heartbeat_at, "asking is a heartbeat");
    assert!(world.client.job(job.id).await.lease_expires_at > before.last_heartbeat_at);
    let _asked = world.client.post(&format!("/api/v1/jobs/{}/cancel", job.id), &json!({})).await.expect(202);
    let _ended = report(&world, job.id, "finish", &json!({"status": "canceled"})).await.expect(200);
    let ended: JobStatusResponse = ask(&world, job.id, "status").await.expect(200).json();
    assert!(ended.terminal && ended.started_at.is_some() && ended.completed_at >= ended.started_at);
    let yes: Value = ask(&world, job.id, "cancellation").await.expect(200).json();
    assert_eq!(yes, json!({"cancellation_requested": true}));
    world.end().await;
}

async fn a_token_of_another_lease_changes_nothing(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    let stranger = uuid::Uuid::now_v7();
    let before = world.client.job(job.id).await;
    for (what, body) in [("log", json!({"message": "x"})), ("progress", json!({"percent": 1})), ("finish", json!({"status": "completed"}))]
    {
        let answer = world.client.report(&format!("/jobs/{}/{what}", job.id), Some(stranger), &body).await;
        assert_eq!(answer.problem(409).code, "stale_lease", "{what}");
    }
    let asked = world.client.worker(reqwest::Method::GET, &format!("/jobs/{}/cancellation", job.id));
    let asked = world.client.send(asked.header("X-Lease-Token", stranger.to_string())).await;
    assert_eq!(asked.problem(409).code, "stale_lease");
    assert_eq!((world.client.job(job.id).await, world.client.logs(job.id).await.len()), (before, 0));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_lost_its_lease_cannot_end_the_next_ones_job() {
    let world = crate::support::with(Delivery::Pull, |settings| {
        settings.lease.agent = std::time::Duration::from_millis(400);
        settings.lease.heartbeat = std::time::Duration::from_millis(200);
    })
    .await;
    let automation = automation(&world, "lost").await;
    let queue = automation.queue_name.as_str();
    let worker = register(&world, "w", &[queue]).await;
    let job = world.client.execute(&automation, &json!({})).await;
    let given = claim(&world, worker, &[queue], json!({})).await.remove(0);
    let lost = world.client.ended(job.id).await;
    assert_eq!(lost.error_class, Some(domain::job::ErrorClass::WorkerLost));
    let path = format!("/jobs/{}/finish", job.id);
    let late = world.client.report(&path, Some(given.lease_token), &json!({"status": "completed", "result": 1})).await.expect(200);
    assert_eq!(late.json::<Value>()["status"], "failed", "the first end stays");
    assert_eq!(world.client.job(job.id).await.result, None);
    world.end().await;
}

/// A robot of the plain contract that starts, works for long and finishes must not be taken for dead, one that reports its life must.
async fn a_worker_that_polls_for_cancellation_is_lost_sooner(delivery: Delivery) {
    let world = with(delivery, |settings| {
        settings.lease.foreign = Duration::from_secs(60);
        settings.lease.silent = Duration::from_secs(600);
    })
    .await;
    let job = running(&world).await;
    let lasts = async || {
        let job = world.client.job(job.id).await;
        (job.lease_expires_at.unwrap() - job.last_heartbeat_at.unwrap()).num_seconds()
    };
    let word = async |what: &str, body: Value| drop(report(&world, job.id, what, &body).await);
    assert_eq!(lasts().await, 600);
    word("log", json!({"message": "lendo"})).await;
    word("progress", json!({"percent": 5})).await;
    assert_eq!(lasts().await, 600, "it has not asked yet");
    let _answer = ask(&world, job.id, "cancellation").await.expect(200);
    assert_eq!(lasts().await, 60);
    word("log", json!({"message": "lendo"})).await;
    word("progress", json!({"percent": 6})).await;
    assert_eq!(lasts().await, 60, "it continues polling");
    word("start", json!({})).await;
    assert_eq!(lasts().await, 600, "perhaps another process, which has the message again");
    world.end().await;
}
