use serde::Serialize;

use crate::{
    cli::RunOptions,
    machine::Machine,
    measure::{
        growth::{Grown, LongRun},
        latency::Samples,
        logs::Logs,
        published::Published,
        throughput::Round,
    },
    procfs::Memory,
    stats::{Versus, versus},
};

/// All that one run has found, with every round.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Report {
    /// RFC 3339, UTC.
    pub(crate) started_at: String,
    pub(crate) machine: Machine,
    pub(crate) options: RunOptions,
    pub(crate) throughput: Option<Throughput>,
    pub(crate) latency: Option<Latency>,
    pub(crate) logs: Option<Logs>,
    pub(crate) memory: Option<AfterLoad>,
    pub(crate) growth: Option<Vec<Grown>>,
    pub(crate) long_run: Option<LongRun>,
    pub(crate) published: Option<Published>,
}

/// Both sides in turns.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Throughput {
    pub(crate) jobs_per_s: Versus,
    pub(crate) cpu_ms_per_job: Versus,
    pub(crate) regente: Vec<Round>,
    pub(crate) floor: Vec<Round>,
}

impl Throughput {
    pub(crate) fn new(regente: Vec<Round>, floor: Vec<Round>) -> Self {
        let both = |figure: fn(&Round) -> f64| {
            versus(&regente.iter().map(figure).collect::<Vec<_>>(), &floor.iter().map(figure).collect::<Vec<_>>())
        };
        Self { jobs_per_s: both(|round| round.jobs_per_s), cpu_ms_per_job: both(|round| round.cpu_ms_per_job), regente, floor }
    }
}

/// From submit, in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Latency {
    pub(crate) received: Step,
    pub(crate) started: Step,
}

/// One step of both sides.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Step {
    pub(crate) p50_ms: Versus,
    pub(crate) p99_ms: Versus,
    pub(crate) regente: Samples,
    pub(crate) floor: Samples,
}

impl Step {
    /// Percentiles are over all rounds; only the pairwise ratios are of rounds.
    pub(crate) fn new(regente: Samples, floor: Samples) -> Self {
        let both = |percent| {
            let (ours, theirs) = (regente.percentile(percent), floor.percentile(percent));
            let pairwise = versus(&regente.percentiles(percent), &floor.percentiles(percent)).pairwise;
            Versus { regente: ours, floor: theirs, ratio: ours / theirs, pairwise }
        };
        Self { p50_ms: both(50), p99_ms: both(99), regente, floor }
    }
}

/// Memory after throughput, latency and logs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AfterLoad {
    pub(crate) hub: Memory,
    /// The process with the real agent that ran the jobs of throughput.
    pub(crate) agent: Memory,
}
