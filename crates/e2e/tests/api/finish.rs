//! How a job ends.

use api_types::{Job, JobEvent, WorkerJobResponse};
use domain::job::{ErrorClass, Status};
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{calm, fields, pending, report, running};

on_both!(
    each_status_ends_a_job,
    why_a_job_failed_is_taken_from_what_is_told,
    the_first_end_stays_and_a_late_one_is_kept_as_an_event,
    bad_ends_are_refused
);

async fn ended(world: &World, body: &Value) -> Job {
    let job = running(world).await;
    let told: WorkerJobResponse = report(world, job.id, "finish", body).await.expect(200).json();
    let stored = world.client.job(job.id).await;
    assert_eq!((told.job_id, told.status), (job.id, stored.status));
    stored
}

async fn each_status_ends_a_job(delivery: Delivery) {
    let world = calm(delivery).await;
    let table = [
        ("completed", Status::Completed),
        ("completed_no_invoices", Status::CompletedNoInvoices),
        ("failed", Status::Failed),
        ("canceled", Status::Canceled),
    ];
    for (word, status) in table {
        let result = json!({"n": 9_007_199_254_740_993_i64, "lista": [1, "ã", null], "vazio": {}});
        let job = ended(&world, &json!({"status": word, "result": result})).await;
        assert_eq!((job.status, job.result.as_ref()), (status, Some(&result)), "{word}");
        assert!(job.completed_at >= job.started_at && job.lease_expires_at.is_none(), "{job:?}");
        assert_eq!(job.error_class.is_some(), status == Status::Failed, "{word}");
    }
    for result in [json!([1, 2]), json!("text"), json!(0), json!(false), json!("a\u{0}b")] {
        let job = ended(&world, &json!({"status": "completed", "result": result})).await;
        let expected = if result == json!("a\u{0}b") { json!("a\u{fffd}b") } else { result };
        assert_eq!(job.result, Some(expected));
    }
    let last = json!({"status": "completed", "entries": [{"message": "fim"}], "progress": {"percent": 100}});
    let job = ended(&world, &last).await;
    assert_eq!(job.progress.unwrap().percent, Some(100.0));
    assert_eq!(world.client.logs(job.id).await[0].message, "fim");
    world.end().await;
}

async fn why_a_job_failed_is_taken_from_what_is_told(delivery: Delivery) {
    let world = calm(delivery).await;
    let table = [
        (json!({}), ErrorClass::RobotError, "without saying why"),
        (json!({"result": {"error": "sem login"}}), ErrorClass::RobotError, "sem login"),
        (json!({"result": {"error": {"code": 1}}}), ErrorClass::RobotError, "without saying why"),
        (json!({"result": {"error": "senha", "error_class": "CREDENTIAL_INVALID"}}), ErrorClass::CredentialInvalid, "senha"),
        (json!({"result": {"error": "x", "error_class": "UNKNOWN"}}), ErrorClass::Unknown, "x"),
        (json!({"result": {"error": "x", "error_class": "MINE"}}), ErrorClass::RobotError, "x"),
        (json!({"error_class": "PORTAL_DOWN", "result": {"error": "x", "error_class": "IP_BLOCKED"}}), ErrorClass::PortalDown, "x"),
        (json!({"error_message": "dito", "result": {"error": "sem login"}}), ErrorClass::RobotError, "dito"),
        (json!({"error_class": "JOB_TIMEOUT", "error_message": "a\u{0}b"}), ErrorClass::JobTimeout, "a\u{fffd}b"),
        (json!({"error_class": "LAUNCH_FAILED", "error_message": "x".repeat(20_000)}), ErrorClass::LaunchFailed, "xxx"),
        (json!({"error_class": "SOMETHING_NEW"}), ErrorClass::Unknown, "without saying why"),
    ];
    for (over, class, words) in table {
        let mut body = json!({"status": "failed"});
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        let job = ended(&world, &body).await;
        let message = job.error_message.unwrap();
        assert_eq!((job.error_class, message.contains(words)), (Some(class), true), "{body}: {message}");
        assert!(message.len() < 10_000);
    }
    world.end().await;
}

async fn the_first_end_stays_and_a_late_one_is_kept_as_an_event(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = ended(&world, &json!({"status": "completed", "result": {"first": true}})).await;
    let late = report(&world, job.id, "finish", &json!({"status": "failed", "error_message": "tarde", "result": {"second": true}})).await;
    let told: WorkerJobResponse = late.expect(200).json();
    assert_eq!(told.status, Status::Completed);
    assert_eq!(world.client.job(job.id).await, job, "nothing of the job changes");
    let events: Vec<JobEvent> = world.client.get(&format!("/api/v1/jobs/{}/events", job.id)).await.expect(200).json();
    assert_eq!(events.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["job.finished_late"]);
    assert_eq!(events[0].detail["result"], json!({"second": true}));
    assert_eq!((&events[0].detail["status"], events[0].detail["error_message"].as_str()), (&json!("failed"), Some("tarde")));
    let _later = report(&world, job.id, "finish", &json!({"status": "failed", "error_message": "mais tarde"})).await.expect(200);
    let place = format!("/api/v1/jobs/{}/events", job.id);
    let first = world.client.get(&format!("{place}?limit=1")).await.expect(200);
    let next = format!("<{place}?limit=1&after={}>; rel=\"next\"", events[0].id);
    assert_eq!((first.json::<Vec<JobEvent>>(), first.headers["link"].to_str().unwrap()), (events.clone(), next.as_str()));
    let second: Vec<JobEvent> = world.client.get(&format!("{place}?limit=1&after={}", events[0].id)).await.expect(200).json();
    assert_eq!(second[0].detail["error_message"], json!("mais tarde"));
    assert_eq!(fields(&world.client.get(&format!("{place}?limit=0")).await.problem(400)), ["limit"]);
    let none = running(&world).await;
    assert_eq!(world.client.get(&format!("/api/v1/jobs/{}/events", none.id)).await.expect(200).text, "[]");
    world.end().await;
}

async fn bad_ends_are_refused(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    let table = [
        (json!({}), "status"),
        (json!({"status": "done"}), "status"),
        (json!({"status": "running"}), "status"),
        (json!({"status": "pending"}), "status"),
        (json!({"status": "paused"}), "status"),
        (json!({"status": null}), "status"),
        (json!({"status": "failed", "error_message": 3}), "error_message"),
        (json!({"status": "completed", "progress": {"percent": 101}}), "progress/percent"),
        (json!({"status": "completed", "entries": [{"message": "x", "level": "LOUD"}]}), "entries/0/level"),
        (json!({"status": "completed", "offset": -1}), "offset"),
    ];
    for (body, field) in table {
        let problem = report(&world, job.id, "finish", &body).await.problem(422);
        assert_eq!(fields(&problem), [field], "{body}: {problem:?}");
    }
    assert_eq!(world.client.job(job.id).await.status, Status::Running);
    let waiting = pending(&world).await;
    let early = report(&world, waiting.id, "finish", &json!({"status": "completed"})).await.problem(409);
    assert_eq!(early.code, "wrong_state", "never started");
    let unknown = report(&world, Uuid::now_v7(), "finish", &json!({"status": "completed"})).await.problem(404);
    assert_eq!(unknown.code, "not_found");
    world.end().await;
}
