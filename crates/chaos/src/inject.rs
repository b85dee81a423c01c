//! Breaks things as planned, puts them right, and measures how long it takes until work goes on.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use anyhow::{Context as _, Result};
use nix::sys::signal::Signal;
use tokio::{
    sync::Mutex,
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::{
    api::{Request, Submitted},
    faults::{Fault, Kind},
    load::Ledger,
    part::Part,
    plan::Plan,
    recovery::{LIMIT, Recoveries},
    robots,
    servers::Server,
    world::{AGENTS, HUBS, World},
};

/// Pause between jobs that keep an agent busy.
const FEED_EVERY: Duration = Duration::from_millis(250);

/// Breaks what it is told to.
pub(crate) struct Injector {
    pub(crate) world: Arc<World>,
    pub(crate) recoveries: Arc<Recoveries>,
    pub(crate) ledger: Arc<Ledger>,
    /// When faults stop.
    pub(crate) until: Instant,
    /// Held by what breaks services, and by a fault of an agent that is to be alone.
    pub(crate) services: Mutex<()>,
}

/// How long it took until work went on.
enum Recovered {
    After(Duration),
    /// It did not, within the limit.
    Never,
    Unmeasured,
}

impl Recovered {
    fn since(begun: Instant, seen: Result<Instant>) -> Self {
        seen.map_or(Self::Never, |at| Self::After(at - begun))
    }
}

impl Injector {
    /// Breaks services as planned, one fault after the other.
    pub(crate) async fn break_services(&self, mut plan: Plan) -> Result<()> {
        let mut number = 0;
        while let Some(fault) = self.next(&mut plan).await {
            number += 1;
            let _services = self.services.lock().await;
            self.recoveries.service_breaks();
            self.begin(fault);
            let since = self.service(fault).await.with_context(|| fault.kind.name())?;
            let hubs = if concerns_one_hub(fault.kind) { vec![fault.target] } else { (0..HUBS).collect() };
            let recovered = self.probe(&format!("probe-{number}"), &hubs, since).await;
            self.recoveries.service_is_well();
            self.tell(fault, recovered, false);
        }
        Ok(())
    }

    /// Breaks agents as planned, one fault after the other, beside what happens to services.
    pub(crate) async fn break_agents(&self, mut plan: Plan) -> Result<()> {
        while let Some(fault) = self.next(&mut plan).await {
            let _services = if fault.alone { Some(self.services.lock().await) } else { None };
            let mark = self.recoveries.mark();
            self.begin(fault);
            let recovered = self.agent(fault).await.with_context(|| fault.kind.name())?;
            self.tell(fault, recovered, self.recoveries.overlapped_since(mark));
        }
        Ok(())
    }

    async fn next(&self, plan: &mut Plan) -> Option<Fault> {
        let fault = plan.next();
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

    fn tell(&self, fault: Fault, recovered: Recovered, overlapped: bool) {
        match recovered {
            Recovered::Unmeasured => {}
            Recovered::After(time) => {
                self.recoveries.note(fault.kind, time, overlapped);
                self.world.journal.say(&format!("{} ({}): work went on after {:.2} s", fault.kind, fault.target, time.as_secs_f64()));
            }
            Recovered::Never => {
                self.world.journal.breach(format!("{} ({}): work did not go on within {LIMIT:?}", fault.kind, fault.target))
            }
        }
    }

    /// Breaks and repairs; returns when the repair was done: when the process was started, the server answered, the network was whole.
    async fn service(&self, fault: Fault) -> Result<Instant> {
        let Fault { kind, target, .. } = fault;
        let hub = &self.world.hubs[target];
        match kind {
            Kind::KillHub | Kind::DrainHub => {
                end(&hub.part, kind == Kind::DrainHub).await?;
                self.lead_away(fault);
                sleep(hold(fault)).await;
                hub.part.up().await?;
            }
            Kind::KillBothHubs => {
                futures_util::future::try_join_all(self.world.hubs.iter().map(|hub| hub.part.kill())).await?;
                sleep(hold(fault)).await;
                futures_util::future::try_join_all(self.world.hubs.iter().map(|hub| hub.part.up())).await?;
            }
            Kind::StopHub => {
                hub.part.signal(Signal::SIGSTOP).await?;
                self.lead_away(fault);
                sleep(hold(fault)).await;
                hub.part.signal(Signal::SIGCONT).await?;
            }
            Kind::KillBroker => self.restart(&[Server::Rabbitmq], fault).await?,
            Kind::KillDatabase => self.restart(&[Server::Postgres], fault).await?,
            Kind::KillBrokerAndDatabase => self.restart(&[Server::Rabbitmq, Server::Postgres], fault).await?,
            Kind::CutHubDatabase | Kind::CutHubBroker => {
                let way = if kind == Kind::CutHubDatabase { &hub.database } else { &hub.broker };
                way.cut().await;
                sleep(hold(fault)).await;
                way.restore();
            }
            Kind::StallHubDatabase | Kind::StallHubBroker => {
                let way = if kind == Kind::StallHubDatabase { &hub.database } else { &hub.broker };
                way.stall();
                sleep(hold(fault)).await;
                way.restore();
            }
            kind => anyhow::bail!("{kind} is no fault of services"),
        }
        Ok(Instant::now())
    }

    async fn restart(&self, which: &[Server], fault: Fault) -> Result<()> {
        let servers = &self.world.servers;
        futures_util::future::try_join_all(which.iter().map(|server| servers.kill(*server))).await?;
        sleep(hold(fault)).await;
        let begun = Instant::now();
        futures_util::future::try_join_all(which.iter().map(|server| servers.revive(*server))).await?;
        self.world.journal.say(&format!("{which:?} answers again {:.2} s after its start", begun.elapsed().as_secs_f64()));
        Ok(())
    }

    /// Leads the agents of the fault's hub to the other one, when the fault says so.
    fn lead_away(&self, fault: Fault) {
        let there = |agent: &usize| self.world.agents[*agent].at.load(Ordering::Relaxed) == fault.target;
        if fault.failover {
            (0..AGENTS).filter(there).for_each(|agent| self.lead(agent, (fault.target + 1) % HUBS));
        }
    }

    fn lead(&self, agent: usize, hub: usize) {
        let agent = &self.world.agents[agent];
        agent.at.store(hub, Ordering::Relaxed);
        agent.hub.switch(self.world.hubs[hub].address.clone());
    }

    /// Breaks and repairs an agent; returns how long it took until work went on.
    async fn agent(&self, fault: Fault) -> Result<Recovered> {
        let agent = &self.world.agents[fault.target];
        let observer = &self.world.observer;
        match fault.kind {
            Kind::LoseAgent | Kind::StopAgent => return self.lose(fault).await,
            Kind::KillAgent | Kind::DrainAgent => {
                end(&agent.part, fault.kind == Kind::DrainAgent).await?;
                sleep(hold(fault)).await;
                agent.part.up().await?;
            }
            Kind::CutAgentHub | Kind::CutAgentBroker => {
                let way = if fault.kind == Kind::CutAgentHub { &agent.hub } else { &agent.broker };
                way.cut().await;
                sleep(hold(fault)).await;
                way.restore();
            }
            Kind::StallAgentHub => {
                agent.hub.stall();
                sleep(hold(fault)).await;
                agent.hub.restore();
            }
            Kind::SwitchAgent => self.lead(fault.target, (agent.at.load(Ordering::Relaxed) + 1) % HUBS),
            kind => anyhow::bail!("{kind} is no fault of agents"),
        }
        let since = Instant::now();
        let mark = observer.mark().await?;
        let seen = AtomicBool::new(false);
        let watch = async {
            let completed = observer.completed_by(agent.part.name(), mark, LIMIT).await;
            seen.store(true, Ordering::Relaxed);
            completed
        };
        let (completed, ()) = tokio::join!(watch, self.feed(&seen));
        Ok(Recovered::since(since, completed))
    }

    /// Goes on submitting small jobs of each way of delivery: an agent cannot show that it is back when the load has come to its end.
    async fn feed(&self, enough: &AtomicBool) {
        let mut hubs = (0..HUBS).cycle();
        while !enough.load(Ordering::Relaxed) {
            for shape in self.world.shapes.iter().filter(|shape| shape.is_fast()) {
                let parameters = robots::parameters(&self.world.books(), 0, 0);
                let key = format!("feed-{}", Uuid::new_v4());
                let request = Request { automation: shape.automation, parameters, priority: 9, key };
                // One that is not answered is sent again at once: whether it was accepted would not be known otherwise.
                let accepted = loop {
                    match self.world.api.execute(hubs.next().unwrap_or(0), &request).await {
                        Submitted::Accepted(job) => break Some(job),
                        Submitted::Refused(text) => {
                            self.world.journal.breach(format!("a job was refused: {text}"));
                            break None;
                        }
                        Submitted::Unknown(_) => sleep(Duration::from_millis(50)).await,
                    }
                };
                if let Some(job) = accepted {
                    self.ledger.note(&request, job);
                }
            }
            sleep(FEED_EVERY).await;
        }
    }

    /// Takes an agent away until its leases are over; measures how long it took until none of its jobs was held any more.
    async fn lose(&self, fault: Fault) -> Result<Recovered> {
        let agent = &self.world.agents[fault.target];
        let observer = &self.world.observer;
        let begun = Instant::now();
        if fault.kind == Kind::LoseAgent {
            agent.part.kill().await?;
        } else {
            agent.part.signal(Signal::SIGSTOP).await?;
        }
        let held = observer.held_by(agent.part.name()).await?;
        let released = tokio::join!(observer.released(&held, LIMIT), tokio::time::sleep_until(begun + hold(fault))).0;
        if fault.kind == Kind::LoseAgent {
            agent.part.up().await?;
        } else {
            agent.part.signal(Signal::SIGCONT).await?;
        }
        // Without a job there was nothing to recover.
        Ok(if held.is_empty() { Recovered::Unmeasured } else { Recovered::since(begun, released) })
    }

    /// Runs a small job through these hubs, one each and in both ways of delivery; returns how long after `since` all had completed.
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

    async fn completes(&self, hub: usize, request: &Request, since: Instant) -> Result<Duration> {
        let job = loop {
            match self.world.api.execute(hub, request).await {
                Submitted::Accepted(job) => break job,
                Submitted::Refused(text) => anyhow::bail!("refused: {text}"),
                Submitted::Unknown(text) if since.elapsed() > LIMIT => anyhow::bail!("not accepted: {text}"),
                Submitted::Unknown(_) => sleep(Duration::from_millis(50)).await,
            }
        };
        self.ledger.note(request, job);
        Ok(self.world.observer.completed(job, LIMIT.saturating_sub(since.elapsed())).await? - since)
    }
}

async fn end(part: &Part, in_order: bool) -> Result<()> {
    if in_order { part.stop().await } else { part.kill().await }
}

fn concerns_one_hub(kind: Kind) -> bool {
    !matches!(kind, Kind::KillBothHubs | Kind::KillBroker | Kind::KillDatabase | Kind::KillBrokerAndDatabase)
}

fn hold(fault: Fault) -> Duration {
    Duration::from_millis(fault.hold_ms)
}
