use anyhow::Result;
use serde::Serialize;

use super::super::{load, throughput};
use crate::{
    context::{Bench, WorkerPlan},
    hub::{Hub, uuids},
};

/// One long run without rest: what ended jobs cost those that come after them.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct LongRun {
    pub(crate) jobs: usize,
    /// Jobs that ended in each second.
    pub(crate) jobs_per_s: Vec<i64>,
    /// Of the first and of the last fifth of the jobs.
    pub(crate) first_jobs_per_s: f64,
    pub(crate) last_jobs_per_s: f64,
}

/// How many rounds' jobs a long run has: so many that a fifth of it lasts several seconds, because single seconds differ by a fifth.
const LONG: usize = 20;

pub(crate) async fn long_run(bench: &Bench) -> Result<LongRun> {
    let hub = Hub::start(bench, &bench.site("long").await?).await?;
    let queue = "bench-growth-long";
    let automations = load::automations_create(&hub.api, queue, 1).await?;
    let plan = WorkerPlan { kind: "noop-worker", queue, queues: 1, slots: bench.options.slots, sleep_ms: 0, stamps: false };
    let worker = bench.worker(&hub, &plan)?;
    hub.await_worker(queue).await?;
    throughput::warm_up(bench, &hub, &automations).await?;
    let jobs = LONG * bench.options.jobs;
    let (_, _, ids) = load::run(&hub, &automations, jobs, bench.options.submitters).await?;
    hub.check_completed(&ids).await?;
    let times = "SELECT extract(epoch FROM completed_at)::float8 FROM jobs WHERE id = ANY($1) ORDER BY completed_at";
    let ended: Vec<f64> = sqlx::query_scalar(times).bind(uuids(&ids)).fetch_all(&hub.database).await?;
    worker.stop().await?;
    hub.stop().await?;
    let fifth = jobs / 5;
    #[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
    let speed = |part: &[f64]| part.len() as f64 / (part[part.len() - 1] - part[0]);
    Ok(LongRun {
        jobs,
        jobs_per_s: by_second(&ended),
        first_jobs_per_s: speed(&ended[..fifth]),
        last_jobs_per_s: speed(&ended[jobs - fifth..]),
    })
}

/// How many of these moments, the earliest first, lie in each second after the first.
fn by_second(moments: &[f64]) -> Vec<i64> {
    let Some(first) = moments.first() else { return Vec::new() };
    let mut counts = Vec::new();
    let mut end = first + 1.0;
    let mut count = 0;
    for moment in moments {
        while *moment >= end {
            counts.push(count);
            count = 0;
            end += 1.0;
        }
        count += 1;
    }
    counts.push(count);
    counts
}

#[cfg(test)]
mod tests {
    use super::by_second;

    #[test]
    fn moments_are_counted_by_second() {
        assert_eq!(by_second(&[10.0, 10.5, 11.0, 13.2]), vec![2, 1, 0, 1]);
        assert_eq!(by_second(&[]), Vec::<i64>::new());
    }
}
