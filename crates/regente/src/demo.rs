//! `regente up --demo`: registers the examples and shows a run of the first on the terminal.

use std::path::Path;

use anyhow::{Context, bail};
use api_types::{Automation, AutomationCreate, Job, JobCreate};
use client::{Client, LogEvent, Settings};
use domain::job::Status;
use futures_util::TryStreamExt as _;
use runtime::Shutdown;
use serde_json::{Map, Value};

use crate::{
    Hub,
    commands::{Lines, LogPrinter, View},
    examples, terminal,
};

/// Delay of the example between two invoices, so that people can follow it.
const DELAY_MS: u64 = 150;

/// Registers the examples, runs the first and shows it. A local worker serves their queues.
pub(crate) async fn run(hub: &Hub, stop: &Shutdown) -> anyhow::Result<()> {
    let client = client(hub).await?;
    let mut automations = Vec::new();
    for registration in examples::registrations()? {
        automations.push(register(&client, &registration).await?);
    }
    let first = automations.first().context("there are no examples")?;
    terminal::line(&format!("Running the example {}: {}", first.name, first.description))?;
    let parameters = Map::from_iter([("delay_ms".to_owned(), DELAY_MS.into())]);
    let job = client.job_create(&JobCreate { automation_id: first.id, parameters, priority: Some(9), ..JobCreate::default() }).await?;
    let job = tokio::select! {
        job = follow(&client, &job) => job?,
        () = stop.wait() => return Ok(()),
    };
    show_result(&job, &hub.data_dir().join("worker/jobs").join(job.id.to_string()))
}

/// `folder` is the job's work folder.
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
        terminal::line("The hub keeps serving; see the job's log for details.")?;
    }
    Ok(())
}

/// The example's result as a table; any other result as JSON.
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

/// A client of this hub, signed in as the administrator.
async fn client(hub: &Hub) -> anyhow::Result<Client> {
    Ok(Client::new(Settings::new(hub.local_url()))?.with_token(&hub.access_token().await?.into())?)
}

async fn register(client: &Client, registration: &AutomationCreate) -> anyhow::Result<Automation> {
    match client.automation_named(&registration.name).await? {
        Some(found) => Ok(found),
        None => Ok(client.automation_create(registration).await?),
    }
}

async fn follow(client: &Client, job: &Job) -> anyhow::Result<Job> {
    let view = View::new(Lines::Text(LogPrinter::live()));
    let mut events = client.job_follow(job.id, 0);
    while let Some(event) = events.try_next().await? {
        view.show(&event)?;
        if let LogEvent::Ended(job) = event {
            return Ok(*job);
        }
    }
    bail!("the log ended before the job did")
}
