//! Many schedules: what they cost while none is due, and how late jobs are when many are due in the same second. A peer does the same in turns:
//! APScheduler, which keeps its schedules in the same PostgreSQL.

mod peer;
mod regente;

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use self::{peer::Peer, regente::Regente};
use super::meter::Meter;
use crate::{
    clock::now_us,
    context::Bench,
    document,
    procfs::{Memory, memory},
    stats::{Versus, median, percentile, versus},
};

/// How long a scheduler without anything due is observed.
const REST: Duration = Duration::from_secs(30);
/// When a round ends, whatever is missing.
const LIMIT: Duration = Duration::from_secs(120);
/// Coming fires that are read of each schedule.
const FIRES: usize = 10;
/// All that is prepared for a round is prepared this long before it.
const QUIET_US: i64 = 1_000_000;

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Schedules {
    /// Name and version of the peer.
    pub(crate) peer: String,
    /// How many schedules there are besides those that are due.
    pub(crate) count: usize,
    pub(crate) regente_alone: Alone,
    pub(crate) peer_alone: Alone,
    /// How many schedules' coming fires are read.
    pub(crate) read: usize,
    pub(crate) read_ms: Versus,
    /// A page of 1,000 coming fires of all schedules, in the order of time.
    pub(crate) calendar_ms: Vec<f64>,
    pub(crate) few: Burst,
    pub(crate) many: Burst,
}

/// A scheduler while nothing is due, each time freshly started.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Alone {
    pub(crate) without: Rest,
    pub(crate) with: Rest,
    #[serde(skip)]
    read_ms: Vec<f64>,
}

/// A scheduler without anything due.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Rest {
    /// Of one core.
    pub(crate) cpu_percent: f64,
    /// PostgreSQL meanwhile.
    pub(crate) postgres_cpu_percent: f64,
    pub(crate) memory: Memory,
}

/// Schedules that are due in the same second, in rounds.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Burst {
    pub(crate) due: usize,
    pub(crate) regente: Vec<Round>,
    pub(crate) peer: Vec<Round>,
}

impl Burst {
    /// Medians of both sides.
    pub(crate) fn versus(&self, figure: fn(&Round) -> f64) -> Versus {
        let of = |rounds: &[Round]| rounds.iter().map(figure).collect::<Vec<_>>();
        versus(&of(&self.regente), &of(&self.peer))
    }

    /// The fewest jobs of a round of the peer that were there in time.
    pub(crate) fn peer_done(&self) -> usize {
        self.peer.iter().map(|round| round.done).min().unwrap_or_default()
    }
}

/// One round: times from the second in which all are due to the commit of the job.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Round {
    /// Jobs that were there in time.
    pub(crate) done: usize,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
    pub(crate) last_ms: f64,
    pub(crate) jobs_per_s: f64,
    /// Of the scheduler with PostgreSQL.
    pub(crate) cpu_ms_per_job: f64,
    /// What else kept processors busy meanwhile, in processors.
    pub(crate) others_busy: f64,
}

/// A scheduler that is measured.
trait Scheduler: Sized {
    const NAME: &'static str;
    /// Its database.
    const DATABASE: &'static str;

    fn pid(&self) -> u32;
    /// The same as a new process.
    async fn restart(self) -> Result<Self>;
    /// Creates so many schedules that are not due for months.
    async fn create(&mut self, count: usize) -> Result<()>;
    /// Makes exactly so many schedules due every day at this time of day, seconds since 1970. The scheduler has seen them when this returns.
    async fn prepare(&mut self, due: usize, at: i64) -> Result<()>;
    /// How late each job was committed, in milliseconds. Fewer than `due` after the limit.
    async fn observe(&mut self, due: usize, at: i64) -> Result<Vec<f64>>;
    /// Reads the coming fires of each schedule; there are so many.
    async fn read(&mut self, schedules: usize) -> Result<()>;
}

pub(crate) async fn measure(bench: &Bench) -> Result<Schedules> {
    let (count, due) = (bench.options.schedules, bench.options.due);
    let few = due.div_ceil(10);
    let (mut regente, regente_alone) = alone(bench, Regente::start(bench).await?, few).await?;
    let calendar_ms = regente.calendar_ms(bench.options.rounds).await?;
    document::say(&format!("schedules, a page of all coming fires: {:.0} ms", median(&calendar_ms)))?;
    let (mut peer, peer_alone) = alone(bench, Peer::start(bench).await?, few).await?;
    let few = burst(bench, (&mut regente, &mut peer), few).await?;
    let many = burst(bench, (&mut regente, &mut peer), due).await?;
    let name = peer.name().to_owned();
    regente.stop().await?;
    peer.stop().await?;
    let read_ms = versus(&regente_alone.read_ms, &peer_alone.read_ms);
    Ok(Schedules { peer: name, count, regente_alone, peer_alone, read: few.due, read_ms, calendar_ms, few, many })
}

/// A scheduler without schedules; the reading of few; and with many, in a new process, which has nothing left of their creation.
async fn alone<S: Scheduler>(bench: &Bench, mut scheduler: S, few: usize) -> Result<(S, Alone)> {
    let without = rest(bench, &scheduler).await?;
    say_rest::<S>("without schedules", without)?;
    scheduler.prepare(few, now_us() / 1_000_000 + 12 * 3600).await?;
    let mut read_ms = Vec::new();
    for _ in 0..bench.options.rounds {
        let begun = Instant::now();
        scheduler.read(few).await?;
        read_ms.push(begun.elapsed().as_secs_f64() * 1000.0);
    }
    let begun = Instant::now();
    scheduler.create(bench.options.schedules).await?;
    let (read, created) = (median(&read_ms), begun.elapsed());
    document::say(&format!("schedules, {}: coming fires of {few} in {read:.1} ms, all created in {created:.1?}", S::NAME))?;
    bench.servers.settle(S::DATABASE).await?;
    let scheduler = scheduler.restart().await?;
    let with = rest(bench, &scheduler).await?;
    say_rest::<S>("with schedules", with)?;
    Ok((scheduler, Alone { without, with, read_ms }))
}

async fn rest<S: Scheduler>(bench: &Bench, scheduler: &S) -> Result<Rest> {
    // The work before has settled.
    sleep(Duration::from_secs(5)).await;
    let meter = Meter::start(&[("scheduler", scheduler.pid()), ("postgres", bench.servers.postgres_pid)])?;
    let begun = Instant::now();
    sleep(REST).await;
    let used = meter.stop()?;
    let percent = |part: &str| used.parts[part] * 100.0 / begun.elapsed().as_secs_f64();
    Ok(Rest { cpu_percent: percent("scheduler"), postgres_cpu_percent: percent("postgres"), memory: memory(scheduler.pid())? })
}

fn say_rest<S: Scheduler>(what: &str, rest: Rest) -> Result<()> {
    let Rest { cpu_percent, postgres_cpu_percent, memory } = rest;
    let name = S::NAME;
    document::say(&format!("schedules, {name} {what}: {cpu_percent:.2} % of a core, {postgres_cpu_percent:.2} % PostgreSQL, {memory:.1?}"))
}

async fn burst(bench: &Bench, (regente, peer): (&mut Regente<'_>, &mut Peer<'_>), due: usize) -> Result<Burst> {
    let mut found = Burst { due, regente: Vec::new(), peer: Vec::new() };
    for _ in 0..bench.options.rounds {
        found.peer.push(round(bench, peer, due).await?);
        found.regente.push(round(bench, regente, due).await?);
    }
    Ok(found)
}

async fn round<S: Scheduler>(bench: &Bench, scheduler: &mut S, due: usize) -> Result<Round> {
    let at = prepared(bench, scheduler, due).await?;
    sleep(Duration::from_micros(u64::try_from(at * 1_000_000 - QUIET_US / 2 - now_us()).unwrap_or_default())).await;
    let meter = Meter::start(&[("scheduler", scheduler.pid()), ("postgres", bench.servers.postgres_pid)])?;
    let begun = Instant::now();
    let late_ms = scheduler.observe(due, at).await?;
    let (used, seconds) = (meter.stop()?, begun.elapsed().as_secs_f64());
    ensure!(!late_ms.is_empty(), "{} has run nothing of what was due", S::NAME);
    let last_ms = if late_ms.len() < due { LIMIT.as_secs_f64() * 1000.0 } else { late_ms.iter().copied().fold(0.0, f64::max) };
    #[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
    let done = late_ms.len() as f64;
    let round = Round {
        done: late_ms.len(),
        p50_ms: percentile(&late_ms, 50),
        p99_ms: percentile(&late_ms, 99),
        last_ms,
        jobs_per_s: done * 1000.0 / last_ms,
        cpu_ms_per_job: used.total() * 1000.0 / done,
        others_busy: used.others / seconds,
    };
    let Round { done, p50_ms, p99_ms, last_ms, jobs_per_s, cpu_ms_per_job, others_busy } = &round;
    document::say(&format!(
        "schedules, {}, {done} of {due} due at once: p50 {p50_ms:.0} ms, p99 {p99_ms:.0} ms, last {last_ms:.0} ms, {jobs_per_s:.0} jobs/s, \
         {cpu_ms_per_job:.2} ms CPU a job, others busy {others_busy:.2}",
        S::NAME
    ))?;
    Ok(round)
}

/// Prepares a round; returns when everything is due.
async fn prepared<S: Scheduler>(bench: &Bench, scheduler: &mut S, due: usize) -> Result<i64> {
    let mut lead = 10 + i64::try_from(due)? / 500;
    loop {
        let at = now_us() / 1_000_000 + lead;
        scheduler.prepare(due, at).await?;
        bench.servers.settle(S::DATABASE).await?;
        if now_us() < at * 1_000_000 - QUIET_US {
            return Ok(at);
        }
        lead *= 2;
        ensure!(lead < 600, "{due} schedules cannot be prepared in ten minutes");
    }
}
