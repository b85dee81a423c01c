//! A service asks for jobs through its context: the same whether the orchestrator is in its process or apart.

use std::sync::{Arc, OnceLock};

use actix_web::ResponseError as _;
use api_types::Job;
use domain::{
    ids::{AutomationId, JobId},
    job::{IdempotencyKey, Origin, Request, Trigger},
    policy::{Overlap, Overrides},
};
use e2e::{Delivery, World};
use futures_util::future::BoxFuture;
use regente::{Hub, HubOptions};
use runtime::{Ask, Context, Failure, Intake, JobIntake, Running, Service, StartError};
use serde_json::{Value, json};
use test_support::{Proxy, eventually};
use tokio::{io::AsyncReadExt as _, net::TcpListener};
use utoipa::OpenApi as _;
use uuid::Uuid;

use crate::services::settings_apart;

/// A service that asks for jobs.
#[derive(Clone, Default)]
struct Asker(Arc<OnceLock<Arc<dyn JobIntake>>>);

#[derive(utoipa::OpenApi)]
struct Description;

impl Service for Asker {
    fn name(&self) -> &'static str {
        "asker"
    }

    fn describe(&self) -> utoipa::openapi::OpenApi {
        Description::openapi()
    }

    fn start<'a>(&'a self, context: &'a Context) -> BoxFuture<'a, Result<Running, StartError>> {
        Box::pin(async move {
            let _started_twice = self.0.set(context.job_intake(self.name())?);
            Ok(Running::new(|_| {}))
        })
    }
}

impl Asker {
    async fn ask(&self, ask: Ask) -> Result<Intake, Failure> {
        self.0.get().unwrap().accept(ask).await
    }
}

/// Another process on the world's database, with the asker before `others`, and these addresses of the orchestrator.
async fn start(world: &World, asker: &Asker, others: Vec<Box<dyn Service>>, addresses: &[String]) -> anyhow::Result<Hub> {
    let mut settings = settings_apart(world, &Uuid::new_v4().to_string(), &[]);
    settings.services.orchestrator = addresses.to_vec();
    let mut services: Vec<Box<dyn Service>> = vec![Box::new(asker.clone())];
    services.extend(others);
    Hub::start_with(settings, HubOptions::default(), services).await
}

/// An address where nobody listens: no program of a test gets this port.
const NOBODY: &str = "http://127.0.0.1:9";

/// An address where one request is taken and never answered; then nobody listens. Nobody else of the tests listens on this host.
async fn breaking() -> String {
    let listener = TcpListener::bind("127.0.0.77:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.unwrap();
        let _read = connection.read(&mut [0; 16]).await.unwrap();
        drop(listener);
    });
    address
}

async fn automation(world: &World, more: Value) -> AutomationId {
    let name = Uuid::new_v4().to_string();
    let mut body = json!({"name": name, "queue_name": world.queue("intake"), "script_path": "x"});
    body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap());
    world.client.automation(&body).await.id
}

fn ask(automation_id: AutomationId, parameters: &Value) -> Ask {
    let request = Request {
        parameters: parameters.as_object().cloned().unwrap(),
        overrides: Overrides::default(),
        trigger: Trigger::Scheduled,
        version_id: None,
        environment: None,
        origin: Origin::default(),
    };
    Ask { automation_id, request, key: None }
}

fn keyed(ask: Ask, key: &str) -> Ask {
    Ask { key: Some(IdempotencyKey::parse(key.to_owned()).unwrap()), ..ask }
}

fn new(outcome: Result<Intake, Failure>) -> Job {
    match outcome {
        Ok(Intake::Accepted(job)) => job,
        other => panic!("{other:?}"),
    }
}

fn invalid(outcome: Result<Intake, Failure>) -> Vec<String> {
    match outcome {
        Err(Failure::Invalid(faults)) => faults.into_iter().map(|fault| fault.field).collect(),
        other => panic!("{other:?}"),
    }
}

fn conflict(outcome: Result<Intake, Failure>) -> &'static str {
    match outcome {
        Err(Failure::Conflict { code, .. }) => code,
        other => panic!("{other:?}"),
    }
}

/// What every intake does.
async fn accepts_and_refuses(world: &World, asker: &Asker) {
    a_job_keeps_what_is_asked(world, asker).await;
    a_key_returns_its_job(world, asker).await;
    an_overlap_rule_is_heeded(world, asker).await;
    what_is_wrong_is_named(world, asker).await;
}

async fn a_job_keeps_what_is_asked(world: &World, asker: &Asker) {
    let id = automation(world, json!({"default_params": {"a": 1}})).await;
    let job = new(asker.ask(ask(id, &json!({"n": 2}))).await);
    assert_eq!((job.automation_id, json!(job.parameters)), (id, json!({"a": 1, "n": 2})));
    assert_eq!((job.trigger, job.requested_by.as_deref()), (Trigger::Scheduled, Some("service:asker")));
    assert_eq!(world.client.job(job.id).await.requested_by, job.requested_by, "it is committed");
    let full = ask(id, &json!({}));
    let origin = Origin {
        requested_by: Some("ana".to_owned()),
        schedule_id: Some(Uuid::from_u128(1).into()),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
    };
    let overrides = Overrides {
        priority: Some(9),
        timeout_s: Some(60),
        queue_timeout_s: Some(600),
        max_attempts: Some(2),
        cancel_grace_s: Some(7),
        concurrency_key: Some("k".to_owned()),
        not_before: Some("2030-01-01T00:00:00Z".parse().unwrap()),
        overlap: Some(Overlap::Skip),
        max_concurrency: Some(3),
        retry_backoff_s: Some(90),
    };
    let (version_id, environment) = (Some(Uuid::from_u128(2).into()), Some("HML".to_owned()));
    let request = Request { overrides: overrides.clone(), version_id, environment, origin, trigger: Trigger::Portal, ..full.request };
    let full = Ask { request, ..full };
    let keyless = Ask {
        request: Request { overrides: Overrides { concurrency_key: None, ..overrides.clone() }, ..full.request.clone() },
        ..full.clone()
    };
    assert!(
        matches!(asker.ask(keyless).await, Ok(Intake::Skipped(other)) if other == job.id),
        "its rule, not the automation's, by which both wait"
    );
    let job = world.client.job(new(asker.ask(full).await).id).await;
    let row = store::jobs::job_get_row(world.hub.database(), &domain::Scope::All, job.id).await.unwrap().unwrap();
    assert_eq!((row.terms.timeout_s, row.terms.max_attempts, row.terms.cancel_grace_s), (Some(60), Some(2), Some(7)));
    assert_eq!((row.terms.max_concurrency, row.terms.retry_backoff_s), (Some(3), Some(90)));
    assert_eq!(
        (job.trigger, job.requested_by.as_deref(), job.schedule_id),
        (Trigger::Portal, Some("ana"), Some(Uuid::from_u128(1).into()))
    );
    assert_eq!((job.version_id, job.environment.as_deref()), (version_id, Some("HML")));
    assert_eq!((job.priority, job.concurrency_key, job.not_before), (9, overrides.concurrency_key, overrides.not_before));
    assert_eq!(job.queue_deadline_at, overrides.not_before.map(|at| at + chrono::TimeDelta::seconds(600)));
}

async fn a_key_returns_its_job(world: &World, asker: &Asker) {
    let id = automation(world, json!({})).await;
    let job = new(asker.ask(keyed(ask(id, &json!({"n": 1})), "k")).await);
    match asker.ask(keyed(ask(id, &json!({"n": 1})), "k")).await {
        Ok(Intake::Existing(existing)) => assert_eq!((existing.id, existing.parameters), (job.id, job.parameters)),
        other => panic!("{other:?}"),
    }
    assert_eq!(invalid(asker.ask(keyed(ask(id, &json!({"n": 2})), "k")).await), ["idempotency_key"]);
}

async fn an_overlap_rule_is_heeded(world: &World, asker: &Asker) {
    let skips = automation(world, json!({"overlap": "skip"})).await;
    let job = new(asker.ask(ask(skips, &json!({}))).await);
    assert_eq!(asker.ask(ask(skips, &json!({}))).await.unwrap(), Intake::Skipped(job.id));
    let joins = automation(world, json!({"overlap": "coalesce"})).await;
    let job = new(asker.ask(ask(joins, &json!({}))).await);
    let joined = asker.ask(ask(joins, &json!({"n": 1}))).await.unwrap();
    assert!(matches!(&joined, Intake::Existing(existing) if existing.id == job.id), "{joined:?}");
}

async fn what_is_wrong_is_named(world: &World, asker: &Asker) {
    let schema = json!({"type": "object", "required": ["cnpj"], "properties": {"n": {"type": "integer"}, "l": {"type": "array", "items": {"type": "string"}}}});
    let id = automation(world, json!({"parameter_schema": schema})).await;
    let mut fields = invalid(asker.ask(ask(id, &json!({"n": "x", "l": ["a", 1]}))).await);
    fields.sort_unstable();
    assert_eq!(fields, ["parameters/cnpj", "parameters/l/1", "parameters/n"]);
    let changed = |change: fn(&mut Request)| {
        let mut ask = ask(id, &json!({"cnpj": "1"}));
        change(&mut ask.request);
        ask
    };
    assert_eq!(invalid(asker.ask(changed(|request| request.overrides.priority = Some(10))).await), ["priority"]);
    assert_eq!(invalid(asker.ask(changed(|request| request.environment = Some(String::new()))).await), ["environment"]);
    assert_eq!(invalid(asker.ask(changed(|request| request.origin.requested_by = Some("\n".to_owned()))).await), ["requested_by"]);
    assert_eq!(invalid(asker.ask(changed(|request| request.trigger = Trigger::Retry)).await), ["trigger"]);
    let unknown = asker.ask(ask(999_999.into(), &json!({}))).await;
    assert!(matches!(&unknown, Err(Failure::NotFound(what)) if what == "automation 999999"), "{unknown:?}");
    let archive = world.client.request(reqwest::Method::DELETE, &format!("/api/v1/automations/{id}"));
    let _archived = world.client.send(archive).await.expect(200);
    eventually("the orchestrator that is asked knows that it is archived", async || {
        let outcome = asker.ask(ask(id, &json!({"cnpj": "1"}))).await;
        (outcome.is_err()).then(|| assert_eq!(conflict(outcome), "automation_archived"))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_asks_the_orchestrator_of_its_process() {
    let world = World::start(Delivery::Queue).await;
    let asker = Asker::default();
    let hub = start(&world, &asker, vec![Box::new(orchestrator::Service)], &[NOBODY.to_owned()]).await.unwrap();
    accepts_and_refuses(&world, &asker).await;
    hub.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_asks_an_orchestrator_in_another_process() {
    let world = World::start(Delivery::Queue).await;
    let asker = Asker::default();
    let hub = start(&world, &asker, Vec::new(), &[NOBODY.to_owned(), world.url()]).await.unwrap();
    accepts_and_refuses(&world, &asker).await;
    hub.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orchestrator_that_is_away_is_unavailable_until_it_is_back() {
    let world = World::start(Delivery::Queue).await;
    let id = automation(&world, json!({})).await;
    let proxy = Proxy::start(world.url().trim_start_matches("http://").to_owned()).await.unwrap();
    let asker = Asker::default();
    let hub = start(&world, &asker, Vec::new(), &[NOBODY.to_owned(), format!("http://{}", proxy.address())]).await.unwrap();
    proxy.cut().await;
    assert_away(&asker.ask(ask(id, &json!({}))).await);
    proxy.restore();
    let job = new(asker.ask(ask(id, &json!({}))).await);
    assert_eq!(job_ids(&world).await, [job.id]);
    hub.stop().await;
    let asker = Asker::default();
    let hub = start(&world, &asker, Vec::new(), &[NOBODY.to_owned(), NOBODY.to_owned()]).await.unwrap();
    assert_away(&asker.ask(keyed(ask(id, &json!({})), "k")).await);
    hub.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_request_whose_answer_was_lost_is_repeated_with_its_key_alone() {
    let world = World::start(Delivery::Queue).await;
    let id = automation(&world, json!({})).await;
    for key in [None, Some("k")] {
        let asker = Asker::default();
        let hub = start(&world, &asker, Vec::new(), &[breaking().await, world.url()]).await.unwrap();
        let request = ask(id, &json!({}));
        match key {
            None => {
                assert_away(&asker.ask(request).await);
                assert!(job_ids(&world).await.is_empty(), "another replica was asked, though the first may have made a job");
            }
            Some(key) => {
                let job = new(asker.ask(keyed(request, key)).await);
                assert_eq!(job_ids(&world).await, [job.id]);
            }
        }
        hub.stop().await;
    }
    world.end().await;
}

fn assert_away(outcome: &Result<Intake, Failure>) {
    assert!(matches!(outcome, Err(Failure::Away { service: "orchestrator", .. })), "{outcome:?}");
    let answer = outcome.as_ref().unwrap_err().error_response();
    assert_eq!((answer.status().as_u16(), answer.headers().contains_key("retry-after")), (503, true));
}

async fn job_ids(world: &World) -> Vec<JobId> {
    world.client.get("/api/v1/jobs").await.expect(200).json::<Vec<Job>>().into_iter().map(|job| job.id).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_needs_the_orchestrator_does_not_start_without() {
    let world = World::start(Delivery::Pull).await;
    let error = start(&world, &Asker::default(), Vec::new(), &[]).await.err().unwrap().to_string();
    assert!(error.contains("services.orchestrator") && error.contains("asker"), "{error}");
    world.end().await;
}
