//! The requests that RPS Maestro documents, exactly as its README and its workers send them.

use api_types::{Automation, Job, LogLine, StartResponse};
use domain::{
    job::{Status, Trigger},
    log::Level,
};
use e2e::{Delivery, World, on_both};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{calm, pending};

on_both!(
    the_documented_requests_work_as_documented,
    a_worker_starts_with_a_json_content_type_and_an_empty_body,
    a_result_may_be_null_or_absent
);

const JSON: &str = "application/json";

fn text(request: RequestBuilder, body: &'static str) -> RequestBuilder {
    request.header("content-type", JSON).body(body)
}

async fn worker_post(world: &World, job: &Job, what: &str, body: &'static str) -> e2e::Answer {
    world.client.send(text(world.client.worker(Method::POST, &format!("/jobs/{}/{what}", job.id)), body)).await
}

async fn the_documented_requests_work_as_documented(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let health = async || -> Value { client.send(client.bare(Method::GET, "/api/v1/health")).await.expect(200).json() };
    test_support::eventually("the hub is well", async || Some(health().await).filter(|health| health["status"] == "ok")).await;
    let create = r#"{
    "name": "Minha Primeira Automação",
    "description": "Descrição da automação",
    "script_path": "/app/automation.py",
    "queue_name": "automation_jobs"
  }"#;
    let automation: Automation = client.send(text(client.request(Method::POST, "/api/v1/automations"), create)).await.expect(201).json();
    assert_eq!((automation.name.as_str(), automation.queue_name.as_str()), ("Minha Primeira Automação", "automation_jobs"));
    let execute = r#"{
    "parametro1": "valor1",
    "parametro2": "valor2"
  }"#;
    let path = format!("/api/v1/automations/{}/execute", automation.id);
    let job: Job = client.send(text(client.request(Method::POST, &path), execute)).await.expect(202).json();
    assert_eq!((job.job_id, job.status, job.trigger), (job.id, Status::Pending, Trigger::Api));
    assert_eq!(json!(job.parameters), json!({"parametro1": "valor1", "parametro2": "valor2"}));

    let started = worker_post(&world, &job, "start", "").await.expect(200);
    assert_eq!(started.json::<StartResponse>().status, Status::Running);
    let logged = worker_post(&world, &job, "log", r#"{"level": "INFO", "message": "Iniciando processamento..."}"#).await.expect(201);
    assert_eq!(logged.json::<Value>()["log_id"], 1);
    let _done = worker_post(&world, &job, "finish", r#"{"status": "completed", "result": {"notas": 3}}"#).await.expect(200);

    let job: Job = client.get(&format!("/api/v1/jobs/{}", job.id)).await.expect(200).json();
    assert_eq!((job.status, job.result), (Status::Completed, Some(json!({"notas": 3}))));
    let lines: Vec<LogLine> = client.get(&format!("/api/v1/jobs/{}/logs", job.id)).await.expect(200).json();
    assert_eq!(
        lines.iter().map(|line| (line.level, line.message.as_str())).collect::<Vec<_>>(),
        [(Level::Info, "Iniciando processamento...")]
    );
    world.end().await;
}

async fn a_worker_starts_with_a_json_content_type_and_an_empty_body(delivery: Delivery) {
    let world = calm(delivery).await;
    for (content_type, body) in [(Some(JSON), ""), (None, ""), (Some(JSON), "{}"), (Some(JSON), "null"), (Some("text/plain"), " \n")] {
        let job = pending(&world).await;
        let request = world.client.worker(Method::POST, &format!("/jobs/{}/start", job.id)).body(body);
        let request = content_type.iter().fold(request, |request, kind| request.header("content-type", *kind));
        let answer: Value = world.client.send(request).await.expect(200).json();
        assert_eq!((&answer["job_id"], &answer["status"]), (&json!(job.id), &json!("running")), "{content_type:?} {body:?}");
        assert!(answer["message"].is_string());
    }
    world.end().await;
}

async fn a_result_may_be_null_or_absent(delivery: Delivery) {
    let world = calm(delivery).await;
    for body in
        [r#"{"status":"completed"}"#, r#"{"status":"completed","result":null}"#, r#"{"status":"completed_no_invoices","result":null}"#]
    {
        let job = pending(&world).await;
        let _started = worker_post(&world, &job, "start", "").await.expect(200);
        let _ended = worker_post(&world, &job, "finish", body).await.expect(200);
        let job = world.client.job(job.id).await;
        assert!(job.status.is_terminal() && job.result.is_none() && job.error_message.is_none(), "{body}: {job:?}");
    }
    let job = pending(&world).await;
    let _started = worker_post(&world, &job, "start", "").await.expect(200);
    let _ended = worker_post(&world, &job, "finish", r#"{"status": "failed", "result": {"error": "portal fora do ar"}}"#).await.expect(200);
    let job = world.client.job(job.id).await;
    assert_eq!((job.status, job.error_message.as_deref()), (Status::Failed, Some("portal fora do ar")));
    world.end().await;
}
