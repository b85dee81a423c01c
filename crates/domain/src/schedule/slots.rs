//! The slots of a schedule: its times, less what calendar, window, blackouts and dates take away.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Utc};

use super::{
    CalendarUse, Schedule, Spec,
    jitter::jitter,
    line::{self, Candidate, Skip},
    zone::{DAY_S, date_of, midnight},
};
use crate::calendar::{DayRule, OnBlackout};

/// How far a search goes that a calendar, a window or a blackout may make endless: five years.
pub(super) const SEARCH_S: i64 = 5 * 366 * DAY_S;
/// How many times a search is turned away before it gives up.
const MAX_TURNS: u32 = 50_000;

/// A time at which a schedule is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// The time; with the schedule it identifies the run.
    pub at: DateTime<Utc>,
    /// The local time that was meant. Where the zone's clock skips it, [`Slot::at`] is the first instant after the gap.
    pub local: NaiveDateTime,
    /// When the run starts: after its jitter, and after a blackout that holds it.
    pub run_at: DateTime<Utc>,
    /// Whether a blackout holds it.
    pub held: bool,
}

/// Slots in order, until an instant.
#[derive(Clone, Debug)]
pub struct Slots<'a> {
    schedule: &'a Schedule,
    after: i64,
    until: i64,
}

impl Iterator for Slots<'_> {
    type Item = Slot;

    fn next(&mut self) -> Option<Slot> {
        let found = self.schedule.search(self.after, self.until);
        // After the last one nothing is searched again.
        self.after = found.map_or(self.until, |candidate| candidate.at);
        self.schedule.slot(found?)
    }
}

impl Schedule {
    /// The first slot strictly after `after`. `None`: there is none, or none within five years where a calendar or window takes slots away.
    #[must_use]
    pub fn next_slot(&self, after: DateTime<Utc>) -> Option<Slot> {
        self.slot(self.search(after.timestamp(), i64::MAX)?)
    }

    /// The first `count` slots strictly after `after`.
    #[must_use]
    pub fn next_slots(&self, after: DateTime<Utc>, count: usize) -> Vec<Slot> {
        Slots { schedule: self, after: after.timestamp(), until: i64::MAX }.take(count).collect()
    }

    /// The slots strictly after `after`, up to `until` and including it. Adjoining spans have no slot in common and miss none.
    #[must_use]
    pub fn slots_between(&self, after: DateTime<Utc>, until: DateTime<Utc>) -> Slots<'_> {
        Slots { schedule: self, after: after.timestamp(), until: until.timestamp() }
    }

    fn slot(&self, candidate: Candidate) -> Option<Slot> {
        let start = candidate.at + jitter(self.id, candidate.at, self.jitter_s);
        let held = self.calendar.as_ref().filter(|calendar| calendar.on_blackout == OnBlackout::Hold);
        let ends = held.and_then(|held| held.calendar.blackout_end(&self.zone, start));
        Some(Slot {
            at: DateTime::from_timestamp(candidate.at, 0)?,
            local: DateTime::from_timestamp(candidate.local, 0)?.naive_utc(),
            run_at: DateTime::from_timestamp(ends.unwrap_or(start), 0)?,
            held: ends.is_some(),
        })
    }

    fn search(&self, after: i64, until: i64) -> Option<Candidate> {
        let after = self.start_at.map_or(after, |start| after.max(ceil(start) - 1));
        let until = self.end_at.map_or(until, |end| until.min(ceil(end) - 1));
        let bounded = self.calendar.is_some() || self.window.is_some();
        let until = if bounded { until.min(after.saturating_add(SEARCH_S)) } else { until };
        if after >= until {
            return None;
        }
        let mut turns = 0;
        let judge = |candidate| {
            turns += 1;
            if turns > MAX_TURNS { Err(Skip::Until(until.saturating_add(1))) } else { self.judge(candidate) }
        };
        match &self.spec {
            Spec::Cron(cron) => {
                let last = date_of(until.saturating_add(DAY_S)).unwrap_or(NaiveDate::MAX);
                let next = |from| cron.next_local(from, |date| self.next_date(date, last, |date| cron.next_date(date)));
                let search = if cron.interval { line::interval } else { line::fixed };
                search(&self.zone, (after, until), &next, judge)
            }
            Spec::Interval { seconds, anchor } => self.every((*seconds, anchor.timestamp()), (after, until), judge),
            Spec::Once(at) => {
                let at = ceil(*at);
                let candidate = Candidate { at, local: self.zone.local_seconds(at) };
                (after < at && at <= until && self.judge(candidate).is_ok()).then_some(candidate)
            }
        }
    }

    fn every(
        &self,
        (seconds, anchor): (i64, i64),
        (after, until): (i64, i64),
        mut judge: impl FnMut(Candidate) -> Result<(), Skip>,
    ) -> Option<Candidate> {
        let seconds = seconds.max(1);
        let mut from = after + 1;
        loop {
            let at = anchor + (from.max(anchor) - anchor + seconds - 1) / seconds * seconds;
            if at > until {
                return None;
            }
            let candidate = Candidate { at, local: self.zone.local_seconds(at) };
            from = match judge(candidate) {
                Ok(()) => return Some(candidate),
                Err(Skip::UntilLocal(to)) => self.zone.resolve(to)?.start().max(at + 1),
                Err(Skip::Until(to)) => to.max(at + 1),
            };
        }
    }

    /// The first date, from `from` to `last`, of an expression's dates `next` under the calendar.
    fn next_date(&self, from: NaiveDate, last: NaiveDate, next: impl Fn(NaiveDate) -> Option<NaiveDate>) -> Option<NaiveDate> {
        match &self.calendar {
            Some(CalendarUse { calendar, rule, .. }) => rule.next_date(calendar, (from, last), next),
            None => next(from),
        }
    }

    fn judge(&self, candidate: Candidate) -> Result<(), Skip> {
        if let Some(calendar) = &self.calendar {
            self.judge_calendar(calendar, candidate)?;
        }
        match self.window.map(|window| window.next(candidate.local)) {
            Some(next) if next != candidate.local => Err(Skip::UntilLocal(next)),
            _ => Ok(()),
        }
    }

    fn judge_calendar(&self, CalendarUse { calendar, rule, on_blackout }: &CalendarUse, candidate: Candidate) -> Result<(), Skip> {
        let Candidate { at, local } = candidate;
        let never = Skip::Until(i64::MAX);
        let date = date_of(local).ok_or(never)?;
        // The dates of an expression are the calendar's already.
        if !matches!(self.spec, Spec::Cron(_)) && !rule.allows(calendar, date) {
            let last = date.checked_add_days(chrono::Days::new(5 * 366)).ok_or(never)?;
            let next = rule.next_date(calendar, (date.succ_opt().ok_or(never)?, last), Some).ok_or(never)?;
            return Err(Skip::UntilLocal(midnight(next)));
        }
        if *rule == DayRule::Only {
            let second = local.rem_euclid(DAY_S);
            match calendar.hours(date).next(second) {
                Some(next) if next == second => {}
                Some(next) => return Err(Skip::UntilLocal(midnight(date) + next)),
                None => return Err(Skip::UntilLocal(midnight(date) + DAY_S)),
            }
        }
        if *on_blackout == OnBlackout::Hold {
            return Ok(());
        }
        if let Some(ends) = calendar.blackout_end(&self.zone, at) {
            return Err(Skip::Until(ends));
        }
        let start = at + jitter(self.id, at, self.jitter_s);
        if start != at && calendar.blackout_end(&self.zone, start).is_some() { Err(Skip::Until(at + 1)) } else { Ok(()) }
    }
}

/// The first whole second that is not before an instant.
fn ceil(at: DateTime<Utc>) -> i64 {
    at.timestamp().saturating_add(i64::from(at.timestamp_subsec_nanos() > 0))
}
