use serde::Serialize;

use crate::{
    cli::RunOptions,
    machine::Machine,
    measure::{
        crowd::Crowd,
        growth::{Grown, LongRun},
        hop::Hop,
        latency::Samples,
        logs::Logs,
        published::Published,
        schedules::Schedules,
        throughput::Round,
        watchers::Watchers,
    },
    procfs::Memory,
    stats::{Versus, ratio_of_ratios, versus},
};

/// Results of one run, with every round.
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
    pub(crate) many_queues: Option<ManyQueues>,
    pub(crate) long_run: Option<LongRun>,
    pub(crate) crowd: Option<Crowd>,
    pub(crate) watchers: Option<Watchers>,
    pub(crate) hop: Option<Hop>,
    pub(crate) schedules: Option<Schedules>,
    pub(crate) published: Option<Published>,
}

/// Both sides, measured alternately.
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
    /// The worker has received the message.
    pub(crate) received: Step,
    /// The start is committed.
    pub(crate) started: Step,
    /// The worker has received the answer, and begins.
    pub(crate) known: Step,
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
    pub(crate) fn new(regente: Samples, floor: Samples) -> Self {
        Self { p50_ms: percentiles(50, &regente, &floor), p99_ms: percentiles(99, &regente, &floor), regente, floor }
    }
}

/// Percentiles are over all rounds; only the pairwise ratios are of rounds.
fn percentiles(percent: usize, regente: &Samples, floor: &Samples) -> Versus {
    let (ours, theirs) = (regente.percentile(percent), floor.percentile(percent));
    let pairwise = versus(&regente.percentiles(percent), &floor.percentiles(percent)).pairwise;
    Versus { regente: ours, floor: theirs, ratio: ours / theirs, pairwise }
}

/// The fraction of each side's single-queue figures that remains with many queues; the broker's cost affects both sides.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ManyQueues {
    pub(crate) queues: usize,
    /// Ratios of jobs a second, and Regente's in relation to the floor's.
    pub(crate) jobs_per_s: Versus,
    /// Ratios of the median time from submit to start.
    pub(crate) started_p50: Versus,
}

impl ManyQueues {
    /// `None` when one of the four worlds is missing.
    pub(crate) fn new(worlds: &[Grown]) -> Option<Self> {
        let world = |name| worlds.iter().find(|world| world.name == name);
        let ours = (world("queues")?, world("empty")?);
        let theirs = (world("floor-queues")?, world("floor")?);
        let speed = |(many, one): (&Grown, &Grown)| versus(&many.jobs_per_s(), &one.jobs_per_s());
        let start = |(many, one): (&Grown, &Grown)| percentiles(50, &many.started_ms, &one.started_ms);
        Some(Self {
            queues: ours.0.queues,
            jobs_per_s: ratio_of_ratios(&speed(ours), &speed(theirs)),
            started_p50: ratio_of_ratios(&start(ours), &start(theirs)),
        })
    }
}

/// Memory after throughput, latency and logs.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct AfterLoad {
    pub(crate) hub: Memory,
    /// The process with the real agent that ran the jobs of throughput.
    pub(crate) agent: Memory,
}
