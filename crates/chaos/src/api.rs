use std::time::Duration;

use anyhow::{Context as _, Result};
use api_types::{AutomationCreate, ExecuteOptions, WORKER_KEY_HEADER};
use client::{Client, Settings};
use domain::ids::JobId;
use reqwest::{Method, StatusCode};
use serde_json::{Map, Value};

/// A request that is not answered by then is repeated.
const PATIENCE: Duration = Duration::from_secs(5);

/// The hub's API as programs use it, at each of its addresses. Each request is one attempt: what is asked again, and where, is what is tried here.
#[derive(Clone)]
pub(crate) struct Api {
    hubs: Vec<Client>,
    /// One that has all addresses, and repeats what is safe to repeat.
    steady: Client,
}

/// Result of a request to run an automation.
pub(crate) enum Submitted {
    Accepted(JobId),
    /// It is unknown whether it was accepted: repeat it.
    Unknown(String),
    /// It was refused for good.
    Refused(String),
}

impl Api {
    pub(crate) fn new(hubs: Vec<String>) -> Result<Self> {
        let (first, others) = hubs.split_first().context("a hub has an address")?;
        let steady = Client::new(Settings { others: others.to_vec(), ..Settings::new(first) })?;
        let client = |url| Client::new(Settings { timeout: PATIENCE, patience: Duration::ZERO, ..Settings::new(url) });
        Ok(Self { steady, hubs: hubs.into_iter().map(client).collect::<Result<_, _>>()? })
    }

    /// A client that has all addresses, and repeats what is safe to repeat.
    pub(crate) const fn steady(&self) -> &Client {
        &self.steady
    }

    /// A client of one address.
    pub(crate) fn client(&self, hub: usize) -> &Client {
        &self.hubs[hub]
    }

    /// How many addresses there are.
    pub(crate) fn hubs(&self) -> usize {
        self.hubs.len()
    }

    pub(crate) async fn is_healthy(&self, hub: usize) -> bool {
        self.hubs[hub].health().await.is_ok_and(|health| health.status == domain::health::Status::Ok)
    }

    /// Signs in at the first address; the token is good for both.
    pub(crate) async fn login(&mut self, username: &str, password: &str) -> Result<()> {
        let given = self.hubs[0].login(username, password).await.context("sign-in")?;
        let first = self.hubs[0].clone().with_sign_in(given)?;
        self.hubs = self.hubs.iter().map(|hub| hub.clone().signed_in_as(&first)).collect();
        self.steady = self.steady.clone().signed_in_as(&first);
        Ok(())
    }

    pub(crate) async fn automation_create(&self, create: &AutomationCreate) -> Result<i32> {
        Ok(self.hubs[0].automation_create(create).await.with_context(|| create.name.clone())?.id.get())
    }

    /// Sends one request to run an automation.
    pub(crate) async fn execute(&self, hub: usize, job: &Request) -> Submitted {
        let options = ExecuteOptions { priority: Some(job.priority), ..ExecuteOptions::default() };
        match self.hubs[hub].automation_execute(job.automation.into(), &job.parameters, &options, Some(&job.key)).await {
            Ok(job) => Submitted::Accepted(job.id),
            Err(error) => match error.status().filter(|status| (400..500).contains(status)) {
                Some(status) if !error.is_transient() => Submitted::Refused(format!("{status}: {error}")),
                _ => Submitted::Unknown(error.to_string()),
            },
        }
    }

    /// Sends one request to the path; returns the answer.
    pub(crate) async fn act(&self, hub: usize, path: &str) -> Result<(StatusCode, String)> {
        let answer = self.hubs[hub].request(Method::POST, &format!("/api/v1/{path}")).timeout(PATIENCE).send().await?;
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
        let request = self.hubs[hub].bare(Method::POST, &format!("/api/v1/worker/jobs/{path}")).header(WORKER_KEY_HEADER, key);
        Ok(request.json(body).timeout(PATIENCE).send().await?.status())
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
