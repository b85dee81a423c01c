//! Injects the planned faults, repairs them, and measures the time until work resumes.

mod agents;
mod in_turn;
mod schedulers;
mod services;

use std::{
    collections::BTreeSet,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result};
use domain::ids::JobId;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};

use crate::{
    absence::uptime,
    api::{Request, Submitted},
    faults::Fault,
    form::Form,
    load::Ledger,
    part::Part,
    plan::Plan,
    recovery::{LIMIT, Recoveries},
    robots,
    world::{AGENTS, HUBS, World},
};

/// Injects faults.
pub(crate) struct Injector {
    pub(crate) world: Arc<World>,
    pub(crate) recoveries: Arc<Recoveries>,
    pub(crate) ledger: Arc<Ledger>,
    /// When faults stop.
    pub(crate) until: Instant,
    /// Held by faults of services, and by a fault of an agent or a scheduler that must be alone.
    pub(crate) services: Mutex<()>,
    /// Held by faults of schedulers, and by those of services that need them. Who takes both takes `services` first.
    pub(crate) schedulers: Mutex<()>,
}

/// Time until work resumed.
enum Recovered {
    After(Duration),
    /// Work did not resume within the limit.
    Never,
    Unmeasured,
}

impl Recovered {
    fn since(begun: Instant, seen: Result<Instant>) -> Self {
        seen.map_or(Self::Never, |at| Self::After(at - begun))
    }
}

impl Injector {
    /// Injects the planned faults of services, one after the other.
    pub(crate) async fn break_services(&self, mut plan: Plan) -> Result<()> {
        let mut number = 0;
        while let Some(fault) = self.next(&mut plan).await {
            number += 1;
            let _services = self.services.lock().await;
            self.recoveries.service_breaks();
            self.begin(fault);
            let (begun, mut concerned) = (uptime(), self.concerned(fault));
            let since = self.service(fault).await.with_context(|| fault.kind.name())?;
            let recovered = self.probe(&format!("probe-{number}"), &self.doors_of(fault), since).await;
            self.recoveries.service_is_well();
            concerned.extend(self.concerned(fault));
            self.excuse(fault, begun, concerned);
            self.record(fault, recovered, false);
        }
        Ok(())
    }

    /// Injects the planned faults of agents, one after the other, beside those of services.
    pub(crate) async fn break_agents(&self, mut plan: Plan) -> Result<()> {
        while let Some(fault) = self.next(&mut plan).await {
            let _services = if fault.alone { Some(self.services.lock().await) } else { None };
            let mark = self.recoveries.mark();
            self.begin(fault);
            let begun = uptime();
            let recovered = self.agent(fault).await.with_context(|| fault.kind.name())?;
            self.excuse(fault, begun, [fault.target].into());
            self.record(fault, recovered, self.recoveries.overlapped_since(mark));
        }
        Ok(())
    }

    fn excuse(&self, fault: Fault, since: f64, agents: BTreeSet<usize>) {
        if let Some(excuse) = fault.kind.excuse() {
            agents.into_iter().for_each(|agent| self.world.journal.excuse(self.world.agents[agent].part.name(), since, excuse));
        }
    }

    /// Agents that are currently routed to this address.
    fn agents_at(&self, door: usize) -> BTreeSet<usize> {
        (0..AGENTS).filter(|agent| self.world.agents[*agent].at.load(Ordering::Relaxed) == door).collect()
    }

    /// Addresses at which the fault of a service is felt. Behind gateways, orchestrators are as good as one another.
    fn doors_of(&self, fault: Fault) -> Vec<usize> {
        let is_at_door = self.world.form == Form::Together || fault.kind.is_of_gateways();
        if is_at_door && fault.kind.concerns_one() { vec![fault.target] } else { (0..HUBS).collect() }
    }

    /// Agents that have an excuse, if the fault of a service is one: a gateway leads its agents to the orchestrator that works.
    fn concerned(&self, fault: Fault) -> BTreeSet<usize> {
        if self.world.form == Form::Apart && !fault.kind.is_of_gateways() {
            return BTreeSet::new();
        }
        self.doors_of(fault).into_iter().flat_map(|door| self.agents_at(door)).collect()
    }

    async fn next(&self, plan: &mut Plan) -> Option<Fault> {
        let fault = plan.next()?;
        sleep(Duration::from_millis(fault.pause_ms)).await;
        if Instant::now() >= self.until {
            return None;
        }
        Some(fault)
    }

    fn begin(&self, fault: Fault) {
        self.recoveries.count(fault.kind);
        self.world.journal.say(&format!("{} ({}), {:.1} s", fault.kind, fault.target, hold(fault).as_secs_f64()));
    }

    fn record(&self, fault: Fault, recovered: Recovered, overlapped: bool) {
        match recovered {
            Recovered::Unmeasured => {}
            Recovered::After(time) => {
                self.recoveries.note(fault.kind, time, overlapped);
                self.world.journal.say(&format!("{} ({}): work resumed after {:.2} s", fault.kind, fault.target, time.as_secs_f64()));
            }
            Recovered::Never => {
                self.world.journal.breach(format!("{} ({}): work did not resume within {LIMIT:?}", fault.kind, fault.target))
            }
        }
    }

    /// Routes the agents of the fault's address to the other one, if the fault requires it.
    fn lead_away(&self, fault: Fault) {
        if fault.failover && self.doors_of(fault) == [fault.target] {
            self.agents_at(fault.target).into_iter().for_each(|agent| self.lead(agent, (fault.target + 1) % HUBS));
        }
    }

    fn lead(&self, agent: usize, door: usize) {
        let agent = &self.world.agents[agent];
        agent.at.store(door, Ordering::Relaxed);
        agent.hub.switch(self.world.doors()[door].address.clone());
    }

    /// Runs a small job through each of these addresses in each delivery mode; returns how long after `since` all had completed.
    async fn probe(&self, key: &str, hubs: &[usize], since: Instant) -> Recovered {
        let fast = self.world.shapes.iter().filter(|shape| shape.is_fast());
        let probes = fast.flat_map(|shape| hubs.iter().map(move |hub| (shape, *hub))).map(|(shape, hub)| {
            let parameters = robots::parameters(&self.world.books(), 0, 0);
            let key = format!("{key}-{hub}-{}", shape.queue);
            (hub, Request { automation: shape.automation, parameters, priority: 9, key })
        });
        let ended = probes.map(|(hub, request)| async move { self.completes(hub, &request, since).await });
        match futures_util::future::try_join_all(ended).await {
            Ok(times) => times.into_iter().max().map_or(Recovered::Unmeasured, Recovered::After),
            Err(error) => {
                self.world.journal.say(&format!("{key}: {error:#}"));
                Recovered::Never
            }
        }
    }

    /// Submits a job to this hub until it is accepted.
    async fn accepted(&self, hub: usize, request: &Request, since: Instant) -> Result<JobId> {
        let job = loop {
            match self.world.api.execute(hub, request).await {
                Submitted::Accepted(job) => break job,
                Submitted::Refused(text) => anyhow::bail!("refused: {text}"),
                Submitted::Unknown(text) if since.elapsed() > LIMIT => anyhow::bail!("not accepted: {text}"),
                Submitted::Unknown(_) => sleep(Duration::from_millis(50)).await,
            }
        };
        self.ledger.note(request, job);
        Ok(job)
    }

    async fn completes(&self, hub: usize, request: &Request, since: Instant) -> Result<Duration> {
        let job = self.accepted(hub, request, since).await?;
        Ok(self.world.observer.completed(job, LIMIT.saturating_sub(since.elapsed())).await? - since)
    }
}

async fn end(part: &Part, in_order: bool) -> Result<()> {
    if in_order { part.stop().await } else { part.kill().await }
}

fn hold(fault: Fault) -> Duration {
    Duration::from_millis(fault.hold_ms)
}
