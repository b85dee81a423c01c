//! The program's API.

use std::time::Duration;

use ::client::Settings;
use api_types::{Automation, Job, JobFilter, LogFilter};
use domain::ids::JobId;
use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use test_support::{eventually, eventually_within};

/// Password of the administrator where a test sets it.
pub(crate) const PASSWORD: &str = "a-password-of-a-test";
/// The workers' shared key where a test sets it.
pub(crate) const WORKER_KEY: &str = "a-worker-key-of-a-test";

/// Signed in as the administrator.
pub(crate) struct Client(pub(crate) ::client::Client);

/// The status of a sign-in, and its token.
pub(crate) async fn sign_in(address: &str, password: &str) -> (u16, Option<String>) {
    match unsigned(address).login("admin", password).await {
        Ok(given) => (200, Some(given.access_token)),
        Err(error) => (error.status().unwrap_or_else(|| panic!("{error}")), None),
    }
}

/// One attempt a request: tests look at single answers.
fn unsigned(address: &str) -> ::client::Client {
    ::client::Client::new(Settings { patience: Duration::ZERO, ..Settings::new(address) }).unwrap()
}

impl Client {
    pub(crate) async fn new(address: &str, password: &str) -> Self {
        let (status, token) = sign_in(address, password).await;
        let token = token.unwrap_or_else(|| panic!("sign-in: {status}"));
        Self(unsigned(address).with_token(&token.into()).unwrap())
    }

    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.response(path).await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }

    /// `None` while nobody answers.
    pub(crate) async fn response(&self, path: &str) -> Option<reqwest::Response> {
        self.0.request(Method::GET, path).send().await.ok()
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> reqwest::Response {
        self.0.request(Method::POST, path).json(body).send().await.unwrap()
    }

    /// A request of the worker API, with [`WORKER_KEY`].
    pub(crate) async fn post_as_worker(&self, path: &str, body: &Value) -> reqwest::Response {
        let request = self.0.bare(Method::POST, &format!("/api/v1/worker/{path}")).header(api_types::WORKER_KEY_HEADER, WORKER_KEY);
        request.json(body).send().await.unwrap()
    }

    pub(crate) async fn delete(&self, path: &str) -> reqwest::Response {
        self.0.request(Method::DELETE, path).send().await.unwrap()
    }

    /// Registers an automation that runs a shell script.
    pub(crate) async fn shell(&self, name: &str, script: &str) -> Automation {
        let request = json!({"name": name, "queue_name": name, "script_path": script, "entrypoint_type": "SHELL"});
        self.0.automation_create(&serde_json::from_value(request).unwrap()).await.unwrap()
    }

    pub(crate) async fn execute(&self, automation: &Automation) -> Job {
        self.execute_with(automation, json!({})).await
    }

    pub(crate) async fn execute_with(&self, automation: &Automation, parameters: Value) -> Job {
        let parameters = parameters.as_object().unwrap();
        self.0.automation_execute(automation.id, parameters, &api_types::ExecuteOptions::default(), None).await.unwrap()
    }

    pub(crate) async fn jobs(&self) -> Vec<Job> {
        let filter = JobFilter { limit: Some(1000), include: Some("result".into()), ..JobFilter::default() };
        self.0.jobs(&filter).take(usize::MAX).await.unwrap()
    }

    pub(crate) async fn job_when(&self, id: JobId, what: &str, wanted: impl Fn(&Job) -> bool) -> Job {
        // Nobody answers while the hub is away.
        let ask = async || self.0.job(id).await.ok().filter(|job| wanted(job));
        eventually_within(Duration::from_secs(60), &format!("the job {what}"), ask).await
    }

    pub(crate) async fn ended(&self, id: JobId) -> Job {
        self.job_when(id, "ends", |job| job.status.is_terminal()).await
    }

    pub(crate) async fn messages(&self, id: JobId) -> Vec<String> {
        let lines = self.0.job_logs(id, &LogFilter { limit: Some(10_000), after: None }).take(usize::MAX).await.unwrap();
        lines.into_iter().map(|line| line.message).collect()
    }

    /// Waits until the job's log has this line.
    pub(crate) async fn logged(&self, id: JobId, line: &str) {
        eventually(&format!("the log has \"{line}\""), async || {
            self.messages(id).await.iter().any(|message| message == line).then_some(())
        })
        .await;
    }
}
