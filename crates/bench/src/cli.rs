use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::Serialize;

/// Measures Regente.
#[derive(Parser)]
#[command(version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Measure, print the table, and write it into bench/results and docs/PERFORMANCE.md.
    Run(RunOptions),
    /// The hand-written minimum (started by run).
    Floor(FloorOptions),
    /// A worker whose jobs do nothing (started by run).
    NoopWorker(WorkerOptions),
    /// A worker that reports when it received and started each job (started by run).
    ProbeWorker(WorkerOptions),
    /// A service that answers every request alike (started by run).
    Upstream,
}

/// A part of the measurement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Part {
    /// Jobs per second from end to end, and CPU per job.
    Throughput,
    /// From submit to start, one job at a time.
    Latency,
    /// Log lines per second.
    Logs,
    /// Throughput and latency with many old jobs and with many queues.
    Growth,
    /// What many idle workers, watchers, automations and sign-ins cost.
    Crowd,
    /// What many idle watchers of live events cost.
    Watchers,
    /// What the way through the gateway costs, beside nginx.
    Hop,
    /// What many schedules cost, and how late jobs are when many are due at once, beside APScheduler.
    Schedules,
    /// Workloads for which other engines have published figures.
    Published,
}

#[derive(Args, Clone, Debug, Serialize)]
pub(crate) struct RunOptions {
    /// What to measure; default everything.
    #[arg(value_enum)]
    pub(crate) parts: Vec<Part>,
    /// Jobs of one round of throughput.
    #[arg(long, default_value_t = 5_000)]
    pub(crate) jobs: usize,
    /// Rounds of each side.
    #[arg(long, default_value_t = 3)]
    pub(crate) rounds: usize,
    /// Jobs whose latency is measured, over all rounds.
    #[arg(long, default_value_t = 300)]
    pub(crate) latency_jobs: usize,
    /// Log lines.
    #[arg(long, default_value_t = 200_000)]
    pub(crate) log_lines: usize,
    /// Old jobs in the table for growth.
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) old_jobs: usize,
    /// Queues for growth.
    #[arg(long, default_value_t = 1_000)]
    pub(crate) queues: usize,
    /// Workers that wait for jobs.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) idle_workers: usize,
    /// Readers of logs, and watchers of live events.
    #[arg(long, default_value_t = 2_000)]
    pub(crate) watchers: usize,
    /// Automations that are registered.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) automations: usize,
    /// Sign-ins at once.
    #[arg(long, default_value_t = 200)]
    pub(crate) sign_ins: usize,
    /// Requests through the gateway at light load; ten times as many follow in each round of load.
    #[arg(long, default_value_t = 4_000)]
    pub(crate) hop_requests: usize,
    /// Schedules that are not due.
    #[arg(long, default_value_t = 100_000)]
    pub(crate) schedules: usize,
    /// Schedules that are due in the same second; a tenth of them, before.
    #[arg(long, default_value_t = 10_000)]
    pub(crate) due: usize,
    /// Concurrent submitters.
    #[arg(long, default_value_t = 16)]
    pub(crate) submitters: usize,
    /// Slots of the worker. The default is its fastest setting.
    #[arg(long, default_value_t = 64)]
    pub(crate) slots: u32,
    /// Concurrent jobs of the floor. The default is its fastest setting.
    #[arg(long, default_value_t = 32)]
    pub(crate) floor_slots: u32,
    /// A tenth of everything, for a quick look; the report is printed and not stored.
    #[arg(long)]
    pub(crate) quick: bool,
    /// The executable to measure; default the one beside this one.
    #[arg(long)]
    #[serde(skip)]
    pub(crate) regente: Option<PathBuf>,
    /// Log filter of the hub.
    #[arg(long, default_value = "info")]
    pub(crate) hub_log: String,
}

impl RunOptions {
    pub(crate) fn includes(&self, part: Part) -> bool {
        self.parts.is_empty() || self.parts.contains(&part)
    }

    /// The options with the changes of `--quick`.
    pub(crate) fn resolved(mut self) -> Self {
        if self.quick {
            let crowd = [&mut self.idle_workers, &mut self.watchers, &mut self.automations, &mut self.sign_ins];
            let schedules = [&mut self.schedules, &mut self.due];
            let load =
                [&mut self.jobs, &mut self.latency_jobs, &mut self.log_lines, &mut self.old_jobs, &mut self.queues, &mut self.hop_requests];
            for size in load.into_iter().chain(crowd).chain(schedules) {
                *size = (*size / 10).max(10);
            }
        }
        self
    }
}

#[derive(Args, Clone)]
pub(crate) struct FloorOptions {
    #[arg(long, env = "BENCH_DATABASE_URL")]
    pub(crate) database: String,
    #[arg(long, env = "BENCH_AMQP_URL")]
    pub(crate) amqp: String,
    #[arg(long)]
    pub(crate) submitters: usize,
    /// Jobs at once, over all queues.
    #[arg(long)]
    pub(crate) slots: u16,
    /// Number of queues; with more than one they are named as those of a worker.
    #[arg(long, default_value_t = 1)]
    pub(crate) queues: usize,
}

#[derive(Args, Clone)]
pub(crate) struct WorkerOptions {
    #[arg(long)]
    pub(crate) server: String,
    #[arg(long, env = "BENCH_AMQP_URL")]
    pub(crate) amqp: String,
    #[arg(long, env = "BENCH_WORKER_KEY")]
    pub(crate) key: String,
    /// Queue; with more than one, `<queue>-<number>` from 0.
    #[arg(long)]
    pub(crate) queue: String,
    #[arg(long, default_value_t = 1)]
    pub(crate) queues: usize,
    #[arg(long)]
    pub(crate) slots: u32,
    /// How long a job takes.
    #[arg(long, default_value_t = 0)]
    pub(crate) sleep_ms: u64,
    /// Write a line with the job and the time for each start.
    #[arg(long)]
    pub(crate) stamps: bool,
    #[arg(long)]
    pub(crate) work_dir: PathBuf,
}

impl WorkerOptions {
    pub(crate) fn queue_names(&self) -> Vec<String> {
        queue_names(&self.queue, self.queues)
    }
}

/// Names of `count` queues.
pub(crate) fn queue_names(queue: &str, count: usize) -> Vec<String> {
    if count == 1 { vec![queue.to_owned()] } else { (0..count).map(|number| format!("{queue}-{number}")).collect() }
}
