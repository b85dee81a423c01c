//! Faults of schedulers, each with an SLA monitor, and of the clock that all hubs and schedulers follow.

use anyhow::{Context as _, Result};
use chrono::Utc;
use nix::sys::signal::Signal;
use tokio::time::{Instant, sleep};

use super::{
    Injector, Recovered, end, hold,
    services::{AHEAD_S, BEHIND_S},
};
use crate::{
    faults::{Fault, Kind},
    plan::Plan,
    recovery::LIMIT,
    world::{Hub, START_LIMIT, await_ready},
};

/// How far a scheduler's clock is ahead: slots are decided by this time before they are due, and nothing is due for as long afterwards.
const SCHEDULER_AHEAD_S: i64 = 20;

impl Injector {
    /// Injects the planned faults of schedulers, one after the other, beside those of services.
    pub(crate) async fn break_schedulers(&self, mut plan: Plan) -> Result<()> {
        while let Some(fault) = self.next(&mut plan).await {
            let is_short = !matches!(fault.kind, Kind::StopScheduler | Kind::StopBothSchedulers);
            let is_alone = fault.kind.steps_database() || fault.alone && is_short;
            let services = if is_alone { Some(self.services.lock().await) } else { None };
            let _schedulers = self.schedulers.lock().await;
            let mark = self.recoveries.mark();
            self.begin(fault);
            self.scheduler(fault).await.with_context(|| fault.kind.name())?;
            if fault.kind.steps_database() {
                // Slots that were decided early, or claimed by a wrong clock, may be long in coming.
                drop(services);
            }
            let recovered = self.slots_come().await;
            self.record(fault, recovered, self.recoveries.overlapped_since(mark));
        }
        Ok(())
    }

    async fn scheduler(&self, fault: Fault) -> Result<()> {
        let (schedulers, monitors) = (&self.world.schedulers, &self.world.monitors);
        match fault.kind {
            Kind::DatabaseAhead | Kind::DatabaseBehind => {
                let seconds = if fault.kind == Kind::DatabaseAhead { AHEAD_S } else { BEHIND_S };
                let held = async || {
                    sleep(hold(fault)).await;
                    Ok(())
                };
                return self.with_database_clock(seconds, held).await;
            }
            Kind::SchedulerAhead => return self.with_other_clock(fault, SCHEDULER_AHEAD_S).await,
            Kind::SchedulerBehind => return self.with_other_clock(fault, BEHIND_S).await,
            _ => {}
        }
        let both = matches!(fault.kind, Kind::KillBothSchedulers | Kind::StopBothSchedulers);
        let chosen = |hubs: &[Hub]| (0..hubs.len()).filter(|number| both || *number == fault.target).collect::<Vec<_>>();
        let hubs = || {
            let schedulers = chosen(schedulers).into_iter().map(|number| &schedulers[number]);
            schedulers.chain(chosen(monitors).into_iter().map(|number| &monitors[number]))
        };
        let which = || hubs().map(|one| &one.part);
        match fault.kind {
            Kind::KillScheduler | Kind::DrainScheduler | Kind::KillBothSchedulers => {
                let in_order = fault.kind == Kind::DrainScheduler;
                futures_util::future::try_join_all(which().map(|part| end(part, in_order))).await?;
                sleep(hold(fault)).await;
                futures_util::future::try_join_all(which().map(|part| part.up())).await.map(drop)
            }
            Kind::StopScheduler | Kind::StopBothSchedulers => {
                futures_util::future::try_join_all(which().map(|part| part.signal(Signal::SIGSTOP))).await?;
                sleep(hold(fault)).await;
                futures_util::future::try_join_all(which().map(|part| part.signal(Signal::SIGCONT))).await.map(drop)
            }
            Kind::StallSchedulerDatabase => {
                hubs().for_each(|one| one.database.stall());
                sleep(hold(fault)).await;
                hubs().for_each(|one| one.database.restore());
                Ok(())
            }
            kind => anyhow::bail!("{kind} is not a fault of schedulers"),
        }
    }

    /// A scheduler that starts takes the database's time as it is; one that runs follows it slowly. So one that was started meanwhile disagrees
    /// with the other, until it is killed and started again.
    async fn with_other_clock(&self, fault: Fault, seconds: i64) -> Result<()> {
        let one = &self.world.schedulers[fault.target];
        let restart = async || {
            one.part.kill().await?;
            one.part.up().await?;
            await_ready(&one.address, START_LIMIT).await.with_context(|| one.part.name().to_owned())
        };
        self.with_database_clock(seconds, async || {
            restart().await?;
            sleep(hold(fault)).await;
            Ok(())
        })
        .await?;
        restart().await
    }

    /// Steps PostgreSQL's clock, does `what`, and steps it back. What is starting must have started before.
    async fn with_database_clock(&self, seconds: i64, what: impl AsyncFnOnce() -> Result<()>) -> Result<()> {
        let clock = self.world.database_clock.as_ref().context("PostgreSQL's clock cannot be stepped")?;
        self.await_all_ready().await?;
        clock.set(seconds)?;
        let done = what().await;
        clock.set(0)?;
        done
    }

    /// Waits until every service is ready.
    pub(super) async fn await_all_ready(&self) -> Result<()> {
        for process in self.world.services() {
            await_ready(&process.address, START_LIMIT).await.with_context(|| process.part.name().to_owned())?;
        }
        Ok(())
    }

    /// Waits until a slot that is due from now on has a job.
    async fn slots_come(&self) -> Recovered {
        let (begun, now) = (Instant::now(), Utc::now().timestamp());
        let Some(timetable) = self.world.timetables.first() else { return Recovered::Unmeasured };
        if timetable.rule.end_at.is_none_or(|end| end.timestamp() <= now + 1) {
            return Recovered::Unmeasured;
        }
        Recovered::since(begun, self.world.observer.fired(timetable.id(), now, LIMIT).await)
    }
}
