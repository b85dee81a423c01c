//! How a job ends.

use api_types::{Automation, Job, JobEvent, WorkerJobResponse};
use domain::job::{ErrorClass, Status};
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{calm, fields, pending, report, running, start};

on_both!(
    each_status_ends_a_job,
    the_failure_comes_from_the_report,
    the_first_end_stays_and_a_late_one_is_kept_as_an_event,
    bad_ends_are_refused,
    an_end_without_a_start_counts,
    a_job_refused_before_its_start_is_not_retried,
    a_stop_that_nobody_requested_is_decided_by_the_policy,
);

async fn ended(world: &World, body: &Value) -> Job {
    let job = running(world).await;
    let answered: WorkerJobResponse = report(world, job.id, "finish", body).await.expect(200).json();
    let stored = world.client.job(job.id).await;
    assert_eq!((answered.job_id, answered.status), (job.id, stored.status));
    stored
}

async fn each_status_ends_a_job(delivery: Delivery) {
    let world = calm(delivery).await;
    let table = [
        ("completed", Status::Completed),
        ("completed_no_invoices", Status::CompletedNoInvoices),
        ("failed", Status::Failed),
        // Nobody asked for it.
        ("canceled", Status::Failed),
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

async fn the_failure_comes_from_the_report(delivery: Delivery) {
    let world = calm(delivery).await;
    let table = [
        (json!({}), ErrorClass::RobotError, "without a reason"),
        (json!({"result": {"error": "sem login"}}), ErrorClass::RobotError, "sem login"),
        (json!({"result": {"error": {"code": 1}}}), ErrorClass::RobotError, "without a reason"),
        (json!({"result": {"error": "senha", "error_class": "CREDENTIAL_INVALID"}}), ErrorClass::CredentialInvalid, "senha"),
        (json!({"result": {"error": "x", "error_class": "UNKNOWN"}}), ErrorClass::Unknown, "x"),
        (json!({"result": {"error": "x", "error_class": "MINE"}}), ErrorClass::RobotError, "x"),
        (json!({"error_class": "PORTAL_DOWN", "result": {"error": "x", "error_class": "IP_BLOCKED"}}), ErrorClass::PortalDown, "x"),
        (json!({"error_message": "dito", "result": {"error": "sem login"}}), ErrorClass::RobotError, "dito"),
        (json!({"error_class": "JOB_TIMEOUT", "error_message": "a\u{0}b"}), ErrorClass::JobTimeout, "a\u{fffd}b"),
        (json!({"error_class": "LAUNCH_FAILED", "error_message": "x".repeat(20_000)}), ErrorClass::LaunchFailed, "xxx"),
        (json!({"error_class": "SOMETHING_NEW"}), ErrorClass::Unknown, "without a reason"),
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
    let answered: WorkerJobResponse = late.expect(200).json();
    assert_eq!(answered.status, Status::Completed);
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
    let unknown = report(&world, Uuid::now_v7().into(), "finish", &json!({"status": "completed"})).await.problem(404);
    assert_eq!(unknown.code, "not_found");
    world.end().await;
}

async fn an_end_without_a_start_counts(delivery: Delivery) {
    let world = calm(delivery).await;
    for (word, status) in [("completed", Status::Completed), ("failed", Status::Failed)] {
        let job = pending(&world).await;
        let answered = json!({"status": word, "result": {"pages": 3}, "entries": [{"message": "fim"}]});
        let answer: WorkerJobResponse = report(&world, job.id, "finish", &answered).await.expect(200).json();
        let ended = world.client.job(job.id).await;
        assert_eq!((answer.status, ended.status, &ended.result), (status, status, &Some(json!({"pages": 3}))));
        assert!(ended.started_at.is_none() && ended.completed_at.is_some() && ended.waiting_reason.is_none(), "{ended:?}");
        assert_eq!(world.client.logs(job.id).await[0].message, "fim");
        let again = report(&world, job.id, "start", &json!({})).await.problem(409);
        assert_eq!(again.code, "wrong_state", "its message is of no use any more");
    }
    let job = pending(&world).await;
    let stale = world.client.report(&format!("/jobs/{}/finish", job.id), Some(Uuid::now_v7()), &json!({"status": "completed"})).await;
    assert_eq!(stale.problem(409).code, "stale_lease", "only one without a lease");
    world.end().await;
}

/// An automation with three attempts for every temporary class, and a job of it.
async fn retried(world: &World, more: Value) -> (Automation, Job) {
    let name = format!("r-{}", Uuid::new_v4().simple());
    let mut body = json!({"name": name, "queue_name": world.queue(&name), "script_path": "main.py",
        "retry_policy": {"max_attempts": 3, "base_s": 3600}});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let automation = world.client.automation(&body).await;
    let job = world.client.execute(&automation, &json!({})).await;
    (automation, job)
}

async fn attempts(world: &World, automation: &Automation) -> usize {
    world.client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json::<Vec<Job>>().len()
}

async fn a_job_refused_before_its_start_is_not_retried(delivery: Delivery) {
    let world = calm(delivery).await;
    for (class, expected) in [("INVALID_PARAMETERS", 1), ("PORTAL_DOWN", 2)] {
        let (automation, job) = retried(&world, json!({})).await;
        let refused = json!({"status": "failed", "result": {"error": "cnpj is missing", "error_class": class}});
        let _ended = report(&world, job.id, "finish", &refused).await.expect(200);
        let ended = world.client.job(job.id).await;
        assert_eq!((ended.error_class.map(ErrorClass::as_str), ended.error_message.as_deref()), (Some(class), Some("cnpj is missing")));
        assert_eq!(attempts(&world, &automation).await, expected, "{class}");
    }
    world.end().await;
}

async fn a_stop_that_nobody_requested_is_decided_by_the_policy(delivery: Delivery) {
    let world = calm(delivery).await;
    for (more, asked, status, expected) in [
        (json!({}), false, Status::Failed, 2),
        (json!({"on_worker_lost": "fail"}), false, Status::Failed, 1),
        (json!({}), true, Status::Canceled, 1),
    ] {
        let (automation, job) = retried(&world, more).await;
        start(&world, job.id).await;
        if asked {
            let _asked = world.client.post(&format!("/api/v1/jobs/{}/cancel", job.id), &json!({})).await.expect(202);
        }
        let _ended = report(&world, job.id, "finish", &json!({"status": "canceled"})).await.expect(200);
        let ended = world.client.job(job.id).await;
        assert_eq!((ended.status, ended.error_class), (status, (!asked).then_some(ErrorClass::Killed)));
        assert_eq!(attempts(&world, &automation).await, expected);
    }
    world.end().await;
}
