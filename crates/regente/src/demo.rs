//! `regente up --demo`: the examples, and the first example's run on the terminal.

use std::path::Path;

use anyhow::{Context, bail};
use api_types::{Automation, AutomationCreate, Job};
use domain::{ids::AutomationId, job::Status};
use runtime::Shutdown;
use serde_json::{Value, json};

use crate::{Hub, examples, progress, terminal};

/// Pause of the example between two invoices, so that one can watch.
const DELAY_MS: u64 = 150;

/// Registers the examples, runs the first and shows it. A local worker takes their queues.
pub(crate) async fn run(hub: &Hub, stop: &Shutdown) -> anyhow::Result<()> {
    let client = Client::new(hub)?;
    let mut automations = Vec::new();
    for registration in examples::registrations()? {
        automations.push(client.register(&registration).await?);
    }
    let first = automations.first().context("there are no examples")?;
    terminal::line(&format!("Running the example {}: {}", first.name, first.description))?;
    let job = client.execute(first.id, &json!({"delay_ms": DELAY_MS})).await?;
    let job = tokio::select! {
        job = client.follow(&job) => job?,
        () = stop.wait() => return Ok(()),
    };
    show_result(&job, &hub.data_dir().join("worker/jobs").join(job.id.to_string()))
}

/// `folder` is where the job ran.
fn show_result(job: &Job, folder: &Path) -> anyhow::Result<()> {
    let seconds = job.started_at.zip(job.completed_at).map_or(0.0, |(from, to)| (to - from).as_seconds_f64());
    terminal::line(&format!("Job {} is {} after {seconds:.1} s.", job.id, job.status))?;
    if let Some(message) = &job.error_message {
        terminal::line(&format!("  {message}"))?;
    }
    if let Some(result) = &job.result {
        terminal::line(&summary(result, folder))?;
    }
    if job.status == Status::Failed {
        terminal::line("The hub keeps serving; the job's log says more.")?;
    }
    Ok(())
}

/// The example's result as a table; any other as JSON.
fn summary(result: &Value, folder: &Path) -> String {
    let Some(issuers) = result.get("issuers").and_then(Value::as_array) else {
        return serde_json::to_string_pretty(result).unwrap_or_default();
    };
    let text = |row: &Value, key: &str| {
        row.get(key).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned)).unwrap_or_default()
    };
    let mut lines = vec![format!("  {:<34} {:>18} {:>8} {:>12} {:>11}", "issuer", "CNPJ", "invoices", "total R$", "ICMS R$")];
    let row = |row: &Value| {
        let (name, cnpj, invoices) = (text(row, "name"), text(row, "cnpj"), text(row, "invoices"));
        format!("  {name:<34} {cnpj:>18} {invoices:>8} {:>12} {:>11}", text(row, "total"), text(row, "icms"))
    };
    lines.extend(issuers.iter().map(row));
    lines.push(format!("  {:<34} {:>18} {:>8} {:>12}", "all", "", text(result, "invoices"), text(result, "total")));
    lines.push(format!("  CSV: {}", folder.join(text(result, "csv")).display()));
    lines.join("\n")
}

/// The hub as its own client.
struct Client {
    http: reqwest::Client,
    url: String,
    token: String,
}

impl Client {
    fn new(hub: &Hub) -> anyhow::Result<Self> {
        // An earlier choice of the process serves as well.
        drop(rustls::crypto::ring::default_provider().install_default());
        Ok(Self { http: reqwest::Client::builder().no_proxy().build()?, url: hub.url(), token: hub.access_token()? })
    }

    async fn register(&self, registration: &AutomationCreate) -> anyhow::Result<Automation> {
        let existing: Vec<Automation> = self.get("/api/v1/automations?limit=1000").await?;
        if let Some(found) = existing.into_iter().find(|automation| automation.name == registration.name) {
            return Ok(found);
        }
        self.post("/api/v1/automations", &serde_json::to_value(registration)?).await
    }

    async fn execute(&self, automation_id: AutomationId, parameters: &Value) -> anyhow::Result<Job> {
        self.post(&format!("/api/v1/automations/{automation_id}/execute?priority=9"), parameters).await
    }

    async fn follow(&self, job: &Job) -> anyhow::Result<Job> {
        let request = self.http.get(format!("{}/api/v1/jobs/{}/logs/stream", self.url, job.id));
        progress::follow(checked(request.bearer_auth(&self.token).send().await?).await?).await
    }

    async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let response = self.http.get(format!("{}{path}", self.url)).bearer_auth(&self.token).send().await?;
        Ok(checked(response).await?.json().await?)
    }

    async fn post<T: serde::de::DeserializeOwned>(&self, path: &str, body: &Value) -> anyhow::Result<T> {
        let response = self.http.post(format!("{}{path}", self.url)).bearer_auth(&self.token).json(body).send().await?;
        Ok(checked(response).await?.json().await?)
    }
}

async fn checked(response: reqwest::Response) -> anyhow::Result<reqwest::Response> {
    if response.status().is_success() {
        return Ok(response);
    }
    let status = response.status();
    bail!("the hub answered {status}: {}", response.text().await.unwrap_or_default())
}
