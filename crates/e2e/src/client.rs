use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use api_types::{Automation, Job, LogFilter, LogLine, Problem, WORKER_KEY_HEADER};
use client::Settings;
use domain::ids::JobId;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

/// Longest silence of the hub, also in a long poll.
const SILENCE: Duration = Duration::from_secs(120);

/// A client of the hub's API, signed in as the administrator. Most tests are about the answers themselves (their status, headers, problem),
/// so it sends requests as they are written; what is only looked at is read by the typed client.
///
/// Where the hub has several gateways, each request goes to the next one: what was answered by one holds at the others.
#[derive(Clone)]
pub struct Client {
    doors: Arc<[client::Client]>,
    turn: Arc<AtomicUsize>,
    worker_key: String,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: reqwest::header::HeaderMap,
    /// Its body.
    pub text: String,
}

impl Answer {
    /// The body as this type.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {} {}", self.status, self.text))
    }

    /// The problem, checked to be one with this status.
    ///
    /// # Panics
    /// When it is not.
    #[must_use]
    pub fn problem(&self, status: u16) -> Problem {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let problem: Problem = self.json();
        assert_eq!((problem.status, &problem.detail), (status, &problem.error));
        problem
    }

    /// Checks the status.
    ///
    /// # Panics
    /// When it is another.
    #[must_use]
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self
    }
}

impl Client {
    /// For the hub at `url`.
    ///
    /// # Errors
    /// When no client can be created.
    pub fn new(url: String, token: String, worker_key: String) -> anyhow::Result<Self> {
        Self::of([url], &token, worker_key)
    }

    /// For the hub whose gateways are at `urls`.
    ///
    /// # Errors
    /// When no client can be created.
    pub fn of(urls: impl IntoIterator<Item = String>, token: &str, worker_key: String) -> anyhow::Result<Self> {
        let door = |url| {
            let settings = Settings { timeout: SILENCE, patience: Duration::ZERO, ..Settings::new(url) };
            client::Client::new(settings)?.with_token(&token.to_owned().into())
        };
        let doors = urls.into_iter().map(door).collect::<Result<_, _>>()?;
        Ok(Self { doors, turn: Arc::default(), worker_key })
    }

    /// The typed client of the next gateway.
    #[must_use]
    pub fn hub(&self) -> &client::Client {
        &self.doors[self.turn.fetch_add(1, Ordering::Relaxed) % self.doors.len()]
    }

    /// A request without any credential; the path begins with `/`.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.hub().bare(method, path)
    }

    /// A request of the administrator.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.hub().request(method, path)
    }

    /// A request of a worker with the shared key; the path begins below `/api/v1/worker`.
    pub fn worker(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, &format!("/api/v1/worker{path}")).header(WORKER_KEY_HEADER, &self.worker_key)
    }

    /// Sends a request and reads the answer.
    ///
    /// # Panics
    /// When there is none.
    pub async fn send(&self, request: RequestBuilder) -> Answer {
        let response = request.send().await.unwrap_or_else(|error| panic!("no answer: {error}"));
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap_or_default() }
    }

    /// GET by the administrator.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    /// POST by the administrator.
    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// POST by a worker, with a lease token when given.
    pub async fn report(&self, path: &str, lease: Option<Uuid>, body: &Value) -> Answer {
        let request = self.worker(Method::POST, path).json(body);
        self.send(match lease {
            Some(token) => request.header("X-Lease-Token", token.to_string()),
            None => request,
        })
        .await
    }

    /// Registers an automation.
    pub async fn automation(&self, body: &Value) -> Automation {
        self.post("/api/v1/automations", body).await.expect(201).json()
    }

    /// Runs an automation.
    pub async fn execute(&self, automation: &Automation, parameters: &Value) -> Job {
        self.post(&format!("/api/v1/automations/{}/execute", automation.id), parameters).await.expect(202).json()
    }

    /// One job.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn job(&self, id: JobId) -> Job {
        self.hub().job(id).await.unwrap_or_else(|error| panic!("job {id}: {error}"))
    }

    /// Waits until the job satisfies `expected`, at most 60 s.
    pub async fn job_when(&self, id: JobId, what: &str, expected: impl Fn(&Job) -> bool) -> Job {
        let limit = Duration::from_secs(60);
        let ask = async || Some(self.job(id).await).filter(|job| expected(job));
        test_support::eventually_within(limit, &format!("job {id} {what}"), ask).await
    }

    /// Waits until the job has ended.
    pub async fn ended(&self, id: JobId) -> Job {
        self.job_when(id, "ends", |job| job.status.is_terminal()).await
    }

    /// All log lines of a job.
    ///
    /// # Panics
    /// When there is no answer.
    pub async fn logs(&self, id: JobId) -> Vec<LogLine> {
        let lines = self.hub().job_logs(id, &LogFilter { limit: Some(10_000), after: None }).take(usize::MAX).await;
        lines.unwrap_or_else(|error| panic!("log of job {id}: {error}"))
    }
}
