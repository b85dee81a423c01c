use std::collections::HashMap;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;
use uuid::Uuid;

use super::load::PARAMETERS;
use crate::{
    api::Api,
    child::Process,
    clock::now_us,
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

/// One round of Regente, with a worker that stamps each job.
pub(crate) async fn regente_round(api: &Api, worker: &mut Process, automation: i32, jobs: usize) -> Result<Vec<f64>> {
    for _ in 0..WARM_UP {
        one(api, worker, automation).await?;
    }
    let mut latencies = Vec::with_capacity(jobs);
    for _ in 0..jobs {
        latencies.push(one(api, worker, automation).await?);
    }
    Ok(latencies)
}

async fn one(api: &Api, worker: &mut Process, automation: i32) -> Result<f64> {
    tokio::time::sleep(PAUSE).await;
    let begun = now_us();
    let job = api.execute(automation, PARAMETERS).await?;
    let mut stamps = HashMap::new();
    while !stamps.contains_key(&job) {
        stamps.extend([parse(&worker.line().await?)?]);
    }
    Ok(to_ms(stamps[&job] - begun))
}

fn parse(line: &str) -> Result<(Uuid, i64)> {
    let (job, time) = line.split_once(' ').with_context(|| format!("a stamp, not {line:?}"))?;
    Ok((job.parse()?, time.parse()?))
}

#[expect(clippy::cast_precision_loss, reason = "a latency")]
fn to_ms(us: i64) -> f64 {
    us as f64 / 1000.0
}
