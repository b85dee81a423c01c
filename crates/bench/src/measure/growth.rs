mod long_run;

use anyhow::Result;
use serde::Serialize;

pub(crate) use self::long_run::{LongRun, long_run};
use super::{
    latency::{self, Samples},
    load,
    starts::Starts,
    throughput::{self, Round},
};
use crate::{
    context::{Bench, WorkerPlan},
    hub::{Hub, Site},
    procfs::{Memory, memory},
};

const QUEUE: &str = "bench-growth";
/// How many rounds of growth each round of the run has: a world's figures are put beside those of another that ran seconds before or after it,
/// and what is to be seen is a tenth.
const TURNS: usize = 3;

/// Whose world it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Side {
    Regente,
    Floor,
}

/// One state of a side's world, measured in turns with the others.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Grown {
    pub(crate) name: &'static str,
    pub(crate) side: Side,
    pub(crate) old_jobs: usize,
    pub(crate) queues: usize,
    pub(crate) rounds: Vec<Round>,
    pub(crate) started_ms: Samples,
    /// None of the floor, which has no hub.
    pub(crate) hub_memory: Vec<Memory>,
}

impl Grown {
    /// Of each round.
    pub(crate) fn jobs_per_s(&self) -> Vec<f64> {
        self.rounds.iter().map(|round| round.jobs_per_s).collect()
    }
}

/// A world between its rounds.
struct World {
    grown: Grown,
    /// The floor keeps nothing.
    kept: Option<Kept>,
}

/// What a hub finds again in its next round.
struct Kept {
    site: Site,
    queue: String,
    automations: Vec<i32>,
}

pub(crate) async fn measure(bench: &Bench) -> Result<Vec<Grown>> {
    let options = &bench.options;
    // Those with one queue first: none of them has the broker full of queues in the first round and all have it in the later ones.
    let plans = [
        ("empty", Side::Regente, 0, 1),
        ("old", Side::Regente, options.old_jobs, 1),
        ("floor", Side::Floor, 0, 1),
        ("queues", Side::Regente, 0, options.queues),
        ("floor-queues", Side::Floor, 0, options.queues),
    ];
    let mut worlds = Vec::new();
    for (name, side, old_jobs, queues) in plans {
        let kept = match side {
            Side::Regente => Some(Kept { site: bench.site(name).await?, queue: format!("{QUEUE}-{name}"), automations: Vec::new() }),
            Side::Floor => None,
        };
        let grown = Grown { name, side, old_jobs, queues, rounds: Vec::new(), started_ms: Samples::default(), hub_memory: Vec::new() };
        worlds.push(World { grown, kept });
    }
    for _ in 0..rounds(bench) {
        for World { grown, kept } in &mut worlds {
            match kept {
                Some(kept) => regente_round(bench, grown, kept).await?,
                None => floor_round(bench, grown).await?,
            }
        }
    }
    Ok(worlds.into_iter().map(|world| world.grown).collect())
}

fn rounds(bench: &Bench) -> usize {
    TURNS * bench.options.rounds
}

/// Jobs of one round whose latency is measured.
fn latency_jobs(bench: &Bench) -> usize {
    bench.options.latency_jobs.div_ceil(rounds(bench))
}

/// The floor is started for each round as well, with an empty database.
async fn floor_round(bench: &Bench, grown: &mut Grown) -> Result<()> {
    let mut floor = bench.floor(grown.queues).await?;
    grown.rounds.push(throughput::floor_round(bench, &mut floor, grown.queues, bench.options.jobs).await?);
    let (_, started_ms) = latency::floor_round(&mut floor, latency_jobs(bench)).await?;
    grown.started_ms.0.push(started_ms);
    floor.stop().await
}

/// Hub and worker are started for each round, so that no world disturbs another.
async fn regente_round(bench: &Bench, grown: &mut Grown, kept: &mut Kept) -> Result<()> {
    let hub = Hub::start(bench, &kept.site).await?;
    if kept.automations.is_empty() {
        kept.automations = load::automations_create(&hub.api, &kept.queue, grown.queues).await?;
        queues_await(bench, &hub, &kept.automations).await?;
        old_jobs_insert(&hub, kept, grown.old_jobs).await?;
    }
    let plan = WorkerPlan {
        kind: "noop-worker",
        queue: &kept.queue,
        queues: grown.queues,
        slots: bench.options.slots,
        sleep_ms: 0,
        stamps: false,
    };
    let worker = bench.worker(&hub, &plan)?;
    hub.await_worker(plan.queue).await?;
    grown.rounds.push(throughput::regente_round(bench, &hub, &worker, &kept.automations, bench.options.jobs).await?);
    worker.stop().await?;
    let mut worker = bench.worker(&hub, &WorkerPlan { stamps: true, ..plan })?;
    let automation = kept.automations[kept.automations.len() / 2];
    let mut starts = Starts::listen(&bench.servers.amqp_url).await?;
    let round = latency::regente_round(&hub.api, &mut worker, automation, latency_jobs(bench)).await?;
    grown.started_ms.0.push(starts.of(&round).await?);
    grown.hub_memory.push(memory(hub.process.pid)?);
    worker.stop().await?;
    hub.stop().await
}

/// Waits until every queue is there, by a job for each. The hub declares the queue of a new automation by itself, but meanwhile a worker
/// would be refused once for each attempt and missing queue, each of which costs a channel of its connection: with a thousand queues it
/// runs out of them and reconnects, and then the warm-up no longer shows that it consumes all queues.
async fn queues_await(bench: &Bench, hub: &Hub, automations: &[i32]) -> Result<()> {
    let jobs = load::submit(&hub.api, automations, automations.len(), bench.options.submitters).await?;
    hub.await_dispatched(&jobs).await
}

/// Completed jobs of the months before, with ids of their time.
async fn old_jobs_insert(hub: &Hub, kept: &Kept, count: usize) -> Result<()> {
    let statement = "
        INSERT INTO jobs (id, automation_id, queue_name, status, trigger, priority, parameters, attempt, worker_id, lease_token,
            created_at, dispatch_started_at, dispatched_at, started_at, completed_at, last_heartbeat_at, log_lines, log_offset)
        SELECT (lpad(to_hex((extract(epoch FROM at) * 1000)::bigint), 12, '0') || '7' || substr(hash, 1, 3) || '8' || substr(hash, 4, 15))::uuid,
            $1, $2, 'completed', 'API', 5, '{\"n\": 1}', 1, gen_random_uuid(), gen_random_uuid(),
            at, at, at, at + interval '1 second', at + interval '2 seconds', at + interval '1 second', 1, 1
        FROM (SELECT now() - make_interval(secs => 7 * g) AS at, md5(g::text) AS hash FROM generate_series($3, 1, -1) AS g) AS old";
    sqlx::query(statement).bind(kept.automations[0]).bind(&kept.queue).bind(i32::try_from(count)?).execute(&hub.database).await?;
    // Done now, it is not done by itself in the middle of a round.
    sqlx::query("VACUUM (ANALYZE) jobs").execute(&hub.database).await?;
    Ok(())
}
