//! The program's API.

use std::time::Duration;

use api_types::{Automation, Job, LogLine, LoginResponse};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use test_support::{eventually, eventually_within};
use uuid::Uuid;

/// Password of the administrator where a test sets it.
pub(crate) const PASSWORD: &str = "a-password-of-a-test";

pub(crate) struct Client {
    http: reqwest::Client,
    address: String,
    token: String,
}

/// The status of a sign-in, and its token.
pub(crate) async fn sign_in(address: &str, password: &str) -> (u16, Option<String>) {
    let body = json!({"username": "admin", "password": password});
    let answer = http().post(format!("{address}/api/v1/auth/login")).json(&body).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, answer.json::<LoginResponse>().await.ok().map(|given| given.access_token))
}

fn http() -> reqwest::Client {
    drop(rustls::crypto::ring::default_provider().install_default());
    reqwest::Client::builder().no_proxy().build().unwrap()
}

impl Client {
    pub(crate) async fn new(address: &str, password: &str) -> Self {
        let (status, token) = sign_in(address, password).await;
        Self { http: http(), address: address.to_owned(), token: token.unwrap_or_else(|| panic!("sign-in: {status}")) }
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.response(path).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// `None` while nobody answers.
    pub(crate) async fn response(&self, path: &str) -> Option<reqwest::Response> {
        self.http.get(format!("{}{path}", self.address)).bearer_auth(&self.token).send().await.ok()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.http.post(format!("{}{path}", self.address)).bearer_auth(&self.token).json(body).send().await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> reqwest::Response {
        self.http.delete(format!("{}{path}", self.address)).bearer_auth(&self.token).send().await.unwrap()
    }

    /// Registers an automation that runs a shell script.
    pub(crate) async fn shell(&self, name: &str, script: &str) -> Automation {
        let body = json!({"name": name, "queue_name": name, "script_path": script, "entrypoint_type": "SHELL"});
        let answer = self.post("/api/v1/automations", &body).await;
        assert_eq!(answer.status(), 201);
        answer.json().await.unwrap()
    }

    pub(crate) async fn execute(&self, automation: &Automation) -> Job {
        self.execute_with(automation, json!({})).await
    }

    pub(crate) async fn execute_with(&self, automation: &Automation, parameters: serde_json::Value) -> Job {
        let answer = self.post(&format!("/api/v1/automations/{}/execute", automation.id), &parameters).await;
        assert_eq!(answer.status(), 202);
        answer.json().await.unwrap()
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        self.get("/api/v1/jobs?limit=1000&include=result").await
    }

    pub(crate) async fn job_when(&self, id: Uuid, what: &str, wanted: impl Fn(&Job) -> bool) -> Job {
        let ask =
            async || -> Option<Job> { self.response(&format!("/api/v1/jobs/{id}")).await?.json().await.ok().filter(|job| wanted(job)) };
        eventually_within(Duration::from_secs(60), &format!("the job {what}"), ask).await
    }

    pub(crate) async fn ended(&self, id: Uuid) -> Job {
        self.job_when(id, "ends", |job| job.status.is_terminal()).await
    }

    pub(crate) async fn messages(&self, id: Uuid) -> Vec<String> {
        let lines: Vec<LogLine> = self.get(&format!("/api/v1/jobs/{id}/logs?limit=10000")).await;
        lines.into_iter().map(|line| line.message).collect()
    }

    /// Waits until the job's log has this line.
    pub(crate) async fn logged(&self, id: Uuid, line: &str) {
        eventually(&format!("the log has \"{line}\""), async || {
            self.messages(id).await.iter().any(|message| message == line).then_some(())
        })
        .await;
    }
}
