use std::time::Duration;

use anyhow::{Context as _, Result};
use api_types::{AutomationCreate, IDEMPOTENCY_KEY_HEADER, LoginRequest, LoginResponse};
use reqwest::{Client, RequestBuilder, StatusCode};
use serde::Deserialize;
use serde_json::{Map, Value};
use uuid::Uuid;

/// A request that is not answered by then is repeated.
const PATIENCE: Duration = Duration::from_secs(5);

/// The hubs' API as programs use it.
#[derive(Clone)]
pub(crate) struct Api {
    http: Client,
    hubs: Vec<String>,
    token: String,
}

#[derive(Deserialize)]
struct WithId<T> {
    id: T,
}

/// Result of a request to run an automation.
pub(crate) enum Submitted {
    Accepted(Uuid),
    /// It is unknown whether it was accepted: repeat it.
    Unknown(String),
    /// It was refused for good.
    Refused(String),
}

impl Api {
    pub(crate) fn new(hubs: Vec<String>) -> Result<Self> {
        // A second call finds the provider of the first.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().http1_only().tls_certs_only([]).timeout(PATIENCE).build()?;
        Ok(Self { http, hubs, token: String::new() })
    }

    /// How many hubs there are.
    pub(crate) fn hubs(&self) -> usize {
        self.hubs.len()
    }

    pub(crate) async fn is_healthy(&self, hub: usize) -> bool {
        let answer = self.http.get(format!("{}/api/v1/health", self.hubs[hub])).send().await;
        let Ok(answer) = answer else { return false };
        answer.json::<api_types::Health>().await.is_ok_and(|health| health.status == "ok")
    }

    /// Signs in at the first hub; the token is good for both.
    pub(crate) async fn login(&mut self, username: &str, password: &str) -> Result<()> {
        let request = LoginRequest { username: username.to_owned(), password: password.to_owned() };
        let answer = self.http.post(format!("{}/api/v1/auth/login", self.hubs[0])).json(&request).send().await?;
        self.token = answer.error_for_status().context("sign-in")?.json::<LoginResponse>().await?.access_token;
        Ok(())
    }

    pub(crate) async fn automation_create(&self, create: &AutomationCreate) -> Result<i32> {
        let request = self.http.post(format!("{}/api/v1/automations", self.hubs[0])).bearer_auth(&self.token).json(create);
        let answer = request.send().await?.error_for_status().with_context(|| create.name.clone())?;
        Ok(answer.json::<WithId<i32>>().await?.id)
    }

    /// Sends one request to run an automation.
    pub(crate) async fn execute(&self, hub: usize, job: &Request) -> Submitted {
        let url = format!("{}/api/v1/automations/{}/execute?priority={}", self.hubs[hub], job.automation, job.priority);
        let request = self.http.post(url).bearer_auth(&self.token).header(IDEMPOTENCY_KEY_HEADER, &job.key).json(&job.parameters);
        match accepted(request).await {
            Ok(submitted) => submitted,
            Err(error) => Submitted::Unknown(error.to_string()),
        }
    }

    /// Sends one request to the path; returns the answer.
    pub(crate) async fn act(&self, hub: usize, path: &str) -> Result<(StatusCode, String)> {
        let answer = self.http.post(format!("{}/api/v1/{path}", self.hubs[hub])).bearer_auth(&self.token).send().await?;
        let status = answer.status();
        Ok((status, answer.text().await.unwrap_or_default()))
    }
}

/// Whether the answer asks for a repetition; a hub that was stopped during the request answers 408.
pub(crate) fn is_to_be_repeated(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT)
}

/// Requests of robots without an agent.
impl Api {
    /// Sends one request about a job to `path`.
    pub(crate) async fn work(&self, hub: usize, path: &str, body: &Value, key: &str) -> Result<StatusCode> {
        let request = self.http.post(format!("{}/api/v1/worker/jobs/{path}", self.hubs[hub])).header("X-Worker-API-Key", key);
        Ok(request.json(body).send().await?.status())
    }
}

/// A request to run an automation.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) automation: i32,
    pub(crate) parameters: Map<String, Value>,
    pub(crate) priority: i32,
    pub(crate) key: String,
}

async fn accepted(request: RequestBuilder) -> Result<Submitted> {
    let answer = request.send().await?;
    let status = answer.status();
    if status == StatusCode::ACCEPTED {
        return Ok(Submitted::Accepted(answer.json::<WithId<Uuid>>().await?.id));
    }
    let text = format!("{status}: {}", answer.text().await.unwrap_or_default());
    let refused = status.is_client_error() && !is_to_be_repeated(status);
    Ok(if refused { Submitted::Refused(text) } else { Submitted::Unknown(text) })
}
