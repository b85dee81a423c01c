//! Faults of one agent.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::Result;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Injector, Recovered, end, hold, services::BEHIND_S};
use crate::{
    api::{Request, Submitted},
    faults::{Fault, Kind},
    part::Part,
    recovery::LIMIT,
    robots,
    servers::descendants,
    world::{Agent, HUBS},
};

/// Pause between jobs that keep an agent busy.
const FEED_EVERY: Duration = Duration::from_millis(250);

/// How long an agent runs beside the one that holds its name.
const BESIDE: Duration = Duration::from_secs(2);

impl Injector {
    /// Breaks and repairs an agent; returns the time until work resumed.
    pub(super) async fn agent(&self, fault: Fault) -> Result<Recovered> {
        let agent = &self.world.agents[fault.target];
        let observer = &self.world.observer;
        match fault.kind {
            Kind::LoseAgent | Kind::StopAgent | Kind::SuspendAgent => return self.lose(fault).await,
            Kind::TwinAgent => {
                let twin = Part::start(agent.twin.clone(), self.world.journal.clone()).await?;
                sleep(hold(fault)).await;
                twin.stop().await?;
            }
            Kind::TakeOverAgent => self.take_over(agent, fault).await?,
            Kind::FillAgent => {
                if let Some(disk) = &agent.disk {
                    disk.hold_full(hold(fault)).await?;
                }
            }
            Kind::ClockAgent => {
                agent.clock.set(BEHIND_S)?;
                sleep(hold(fault)).await;
                agent.clock.set(0)?;
            }
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
            kind => anyhow::bail!("{kind} is not a fault of agents"),
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

    /// Keeps submitting small jobs in each delivery mode: without load a recovered agent could not be detected.
    async fn feed(&self, enough: &AtomicBool) {
        let mut hubs = (0..HUBS).cycle();
        while !enough.load(Ordering::Relaxed) {
            for shape in self.world.shapes.iter().filter(|shape| shape.is_fast()) {
                let parameters = robots::parameters(&self.world.books(), 0, 0);
                let key = format!("feed-{}", Uuid::new_v4());
                let request = Request { automation: shape.automation, parameters, priority: 9, key };
                // An unanswered request is repeated at once: otherwise it would be unknown whether it was accepted.
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

    /// Removes an agent until its leases have expired; measures the time until none of its jobs is held any more.
    async fn lose(&self, fault: Fault) -> Result<Recovered> {
        let agent = &self.world.agents[fault.target];
        let observer = &self.world.observer;
        let begun = Instant::now();
        let mut stopped = Vec::new();
        match fault.kind {
            Kind::LoseAgent => agent.part.kill().await?,
            Kind::SuspendAgent => {
                agent.part.signal(Signal::SIGSTOP).await?;
                stopped = agent.part.pid().await.map(descendants).unwrap_or_default();
                signal_all(&stopped, Signal::SIGSTOP);
            }
            _ => agent.part.signal(Signal::SIGSTOP).await?,
        }
        let held = observer.held_by(agent.part.name()).await?;
        let released = tokio::join!(observer.released(&held, LIMIT), tokio::time::sleep_until(begun + hold(fault))).0;
        if fault.kind == Kind::LoseAgent {
            agent.part.up().await?;
        } else {
            signal_all(&stopped, Signal::SIGCONT);
            agent.part.signal(Signal::SIGCONT).await?;
        }
        // Without a job there was nothing to recover.
        Ok(if held.is_empty() { Recovered::Unmeasured } else { Recovered::since(begun, released) })
    }

    /// Suspends an agent until another has taken its name over and works, then resumes it beside that one.
    async fn take_over(&self, agent: &Agent, fault: Fault) -> Result<()> {
        let observer = &self.world.observer;
        agent.part.signal(Signal::SIGSTOP).await?;
        sleep(hold(fault)).await;
        let mark = observer.mark().await?;
        let twin = Part::start(agent.twin.clone(), self.world.journal.clone()).await?;
        let seen = AtomicBool::new(false);
        let watch = async {
            let completed = observer.completed_by(agent.part.name(), mark, LIMIT).await;
            seen.store(true, Ordering::Relaxed);
            completed
        };
        if tokio::join!(watch, self.feed(&seen)).0.is_err() {
            self.world.journal.breach(format!("{} ({}): no other agent could take the name over", fault.kind, fault.target));
        }
        agent.part.signal(Signal::SIGCONT).await?;
        sleep(BESIDE).await;
        twin.stop().await
    }
}

fn signal_all(pids: &[i32], signal: Signal) {
    for pid in pids {
        // It may have ended meanwhile.
        let _ended = kill(Pid::from_raw(*pid), signal);
    }
}
