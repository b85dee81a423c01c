//! What a request pays for the way through the gateway, and how many a gateway passes on beside nginx: both in front of the same service, each on one
//! core, in turns.

mod client;
mod nginx;

use std::{
    num::NonZero,
    process::Stdio,
    thread::available_parallelism,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::process::Command;

use self::client::{Connection, flood};
use super::meter::Meter;
use crate::{
    api::Api,
    child::Process,
    context::{Bench, MASTER_KEY, WORKER_KEY},
    hub::{PASSWORD, UNLIMITED},
    stats::{Versus, percentile, versus},
};

/// Time between two requests at light load.
const PAUSE: Duration = Duration::from_millis(4);
/// The core of the proxy that is measured; the service and the load generator have the others.
const CORE: &str = "0";
/// Connections of the load.
const CONNECTIONS: usize = 32;
const START_LIMIT: Duration = Duration::from_secs(60);

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Hop {
    /// Median of a request through the gateway and of one without it, at light load, in milliseconds.
    pub(crate) p50_ms: Versus,
    /// Processor time of the gateway for a request at light load, in milliseconds, without what it needs when idle.
    pub(crate) cpu_ms: f64,
    /// Requests a second, of the gateway and of nginx.
    pub(crate) requests_per_s: Versus,
    /// Requests for a second of the proxy's processor time.
    pub(crate) requests_per_cpu_s: Versus,
}

/// A proxy under load.
struct Round {
    per_s: f64,
    per_cpu_s: f64,
}

pub(crate) async fn measure(bench: &Bench) -> Result<Hop> {
    let mut command = Command::new("taskset");
    command.args(["--cpu-list", &others()]).arg(&bench.exe).arg("upstream").stderr(bench.log_file("upstream")?);
    let mut upstream = Process::spawn("upstream", &mut command)?;
    let address = upstream.line().await?;
    let (gateway, api) = gateway(bench, &address).await?;
    let nginx = nginx::start(bench, &address).await?;
    let requests = bench.options.hop_requests;
    let (p50_ms, cpu_ms) = light(&gateway, &api, &address, requests).await?;
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..bench.options.rounds {
        theirs.push(loaded(&nginx.process, &nginx.address, "", requests).await?);
        ours.push(loaded(&gateway, api.host(), api.authorization(), requests).await?);
    }
    for process in [gateway, nginx.process, upstream] {
        process.stop().await?;
    }
    let both =
        |figure: fn(&Round) -> f64| versus(&ours.iter().map(figure).collect::<Vec<_>>(), &theirs.iter().map(figure).collect::<Vec<_>>());
    Ok(Hop { p50_ms, cpu_ms, requests_per_s: both(|round| round.per_s), requests_per_cpu_s: both(|round| round.per_cpu_s) })
}

/// The cores that are not the proxy's.
fn others() -> String {
    match available_parallelism().map_or(1, NonZero::get) {
        1 => CORE.to_owned(),
        count => format!("1-{}", count - 1),
    }
}

/// A gateway in front of the service, on a core of its own.
async fn gateway(bench: &Bench, upstream: &str) -> Result<(Process, Api)> {
    let site = bench.site("hop").await?;
    let bind = std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let mut command = Command::new("taskset");
    command
        .args(["--cpu-list", CORE])
        .arg(&bench.regente)
        .arg("api-gateway")
        .env("REGENTE__HTTP__BIND", &bind)
        .env("REGENTE__DATABASE__URL", &site.database_url)
        .env("REGENTE__SERVICES__ORCHESTRATOR", format!("http://{upstream}"))
        .env("REGENTE__GATEWAY__ADMIN_BIND", "")
        .env("REGENTE__WORKER__API_KEY", WORKER_KEY)
        .env("REGENTE_MASTER_KEY", MASTER_KEY)
        .env("REGENTE__ADMIN__PASSWORD", PASSWORD)
        .env("REGENTE__AUTH__TOKEN_LIFETIME", "24h")
        .env("REGENTE__EDGE__PERSON_PER_MINUTE", UNLIMITED)
        .env("REGENTE__DATA_DIR", bench.folder("hop")?)
        .current_dir(bench.folder("hop")?)
        .stderr(bench.log_file("gateway")?);
    let mut process = Process::spawn_without_output("gateway", command.stdout(Stdio::null()))?;
    let mut api = Api::new(&bind);
    let deadline = Instant::now() + START_LIMIT;
    while !api.is_healthy().await {
        process.check_alive()?;
        ensure!(Instant::now() < deadline, "the gateway did not become healthy");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    api.login("admin", PASSWORD).await?;
    Ok((process, api))
}

/// One request after the other, with and without the gateway in turns.
async fn light(gateway: &Process, api: &Api, upstream: &str, requests: usize) -> Result<(Versus, f64)> {
    let (mut with, mut without) = (Vec::with_capacity(requests), Vec::with_capacity(requests));
    let idle = async |times: usize| {
        let meter = Meter::start(&[("gateway", gateway.pid)])?;
        for _ in 0..times {
            tokio::time::sleep(2 * PAUSE).await;
        }
        anyhow::Ok(meter.stop()?.total())
    };
    let before = idle(requests).await?;
    // Not sooner: a server ends a connection that sends no first request.
    let mut through = Connection::open(api.host(), api.authorization()).await?;
    let mut direct = Connection::open(upstream, api.authorization()).await?;
    let meter = Meter::start(&[("gateway", gateway.pid)])?;
    for _ in 0..requests {
        tokio::time::sleep(PAUSE).await;
        with.push(through.timed_ms().await?);
        tokio::time::sleep(PAUSE).await;
        without.push(direct.timed_ms().await?);
    }
    let used = meter.stop()?.total();
    let (ours, theirs) = (percentile(&with, 50), percentile(&without, 50));
    #[expect(clippy::cast_precision_loss, reason = "a number of requests")]
    let cpu_ms = (used - before).max(0.0) * 1e3 / requests as f64;
    Ok((Versus { regente: ours, floor: theirs, ratio: ours / theirs, pairwise: vec![ours / theirs] }, cpu_ms))
}

/// As many requests as the proxy passes on, ten for each of light load.
async fn loaded(proxy: &Process, address: &str, authorization: &str, requests: usize) -> Result<Round> {
    flood(address, authorization, CONNECTIONS, requests).await?;
    let meter = Meter::start(&[("proxy", proxy.pid)])?;
    let begun = Instant::now();
    let sent = flood(address, authorization, CONNECTIONS, 10 * requests).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let used = meter.stop()?.total();
    #[expect(clippy::cast_precision_loss, reason = "a number of requests")]
    let sent = sent as f64;
    Ok(Round { per_s: sent / seconds, per_cpu_s: sent / used })
}
