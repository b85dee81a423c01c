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
        FROM (SELECT now() - make_interval(secs => 8 * g) AS at, md5(g::text) AS hash FROM generate_series($3, 1, -1) AS g) AS old";
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
