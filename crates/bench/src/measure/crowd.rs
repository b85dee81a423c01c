//! Many at once: idle workers, watchers, automations, sign-ins.

use std::time::Duration;

use anyhow::{Result, ensure};
use api_types::{JobAssignment, RegisterResponse};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use serde::Serialize;
use tokio::{task::JoinSet, time::Instant};

use super::{load::PARAMETERS, meter::Meter, wire::Wire};
use crate::{context::Bench, document, hub::Hub, procfs::memory, stats::percentile};

/// How long an idle hub is observed: as long as a claim waits, so that each worker claims again once.
const IDLE: Duration = Duration::from_secs(60);
/// Concurrent requests while the crowd registers.
pub(super) const GATHERING: usize = 64;
/// Jobs whose request is timed while workers wait.
const EXECUTED: usize = 500;
/// Jobs whose logs are followed.
const WATCHED: usize = 10;

/// Cost of many workers, readers, automations and sign-ins.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Crowd {
    /// The hub alone.
    pub(crate) alone: Idle,
    pub(crate) automations: usize,
    /// With this many automations.
    pub(crate) with_automations: Idle,
    pub(crate) workers: usize,
    /// With this many workers, each with a claim that waits 60 s.
    pub(crate) with_workers: Idle,
    /// From the request to the answer, in milliseconds, while they wait.
    pub(crate) execute_ms: Vec<f64>,
    pub(crate) watchers: usize,
    /// With this many readers of logs, before there are workers.
    pub(crate) with_watchers: Idle,
    pub(crate) sign_ins: usize,
    /// Health checks during this many concurrent sign-ins, in milliseconds.
    pub(crate) health_ms: Vec<f64>,
}

/// A hub without requests.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Idle {
    /// Of one core.
    pub(crate) cpu_percent: f64,
    pub(crate) rss_mib: f64,
}

pub(crate) async fn measure(bench: &Bench) -> Result<Crowd> {
    let options = &bench.options;
    let hub = Hub::start(bench, &bench.site("crowd").await?).await?;
    let alone = idle(&hub).await?;
    say("alone", alone)?;
    automations_create(&hub, options.automations).await?;
    let with_automations = idle(&hub).await?;
    say("automations", with_automations)?;
    let with_watchers = watchers(&hub, options.watchers).await?;
    say("watchers", with_watchers)?;
    let (with_workers, execute_ms) = workers(&hub, options.idle_workers).await?;
    let health_ms = sign_ins(&hub, options.sign_ins).await?;
    hub.stop().await?;
    Ok(Crowd {
        alone,
        automations: options.automations,
        with_automations,
        workers: options.idle_workers,
        with_workers,
        execute_ms,
        watchers: options.watchers,
        with_watchers,
        sign_ins: options.sign_ins,
        health_ms,
    })
}

fn say(what: &str, idle: Idle) -> Result<()> {
    document::say(&format!("crowd, {what}: {:.2} % of a core, {:.1} MiB", idle.cpu_percent, idle.rss_mib))
}

async fn idle(hub: &Hub) -> Result<Idle> {
    idle_for(hub, IDLE).await
}

/// Observes a hub without requests for so long.
pub(super) async fn idle_for(hub: &Hub, time: Duration) -> Result<Idle> {
    // The work before has settled.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let meter = Meter::start(&[("hub", hub.process.pid)])?;
    let begun = Instant::now();
    tokio::time::sleep(time).await;
    let cpu_percent = meter.stop()?.total() * 100.0 / begun.elapsed().as_secs_f64();
    Ok(Idle { cpu_percent, rss_mib: memory(hub.process.pid)?.rss_mib })
}

async fn automations_create(hub: &Hub, count: usize) -> Result<()> {
    let create = async |number: usize| {
        let create = api_types::AutomationCreate {
            name: format!("crowd-{number}"),
            queue_name: Some(format!("crowd-{}", number % 100)),
            script_path: "noop.py".to_owned(),
            ..Default::default()
        };
        hub.api.automation_create(&create).await.map(drop)
    };
    stream::iter(0..count).map(create).buffer_unordered(8).try_collect().await
}

/// Workers that claim, and end each job at once. They have ended when this returns.
async fn workers(hub: &Hub, count: usize) -> Result<(Idle, Vec<f64>)> {
    let queue = "crowd-idle";
    let automation = super::load::automations_create(&hub.api, queue, 1).await?[0];
    let host = hub.api.host();
    let registered = stream::iter(0..count).map(|number| register(host, queue, number)).buffer_unordered(GATHERING);
    let workers: Vec<(Wire, RegisterResponse)> = registered.try_collect().await?;
    let mut tasks = JoinSet::new();
    for (wire, worker) in workers {
        tasks.spawn(work(wire, worker, queue));
    }
    let with_workers = idle(hub).await?;
    say("workers", with_workers)?;
    let mut prepared = hub.api.prepared(automation, PARAMETERS).await?;
    let mut jobs = Vec::with_capacity(EXECUTED);
    let mut execute_ms = Vec::with_capacity(EXECUTED);
    for _ in 0..EXECUTED {
        let begun = Instant::now();
        jobs.push(prepared.send().await?.0);
        execute_ms.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    hub.await_ended(&jobs, Duration::from_millis(20)).await?;
    if let Some(ended) = tasks.try_join_next() {
        ended??;
    }
    document::say(&format!("crowd, execute: p50 {:.2} ms, p99 {:.2} ms", percentile(&execute_ms, 50), percentile(&execute_ms, 99)))?;
    tasks.shutdown().await;
    Ok((with_workers, execute_ms))
}

async fn register(host: &str, queue: &str, number: usize) -> Result<(Wire, RegisterResponse)> {
    let mut wire = Wire::connect(host).await?;
    let body = serde_json::json!({"name": format!("crowd-{number}"), "queues": [queue], "slots": 1});
    let answer = wire.report("register", None, &body.to_string()).await?;
    Ok((wire, serde_json::from_slice(&answer)?))
}

async fn work(mut wire: Wire, worker: RegisterResponse, queue: &str) -> Result<()> {
    let claim = serde_json::json!({"worker_id": worker.worker_id, "queues": [queue], "wait_s": 60}).to_string();
    loop {
        let jobs: Vec<JobAssignment> = serde_json::from_slice(&wire.report("jobs/claim", None, &claim).await?)?;
        for job in jobs {
            let path = format!("jobs/{}/finish", job.job_id);
            wire.report(&path, Some(job.lease_token), r#"{"status":"completed"}"#).await?;
        }
    }
}

async fn watchers(hub: &Hub, count: usize) -> Result<Idle> {
    // No worker takes them: they stay pending.
    let automation = super::load::automations_create(&hub.api, "crowd-watched", 1).await?[0];
    let mut jobs = Vec::new();
    for _ in 0..WATCHED {
        jobs.push(hub.api.execute(automation, PARAMETERS).await?);
    }
    let connected: Vec<Wire> =
        stream::iter(0..count).map(|_| Wire::connect(hub.api.host())).buffer_unordered(GATHERING).try_collect().await?;
    let mut tasks = JoinSet::new();
    for (number, mut wire) in connected.into_iter().enumerate() {
        let path = format!("/api/v1/jobs/{}/logs/stream", jobs[number % jobs.len()]);
        let headers = format!("authorization: {}\r\n", hub.api.authorization());
        tasks.spawn(async move { wire.follow(&path, &headers).await });
    }
    let with_watchers = idle(hub).await?;
    ensure!(tasks.try_join_next().is_none(), "a stream has ended");
    tasks.shutdown().await;
    Ok(with_watchers)
}

/// Times health checks while many sign in, all with a wrong password.
async fn sign_ins(hub: &Hub, count: usize) -> Result<Vec<f64>> {
    let host = hub.api.host();
    let mut wires: Vec<Wire> = stream::iter(0..=count).map(|_| Wire::connect(host)).buffer_unordered(GATHERING).try_collect().await?;
    let Some(mut checker) = wires.pop() else { return Ok(Vec::new()) };
    let mut tasks = JoinSet::new();
    for (number, mut wire) in wires.into_iter().enumerate() {
        let body = serde_json::json!({"username": format!("nobody-{number}"), "password": "not-a-password"}).to_string();
        tasks.spawn(async move { wire.exchange("POST", "/api/v1/auth/login", "", &body).await });
    }
    let mut health_ms = Vec::new();
    let mut left = count;
    while left > 0 {
        let begun = Instant::now();
        let (status, _) = checker.exchange("GET", "/api/v1/health", "", "").await?;
        // A refusal is an answer, too: what counts is how long it took.
        ensure!(matches!(status, 200 | 429 | 503), "the health check answered {status}");
        health_ms.push(begun.elapsed().as_secs_f64() * 1000.0);
        while let Some(answered) = tasks.try_join_next() {
            let (status, _) = answered??;
            ensure!(status != 200, "somebody signed in with a bad password");
            left -= 1;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Ok(health_ms)
}
