use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::{FinishRequest, LogEntry, RegisterRequest};
use chrono::Utc;
use domain::{ids::JobId, job::Status, log::Level};
use secrecy::SecretString;
use serde::Serialize;
use tokio::{task::JoinSet, time::Instant};
use uuid::Uuid;
use worker_agent::{Auth, HubClient};

use super::{
    load::{PARAMETERS, automations_create},
    meter::Meter,
};
use crate::{
    api::Api,
    context::{Bench, WORKER_KEY},
    hub::Hub,
};

/// Lines of one request.
const BATCH: usize = 1000;
/// Jobs that write at once.
const WRITERS: usize = 4;

/// Log lines a second.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Logs {
    pub(crate) lines: usize,
    pub(crate) batch: usize,
    pub(crate) writers: usize,
    pub(crate) bytes_per_line: usize,
    /// One of each round.
    pub(crate) lines_per_s: Vec<f64>,
    /// Microseconds of CPU per line of hub and database, one of each round.
    pub(crate) cpu_us_per_line: Vec<f64>,
}

pub(crate) async fn measure(bench: &Bench, hub: &Hub) -> Result<Logs> {
    let entries = entries()?;
    let automation = automations_create(&hub.api, "bench-logs", 1).await?[0];
    let worker = HubClient::new(&hub.api.base, &Auth::WorkerKey(SecretString::from(WORKER_KEY)), Duration::from_secs(30))?;
    let id = worker.register(&registration()).await?.worker_id;
    let lines = bench.options.log_lines;
    let bytes_per_line = entries.len() / BATCH;
    let mut logs = Logs { lines, batch: BATCH, writers: WRITERS, bytes_per_line, lines_per_s: Vec::new(), cpu_us_per_line: Vec::new() };
    for _ in 0..bench.options.rounds {
        let mut held = Vec::new();
        for _ in 0..WRITERS {
            let job = hub.api.execute(automation, PARAMETERS).await?;
            held.push((job, worker.start(job, id).await?.lease_token));
        }
        bench.servers.settle(hub.site).await?;
        let meter = Meter::start(&[("hub", hub.process.pid), ("postgres", bench.servers.postgres_pid)])?;
        let begun = Instant::now();
        write(&hub.api, &held, &entries, lines / WRITERS / BATCH).await?;
        let seconds = begun.elapsed().as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a count of lines")]
        let count = (lines / WRITERS / BATCH * WRITERS * BATCH) as f64;
        logs.lines_per_s.push(count / seconds);
        logs.cpu_us_per_line.push(meter.stop()?.total() * 1e6 / count);
        let written: i64 = sqlx::query_scalar("SELECT sum(log_lines)::bigint FROM jobs WHERE id = ANY($1)")
            .bind(held.iter().map(|(job, _)| job.get()).collect::<Vec<_>>())
            .fetch_one(&hub.database)
            .await?;
        ensure!(usize::try_from(written)? == lines / WRITERS / BATCH * WRITERS * BATCH, "the hub has {written} lines");
        for (job, lease) in held {
            worker.finish(job, lease, &end()).await?;
        }
    }
    Ok(logs)
}

async fn write(api: &Api, held: &[(JobId, Uuid)], entries: &str, batches: usize) -> Result<()> {
    let mut tasks = JoinSet::new();
    for job in held {
        let (api, job, entries) = (api.clone(), *job, entries.to_owned());
        tasks.spawn(async move {
            for batch in 0..batches {
                api.log(job, &entries, batch * BATCH).await?;
            }
            anyhow::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// The list `entries` of every request, written once: the generator is not what is measured.
fn entries() -> Result<String> {
    let line = |number: usize| LogEntry {
        level: if number.is_multiple_of(50) { Level::Warning } else { Level::Info },
        message: format!("nota {number:06}: chave conferida, emitente 12.345.678/0001-95, total R$ 1.234,56"),
        timestamp: Some(Utc::now()),
        actionable: false,
    };
    Ok(serde_json::to_string(&(0..BATCH).map(line).collect::<Vec<_>>())?)
}

fn registration() -> RegisterRequest {
    RegisterRequest {
        name: "bench-logs".to_owned(),
        queues: vec!["bench-logs".to_owned()],
        slots: 4,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        hostname: worker_agent::hostname(),
        uses_broker: true,
        ..RegisterRequest::default()
    }
}

fn end() -> FinishRequest {
    FinishRequest {
        status: Status::Completed,
        result: None,
        error_class: None,
        error_message: None,
        entries: Vec::new(),
        offset: None,
        progress: None,
    }
}
