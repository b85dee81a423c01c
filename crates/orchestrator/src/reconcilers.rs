//! The loops that put right what went wrong. Each reads the state anew, may run at any time, and is run by one replica at a time.

mod absence;
mod messages;
mod retention;
mod supervise;

use std::{collections::BTreeMap, time::Duration};

use api_types::ReconcilerStatus;
use chrono::{DateTime, Utc};
use runtime::Failure;
use store::Error;

pub(crate) use self::supervise::start;
use crate::{Orchestrator, writer::Change};

/// Jobs that are ended in one run at most.
const MOST_ENDED: u64 = 1000;

/// What a run did, as counts.
pub type Counts = BTreeMap<&'static str, u64>;

/// Something that puts something right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reconciler {
    /// Ends jobs whose lease ended: their worker is lost.
    ExpiredLeases,
    /// Lets jobs wait again whose message was never confirmed: a hub died between commit and confirm.
    UnconfirmedSweep,
    /// Lets jobs wait again whose message the broker confirmed and no longer has.
    LostMessages,
    /// Ends jobs that run longer than they may: those of foreign workers, and those whose worker did not end them itself.
    JobTimeouts,
    /// Fails jobs that wait longer than they may.
    QueueTimeouts,
    /// Removes old jobs that have ended.
    RetentionJobs,
    /// Removes old log lines and events of jobs.
    RetentionLogs,
    /// Removes old dead letters.
    RetentionDeadLetters,
}

impl Reconciler {
    /// Every reconciler.
    pub const ALL: [Self; 8] = [
        Self::ExpiredLeases,
        Self::UnconfirmedSweep,
        Self::LostMessages,
        Self::JobTimeouts,
        Self::QueueTimeouts,
        Self::RetentionJobs,
        Self::RetentionLogs,
        Self::RetentionDeadLetters,
    ];

    /// Its name in the API, the database and the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ExpiredLeases => "expired_leases",
            Self::UnconfirmedSweep => "unconfirmed_sweep",
            Self::LostMessages => "lost_messages",
            Self::JobTimeouts => "job_timeouts",
            Self::QueueTimeouts => "queue_timeouts",
            Self::RetentionJobs => "retention_jobs",
            Self::RetentionLogs => "retention_logs",
            Self::RetentionDeadLetters => "retention_dead_letters",
        }
    }

    /// Whether it ends jobs for what was not heard of them.
    const fn judges(self) -> bool {
        matches!(self, Self::ExpiredLeases | Self::JobTimeouts | Self::QueueTimeouts)
    }

    /// How long a run may take before it is stopped. When its replica dies in the midst of it, another one waits for half as long again: short
    /// for those that jobs wait for.
    const fn limit(self) -> Duration {
        match self {
            Self::ExpiredLeases | Self::JobTimeouts | Self::QueueTimeouts | Self::UnconfirmedSweep => Duration::from_secs(3),
            Self::LostMessages => Duration::from_secs(20),
            Self::RetentionJobs | Self::RetentionLogs | Self::RetentionDeadLetters => Duration::from_secs(60),
        }
    }

    /// How often it runs; `tick` is how often the hub looks for what is due.
    const fn every(self, tick: Duration) -> Duration {
        match self {
            Self::ExpiredLeases | Self::JobTimeouts | Self::QueueTimeouts => tick.saturating_mul(2),
            Self::UnconfirmedSweep => tick.saturating_mul(5),
            Self::LostMessages => tick.saturating_mul(30),
            Self::RetentionJobs | Self::RetentionLogs | Self::RetentionDeadLetters => Duration::from_secs(600),
        }
    }
}

impl Orchestrator {
    /// Runs a reconciler now, whether it is due or not, and whoever else runs it.
    ///
    /// # Errors
    /// Any [`Error`] of the database.
    pub async fn reconcile(&self, which: Reconciler) -> Result<Counts, Error> {
        self.reconcile_at(which, (self.clock)()).await
    }

    async fn reconcile_at(&self, which: Reconciler, now: DateTime<Utc>) -> Result<Counts, Error> {
        match which {
            Reconciler::ExpiredLeases => self.end_expired(now).await,
            Reconciler::UnconfirmedSweep => self.sweep_unconfirmed().await,
            Reconciler::LostMessages => self.find_lost_messages().await,
            Reconciler::JobTimeouts => self.end_overdue(now).await,
            Reconciler::QueueTimeouts => self.give_up_overdue(now).await,
            Reconciler::RetentionJobs => self.remove_old_jobs().await,
            Reconciler::RetentionLogs => self.remove_old_logs().await,
            Reconciler::RetentionDeadLetters => self.remove_old_dead_letters().await,
        }
    }

    async fn end_expired(&self, now: DateTime<Utc>) -> Result<Counts, Error> {
        let expired = store::jobs::job_list_expired(&self.database, now, MOST_ENDED).await?;
        Ok(self.end_all(expired, || Change::Expire).await)
    }

    async fn end_overdue(&self, now: DateTime<Utc>) -> Result<Counts, Error> {
        let overdue = store::jobs::job_list_overdue(&self.database, now, MOST_ENDED).await?;
        Ok(self.end_all(overdue, || Change::TimeOut).await)
    }

    async fn give_up_overdue(&self, now: DateTime<Utc>) -> Result<Counts, Error> {
        let overdue = store::jobs::job_list_queue_overdue(&self.database, now, MOST_ENDED).await?;
        Ok(self.end_all(overdue, || Change::GiveUp).await)
    }

    async fn end_all(&self, jobs: Vec<uuid::Uuid>, change: fn() -> Change) -> Counts {
        let outcomes = futures_util::future::join_all(jobs.into_iter().map(|id| self.writer.change(id, change()))).await;
        let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
        let ended = outcomes.into_iter().flatten().filter(|changed| changed.status.is_terminal()).count();
        counts([("jobs_ended", ended), ("jobs_not_ended", failed)])
    }

    async fn sweep_unconfirmed(&self) -> Result<Counts, Error> {
        let before = (self.clock)() - self.sweep_after;
        let released = store::jobs::job_release_unconfirmed(&self.database, before).await?;
        Ok(Counts::from([("jobs_waiting_again", released)]))
    }

    /// How each stands.
    pub(crate) async fn reconciler_list(&self) -> Result<Vec<ReconcilerStatus>, Failure> {
        let now = (self.clock)();
        let interval = |name: &str| Reconciler::ALL.into_iter().find(|one| one.name() == name).map(|one| one.every(self.tick));
        let to_api = |one: store::reconcilers::Reconciler| {
            Some(ReconcilerStatus {
                // A row of another version of the hub is not shown.
                interval_s: interval(&one.name)?.as_secs_f64(),
                running: one.holder.is_some() && one.held_until.is_some_and(|until| until >= now),
                name: one.name,
                holder: one.holder,
                last_started_at: one.last_started_at,
                last_finished_at: one.last_finished_at,
                last_duration_ms: one.last_duration_ms,
                last_outcome: one.last_outcome,
                last_error: one.last_error,
                runs: one.runs,
            })
        };
        Ok(store::reconcilers::reconciler_list(&self.database).await?.into_iter().filter_map(to_api).collect())
    }
}

fn counts<const N: usize>(counted: [(&'static str, usize); N]) -> Counts {
    counted.into_iter().map(|(what, count)| (what, u64::try_from(count).unwrap_or(u64::MAX))).collect()
}
