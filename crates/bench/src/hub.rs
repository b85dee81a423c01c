use std::{net::TcpListener, process::Stdio, str::FromStr as _, time::Duration};

use anyhow::{Result, ensure};
use domain::ids::JobId;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::{process::Command, time::Instant};
use uuid::Uuid;

use crate::{
    api::Api,
    child::Process,
    context::{Bench, MASTER_KEY, WORKER_KEY},
};

pub(crate) const PASSWORD: &str = "bench-password-0123456789";
/// A limit that is on and is not reached: its submitters are one user, and its sign-ins come from one address.
pub(crate) const UNLIMITED: &str = "100000000";
const START_LIMIT: Duration = Duration::from_secs(60);
/// Maximum time without any ended job before a measurement is aborted.
const STALL_LIMIT: Duration = Duration::from_secs(60);
/// Jobs per query.
const ASKED: usize = 500;

/// A database for a hub, which keeps its jobs across starts.
pub(crate) struct Site {
    pub(crate) name: &'static str,
    pub(crate) database_url: String,
}

/// A running `regente up`.
pub(crate) struct Hub {
    pub(crate) process: Process,
    /// Name of its site.
    pub(crate) site: &'static str,
    pub(crate) api: Api,
    /// The benchmark's own connection to the hub's database.
    pub(crate) database: PgPool,
}

impl Hub {
    pub(crate) async fn start(bench: &Bench, site: &Site) -> Result<Self> {
        let bind = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let name = format!("hub-{}", site.name);
        let mut command = Command::new(&bench.regente);
        command
            .arg("up")
            .env("REGENTE__HTTP__BIND", &bind)
            .env("REGENTE__DATABASE__URL", &site.database_url)
            .env("REGENTE__BROKER__URL", &bench.servers.amqp_url)
            .env("REGENTE__WORKER__API_KEY", WORKER_KEY)
            .env("REGENTE_MASTER_KEY", MASTER_KEY)
            .env("REGENTE__ADMIN__PASSWORD", PASSWORD)
            // Its client signs in once.
            .env("REGENTE__AUTH__TOKEN_LIFETIME", "24h")
            .env("REGENTE__EDGE__PERSON_PER_MINUTE", UNLIMITED)
            .env("REGENTE__EDGE__ANONYMOUS_PER_MINUTE", UNLIMITED)
            .env("REGENTE__EDGE__SIGN_INS_PER_MINUTE", UNLIMITED)
            .env("REGENTE__GATEWAY__EVENT_STREAMS_PER_CALLER", "10000")
            .env("REGENTE__DATA_DIR", bench.folder(&name)?)
            .env("REGENTE__LOG__FILTER", &bench.options.hub_log)
            .current_dir(bench.folder(&name)?)
            .stderr(bench.log_file(&name)?);
        let process = Process::spawn_without_output(&name, command.stdout(Stdio::null()))?;
        let api = Api::new(&bind);
        // The query for ended jobs must not cost more as the table grows, whatever statistics PostgreSQL has so far.
        let options = PgConnectOptions::from_str(&site.database_url)?.options([("enable_seqscan", "off"), ("jit", "off")]);
        let database = PgPoolOptions::new().max_connections(2).connect_lazy_with(options);
        let mut hub = Self { process, site: site.name, api, database };
        hub.await_health().await?;
        hub.api.login("admin", PASSWORD).await?;
        Ok(hub)
    }

    async fn await_health(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while !self.api.is_healthy().await {
            self.process.check_alive()?;
            ensure!(Instant::now() < deadline, "the hub did not become healthy");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.database.close().await;
        self.process.stop().await
    }

    /// Waits until a worker has registered under this name.
    pub(crate) async fn await_worker(&self, queue: &str) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let statement = "SELECT count(*) FROM workers WHERE name = $1 AND last_seen_at > now() - interval '5 seconds'";
            let found: i64 = sqlx::query_scalar(statement).bind(format!("bench-{queue}")).fetch_one(&self.database).await?;
            if found > 0 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "the worker of {queue} did not register");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Waits until all these jobs have ended, and checks that they completed. Queries the database about each job once or twice.
    pub(crate) async fn await_ended(&self, jobs: &[JobId], every: Duration) -> Result<()> {
        let mut rest = uuids(jobs);
        let mut moved_at = Instant::now();
        while !rest.is_empty() {
            let asked = rest.len().min(ASKED);
            let statement = "SELECT id FROM jobs WHERE id = ANY($1) AND status IN ('pending', 'running', 'paused')";
            let open: Vec<Uuid> = sqlx::query_scalar(statement).bind(&rest[..asked]).fetch_all(&self.database).await?;
            if open.len() < asked {
                moved_at = Instant::now();
            } else {
                ensure!(moved_at.elapsed() < STALL_LIMIT, "{} jobs do not end, such as {}", rest.len(), rest[0]);
            }
            let all_open = open.len() == asked;
            rest = [&open[..], &rest[asked..]].concat();
            if all_open || rest.len() == open.len() {
                tokio::time::sleep(every).await;
            }
        }
        Ok(())
    }

    /// Waits until all these jobs are dispatched to the broker.
    pub(crate) async fn await_dispatched(&self, jobs: &[JobId]) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            let statement = "SELECT count(*) FROM jobs WHERE id = ANY($1) AND dispatched_at IS NULL";
            let waiting: i64 = sqlx::query_scalar(statement).bind(uuids(jobs)).fetch_one(&self.database).await?;
            if waiting == 0 {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "{waiting} jobs were not dispatched to the broker");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    pub(crate) async fn check_completed(&self, jobs: &[JobId]) -> Result<()> {
        let statement = "SELECT count(*) FROM jobs WHERE id = ANY($1) AND status = 'completed'";
        let completed: i64 = sqlx::query_scalar(statement).bind(uuids(jobs)).fetch_one(&self.database).await?;
        ensure!(usize::try_from(completed)? == jobs.len(), "only {completed} of {} jobs completed", jobs.len());
        Ok(())
    }
}

/// Ids as a statement takes them.
pub(crate) fn uuids(jobs: &[JobId]) -> Vec<Uuid> {
    jobs.iter().map(|job| job.get()).collect()
}
