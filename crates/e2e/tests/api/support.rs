//! What the modules share.

use std::time::Duration;

use api_types::{Automation, Job, JobAssignment, Problem, RegisterResponse, StartResponse};
use domain::ids::{JobId, WorkerId};
use e2e::{Answer, Delivery, Options, World};
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
    let settings = move |settings: &mut Settings| {
        settings.lease.agent = Duration::from_secs(300);
        settings.lease.foreign = Duration::from_secs(300);
        settings.lease.silent = Duration::from_secs(300);
        change(settings);
    };
    World::start_with(delivery, Options { settings: Some(Box::new(settings)), ..Options::default() }).await
}

/// Names of the fields that a problem speaks of.
pub(crate) fn fields(problem: &Problem) -> Vec<&str> {
    problem.errors.iter().map(|error| error.field.as_str()).collect()
}

/// An automation named like its queue.
pub(crate) async fn automation(world: &World, name: &str) -> Automation {
    world.client.automation(&json!({"name": name, "queue_name": world.queue(name), "script_path": "main.py"})).await
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
    let client = e2e::Client::new(hub.url(), hub.access_token().unwrap(), key).unwrap();
    (hub, client)
}

/// As the services of the house make theirs: with the secret that all replicas share.
pub(crate) async fn service_token(world: &World) -> String {
    let secret = store::identity::instance_setting_get_or_insert(world.hub.database(), "jwt_secret", "none").await.unwrap();
    let tokens = auth::Tokens::new(&secret, std::time::Duration::from_secs(600));
    tokens.issue_for_service("scheduler", std::time::SystemTime::now()).unwrap()
}
