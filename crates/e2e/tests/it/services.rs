//! Services together and apart: what it takes to add a sixth, and that each runs with others and alone.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, AtomicU64, Ordering},
};

use actix_web::{HttpResponse, get, web::Data};
use api_types::{OpsStatus, ReconcilerStatus, TaskStatus};
use auth::need::WorkerRead;
use chrono::{DateTime, Utc};
use domain::health::TaskState;
use e2e::{Client, Delivery, Options, Shape, World};
use futures_util::future::BoxFuture;
use regente::{Hub, HubOptions};
use reqwest::Method;
use runtime::{
    Allowed, Context, Counts, Events, Reconciler, Running, Section, SectionSettings, Service, Settings, Shutdown, StartError, TaskError,
    events::Notice,
};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use test_support::eventually;
use utoipa::OpenApi as _;

/// A service that exists only here.
#[derive(Clone, Default)]
struct Toy(Arc<State>);

#[derive(Default)]
struct State {
    heard: Mutex<Vec<String>>,
    wound: AtomicU64,
    ready: AtomicBool,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ToySettings {
    greeting: String,
}

impl SectionSettings for ToySettings {
    const NAME: &'static str = "toy";
    const DEFAULTS: &'static str = "[toy]\n# What it says first.\ngreeting = \"hello\"\n";
}

/// Lists the toy's greeting and the events it received.
#[utoipa::path(tag = "toys", responses((status = 200, body = Vec<String>)))]
#[get("/api/v1/toys")]
async fn list(_: Allowed<WorkerRead>, toy: Data<Toy>) -> HttpResponse {
    HttpResponse::Ok().json(toy.0.heard.lock().unwrap().clone())
}

#[derive(utoipa::OpenApi)]
#[openapi(paths(list))]
struct Description;

impl Service for Toy {
    fn name(&self) -> &'static str {
        "toy"
    }

    fn section(&self) -> Option<Section> {
        Some(Section::of::<ToySettings>())
    }

    fn describe(&self) -> utoipa::openapi::OpenApi {
        Description::openapi()
    }

    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>> {
        Box::pin(async move {
            let settings = context.settings.section::<ToySettings>()?;
            self.0.heard.lock().unwrap().push(settings.greeting.clone());
            let (toy, events, shutdown) = (self.clone(), context.events.clone(), context.shutdown.clone());
            context.tasks.spawn("toy.listener", move || listen(toy.clone(), events.clone(), shutdown.clone()));
            let (shared, toy) = (Data::new(self.clone()), self.clone());
            let routes = move |config: &mut actix_web::web::ServiceConfig| {
                config.app_data(shared.clone()).service(list);
            };
            let ready = move || {
                let is_ready = toy.0.ready.load(Ordering::SeqCst);
                async move { if is_ready { Ok(()) } else { Err("not wound yet".to_owned()) } }
            };
            Ok(Running::new(routes).with_reconcilers(vec![Arc::new(self.clone())]).ready_when(ready))
        })
    }
}

async fn listen(toy: Toy, events: Events, shutdown: Shutdown) -> Result<(), TaskError> {
    let mut jobs = events.subscribe(&["job."]);
    loop {
        tokio::select! {
            () = shutdown.wait() => return Ok(()),
            heard = jobs.next() => if let Notice::Event(event) = heard {
                toy.0.heard.lock().unwrap().push(format!("{} {}", event.kind, event.subject));
            }
        }
    }
}

impl Reconciler for Toy {
    fn name(&self) -> &'static str {
        "toys_wound"
    }

    fn interval(&self) -> std::time::Duration {
        std::time::Duration::from_secs(3600)
    }

    fn run_once(&self, _: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move { Ok(Counts::from([("toys_wound", self.0.wound.fetch_add(1, Ordering::SeqCst) + 1)])) })
    }
}

/// Runs jobs until the toy at this client's hub has received an event of one; returns its list.
async fn heard_of_a_job(world: &World, toy: &Client) -> Vec<String> {
    let automation = world.client.automation(&json!({"name": "t", "queue_name": world.queue("toys"), "script_path": "x"})).await;
    eventually("the toy receives an event of a job", async || {
        let job = world.client.execute(&automation, &json!({})).await.id;
        let heard: Vec<String> = toy.get("/api/v1/toys").await.expect(200).json();
        (heard.len() > 1).then_some((job, heard))
    })
    .await
    .1
}

async fn reconcilers(client: &Client) -> Vec<String> {
    let listed: Vec<ReconcilerStatus> = client.get("/api/v1/ops/reconcilers").await.expect(200).json();
    listed.into_iter().map(|one| one.name).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sixth_service_is_mounted_by_one_line() {
    let toy = Toy::default();
    let only = Some(Shape::Together.only("a gateway routes to the services of the release, which the toy is not"));
    let world = World::start_with(Delivery::Pull, Options { services: vec![Box::new(toy.clone())], only, ..Options::default() }).await;
    let client = &world.client;
    let heard = heard_of_a_job(&world, client).await;
    assert!(heard[0] == "hello" && heard[1..].iter().all(|event| event.starts_with("job.created jobs/")), "{heard:?}");
    let unready: Value = client.get("/health/ready").await.expect(503).json();
    assert_eq!((&unready["services"], &unready["database"]), (&json!({"toy": "not wound yet"}), &json!("ok")));
    toy.0.ready.store(true, Ordering::SeqCst);
    let _ready = client.get("/health/ready").await.expect(200);
    assert!(world.hub.reconcile("toys_wound").await.unwrap()["toys_wound"] > 0);
    let replica = eventually("the replica says that it lives", async || {
        client.get("/api/v1/ops/status").await.expect(200).json::<OpsStatus>().replicas.pop()
    })
    .await;
    assert_eq!(replica.services, ["orchestrator", "api-gateway", "scheduler", "sla-monitor", "toy"]);
    let names = reconcilers(client).await;
    assert!(["expired_leases", "toys_wound"].iter().all(|name| names.iter().any(|one| one == name)), "{names:?}");
    let tasks: Vec<TaskStatus> = client.get("/api/v1/ops/tasks").await.expect(200).json();
    for name in ["toy.listener", "reconciler.toys_wound", "orchestrator.writer", "replica.heartbeat"] {
        let task = tasks.iter().find(|task| task.name == name).unwrap_or_else(|| panic!("{name} in {tasks:?}"));
        assert_eq!(task.state, TaskState::Running, "{task:?}");
    }
    let doc: Value = client.get("/api/v1/openapi.json").await.expect(200).json();
    assert!(doc["paths"]["/api/v1/toys"].is_object() && doc["paths"]["/api/v1/jobs"].is_object());
    assert_eq!(client.send(client.request(Method::DELETE, "/api/v1/toys")).await.expect(405).headers["allow"], "GET, HEAD");
    world.end().await;
}

/// Another process on the world's database and broker, with a client that shows the token of the world's own hub.
async fn apart(world: &World, name: &str, service: Box<dyn Service>) -> (Hub, Client) {
    let settings = settings_apart(world, name, service.section().as_slice());
    let hub = Hub::start_with(settings, HubOptions::default(), vec![service]).await.unwrap();
    let key = hub.worker_key().expose_secret().to_owned();
    let client = Client::new(hub.url(), world.door().access_token().await.unwrap(), key).unwrap();
    (hub, client)
}

/// Settings of another process on the world's database and broker.
pub(crate) fn settings_apart(world: &World, name: &str, sections: &[Section]) -> Settings {
    let mut settings = Settings::load_with(None, sections).unwrap();
    let Settings { http, database, broker, admin, secrets, lease, dispatch, .. } = world.settings.clone();
    (settings.http, settings.database, settings.broker, settings.admin) = (http, database, broker, admin);
    (settings.secrets, settings.lease, settings.dispatch) = (secrets, lease, dispatch);
    settings.data_dir = world.folder.path().join(name);
    settings
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_runs_alone_beside_the_others() {
    let world = World::start(Delivery::Queue).await;
    let (hub, client) = apart(&world, "toy", Box::new(Toy::default())).await;
    let heard = heard_of_a_job(&world, &client).await;
    assert!(heard.iter().any(|event| event.starts_with("job.created jobs/")), "over the exchange: {heard:?}");
    assert_eq!(client.send(client.bare(Method::GET, "/api/v1/toys")).await.problem(401).code, "unauthorized");
    assert_eq!(client.get("/api/v1/jobs").await.problem(404).code, "not_found");
    let _live = client.get("/health/live").await.expect(200);
    let doc: Value = client.get("/api/v1/openapi.json").await.expect(200).json();
    assert!(doc["paths"]["/api/v1/toys"].is_object() && doc["paths"]["/api/v1/jobs"].is_null());
    for client in [&client, &world.client] {
        let names = reconcilers(client).await;
        assert!(["expired_leases", "toys_wound"].iter().all(|name| names.iter().any(|one| one == name)), "whoever owns it: {names:?}");
    }
    hub.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_orchestrator_and_the_edge_run_apart_with_the_same_keys() {
    let world = World::start(Delivery::Queue).await;
    let (edge, at_edge) = apart(&world, "edge", Box::new(api_gateway::Service)).await;
    let (hub, at_hub) = apart(&world, "hub", Box::new(orchestrator::Service)).await;
    let login = json!({"username": "admin", "password": "admin-password-of-a-test"});
    let signed_in: Value = at_edge.send(at_edge.bare(Method::POST, "/api/v1/auth/login").json(&login)).await.expect(200).json();
    let token = signed_in["access_token"].as_str().unwrap();
    let jobs = at_hub.send(at_hub.bare(Method::GET, "/api/v1/jobs").bearer_auth(token)).await;
    assert_eq!(jobs.expect(200).text, "[]");
    assert_eq!(at_edge.get("/api/v1/jobs").await.problem(404).code, "not_found");
    assert_eq!(at_hub.send(at_hub.bare(Method::POST, "/api/v1/auth/login").json(&login)).await.problem(404).code, "not_found");
    // A worker on the edge's machine finds the key there, and the orchestrator knows it.
    let key = std::fs::read_to_string(world.folder.path().join("edge/worker-key")).unwrap();
    let body = json!({"name": "w", "queues": [world.queue("apart")], "slots": 1});
    let register = at_hub.bare(Method::POST, "/api/v1/worker/register").header("X-Worker-API-Key", key.trim()).json(&body);
    let _registered = at_hub.send(register).await.expect(200);
    let automation = at_hub.automation(&json!({"name": "a", "queue_name": world.queue("apart"), "script_path": "x"})).await;
    let job = at_hub.execute(&automation, &json!({})).await.id;
    assert_eq!(world.client.job(job).await.id, job);
    hub.stop().await;
    edge.stop().await;
    world.end().await;
}
