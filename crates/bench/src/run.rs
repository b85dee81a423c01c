//! `bench run`: measures part by part and writes the results.

use anyhow::{Context as _, Result, bail};
use chrono::{SecondsFormat, Utc};
use tokio::signal::unix::{SignalKind, signal};

use crate::{
    child::Process,
    cli::{Part, RunOptions},
    context::{Bench, WorkerPlan},
    document,
    hub::Hub,
    machine::Machine,
    measure::{
        crowd, growth, hop,
        latency::{self, Samples},
        load, logs, published, schedules,
        starts::Starts,
        throughput, watchers,
    },
    procfs::memory,
    report::{AfterLoad, Latency, ManyQueues, Report, Step, Throughput},
    table,
};

pub(crate) async fn run(options: RunOptions) -> Result<()> {
    let bench = Bench::new(options.resolved())?;
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let report = tokio::select! {
        report = measure(&bench) => report,
        // Returning drops the processes, which kills them.
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("terminated"),
    };
    let report = report.with_context(|| format!("\n{}", bench.last_words()))?;
    let table = table::render(&report);
    document::say(&table)?;
    if bench.options.quick { Ok(()) } else { document::keep(&report, &table) }
}

async fn measure(bench: &Bench) -> Result<Report> {
    let includes = |part| bench.options.includes(part);
    let mut report = Report {
        started_at: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, true),
        machine: Machine::look(bench).await?,
        options: bench.options.clone(),
        throughput: None,
        latency: None,
        logs: None,
        memory: None,
        growth: None,
        many_queues: None,
        long_run: None,
        crowd: None,
        watchers: None,
        hop: None,
        schedules: None,
        published: None,
    };
    if includes(Part::Throughput) || includes(Part::Latency) || includes(Part::Logs) {
        under_load(bench, &mut report).await?;
    }
    if includes(Part::Growth) {
        document::say("growth …")?;
        let worlds = growth::measure(bench).await?;
        report.many_queues = ManyQueues::new(&worlds);
        report.growth = Some(worlds);
        report.long_run = Some(growth::long_run(bench).await?);
    }
    if includes(Part::Crowd) {
        document::say("crowd …")?;
        report.crowd = Some(crowd::measure(bench).await?);
    }
    if includes(Part::Watchers) {
        document::say("watchers …")?;
        report.watchers = Some(watchers::measure(bench).await?);
    }
    if includes(Part::Hop) {
        document::say("hop …")?;
        report.hop = Some(hop::measure(bench).await?);
    }
    if includes(Part::Schedules) {
        document::say("schedules …")?;
        report.schedules = Some(schedules::measure(bench).await?);
    }
    if includes(Part::Published) {
        document::say("published work …")?;
        report.published = Some(published::measure(bench).await?);
    }
    Ok(report)
}

/// One hub goes through throughput, latency and logs; its memory is taken after them.
async fn under_load(bench: &Bench, report: &mut Report) -> Result<()> {
    let hub = Hub::start(bench, &bench.site("main").await?).await?;
    let plan = WorkerPlan { kind: "noop-worker", queue: "bench-main", queues: 1, slots: bench.options.slots, sleep_ms: 0, stamps: false };
    let automations = load::automations_create(&hub.api, plan.queue, 1).await?;
    let worker = bench.worker(&hub, &plan)?;
    hub.await_worker(plan.queue).await?;
    if bench.options.includes(Part::Throughput) {
        report.throughput = Some(throughput_in_turns(bench, &hub, &worker, &automations).await?);
    }
    if bench.options.includes(Part::Latency) {
        document::say("latency …")?;
        report.latency = Some(latency_in_turns(bench, &hub).await?);
    }
    if bench.options.includes(Part::Logs) {
        document::say("logs …")?;
        report.logs = Some(logs::measure(bench, &hub).await?);
    }
    report.memory = Some(AfterLoad { hub: memory(hub.process.pid)?, agent: memory(worker.pid)? });
    worker.stop().await?;
    hub.stop().await
}

async fn throughput_in_turns(bench: &Bench, hub: &Hub, worker: &Process, automations: &[i32]) -> Result<Throughput> {
    let jobs = bench.options.jobs;
    let mut floor = bench.floor(1).await?;
    let (mut regente_rounds, mut floor_rounds) = (Vec::new(), Vec::new());
    for number in 1..=bench.options.rounds {
        let floor_round = throughput::floor_round(bench, &mut floor, 1, jobs).await?;
        let regente_round = throughput::regente_round(bench, hub, worker, automations, jobs).await?;
        for (side, round) in [("floor", &floor_round), ("regente", &regente_round)] {
            document::say(&format!(
                "throughput {number} {side}: {:.0} jobs/s, {:.2} ms CPU a job {:.2?}, generator {:.2}, others busy {:.2}",
                round.jobs_per_s, round.cpu_ms_per_job, round.cpu_ms_by_part, round.generator_cpu_ms_per_job, round.others_busy,
            ))?;
        }
        floor_rounds.push(floor_round);
        regente_rounds.push(regente_round);
    }
    floor.stop().await?;
    Ok(Throughput::new(regente_rounds, floor_rounds))
}

async fn latency_in_turns(bench: &Bench, hub: &Hub) -> Result<Latency> {
    let plan = |kind, queue| WorkerPlan { kind, queue, queues: 1, slots: bench.options.slots, sleep_ms: 0, stamps: true };
    let (agent_plan, probe_plan) = (plan("noop-worker", "bench-latency"), plan("probe-worker", "bench-probe"));
    let agent_job = load::automations_create(&hub.api, agent_plan.queue, 1).await?[0];
    let probe_job = load::automations_create(&hub.api, probe_plan.queue, 1).await?[0];
    let (mut agent, mut probe) = (bench.worker(hub, &agent_plan)?, bench.worker(hub, &probe_plan)?);
    let mut floor = bench.floor(1).await?;
    let mut starts = Starts::listen(&bench.servers.amqp_url).await?;
    let [mut received, mut started, mut known, mut floor_received, mut floor_started] = [const { Samples(Vec::new()) }; 5];
    let jobs = bench.options.latency_jobs.div_ceil(bench.options.rounds);
    for _ in 0..bench.options.rounds {
        let (of_messages, of_starts) = latency::floor_round(&mut floor, jobs).await?;
        floor_received.0.push(of_messages);
        floor_started.0.push(of_starts);
        let round = latency::regente_round(&hub.api, &mut agent, agent_job, jobs).await?;
        started.0.push(starts.of(&round).await?);
        known.0.push(latency::to_stamps(&round));
        received.0.push(latency::to_stamps(&latency::regente_round(&hub.api, &mut probe, probe_job, jobs).await?));
    }
    for process in [agent, probe, floor] {
        process.stop().await?;
    }
    Ok(Latency {
        received: Step::new(received, floor_received),
        started: Step::new(started, floor_started.clone()),
        // The floor's single process records the start itself, so both moments are the same.
        known: Step::new(known, floor_started),
    })
}
