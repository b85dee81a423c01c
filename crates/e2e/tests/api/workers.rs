//! Workers register and show that they live.

use std::time::Duration;

use api_types::{HeartbeatResponse, RegisterResponse, StartResponse};
use e2e::{Delivery, on_both};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{calm, fields, pending, register, report, with};

on_both!(a_name_keeps_its_id, bad_registrations_name_their_fields, heartbeats_renew_leases_and_name_the_stale);

async fn a_name_keeps_its_id(delivery: Delivery) {
    let world = with(delivery, |settings| {
        settings.lease.agent = Duration::from_secs(40);
        settings.lease.heartbeat = Duration::from_millis(7500);
    })
    .await;
    let body = json!({"name": "robô 1", "queues": ["a", "b"], "slots": 3, "version": "1.2", "hostname": "pc", "uses_broker": true});
    let answer_body: RegisterResponse = world.client.report("/register", None, &body).await.expect(200).json();
    assert_eq!((answer_body.heartbeat_interval_s, answer_body.lease_s), (7.5, 40.0));
    let least = json!({"name": "robô 1", "queues": ["c"], "slots": 1});
    let again: RegisterResponse = world.client.report("/register", None, &least).await.expect(200).json();
    assert_eq!(again.worker_id, answer_body.worker_id);
    assert_ne!(register(&world, "robô 2", &["a"]).await, answer_body.worker_id);
    world.end().await;
}

async fn bad_registrations_name_their_fields(delivery: Delivery) {
    let world = calm(delivery).await;
    let fine = json!({"name": "w", "queues": ["q"], "slots": 1});
    let table = [
        (json!({"name": ""}), "name"),
        (json!({"name": "a\u{0}"}), "name"),
        (json!({"name": "x".repeat(201)}), "name"),
        (json!({"queues": []}), "queues"),
        (json!({"queues": "q"}), "queues"),
        (json!({"queues": ["q", "amq.x"]}), "queues/1"),
        (json!({"queues": ["a\u{0}"]}), "queues/0"),
        (json!({"slots": 0}), "slots"),
        (json!({"slots": null}), "slots"),
        (json!({"slots": -1}), "slots"),
        (json!({"slots": 10_001}), "slots"),
        (json!({"version": "\n"}), "version"),
        (json!({"hostname": "x".repeat(201)}), "hostname"),
        (json!({"labels": ["windows", "ü"]}), "labels/1"),
        (json!({"labels": [""]}), "labels/0"),
        (json!({"labels": ["a".repeat(65)]}), "labels/0"),
        (json!({"labels": (0..21).map(|nth| format!("l{nth}")).collect::<Vec<_>>()}), "labels"),
    ];
    for (over, field) in table {
        let mut body = fine.clone();
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        let problem = world.client.report("/register", None, &body).await.problem(422);
        assert_eq!(fields(&problem), [field], "{over}: {problem:?}");
    }
    world.end().await;
}

async fn heartbeats_renew_leases_and_name_the_stale(delivery: Delivery) {
    let world = calm(delivery).await;
    let worker = register(&world, "beating", &["q"]).await;
    let job = pending(&world).await;
    let given: StartResponse = report(&world, job.id, "start", &json!({"worker_id": worker})).await.expect(200).json();
    let beat = async |body: Value| world.client.report("/heartbeat", None, &body).await;
    let (token, other) = (given.lease_token, Uuid::now_v7());
    let held = json!([{"job_id": job.id, "lease_token": token}, {"job_id": job.id, "lease_token": other}, {"job_id": other, "lease_token": token}]);
    let answer_body: HeartbeatResponse = beat(json!({"worker_id": worker, "jobs": held})).await.expect(200).json();
    assert_eq!((answer_body.stale, answer_body.cancel), (vec![job.id, other.into()], vec![]));
    let renewed = world.client.job(job.id).await;
    assert!(renewed.lease_expires_at.unwrap() > given.lease_expires_at && renewed.last_heartbeat_at > renewed.started_at);
    let nothing: HeartbeatResponse = beat(json!({"worker_id": worker})).await.expect(200).json();
    assert!(nothing.stale.is_empty() && nothing.cancel.is_empty());
    let _ended = world.client.report(&format!("/jobs/{}/finish", job.id), Some(token), &json!({"status": "completed"})).await.expect(200);
    let late: HeartbeatResponse =
        beat(json!({"worker_id": worker, "jobs": [{"job_id": job.id, "lease_token": token}]})).await.expect(200).json();
    assert_eq!(late.stale, [job.id], "what has ended is held no more");
    assert_eq!(beat(json!({"worker_id": other})).await.problem(404).code, "not_found");
    assert_eq!(fields(&beat(json!({"worker_id": "me"})).await.problem(422)), ["worker_id"]);
    for (over, field) in [
        (json!({"cpu_percent": -1}), "cpu_percent"),
        (json!({"cpu_percent": 100.5}), "cpu_percent"),
        (json!({"memory_bytes": -1}), "memory_bytes"),
        (json!({"memory_bytes": u64::MAX}), "memory_bytes"),
    ] {
        let mut body = json!({"worker_id": worker});
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        assert_eq!(fields(&beat(body).await.problem(422)), [field], "{over}");
    }
    let odd = json!({"worker_id": worker, "jobs": [{"job_id": job.id, "lease_token": "x"}]});
    assert_eq!(fields(&beat(odd).await.problem(422)), ["jobs/0/lease_token"]);
    world.end().await;
}
