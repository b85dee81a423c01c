//! Several reports in one request.

use domain::job::Status;
use e2e::{Delivery, on_both};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{calm, fields, pending, running, start};

on_both!(each_report_has_the_outcome_it_would_have_alone, what_cannot_be_read_does_nothing);

async fn each_report_has_the_outcome_it_would_have_alone(delivery: Delivery) {
    let world = calm(delivery).await;
    let (waits, whole, early) = (pending(&world).await, pending(&world).await, pending(&world).await);
    let runs = pending(&world).await;
    let token = start(&world, runs.id).await.lease_token;
    let done = json!({"status": "completed", "result": {"n": 1}, "entries": [{"message": "fim"}]});
    let reports = json!([
        {"job_id": waits.id, "start": {}},
        {"job_id": Uuid::now_v7(), "start": {}},
        {"job_id": runs.id, "lease_token": Uuid::now_v7(), "finish": done},
        {"job_id": runs.id, "lease_token": token, "finish": done},
        {"job_id": whole.id, "start": {}},
        {"job_id": whole.id, "finish": {"status": "completed_no_invoices"}},
        {"job_id": early.id, "finish": done},
        {"job_id": early.id, "start": {}},
        {"job_id": early.id, "start": {}, "finish": done},
        {"job_id": early.id},
        {"job_id": early.id, "finish": {"status": "running"}},
    ]);
    let outcomes: Vec<Value> = world.client.report("/reports", None, &reports).await.expect(200).json();
    let statuses: Vec<&Value> = outcomes.iter().map(|outcome| &outcome["status"]).collect();
    assert_eq!(statuses, [200, 404, 409, 200, 200, 200, 200, 409, 422, 422, 422], "{outcomes:#?}");
    let codes: Vec<&Value> = outcomes.iter().map(|outcome| &outcome["body"]["code"]).filter(|code| !code.is_null()).collect();
    assert_eq!(codes, ["not_found", "stale_lease", "wrong_state", "invalid", "invalid", "invalid"]);
    assert!(outcomes[0]["body"]["lease_token"].is_string(), "{}", outcomes[0]);
    let problem = api_types::Problem::deserialize(&outcomes[10]["body"]).unwrap();
    assert_eq!(fields(&problem), ["finish/status"], "as in the body that was sent");
    for (id, status) in
        [(waits.id, Status::Running), (runs.id, Status::Completed), (whole.id, Status::CompletedNoInvoices), (early.id, Status::Completed)]
    {
        assert_eq!(world.client.job(id).await.status, status);
    }
    assert_eq!(world.client.logs(runs.id).await.len(), 1);
    let none: Vec<Value> = world.client.report("/reports", None, &json!([])).await.expect(200).json();
    assert_eq!(none.len(), 0);
    world.end().await;
}

async fn what_cannot_be_read_does_nothing(delivery: Delivery) {
    let world = calm(delivery).await;
    let job = running(&world).await;
    let fine = json!({"job_id": job.id, "finish": {"status": "completed"}});
    let table = [
        (json!([fine, {"job_id": "x", "start": {}}]), "1/job_id"),
        (json!([fine, {"start": {}}]), "1/job_id"),
        (json!([fine, {"job_id": job.id, "finish": {"status": "done"}}]), "1/finish/status"),
        (json!([fine, {"job_id": job.id, "lease_token": 1, "start": {}}]), "1/lease_token"),
        (json!({"job_id": job.id, "start": {}}), ""),
        (json!(vec![fine.clone(); 1001]), ""),
    ];
    for (body, field) in table {
        let problem = world.client.report("/reports", None, &body).await.problem(422);
        assert_eq!(fields(&problem), [field], "{problem:?}");
    }
    assert_eq!(world.client.job(job.id).await.status, Status::Running);
    world.end().await;
}
