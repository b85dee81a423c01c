use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api_types::{AutomationCreate, LoginRequest, LoginResponse};
use reqwest::{Client, header::CONTENT_TYPE};
use serde::Deserialize;
use uuid::Uuid;

use crate::context::WORKER_KEY;

/// The hub's API as its users see it.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) base: String,
    http: Client,
    token: String,
}

#[derive(Deserialize)]
struct Accepted {
    id: Uuid,
}

#[derive(Deserialize)]
struct Created {
    id: i32,
}

impl Api {
    pub(crate) fn new(base: &str) -> Result<Self> {
        // A second call finds the provider of the first.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let http = Client::builder().http1_only().tls_certs_only([]).timeout(Duration::from_secs(60)).build()?;
        Ok(Self { base: base.to_owned(), http, token: String::new() })
    }

    pub(crate) async fn is_healthy(&self) -> bool {
        let answer = self.http.get(format!("{}/api/v1/health", self.base)).send().await;
        let Ok(answer) = answer else { return false };
        answer.json::<api_types::Health>().await.is_ok_and(|health| health.status == "ok")
    }

    pub(crate) async fn login(&mut self, username: &str, password: &str) -> Result<()> {
        let request = LoginRequest { username: username.to_owned(), password: password.to_owned() };
        let answer = self.http.post(format!("{}/api/v1/auth/login", self.base)).json(&request).send().await?;
        self.token = checked(answer).await?.json::<LoginResponse>().await?.access_token;
        Ok(())
    }

    pub(crate) async fn automation_create(&self, create: &AutomationCreate) -> Result<i32> {
        let request = self.http.post(format!("{}/api/v1/automations", self.base)).bearer_auth(&self.token).json(create);
        Ok(checked(request.send().await?).await?.json::<Created>().await?.id)
    }

    /// Submits a job with these parameters, which are a JSON object.
    pub(crate) async fn execute(&self, automation: i32, parameters: &'static str) -> Result<Uuid> {
        let request = self.http.post(format!("{}/api/v1/automations/{automation}/execute", self.base)).bearer_auth(&self.token);
        let answer = request.header(CONTENT_TYPE, "application/json").body(parameters).send().await?;
        Ok(checked(answer).await?.json::<Accepted>().await?.id)
    }

    /// Sends log lines of a job: the text of the list `entries`, and how many lines were sent before.
    pub(crate) async fn log(&self, (job, lease): (Uuid, Uuid), entries: &str, offset: usize) -> Result<()> {
        let body = format!("{{\"entries\":{entries},\"offset\":{offset}}}");
        let request = self.http.post(format!("{}/api/v1/worker/jobs/{job}/log", self.base)).header(CONTENT_TYPE, "application/json");
        let request = request.header(api_types::WORKER_KEY_HEADER, WORKER_KEY).header(api_types::LEASE_TOKEN_HEADER, lease.to_string());
        checked(request.body(body).send().await?).await?.bytes().await?;
        Ok(())
    }
}

async fn checked(answer: reqwest::Response) -> Result<reqwest::Response> {
    let status = answer.status();
    if !status.is_success() {
        let url = answer.url().clone();
        let text = answer.text().await.context("answer")?;
        bail!("{url}: {status}: {text}");
    }
    Ok(answer)
}
