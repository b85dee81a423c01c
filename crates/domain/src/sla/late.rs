//! Whether a run is late.

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};

use super::{Known, Look, Standing, Verdict};
use crate::alert::Facts;

/// How often a hold is looked at whose end nobody knows.
const LOOK_AGAIN: TimeDelta = TimeDelta::seconds(60);
/// And what has just become late: a run may have ended while that was written, before anybody followed its automation.
const LOOK_TWICE: TimeDelta = TimeDelta::seconds(2);
/// How often the calendar may interrupt an interval, before it counts as one that is never over.
const MAX_CLOSINGS: usize = 1000;

/// Whether somebody keeps an automation from running on purpose.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hold {
    /// Nobody does.
    #[default]
    None,
    /// It, its queue, or every schedule of it is paused: until then, or until somebody resumes.
    Paused(Option<DateTime<Utc>>),
}

/// The deadline that is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deadline {
    /// So long after the last success, or after the time from which the interval counts.
    Interval {
        /// From when it counts.
        since: DateTime<Utc>,
    },
    /// A time of day.
    Daily {
        /// The deadline before it; runs of a schedule count that were created after.
        previous: DateTime<Utc>,
        /// The last deadline that has passed.
        at: DateTime<Utc>,
        /// From when on other runs count.
        early: DateTime<Utc>,
    },
    /// None has passed yet.
    Ahead,
}

/// What was read for [`Look::late`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LateFacts {
    /// Whether it is kept from running.
    pub hold: Hold,
    /// When the last run succeeded that counts for the [`Deadline`].
    pub success_at: Option<DateTime<Utc>>,
    /// When any run succeeded last.
    pub last_success_at: Option<DateTime<Utc>>,
}

impl Look<'_> {
    /// The deadline that is to be judged now, which says what must be read.
    #[must_use]
    pub fn deadline(&self, known: Option<&Known>) -> Deadline {
        let since = self.counts_since(known);
        let expect = &self.rule.expect;
        let Some(time) = expect.expected_daily_time else { return Deadline::Interval { since } };
        let last = self.times.deadline_to(self.now, time).filter(|at| *at > since);
        // One that was found to be missed is waited for until the next, although something else is expected since.
        let last = last.or_else(|| known.filter(|known| known.standing == Standing::Breached).and_then(|known| known.breach_of));
        match last {
            None => Deadline::Ahead,
            Some(at) => self.daily(at, time),
        }
    }

    /// A daily deadline, with what counts for it.
    pub(super) fn daily(&self, at: DateTime<Utc>, time: NaiveTime) -> Deadline {
        let early = at - TimeDelta::minutes(self.rule.expect.early_minutes);
        let previous = self.times.deadline_to(at - TimeDelta::seconds(1), time).unwrap_or(early);
        Deadline::Daily { previous, at, early }
    }

    /// From when on runs are expected of this subject.
    pub(super) fn counts_since(&self, known: Option<&Known>) -> DateTime<Utc> {
        let Some(known) = known else { return self.since };
        let since = known.since.map_or(self.since, |since| since.max(self.since));
        match known.standing {
            // What was held until a known time is free since then, else since now.
            Standing::Held => since.max(known.due_at.filter(|due| known.is_until_due && *due <= self.now).unwrap_or(self.now)),
            _ => since,
        }
    }

    /// Whether a run is late.
    #[must_use]
    pub fn late(&self, known: Option<&Known>, facts: &LateFacts) -> Verdict {
        let since = self.counts_since(known);
        if let Hold::Paused(until) = facts.hold {
            return self.held(known, until);
        }
        let verdict = match self.deadline(known) {
            Deadline::Interval { since } => self.late_of_interval(known, since, facts),
            Deadline::Daily { at, .. } => self.late_of_day(known, at, facts),
            Deadline::Ahead => self.ahead(self.now),
        };
        let due_at = match verdict.standing {
            Standing::Breached if known.is_some_and(|known| known.standing == Standing::Breached) => Some(self.now + LOOK_AGAIN),
            Standing::Breached => Some(self.now + LOOK_TWICE),
            _ => None,
        };
        let due_at = [verdict.due_at, due_at].into_iter().flatten().min();
        Verdict { since: Some(since).filter(|since| *since > self.since), due_at, ..verdict }
    }

    /// Kept from running: what is late stays so, and nothing else becomes late.
    pub(super) fn held(&self, known: Option<&Known>, until: Option<DateTime<Utc>>) -> Verdict {
        let until = until.filter(|until| *until > self.now);
        let due_at = Some(until.unwrap_or(self.now + LOOK_AGAIN));
        if let Some(known) = known.filter(|known| known.standing == Standing::Breached) {
            return Verdict { due_at, since: Some(self.now), ..Verdict::unchanged(known) };
        }
        Verdict { standing: Standing::Held, due_at, is_until_due: until.is_some(), since: Some(self.now), ..Verdict::fine() }
    }

    pub(super) fn grace(&self) -> TimeDelta {
        TimeDelta::minutes(self.rule.expect.late_after_minutes)
    }

    fn late_of_interval(&self, known: Option<&Known>, since: DateTime<Utc>, facts: &LateFacts) -> Verdict {
        let length = TimeDelta::minutes(self.rule.expect.expected_run_every_minutes.unwrap_or_default()) + self.grace();
        // A pause that is over starts the interval anew, but what was late before is still missing.
        if let Some(known) = known.filter(|known| known.standing == Standing::Breached)
            && let Some(at) = known.at.filter(|at| *at > self.since && facts.last_success_at.is_none_or(|success| success <= *at - length))
        {
            return Verdict { due_at: self.interval_end(at.max(self.now), length), ..Verdict::unchanged(known) };
        }
        let base = facts.last_success_at.map_or(since, |success| success.max(since));
        let Some(deadline) = self.interval_end(base, length) else {
            // Never due; a change of the calendar is a reason to look again.
            return Verdict { due_at: Some(self.now + TimeDelta::days(1)), ..Verdict::fine() };
        };
        if self.now < deadline {
            let closed = self.times.closed_until(self.now);
            let standing = if closed.is_some() { Standing::Closed } else { Standing::Fine };
            return Verdict { standing, due_at: Some(deadline), ..Verdict::fine() };
        }
        Verdict::breach(
            deadline,
            Facts { expected_at: Some(deadline - self.grace()), last_success_at: facts.last_success_at, ..Facts::default() },
        )
    }

    /// When a time after `base` is over, that begins anew whenever nothing was expected.
    pub(super) fn interval_end(&self, base: DateTime<Utc>, length: TimeDelta) -> Option<DateTime<Utc>> {
        let mut base = self.times.closed_until(base).unwrap_or(base);
        for _ in 0..MAX_CLOSINGS {
            let end = base.checked_add_signed(length)?;
            match self.times.next_closing(base, end) {
                Some(closing) => base = self.times.closed_until(closing)?,
                None => return Some(end),
            }
        }
        None
    }

    fn late_of_day(&self, known: Option<&Known>, at: DateTime<Utc>, facts: &LateFacts) -> Verdict {
        let late_at = at + self.grace();
        if facts.success_at.is_some() {
            return self.ahead(at);
        }
        // A blackout began after the deadline: nothing could run any more.
        if self.times.blackout_end(late_at).is_some() {
            return Verdict { standing: Standing::Closed, ..self.ahead(at) };
        }
        if self.now < late_at {
            // What an earlier day misses is missing still.
            let missing = known.filter(|known| known.standing == Standing::Breached && facts.last_success_at <= known.at);
            return Verdict { due_at: Some(late_at), ..missing.map_or(Verdict::fine(), Verdict::unchanged) };
        }
        let next = self.ahead(self.now).due_at;
        let facts = Facts { expected_at: Some(at), last_success_at: facts.last_success_at, ..Facts::default() };
        Verdict { due_at: next, breach_of: Some(at), ..Verdict::breach(late_at, facts) }
    }

    /// Nothing to judge before the next deadline.
    pub(super) fn ahead(&self, after: DateTime<Utc>) -> Verdict {
        let next = self.rule.expect.expected_daily_time.and_then(|time| self.times.deadline_after(after.max(self.now), time));
        Verdict { due_at: next, ..Verdict::fine() }
    }
}
