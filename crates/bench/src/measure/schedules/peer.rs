use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::process::Command;

use super::{FIRES, LIMIT, Scheduler, regente::distant_month};
use crate::{child::Process, context::Bench, document};

/// The program `peers/schedules.py`.
pub(super) struct Peer<'a> {
    bench: &'a Bench,
    address: String,
    process: Process,
    name: String,
}

#[derive(Deserialize)]
struct Started {
    name: String,
}

#[derive(Deserialize)]
struct Seen {
    schedules: usize,
}

#[derive(Deserialize)]
struct Observed {
    late_ms: Vec<f64>,
}

#[derive(Deserialize)]
struct Listed {
    schedules: Vec<Value>,
}

impl<'a> Peer<'a> {
    pub(super) async fn start(bench: &'a Bench) -> Result<Self> {
        let address = bench.servers.database_create(Self::DATABASE).await?;
        Self::open(bench, address).await
    }

    async fn open(bench: &'a Bench, address: String) -> Result<Self> {
        let root = document::root()?;
        let (venv, peers) = (bench.exe.with_file_name("bench-peers"), root.join("crates/bench/peers"));
        let made = Command::new(root.join("scripts/python-venv")).arg(&venv).arg(peers.join("requirements.txt")).status().await?;
        ensure!(made.success(), "scripts/python-venv: {made}");
        let mut command = Command::new(venv.join("bin/python"));
        command.arg(peers.join("schedules.py")).env("BENCH_DATABASE_URL", &address).stderr(bench.log_file("peer-schedules")?);
        let mut process = Process::spawn("the peer of schedules", &mut command)?;
        let Started { name } = process.ask(None::<&()>).await?;
        Ok(Self { bench, address, process, name })
    }

    /// Its name and version.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.process.stop().await
    }

    async fn seen(&mut self, request: Value, count: usize) -> Result<()> {
        let Seen { schedules } = self.process.ask(Some(&request)).await?;
        ensure!(schedules == count, "the peer has created {schedules} of {count} schedules");
        Ok(())
    }
}

impl Scheduler for Peer<'_> {
    const NAME: &'static str = "peer";
    const DATABASE: &'static str = "schedules_peer";

    fn pid(&self) -> u32 {
        self.process.pid
    }

    async fn restart(self) -> Result<Self> {
        self.process.stop().await?;
        Self::open(self.bench, self.address).await
    }

    async fn create(&mut self, count: usize) -> Result<()> {
        self.seen(json!({"request": "create", "count": count, "month": distant_month()}), count).await
    }

    async fn prepare(&mut self, due: usize, at: i64) -> Result<()> {
        self.seen(json!({"request": "prepare", "due": due, "at": at}), due).await
    }

    async fn observe(&mut self, due: usize, at: i64) -> Result<Vec<f64>> {
        let request = json!({"request": "observe", "due": due, "at": at, "limit_s": LIMIT.as_secs()});
        let Observed { late_ms } = self.process.ask(Some(&request)).await.context("observe")?;
        Ok(late_ms)
    }

    async fn read(&mut self, schedules: usize) -> Result<()> {
        let listed: Listed = self.process.ask(Some(&json!({"request": "read", "fires": FIRES}))).await?;
        ensure!(listed.schedules.len() == schedules, "the peer lists {} of {schedules} schedules", listed.schedules.len());
        Ok(())
    }
}
