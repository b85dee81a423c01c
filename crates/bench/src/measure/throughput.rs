use std::collections::BTreeMap;

use anyhow::{Result, bail};
use serde::Serialize;

use super::{
    load,
    meter::{Meter, Usage},
};
use crate::{
    child::Process,
    context::Bench,
    floor::{Answer, Order},
    hub::Hub,
    machine,
};

/// Jobs before a measured round, which open connections and prepare statements.
const WARM_UP: usize = 300;

/// One round of one side.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Round {
    pub(crate) jobs: usize,
    /// From the first submit to the end of the last job.
    pub(crate) seconds: f64,
    /// From the first submit to the end of the last submit.
    pub(crate) submit_seconds: f64,
    pub(crate) jobs_per_s: f64,
    /// Milliseconds of CPU per job, over all measured processes.
    pub(crate) cpu_ms_per_job: f64,
    /// The same by process.
    pub(crate) cpu_ms_by_part: BTreeMap<&'static str, f64>,
    pub(crate) generator_cpu_ms_per_job: f64,
    /// CPU of other programs of the machine, in busy processors.
    pub(crate) others_busy: f64,
    /// Load average of the minute before.
    pub(crate) load_average: f64,
}

fn round(jobs: usize, seconds: f64, submit_seconds: f64, usage: &Usage) -> Round {
    #[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
    let count = jobs as f64;
    let per_job = |seconds: f64| seconds * 1000.0 / count;
    Round {
        jobs,
        seconds,
        submit_seconds,
        jobs_per_s: count / seconds,
        cpu_ms_per_job: per_job(usage.total()),
        cpu_ms_by_part: usage.parts.iter().map(|(name, seconds)| (*name, per_job(*seconds))).collect(),
        generator_cpu_ms_per_job: per_job(usage.generator),
        others_busy: usage.others / seconds,
        load_average: machine::load_average(),
    }
}

/// A round of the floor with this many queues. Its process is counted whole, including the submitters.
pub(crate) async fn floor_round(bench: &Bench, floor: &mut Process, queues: usize, jobs: usize) -> Result<Round> {
    let _: Answer = floor.ask(Some(&Order::Throughput(WARM_UP.max(queues)))).await?;
    bench.servers.settle("floor").await?;
    let meter = Meter::start(&[("floor", floor.pid), ("postgres", bench.servers.postgres_pid), ("rabbitmq", bench.servers.rabbitmq_pid)])?;
    let answer = floor.ask(Some(&Order::Throughput(jobs))).await?;
    let usage = meter.stop()?;
    let Answer::Throughput { seconds, submit_seconds } = answer else { bail!("the floor answered {answer:?}") };
    Ok(round(jobs, seconds, submit_seconds, &usage))
}

/// Number of warm-up jobs, at least one per queue.
pub(crate) async fn warm_up(bench: &Bench, hub: &Hub, automations: &[i32]) -> Result<()> {
    load::run(hub, automations, WARM_UP.max(automations.len()), bench.options.submitters).await.map(drop)
}

/// A round of Regente. Hub, worker, database and broker are counted; the submitters are not.
pub(crate) async fn regente_round(bench: &Bench, hub: &Hub, worker: &Process, automations: &[i32], jobs: usize) -> Result<Round> {
    let submitters = bench.options.submitters;
    warm_up(bench, hub, automations).await?;
    bench.servers.settle(hub.site).await?;
    let meter = Meter::start(&[
        ("hub", hub.process.pid),
        ("worker", worker.pid),
        ("postgres", bench.servers.postgres_pid),
        ("rabbitmq", bench.servers.rabbitmq_pid),
    ])?;
    let (all, submit, ids) = load::run(hub, automations, jobs, submitters).await?;
    let usage = meter.stop()?;
    hub.check_completed(&ids).await?;
    Ok(round(jobs, all.as_secs_f64(), submit.as_secs_f64(), &usage))
}
