//! What the modules share.

use std::time::Duration;

use api_types::{Automation, Job, JobAssignment, Problem, RegisterResponse, StartResponse};
use domain::ids::{JobId, WorkerId};
use e2e::{Answer, Delivery, Only, Options, World};
use reqwest::Method;
use runtime::Settings;
use serde_json::{Value, json};
use uuid::Uuid;

/// A hub whose leases outlast any test.
pub(crate) async fn calm(delivery: Delivery) -> World {
    with(delivery, |_| {}).await
}

/// The same with other settings.
pub(crate) async fn with(delivery: Delivery, change: impl FnOnce(&mut Settings) + Send + 'static) -> World {
    start_calm(delivery, None, change).await
}

/// The same in the one shape that the test is about.
pub(crate) async fn with_only(only: Only, delivery: Delivery, change: impl FnOnce(&mut Settings) + Send + 'static) -> World {
    start_calm(delivery, Some(only), change).await
}

async fn start_calm(delivery: Delivery, only: Option<Only>, change: impl FnOnce(&mut Settings) + Send + 'static) -> World {
    let settings = move |settings: &mut Settings| {
        settings.lease.agent = Duration::from_secs(300);
        settings.lease.foreign = Duration::from_secs(300);
        settings.lease.silent = Duration::from_secs(300);
        change(settings);
    };
    World::start_with(delivery, Options { settings: Some(Box::new(settings)), only, ..Options::default() }).await
}

/// Names of the fields that a problem speaks of.
pub(crate) fn fields(problem: &Problem) -> Vec<&str> {
    problem.errors.iter().map(|error| error.field.as_str()).collect()
}

/// An answer's body without what differs from request to request.
pub(crate) fn body_of_any(answer: &Answer) -> Value {
    let mut body: Value = answer.json();
    if let Some(body) = body.as_object_mut() {
        body.retain(|name, _| name != "request_id" && name != "trace_id");
    }
    body
}

/// An automation named like its queue.
pub(crate) async fn automation(world: &World, name: &str) -> Automation {
    world.client.automation(&json!({"name": name, "queue_name": world.queue(name), "script_path": "main.py"})).await
}

/// Waits until every replica knows that the automation is archived.
pub(crate) async fn archived(world: &World, automation: &Automation) {
    let execute = format!("/api/v1/automations/{}/execute", automation.id);
    world.everywhere("the archive counts", async || world.client.post(&execute, &json!({})).await.status == 409).await;
}

/// A job that waits.
pub(crate) async fn pending(world: &World) -> Job {
    let automation = automation(world, &format!("a-{}", Uuid::new_v4().simple())).await;
    world.client.execute(&automation, &json!({})).await
}

/// A job that a worker of the plain contract runs.
pub(crate) async fn running(world: &World) -> Job {
    let job = pending(world).await;
    start(world, job.id).await;
    job
}

/// `start` of the plain contract.
pub(crate) async fn start(world: &World, job: JobId) -> StartResponse {
    report(world, job, "start", &json!({})).await.expect(200).json()
}

/// A report of the plain contract.
pub(crate) async fn report(world: &World, job: JobId, what: &str, body: &Value) -> Answer {
    world.client.report(&format!("/jobs/{job}/{what}"), None, body).await
}

/// A question of the plain contract.
pub(crate) async fn ask(world: &World, job: JobId, what: &str) -> Answer {
    world.client.send(world.client.worker(Method::GET, &format!("/jobs/{job}/{what}"))).await
}

/// Registers a worker that claims.
pub(crate) async fn register(world: &World, name: &str, queues: &[&str]) -> WorkerId {
    let body = json!({"name": name, "queues": queues, "slots": 4});
    let answer = world.client.report("/register", None, &body).await.expect(200);
    answer.json::<RegisterResponse>().worker_id
}

/// One claim; `more` is laid over its body.
pub(crate) async fn claim(world: &World, worker: WorkerId, queues: &[&str], more: Value) -> Vec<JobAssignment> {
    let mut body = json!({"worker_id": worker, "queues": queues});
    if let (Some(body), Value::Object(more)) = (body.as_object_mut(), more) {
        body.extend(more);
    }
    world.client.report("/jobs/claim", None, &body).await.expect(200).json()
}

/// Another hub on the same database and broker, with the same workers' key.
pub(crate) async fn replica(world: &World) -> (regente::Hub, e2e::Client) {
    let mut settings = world.settings.clone();
    settings.data_dir = world.folder.path().join("replica");
    settings.worker.api_key = world.hub.worker_key().clone();
    let hub = regente::Hub::start(settings, regente::HubOptions::default()).await.unwrap();
    let key = secrecy::ExposeSecret::expose_secret(hub.worker_key()).to_owned();
    let client = e2e::Client::new(hub.url(), hub.access_token().await.unwrap(), key).unwrap();
    (hub, client)
}

/// A token of the service `scheduler`, which another process runs.
pub(crate) async fn service_token(world: &World) -> String {
    replica_of(world, &["scheduler"]).await.token("scheduler")
}

/// A process that runs services, as others see it.
pub(crate) struct Replica {
    pub(crate) row: store::reconcilers::Replica,
    pub(crate) key: auth::SigningKey,
}

/// A process that is alive for longer than any test.
pub(crate) async fn replica_of(world: &World, services: &[&str]) -> Replica {
    let (id, now) = (Uuid::now_v7(), chrono::Utc::now());
    let key = auth::SigningKey::new(&format!("service:{id}"), &*auth::SigningKey::generate()).unwrap();
    let row = store::reconcilers::Replica {
        id: id.into(),
        version: "0.0.0".to_owned(),
        started_at: now,
        last_seen_at: now + chrono::TimeDelta::hours(1),
        services: Some(services.iter().map(|name| (*name).to_owned()).collect()),
        public_key: Some(key.public().to_vec()),
    };
    store::reconcilers::replica_beat(world.hub.database(), &row, chrono::DateTime::UNIX_EPOCH).await.unwrap();
    Replica { row, key }
}

impl Replica {
    pub(crate) fn token(&self, service: &str) -> String {
        self.key.sign(&auth::Claims::service(service, chrono::Utc::now().timestamp(), Duration::from_secs(60))).unwrap()
    }
}
