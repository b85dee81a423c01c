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
use super::{meter::Meter, sign_in};
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
/// Checks of an access token, one after the other.
const TOKEN_CHECKS: u32 = 500_000;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Hop {
    /// Median of a request without a proxy, at light load, in milliseconds.
    pub(crate) direct_p50_ms: f64,
    /// What the gateway and nginx add to that median, in milliseconds.
    pub(crate) added_p50_ms: Versus,
    /// Processor time of the gateway and of nginx for a request at light load, in milliseconds, without what they need when idle.
    pub(crate) cpu_ms: Versus,
    /// Requests a second, of the gateway and of nginx.
    pub(crate) requests_per_s: Versus,
    /// Requests for a second of the proxy's processor time.
    pub(crate) requests_per_cpu_s: Versus,
    /// One check of an access token that was checked before, in microseconds.
    pub(crate) token_check_us: f64,
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
    let ours = (Proxied { process: &gateway, address: api.host() }, api.authorization());
    let theirs = (Proxied { process: &nginx.process, address: &nginx.address }, "");
    let (direct_p50_ms, added_p50_ms, cpu_ms) = light([ours, theirs], &address, requests).await?;
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
    Ok(Hop {
        direct_p50_ms,
        added_p50_ms,
        cpu_ms,
        requests_per_s: both(|round| round.per_s),
        requests_per_cpu_s: both(|round| round.per_cpu_s),
        token_check_us: sign_in::check_us(TOKEN_CHECKS).await?,
    })
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

/// A proxy at light load.
struct Proxied<'a> {
    process: &'a Process,
    address: &'a str,
}

/// One request after the other, through each proxy and directly, in turns: the direct median, what each proxy adds to it, and its processor time
/// for a request.
async fn light(proxies: [(Proxied<'_>, &str); 2], upstream: &str, requests: usize) -> Result<(f64, Versus, Versus)> {
    let meters = || proxies.iter().map(|(proxy, _)| Meter::start(&[("proxy", proxy.process.pid)])).collect::<Result<Vec<_>>>();
    let totals = |meters: Vec<Meter>| meters.into_iter().map(|meter| Ok(meter.stop()?.total())).collect::<Result<Vec<_>>>();
    let before = meters()?;
    for _ in 0..requests {
        tokio::time::sleep(3 * PAUSE).await;
    }
    let before = totals(before)?;
    // Not sooner: a server ends a connection that sends no first request.
    let mut connections = Vec::new();
    for (proxy, authorization) in &proxies {
        connections.push(Connection::open(proxy.address, authorization).await?);
    }
    connections.push(Connection::open(upstream, proxies[0].1).await?);
    let mut times = vec![Vec::with_capacity(requests); connections.len()];
    let meters = meters()?;
    for _ in 0..requests {
        for (connection, times) in connections.iter_mut().zip(&mut times) {
            tokio::time::sleep(PAUSE).await;
            times.push(connection.timed_ms().await?);
        }
    }
    let used = totals(meters)?;
    let medians: Vec<f64> = times.iter().map(|times| percentile(times, 50)).collect();
    let direct = medians[2];
    #[expect(clippy::cast_precision_loss, reason = "a number of requests")]
    let cpu = |of: usize| (used[of] - before[of]).max(0.0) * 1e3 / requests as f64;
    Ok((direct, versus(&[medians[0] - direct], &[medians[1] - direct]), versus(&[cpu(0)], &[cpu(1)])))
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
