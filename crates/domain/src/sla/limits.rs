//! Limits of what is measured now: running jobs, waiting jobs, workers, schedules, and parts of the hub.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Look, Run, Verdict, outcomes::seconds};
use crate::{
    alert::{Facts, MAX_JOBS, Unit},
    ids::JobId,
    schedule::{ScheduleState, StateReason},
    worker::Life,
};

/// How often a backlog and workers are looked at, and the least time between two looks.
pub(super) const EVERY: TimeDelta = TimeDelta::seconds(15);
/// How often schedules are looked at.
const SCHEDULES_EVERY: TimeDelta = TimeDelta::seconds(60);
/// How long after its time a reconciler is stuck, beside twice its interval.
const STUCK_AFTER: TimeDelta = TimeDelta::minutes(2);

/// A job that runs or is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunningJob {
    /// The job.
    pub job_id: JobId,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When it was paused, if it is.
    pub paused_at: Option<DateTime<Utc>>,
    /// How long it was paused before.
    pub paused: TimeDelta,
}

/// The next time at which what is measured now and then is looked at: for all rules the same, so that they share what is read.
pub(super) fn next_look(now: DateTime<Utc>, every: TimeDelta) -> DateTime<Utc> {
    let every = every.num_seconds();
    DateTime::from_timestamp((now.timestamp().div_euclid(every) + 1) * every, 0).unwrap_or(now)
}

impl RunningJob {
    /// How long it has run, without its pauses.
    #[must_use]
    pub fn took(&self, now: DateTime<Utc>) -> TimeDelta {
        self.paused_at.unwrap_or(now) - self.started_at - self.paused
    }
}

/// Waiting jobs of a queue, or of an automation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueFacts {
    /// How many wait.
    pub waiting: i64,
    /// Since when the oldest waits.
    pub oldest_at: Option<DateTime<Utc>>,
    /// Whether it is paused on purpose: then only what is measured already stays an incident.
    pub is_paused: bool,
}

/// A worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkerFacts {
    /// When it was heard of, paused, signed off.
    pub life: Life,
}

/// A schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScheduleFacts {
    /// Whether it is switched on.
    pub enabled: bool,
    /// Its state.
    pub state: ScheduleState,
    /// Why it is in that state.
    pub reason: Option<StateReason>,
    /// When somebody last changed it.
    pub updated_at: DateTime<Utc>,
    /// When it is looked at next: when it fires, if it is in the future.
    pub next_at: Option<DateTime<Utc>>,
}

/// A part of the hub: a reconciler, or dispatch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HubPart {
    /// Its name.
    pub name: String,
    /// When it last did its work.
    pub last_at: Option<DateTime<Utc>>,
    /// How often it should.
    pub every: TimeDelta,
    /// Why it failed, if it did.
    pub error: Option<String>,
}

impl Look<'_> {
    /// Whether a run takes too long, or the last one was suspiciously short. `runs` is as for [`Look::failures`].
    #[must_use]
    pub fn durations(&self, running: &[RunningJob], runs: &[Run]) -> Verdict {
        let short = self.short(runs).unwrap_or_else(Verdict::fine);
        let Some(limit) = self.rule.expect.max_duration_s.map(TimeDelta::seconds) else { return short };
        // A job that starts now is too long then at the earliest.
        let next = |job: &RunningJob| self.now + (limit - job.took(self.now));
        let ahead = running.iter().filter(|job| job.paused_at.is_none() && job.took(self.now) < limit).map(next);
        let due_at = Some(ahead.min().unwrap_or(DateTime::<Utc>::MAX_UTC).min(self.now + limit).max(self.now + TimeDelta::seconds(1)));
        let mut over: Vec<&RunningJob> = running.iter().filter(|job| job.took(self.now) >= limit).collect();
        over.sort_unstable_by_key(|job| (std::cmp::Reverse(job.took(self.now)), job.job_id));
        let Some(longest) = over.first() else { return Verdict { due_at, ..short } };
        let facts = Facts {
            measured: Some(seconds(longest.took(self.now))),
            limit: Some(seconds(limit)),
            unit: Some(Unit::Seconds),
            job_ids: over.iter().map(|job| job.job_id).take(MAX_JOBS).collect(),
            ..Facts::default()
        };
        // Another job is another breach: the latest that became one.
        let at = over.iter().map(|job| job.started_at + job.paused + limit).max().unwrap_or(self.now);
        Verdict { due_at, ..Verdict::breach(at.min(self.now), facts) }
    }

    /// Whether too many jobs wait, or one for too long.
    #[must_use]
    pub fn backlog(&self, facts: &QueueFacts) -> Verdict {
        let expect = &self.rule.expect;
        let age = facts.oldest_at.map(|oldest| self.now - oldest);
        let age_limit = expect.max_pending_age_s.map(TimeDelta::seconds);
        let ages = age_limit.map(|limit| facts.oldest_at.map_or(self.now, |oldest| oldest.max(self.now - limit)) + limit);
        let looks = expect.max_backlog.map(|_| next_look(self.now, EVERY));
        let due_at = [ages, looks].into_iter().flatten().min().map(|due| due.max(self.now + TimeDelta::seconds(1)));
        if let (Some(limit), Some(age), Some(oldest)) = (age_limit, age, facts.oldest_at)
            && age >= limit
            && !facts.is_paused
        {
            let facts = Facts { measured: Some(seconds(age)), limit: Some(seconds(limit)), unit: Some(Unit::Seconds), ..Facts::default() };
            return Verdict { due_at: due_at.map(|due| due.max(next_look(self.now, EVERY))), ..Verdict::breach(oldest + limit, facts) };
        }
        if let Some(limit) = expect.max_backlog.filter(|limit| facts.waiting > *limit && !facts.is_paused) {
            #[expect(clippy::cast_precision_loss, reason = "fewer jobs than a mantissa counts")]
            let (measured, limit) = (Some(facts.waiting as f64), Some(limit as f64));
            return Verdict { due_at, ..Verdict::breach(self.now, Facts { measured, limit, unit: Some(Unit::Jobs), ..Facts::default() }) };
        }
        Verdict { due_at, ..Verdict::fine() }
    }

    /// Whether a worker is gone. One that signed off is not missed.
    #[must_use]
    pub fn worker(&self, facts: &WorkerFacts) -> Verdict {
        let Some(limit) = self.rule.expect.worker_gone_after_s.map(TimeDelta::seconds) else { return Verdict::fine() };
        let due_at = Some(next_look(self.now, EVERY));
        let gone_at = facts.life.last_seen_at + limit;
        if facts.life.stopped_at.is_some() || gone_at > self.now {
            return Verdict { due_at, ..Verdict::fine() };
        }
        let facts = Facts {
            last_seen_at: Some(facts.life.last_seen_at),
            measured: Some(seconds(self.now - facts.life.last_seen_at)),
            limit: Some(seconds(limit)),
            unit: Some(Unit::Seconds),
            ..Facts::default()
        };
        Verdict { due_at, ..Verdict::breach(gone_at, facts) }
    }

    /// Whether a schedule that is switched on will not run again although nobody meant it: not one whose only time or last day has passed.
    #[must_use]
    pub fn schedule(&self, facts: &ScheduleFacts) -> Verdict {
        let is_dead = match facts.state {
            ScheduleState::Blocked => true,
            ScheduleState::Ended => matches!(facts.reason, Some(StateReason::NoDate | StateReason::Excluded)),
            ScheduleState::Active | ScheduleState::Paused | ScheduleState::Disabled => false,
        };
        let due_at = Some(next_look(self.now, SCHEDULES_EVERY));
        if !facts.enabled || !is_dead {
            return Verdict { due_at, ..Verdict::fine() };
        }
        let summary = facts.reason.map(|reason| reason.as_str().to_owned());
        Verdict { due_at, ..Verdict::breach(self.now, Facts { summary, ..Facts::default() }) }
    }

    /// Whether a part of the hub is stuck or fails.
    #[must_use]
    pub fn hub(&self, part: &HubPart) -> Verdict {
        let due_at = Some(next_look(self.now, EVERY));
        let limit = (part.every * 2).max(STUCK_AFTER);
        // Before its first run it has the same time.
        let last = part.last_at.unwrap_or(self.since);
        let silent = self.now - last;
        if silent < limit {
            return Verdict { due_at, ..Verdict::fine() };
        }
        let facts = Facts {
            last_seen_at: part.last_at,
            measured: Some(seconds(silent)),
            limit: Some(seconds(limit)),
            unit: Some(Unit::Seconds),
            summary: part.error.clone(),
            ..Facts::default()
        };
        Verdict { due_at, ..Verdict::breach(last + limit, facts) }
    }
}
