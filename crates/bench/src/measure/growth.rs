use anyhow::Result;
use serde::Serialize;

use super::{
    latency::{self, Samples},
    load,
    throughput::{self, Round},
};
use crate::{
    context::{Bench, WorkerPlan},
    hub::{Hub, Site},
    procfs::{Memory, memory},
};

const QUEUE: &str = "bench-growth";

/// One state of the hub's world, measured in turns with the others.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Grown {
    pub(crate) name: &'static str,
    pub(crate) old_jobs: usize,
    pub(crate) queues: usize,
    pub(crate) rounds: Vec<Round>,
    pub(crate) started_ms: Samples,
    pub(crate) hub_memory: Vec<Memory>,
}

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

/// How many rounds' jobs a long run has.
const LONG: usize = 5;

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
    let ended: Vec<f64> = sqlx::query_scalar(times).bind(&ids).fetch_all(&hub.database).await?;
    worker.stop().await?;
    hub.stop().await?;
    let fifth = bench.options.jobs;
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

/// A hub's world between its rounds.
struct State {
    site: Site,
    queue: String,
    automations: Vec<i32>,
    grown: Grown,
}

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Grown>> {
    let options = &bench.options;
    let worlds = [("empty", 0, 1), ("old", options.old_jobs, 1), ("queues", 0, options.queues)];
    let mut states = Vec::new();
    for (name, old_jobs, queues) in worlds {
        let site = bench.site(name).await?;
        let grown = Grown { name, old_jobs, queues, rounds: Vec::new(), started_ms: Samples::default(), hub_memory: Vec::new() };
        states.push(State { site, queue: format!("{QUEUE}-{name}"), automations: Vec::new(), grown });
    }
    for _ in 0..options.rounds {
        for state in &mut states {
            round(bench, state).await?;
        }
    }
    Ok(states.into_iter().map(|state| state.grown).collect())
}

/// Hub and worker are started for each round, so that no world disturbs another.
async fn round(bench: &Bench, state: &mut State) -> Result<()> {
    let hub = Hub::start(bench, &state.site).await?;
    if state.automations.is_empty() {
        state.automations = load::automations_create(&hub.api, &state.queue, state.grown.queues).await?;
        // The hub declares a queue with its first message: the worker then finds them all.
        let first = load::submit(&hub.api, &state.automations, state.automations.len(), bench.options.submitters).await?;
        hub.await_dispatched(&first).await?;
        old_jobs_insert(&hub, state).await?;
    }
    let plan = WorkerPlan {
        kind: "noop-worker",
        queue: &state.queue,
        queues: state.grown.queues,
        slots: bench.options.slots,
        sleep_ms: 0,
        stamps: false,
    };
    let worker = bench.worker(&hub, &plan)?;
    hub.await_worker(plan.queue).await?;
    state.grown.rounds.push(throughput::regente_round(bench, &hub, &worker, &state.automations, bench.options.jobs).await?);
    worker.stop().await?;
    let mut worker = bench.worker(&hub, &WorkerPlan { stamps: true, ..plan })?;
    let jobs = bench.options.latency_jobs / bench.options.rounds;
    let automation = state.automations[state.automations.len() / 2];
    state.grown.started_ms.0.push(latency::regente_round(&hub.api, &mut worker, automation, jobs).await?);
    state.grown.hub_memory.push(memory(hub.process.pid)?);
    worker.stop().await?;
    hub.stop().await
}

/// Completed jobs of the months before, with ids of their time.
async fn old_jobs_insert(hub: &Hub, state: &State) -> Result<()> {
    let statement = "
        INSERT INTO jobs (id, automation_id, queue_name, status, trigger, priority, parameters, attempt, worker_id, lease_token,
            created_at, dispatch_started_at, dispatched_at, started_at, completed_at, last_heartbeat_at, log_lines, log_offset)
        SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
            $1, $2, 'completed', 'API', 5, '{\"n\": 1}', 1, gen_random_uuid(), gen_random_uuid(),
            at, at, at, at + interval '1 second', at + interval '2 seconds', at + interval '1 second', 1, 1
        FROM (SELECT now() - make_interval(secs => 7 * g) AS at, md5(g::text) AS hash FROM generate_series($3, 1, -1) AS g) AS old";
    sqlx::query(statement)
        .bind(state.automations[0])
        .bind(&state.queue)
        .bind(i32::try_from(state.grown.old_jobs)?)
        .execute(&hub.database)
        .await?;
    // Done now, it is not done by itself in the middle of a round.
    sqlx::query("VACUUM (ANALYZE) jobs").execute(&hub.database).await?;
    Ok(())
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
