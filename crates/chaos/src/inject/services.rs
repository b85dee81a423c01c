//! Faults of services: hubs, broker, database.

use std::time::Duration;

use anyhow::Result;
use domain::ids::JobId;
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::{Injector, end, hold};
use crate::{
    api::Request,
    faults::{Fault, Kind},
    robots,
    servers::Server,
};

/// A retry that is due in 3 s must come by then, even if an agent is lost meanwhile. A clock step is larger.
const RETRY_LIMIT: Duration = Duration::from_secs(30);
/// How far a clock steps, in seconds.
pub(super) const AHEAD_S: i64 = 45;
pub(super) const BEHIND_S: i64 = -600;

impl Injector {
    /// Breaks and repairs a service; returns the time of the repair: when the process was started, the server answered, the network worked.
    pub(super) async fn service(&self, fault: Fault) -> Result<Instant> {
        let Fault { kind, target, .. } = fault;
        let hub = &self.world.hubs[target];
        let doors = self.world.doors();
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
            Kind::KillGateway => {
                doors[target].part.kill().await?;
                self.lead_away(fault);
                sleep(hold(fault)).await;
                doors[target].part.up().await?;
            }
            Kind::KillBothGateways => {
                futures_util::future::try_join_all(doors.iter().map(|gateway| gateway.part.kill())).await?;
                sleep(hold(fault)).await;
                futures_util::future::try_join_all(doors.iter().map(|gateway| gateway.part.up())).await?;
            }
            Kind::RestartInTurn => self.restart_in_turn().await?,
            Kind::StopHub | Kind::StopGateway => {
                let part = if kind == Kind::StopHub { &hub.part } else { &doors[target].part };
                part.signal(Signal::SIGSTOP).await?;
                self.lead_away(fault);
                sleep(hold(fault)).await;
                part.signal(Signal::SIGCONT).await?;
            }
            Kind::StopBothHubs => {
                futures_util::future::try_join_all(self.world.hubs.iter().map(|hub| hub.part.signal(Signal::SIGSTOP))).await?;
                sleep(hold(fault)).await;
                futures_util::future::try_join_all(self.world.hubs.iter().map(|hub| hub.part.signal(Signal::SIGCONT))).await?;
            }
            Kind::ClockAhead => self.step_clock(fault, AHEAD_S).await?,
            Kind::ClockBehind => self.step_clock(fault, BEHIND_S).await?,
            Kind::FillDatabase => {
                if let Some(disk) = &self.world.database_disk {
                    disk.hold_full(hold(fault)).await?;
                }
                // It may have exited for lack of space, and is restarted as a host would do.
                self.world.servers.revive(Server::Postgres).await?;
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
            kind => anyhow::bail!("{kind} is not a fault of services"),
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

    /// Steps a hub's clock and back. Retries must come on time: those due meanwhile, and those scheduled by the wrong clock.
    async fn step_clock(&self, fault: Fault, seconds: i64) -> Result<()> {
        let clock = &self.world.hubs[fault.target].clock;
        clock.set(seconds)?;
        sleep(hold(fault)).await;
        let jobs = self.patient_jobs(fault.target).await?;
        self.retries_come(&jobs, fault, "while its clock is wrong").await;
        let jobs = self.patient_jobs(fault.target).await?;
        for job in &jobs {
            if self.world.observer.retried(*job, RETRY_LIMIT).await.is_err() {
                self.world.journal.breach(format!("{} ({}): {job} has no retry", fault.kind, fault.target));
            }
        }
        clock.set(0)?;
        self.retries_come(&jobs, fault, "after its clock was corrected").await;
        Ok(())
    }

    /// Jobs whose first attempt fails, one per delivery mode.
    async fn patient_jobs(&self, hub: usize) -> Result<Vec<JobId>> {
        let mut jobs = Vec::new();
        for shape in self.world.shapes.iter().filter(|shape| shape.is_patient()) {
            let parameters = robots::parameters(&self.world.books(), 0, shape.failures);
            let key = format!("patient-{}", Uuid::new_v4());
            let request = Request { automation: shape.automation, parameters, priority: 9, key };
            jobs.push(self.accepted(hub, &request, Instant::now()).await?);
        }
        Ok(jobs)
    }

    async fn retries_come(&self, jobs: &[JobId], fault: Fault, when: &str) {
        let deadline = Instant::now() + RETRY_LIMIT;
        for job in jobs {
            if self.world.observer.completed(*job, deadline - Instant::now()).await.is_err() {
                let text = format!("{} ({}): {job} was not retried within {RETRY_LIMIT:?} {when}", fault.kind, fault.target);
                self.world.journal.breach(text);
            }
        }
    }
}
