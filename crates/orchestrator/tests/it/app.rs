//! The service under test. All of its construction is here.

use std::{net::TcpListener, time::Duration};

use api_types::{JobAssignment, RegisterResponse};
use domain::ids::{JobId, WorkerId};
use runtime::{Clocks, Context, Host, Parts, Settings, TaskState, TaskStatus, Tasks};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::Database;
use test_support::{Backend, Proxy, TestDatabase};

/// Defines each test twice, in the modules `sqlite` and `postgres`.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(test_support::Backend::Sqlite).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(test_support::Backend::Postgres).await; })*
        }
    };
}
pub(crate) use on_both;

/// The orchestrator behind a server of its own; everybody may do everything.
pub(crate) struct TestApp {
    pub(crate) database: Database,
    /// Where the service reaches PostgreSQL.
    pub(crate) proxy: Option<Proxy>,
    url: String,
    http: reqwest::Client,
    host: Host,
    tasks: Tasks,
    test_database: TestDatabase,
}

/// An answer, read whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
}

impl Answer {
    /// The body of an answer with this status.
    pub(crate) fn ok<T: DeserializeOwned>(self, status: u16) -> T {
        assert_eq!(self.status, status, "{}", self.body);
        serde_json::from_value(self.body).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The code of a problem with this status.
    pub(crate) fn code(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.body);
        self.body["code"].as_str().unwrap_or_default()
    }
}

impl TestApp {
    /// Starts it on a database of its own.
    pub(crate) async fn spawn(backend: Backend) -> Self {
        let test_database = TestDatabase::create(backend).await.unwrap();
        let database = test_database.open().await.unwrap();
        let mut settings = Settings::load(None).unwrap();
        settings.http.workers = 1;
        settings.worker.api_key = "a-worker-key-of-a-test".to_owned().into();
        settings.dispatch.tick = Duration::from_millis(50);
        settings.lease.agent = Duration::from_secs(60);
        let (store, proxy) = through_proxy(test_database.settings()).await;
        let parts = Parts {
            elsewhere: Vec::new(),
            settings,
            database: Database::connect(&store).await.unwrap(),
            store,
            broker: None,
            clocks: Clocks::default(),
            services: vec!["orchestrator".to_owned()],
            worker_key: None,
            master_keys: None,
            insecure_dev: true,
        };
        let context = Context::new(parts).await.unwrap();
        let tasks = context.tasks.clone();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let host = Host::start(listener, context, &[Box::new(orchestrator::Service)]).await.unwrap();
        drop(rustls::crypto::ring::default_provider().install_default());
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { database, proxy, url: host.url(), http, host, tasks, test_database }
    }

    /// Ends it. Nothing that it started may outlive it.
    pub(crate) async fn end(self) {
        let Self { database, host, tasks, test_database, .. } = self;
        host.stop().await;
        let left: Vec<TaskStatus> = tasks.statuses().into_iter().filter(|task| task.state != TaskState::Ended).collect();
        assert!(left.is_empty(), "{left:?}");
        database.close().await.unwrap();
        test_database.close().await.unwrap();
    }

    /// How to reach its database.
    pub(crate) const fn settings(&self) -> &store::Settings {
        self.test_database.settings()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.http.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.http.post(format!("{}{path}", self.url)).json(body)).await
    }

    /// Runs an automation under an idempotency key.
    pub(crate) async fn execute_once(&self, automation: i64, key: &str) -> Answer {
        let url = format!("{}/api/v1/automations/{automation}/execute", self.url);
        self.send(self.http.post(url).header("Idempotency-Key", key).json(&json!({}))).await
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let status = response.status().as_u16();
        let text = response.text().await.unwrap();
        Answer { status, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
    }

    /// Registers an automation; its id.
    pub(crate) async fn automation(&self, with: Value) -> i64 {
        let mut automation = json!({"name": "a", "queue_name": "invoices", "script_path": "/robots/a.py"});
        automation.as_object_mut().unwrap().extend(with.as_object().unwrap().clone());
        self.post("/api/v1/automations", &automation).await.ok::<Value>(201)["id"].as_i64().unwrap()
    }

    /// Accepts a job; its id.
    pub(crate) async fn execute(&self, automation: i64) -> JobId {
        let answer = self.post(&format!("/api/v1/automations/{automation}/execute"), &json!({})).await;
        answer.ok::<Value>(202)["job_id"].as_str().unwrap().parse().unwrap()
    }

    /// Registers a worker that claims; its id.
    pub(crate) async fn worker(&self, name: &str) -> WorkerId {
        let worker = json!({"name": name, "queues": ["invoices"], "slots": 9, "uses_broker": false});
        self.post("/api/v1/worker/register", &worker).await.ok::<RegisterResponse>(200).worker_id
    }

    pub(crate) async fn claim(&self, worker: WorkerId, most: u32, wait_s: f64) -> Vec<JobAssignment> {
        let claim =
            json!({"worker_id": worker, "queues": ["invoices"], "max": most, "wait_s": wait_s, "holding": self.held_by(worker).await});
        self.post("/api/v1/worker/jobs/claim", &claim).await.ok(200)
    }

    async fn held_by(&self, worker: WorkerId) -> Vec<JobId> {
        let held = store::jobs::job_list_held_unscoped(&self.database).await.unwrap();
        held.into_iter().filter(|(_, _, holder)| *holder == Some(worker)).map(|(id, ..)| id).collect()
    }

    pub(crate) async fn report(&self, id: JobId, what: &str, body: &Value) -> Answer {
        self.post(&format!("/api/v1/worker/jobs/{id}/{what}"), body).await
    }

    pub(crate) async fn job(&self, id: JobId) -> Value {
        self.get(&format!("/api/v1/jobs/{id}")).await.ok(200)
    }

    pub(crate) async fn jobs(&self) -> Vec<Value> {
        self.get("/api/v1/jobs?limit=200").await.ok(200)
    }
}

/// PostgreSQL is reached through a proxy that can cut the connections.
async fn through_proxy(settings: &store::Settings) -> (store::Settings, Option<Proxy>) {
    if !settings.url.starts_with("postgres") {
        return (settings.clone(), None);
    }
    let (before, rest) = settings.url.rsplit_once('@').unwrap();
    let (address, after) = rest.split_once('/').unwrap();
    let proxy = Proxy::start(address.to_owned()).await.unwrap();
    let url = format!("{before}@{}/{after}", proxy.address());
    let acquire_timeout = Duration::from_millis(500);
    (store::Settings { url, acquire_timeout, ..settings.clone() }, Some(proxy))
}
