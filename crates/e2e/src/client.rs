use api_types::{Automation, Job, LogLine, Problem};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use serde_json::Value;
use uuid::Uuid;

/// A client of the hub's API, signed in as the administrator.
#[derive(Clone)]
pub struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
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
        drop(rustls::crypto::ring::default_provider().install_default());
        Ok(Self { http: reqwest::Client::builder().no_proxy().build()?, url, token, worker_key })
    }

    /// A request without any credential; the path begins with `/`.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url))
    }

    /// A request of the administrator.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    /// A request of a worker with the shared key; the path begins below `/api/v1/worker`.
    pub fn worker(&self, method: Method, path: &str) -> RequestBuilder {
        self.bare(method, &format!("/api/v1/worker{path}")).header("X-Worker-API-Key", &self.worker_key)
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
    pub async fn job(&self, id: Uuid) -> Job {
        self.get(&format!("/api/v1/jobs/{id}")).await.expect(200).json()
    }

    /// Waits until the job satisfies `expected`, at most 60 s.
    pub async fn job_when(&self, id: Uuid, what: &str, expected: impl Fn(&Job) -> bool) -> Job {
        let limit = std::time::Duration::from_secs(60);
        let ask = async || Some(self.job(id).await).filter(|job| expected(job));
        test_support::eventually_within(limit, &format!("job {id} {what}"), ask).await
    }

    /// Waits until the job has ended.
    pub async fn ended(&self, id: Uuid) -> Job {
        self.job_when(id, "ends", |job| job.status.is_terminal()).await
    }

    /// All log lines of a job.
    pub async fn logs(&self, id: Uuid) -> Vec<LogLine> {
        self.get(&format!("/api/v1/jobs/{id}/logs?limit=10000")).await.expect(200).json()
    }
}
