//! What is wrong with a schedule, field by field; the fields have their names in the API.

use chrono::{DateTime, Utc};

use super::{Schedule, Slot, Spec, slots::SEARCH_S};
use crate::Fault;

/// Upper bound of an interval, in seconds: five years.
pub const MAX_INTERVAL_S: i64 = SEARCH_S;
/// Upper bound of the jitter, in seconds.
pub const MAX_JITTER_S: i64 = 3600;
/// Upper bound of the grace, in seconds: a week.
pub const MAX_GRACE_S: i64 = 7 * 86_400;

impl Schedule {
    /// Every fault of its fields; where they have none, whether it fires within five years of `now`.
    #[must_use]
    pub fn faults(&self, now: DateTime<Utc>) -> Vec<Fault> {
        let mut faults = self.field_faults(now);
        faults.extend(self.job.faults(now));
        if faults.is_empty() {
            faults.extend(self.silence(now));
        }
        faults
    }

    fn field_faults(&self, now: DateTime<Utc>) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut fault_if = |bad: bool, field: &str, message: String| {
            if bad {
                faults.push(Fault::new(field, message));
            }
        };
        if let Spec::Interval { seconds, .. } = self.spec {
            fault_if(!(1..=MAX_INTERVAL_S).contains(&seconds), "interval_s", format!("must be 1 to {MAX_INTERVAL_S} seconds (five years)"));
            fault_if(self.jitter_s >= seconds, "jitter_s", "must be less than interval_s".into());
        }
        fault_if(matches!(self.spec, Spec::Once(at) if at <= now), "run_once_at", "must be in the future".into());
        fault_if(self.end_at.is_some_and(|end| end <= now), "end_at", "must be in the future".into());
        let reversed = self.start_at.zip(self.end_at).is_some_and(|(start, end)| end <= start);
        fault_if(reversed, "end_at", "must be after start_at".into());
        let empty = self.window.is_some_and(|window| window.start == window.end);
        fault_if(empty, "window_end", "must differ from window_start".into());
        fault_if(!(0..=MAX_JITTER_S).contains(&self.jitter_s), "jitter_s", format!("must be 0 to {MAX_JITTER_S} seconds"));
        let limit = 1..=u32::try_from(super::MAX_DUE).unwrap_or(u32::MAX);
        fault_if(!limit.contains(&self.misfire.limit), "misfire_limit", format!("must be 1 to {}", super::MAX_DUE));
        let grace = (0..=MAX_GRACE_S).contains(&self.misfire.grace_s);
        fault_if(!grace, "misfire_grace_s", format!("must be 0 to {MAX_GRACE_S} seconds (a week)"));
        let moves = self.calendar.as_ref().is_some_and(|calendar| calendar.rule.moves());
        let message = "moves fires to other days, which needs a cron_expression; use only instead";
        fault_if(moves && !matches!(self.spec, Spec::Cron(_)), "calendar_rule", message.into());
        faults
    }

    /// Why no slot comes within five years: the field without which one would.
    fn silence(&self, now: DateTime<Utc>) -> Option<Fault> {
        let from = self.start_at.map_or(now, |start| start.max(now));
        let fires = |schedule: &Self| {
            let first: Option<Slot> = schedule.next_slot(now);
            first.is_some_and(|slot| slot.at.signed_duration_since(from).num_seconds() <= SEARCH_S)
        };
        if fires(self) {
            return None;
        }
        let spec = match self.spec {
            Spec::Cron(_) => "cron_expression",
            Spec::Interval { .. } => "interval_s",
            Spec::Once(_) => "run_once_at",
        };
        let tries: [(Self, &str, &str); 4] = [
            (Self { window: None, ..self.clone() }, "window_start", "no fire falls into the window"),
            (Self { calendar: None, ..self.clone() }, "calendar_id", "takes away every fire of the next five years"),
            (Self { start_at: None, end_at: None, ..self.clone() }, "end_at", "no fire falls between start_at and end_at"),
            (Self { window: None, calendar: None, ..self.clone() }, "window_start", "window and calendar together take away every fire"),
        ];
        let found = tries.into_iter().find(|(schedule, ..)| fires(schedule));
        Some(found.map_or_else(|| Fault::new(spec, "does not fire within five years"), |(_, field, message)| Fault::new(field, message)))
    }
}
