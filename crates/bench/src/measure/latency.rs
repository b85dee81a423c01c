use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use domain::ids::JobId;
use serde::Serialize;

use super::load::PARAMETERS;
use crate::{
    api::{Api, Prepared},
    child::Process,
    floor::{Answer, Order, PAUSE},
    stats::percentile,
};

/// Jobs before the measured ones.
const WARM_UP: usize = 10;

/// Latencies of one step of one side, in milliseconds, by round.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Samples(pub(crate) Vec<Vec<f64>>);

impl Samples {
    /// Over all rounds.
    pub(crate) fn percentile(&self, percent: usize) -> f64 {
        percentile(&self.0.concat(), percent)
    }

    /// Of each round.
    pub(crate) fn percentiles(&self, percent: usize) -> Vec<f64> {
        self.0.iter().map(|round| percentile(round, percent)).collect()
    }
}

/// One round of the floor: until the message was received, until the start was recorded.
pub(crate) async fn floor_round(floor: &mut Process, jobs: usize) -> Result<(Vec<f64>, Vec<f64>)> {
    let _: Answer = floor.ask(Some(&Order::Latency(WARM_UP))).await?;
    let answer = floor.ask(Some(&Order::Latency(jobs))).await?;
    let Answer::Latency { received_us, started_us } = answer else { bail!("the floor answered {answer:?}") };
    Ok((received_us.into_iter().map(to_ms).collect(), started_us.into_iter().map(to_ms).collect()))
}

/// A job of Regente: when it was submitted and when its worker stamped it, in microseconds of the wall clock.
pub(crate) struct Timed {
    pub(crate) job: JobId,
    pub(crate) submitted_us: i64,
    stamped_us: i64,
}

/// From submit to the worker's stamp, in milliseconds.
pub(crate) fn to_stamps(round: &[Timed]) -> Vec<f64> {
    round.iter().map(|timed| to_ms(timed.stamped_us - timed.submitted_us)).collect()
}

/// One round of Regente, with a worker that stamps each job.
pub(crate) async fn regente_round(api: &Api, worker: &mut Process, automation: i32, jobs: usize) -> Result<Vec<Timed>> {
    let mut request = api.prepared(automation, PARAMETERS).await?;
    for _ in 0..WARM_UP {
        one(&mut request, worker).await?;
    }
    let mut round = Vec::with_capacity(jobs);
    for _ in 0..jobs {
        round.push(one(&mut request, worker).await?);
    }
    Ok(round)
}

async fn one(request: &mut Prepared, worker: &mut Process) -> Result<Timed> {
    tokio::time::sleep(PAUSE).await;
    let (job, submitted_us) = request.send().await?;
    let mut stamps = HashMap::new();
    while !stamps.contains_key(&job) {
        stamps.extend([parse(&worker.line().await?)?]);
    }
    Ok(Timed { job, submitted_us, stamped_us: stamps[&job] })
}

fn parse(line: &str) -> Result<(JobId, i64)> {
    let (job, time) = line.split_once(' ').with_context(|| format!("a stamp, not {line:?}"))?;
    Ok((job.parse()?, time.parse()?))
}

#[expect(clippy::cast_precision_loss, reason = "a latency")]
pub(crate) fn to_ms(us: i64) -> f64 {
    us as f64 / 1000.0
}
