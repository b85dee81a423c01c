//! A database that a test writes, and monitors on it whose loops it runs.

use std::{ops::Deref, sync::Arc, time::Duration};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Scope,
    alert::{Alert, Resolution, Subject, Terms},
    calendar::Calendar,
    ids::{AutomationId, CalendarId, JobId, SlaId, WorkerId},
    job::{ErrorClass, Failure, Status, Trigger},
    schedule::Zones,
    sla::{Expectations, Rule, Target},
    worker::Life,
};
use runtime::{CalendarCache, EndedReader, Reconciler as _};
use serde_json::json;
use store::{
    alerts::{Filter, alert_list},
    automations::{Draft, automation_insert},
    calendars::calendar_insert,
    jobs::{JobRow, NewJob, job_insert_many_in_txn, job_load_for_update_in_txn, job_update_many_in_txn},
    reconcilers::{Claim, Run, reconciler_claim, reconciler_finish, reconciler_put},
    slas::{sla_get, sla_insert, sla_next_wake_unscoped, sla_update},
    workers::{Seen, Vitals, Worker, worker_insert, worker_note_seen},
};
use test_support::Backend;
use uuid::Uuid;

use super::super::{Catalog, Evaluate, Watch, baselines::Baselines, sweep::Sweep};
pub(super) use crate::notifications::tests::world::at;
use crate::{
    alerts::{Due, Told},
    notifications::tests::world::World,
};

/// Turns after which a loop that finds nothing new does not end by itself.
const MOST_TURNS: usize = 50;

/// A process with the loops of a monitor.
pub(super) struct Monitor {
    pub(super) evaluate: Evaluate,
    pub(super) catalog: Catalog,
    watch: Watch,
    sweep: Sweep,
    due: Due,
}

impl Monitor {
    /// A process that has just started.
    pub(super) fn start(hub: &Hub) -> Self {
        let (database, clock, tick) = (hub.database.clone(), hub.clock(), Duration::from_secs(1));
        let told = Told { events: hub.events(), clock: clock.clone(), notices: Arc::default() };
        let nudge = Arc::<tokio::sync::Notify>::default();
        let (read, shutdown) = (EndedReader::default(), hub.shutdown.clone());
        let sweep = Sweep { database: database.clone(), tick, shutdown: shutdown.clone(), read, nudge: nudge.clone() };
        let due = Due { database: database.clone(), tick, told: told.clone(), shutdown };
        let (zones, calendars) = (Arc::new(Zones::bundled()), CalendarCache::new(database.clone()));
        let baselines = Baselines::default();
        let evaluate = Evaluate { database, clock, zones, calendars, baselines, nudge, told, tick };
        Self { evaluate, catalog: Catalog::default(), watch: Watch::default(), sweep, due }
    }

    /// Does what there is to do now.
    pub(super) async fn work(&mut self) {
        let now = (self.evaluate.clock)();
        self.sweep.run_once(now).await.unwrap();
        let mut turns = 0;
        while self.evaluate.turn(&mut self.catalog, &mut self.watch).await.unwrap().is_zero() {
            turns += 1;
            assert!(turns < MOST_TURNS, "at {now} there is always something to do");
        }
        self.due.run_once(now).await.unwrap();
    }

    /// Works whenever something is due until then, as the loop does that sleeps.
    pub(super) async fn work_until(&mut self, hub: &Hub, until: DateTime<Utc>) {
        loop {
            self.work().await;
            let next = sla_next_wake_unscoped(&hub.database).await.unwrap();
            let Some(next) = next.filter(|next| *next <= until) else { break };
            hub.set(next.max(hub.now()));
        }
        hub.set(until);
        self.work().await;
    }
}

/// A run of an automation.
#[derive(Clone, Debug)]
pub(super) struct Ran {
    pub(super) automation: AutomationId,
    pub(super) queue: &'static str,
    pub(super) created: DateTime<Utc>,
    pub(super) trigger: Trigger,
    pub(super) retry_of: Option<JobId>,
}

/// The database, and what services and robots write into it.
pub(super) struct Hub(World);

impl Deref for Hub {
    type Target = World;

    fn deref(&self) -> &World {
        &self.0
    }
}

impl Hub {
    pub(super) async fn start(backend: Backend, now: &str) -> Self {
        Self(World::start(backend, now).await)
    }

    pub(super) async fn end(self) {
        self.0.end().await;
    }

    pub(super) fn later(&self, time: TimeDelta) {
        self.set(self.now() + time);
    }

    pub(super) async fn automation(&self, name: &str) -> AutomationId {
        let draft = Draft { name: name.to_owned(), queue_name: name.to_owned(), script_path: "x".to_owned(), ..Draft::default() };
        automation_insert(&self.database, &Scope::All, &test_support::change(), &draft, self.now()).await.unwrap().id
    }

    pub(super) async fn calendar(&self, calendar: &Calendar) -> CalendarId {
        let id = Uuid::now_v7().into();
        let _stored = calendar_insert(&self.database, &test_support::change(), id, calendar, self.now()).await.unwrap();
        id
    }

    /// A rule in the zone of São Paulo.
    pub(super) async fn rule(&self, target: Target, calendar_id: Option<CalendarId>, expect: Expectations) -> SlaId {
        let id: SlaId = Uuid::now_v7().into();
        let rule = Rule {
            name: format!("rule {id}"),
            target,
            expect,
            calendar_id,
            timezone: "America/Sao_Paulo".to_owned(),
            terms: Terms { resolve_after_minutes: 2, ..Terms::default() },
            enabled: true,
        };
        sla_insert(&self.database, &test_support::change(), id, &rule, self.now()).await.unwrap().id
    }

    pub(super) async fn change_rule(&self, id: SlaId, change: impl FnOnce(&mut Rule)) {
        let mut rule = sla_get(&self.database, &Scope::All, id).await.unwrap().unwrap().rule;
        change(&mut rule);
        let by = test_support::change();
        let _changed = sla_update(&self.database, (&Scope::All, &by), (id, None), &rule, self.now()).await.unwrap();
    }

    /// A job that waits since `ran.created`.
    pub(super) async fn job(&self, ran: &Ran) -> JobId {
        let id: JobId = Uuid::now_v7().into();
        let job = NewJob {
            automation_id: ran.automation,
            created_at: ran.created,
            trigger: ran.trigger,
            retry_of: ran.retry_of,
            ..test_support::new_job(id, ran.queue)
        };
        let txn = self.database.begin().await.unwrap();
        job_insert_many_in_txn(&txn, &[&job]).await.unwrap();
        txn.commit().await.unwrap();
        id
    }

    pub(super) async fn change_job(&self, id: JobId, change: impl FnOnce(&mut JobRow)) {
        let txn = self.database.begin().await.unwrap();
        let mut rows = job_load_for_update_in_txn(&txn, &[id]).await.unwrap();
        change(&mut rows[0]);
        job_update_many_in_txn(&txn, &[&rows[0]]).await.unwrap();
        txn.commit().await.unwrap();
    }

    /// A worker starts the job now.
    pub(super) async fn begins(&self, id: JobId) {
        let now = self.now();
        self.change_job(id, |row| (row.job.status, row.started_at) = (Status::Running, Some(now))).await;
    }

    /// The job ends now.
    pub(super) async fn ends(&self, id: JobId, status: Status) {
        let now = self.now();
        let failure = || Failure { class: ErrorClass::RobotError, message: "the portal is away".to_owned() };
        self.change_job(id, |row| {
            (row.job.status, row.completed_at) = (status, Some(now));
            row.job.failure = (status == Status::Failed).then(failure);
        })
        .await;
    }

    pub(super) async fn worker(&self, name: &str, queue: &str) -> WorkerId {
        let id = Uuid::now_v7().into();
        let worker = Worker {
            id,
            name: name.to_owned(),
            queues: vec![queue.to_owned()],
            labels: Vec::new(),
            slots: 1,
            version: "1".to_owned(),
            hostname: "host".to_owned(),
            uses_broker: false,
            registered_at: self.now(),
            life: Life { last_seen_at: self.now(), paused_at: None, stopped_at: None },
            paused_by: None,
            vitals: Vitals::default(),
            instance_id: None,
            pid: None,
            credential: None,
        };
        assert!(worker_insert(&self.database, &worker).await.unwrap());
        id
    }

    pub(super) async fn heard_of(&self, worker: WorkerId) {
        let seen = Seen { id: worker, at: self.now(), vitals: None, revives: false };
        assert!(worker_note_seen(&self.database, &[seen]).await.unwrap().is_empty());
    }

    /// A reconciler runs now, each `every` seconds.
    pub(super) async fn reconciler(&self, name: &str, every: i64, outcome: Result<(), &str>) {
        let (now, every, holder) = (self.now(), TimeDelta::seconds(every), Uuid::now_v7().into());
        reconciler_put(&self.database, &[(name, every)]).await.unwrap();
        let claim = Claim { name, holder, now, hold_for: TimeDelta::seconds(1), every: TimeDelta::zero() };
        assert!(reconciler_claim(&self.database, &claim).await.unwrap());
        let outcome = outcome.map(|()| json!({})).map_err(str::to_owned);
        reconciler_finish(&self.database, name, holder, &Run { now, duration_ms: 1, outcome }).await.unwrap();
    }

    /// All alerts, oldest first.
    pub(super) async fn alerts(&self) -> Vec<Alert> {
        let mut found = alert_list(&self.database, &Scope::All, &Filter { limit: 1000, ..Filter::default() }).await.unwrap();
        found.sort_by_key(|alert| (alert.opened_at, alert.key.clone()));
        found
    }

    /// Each alert as a line: type, subject, when it began, opened and was resolved, how often it was seen. Times are of November 2026 in UTC.
    pub(super) async fn table(&self, names: &[(Subject, &str)]) -> Vec<String> {
        let time = |at: DateTime<Utc>| at.format("%d %H:%M:%S").to_string();
        let line = |alert: Alert| {
            let subject = names.iter().find(|(subject, _)| *subject == alert.key.subject).map(|(_, name)| (*name).to_owned());
            let end = alert.resolved.map_or_else(
                || "open".to_owned(),
                |end| match end.why {
                    Resolution::Recovered => time(end.at),
                    why => format!("{} {}", time(end.at), why.as_str()),
                },
            );
            format!(
                "{} {} | {} | {} | {end} | {}",
                alert.key.alert_type,
                subject.unwrap_or_else(|| alert.key.subject.parts().1),
                time(alert.began_at),
                time(alert.opened_at),
                alert.count
            )
        };
        self.alerts().await.into_iter().map(line).collect()
    }
}
