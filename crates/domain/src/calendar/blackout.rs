use chrono::{DateTime, Utc};

use super::{Calendar, name_fault};
use crate::{
    Fault,
    schedule::{Cron, Zone},
    wire::wire_names,
};

/// Maximum length of a recurring blackout, in minutes: 31 days.
pub const MAX_BLACKOUT_MIN: u32 = 31 * 24 * 60;
/// How many blackouts in a row are one. A calendar on which they never end holds fires for this many of them and no longer.
const MAX_CHAIN: usize = 1000;

wire_names! {
    /// What happens to a fire in a blackout.
    pub enum OnBlackout as "OnBlackout" {
        /// It is skipped.
        Skip = "skip",
        /// It waits until the blackout ends. Of several only the last one runs, unless the misfire policy is `all`.
        Hold = "hold",
    }
    default Skip;
}

/// A time in which nothing starts.
#[derive(Clone, Debug, PartialEq)]
pub struct Blackout {
    /// What it is for: maintenance, the closing of the month.
    pub name: String,
    /// When it is.
    pub span: BlackoutSpan,
}

/// When a blackout is.
#[derive(Clone, Debug, PartialEq)]
pub enum BlackoutSpan {
    /// Once, until before its end.
    Once {
        /// Its first instant.
        from: DateTime<Utc>,
        /// The instant after its last.
        to: DateTime<Utc>,
    },
    /// Whenever an expression fires, in the zone of whoever asks.
    Recurring {
        /// When it begins.
        start: Cron,
        /// How long it is, in minutes.
        minutes: u32,
    },
}

impl Blackout {
    /// Every fault of its fields.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<_> = name_fault("name", &self.name, 0).into_iter().collect();
        match &self.span {
            BlackoutSpan::Once { from, to } if from >= to => faults.push(Fault::new("to", "must be after from")),
            BlackoutSpan::Recurring { minutes, .. } if !(1..=MAX_BLACKOUT_MIN).contains(minutes) => {
                faults.push(Fault::new("minutes", format!("must be 1 to {MAX_BLACKOUT_MIN} (31 days)")));
            }
            BlackoutSpan::Once { .. } | BlackoutSpan::Recurring { .. } => {}
        }
        faults
    }

    /// When the blackout that covers `at` ends; `None`: it does not cover it.
    fn end(&self, zone: &Zone, at: i64) -> Option<i64> {
        match &self.span {
            BlackoutSpan::Once { from, to } => {
                let (from, to) = (from.timestamp(), to.timestamp() + i64::from(to.timestamp_subsec_nanos() > 0));
                (from..to).contains(&at).then_some(to)
            }
            BlackoutSpan::Recurring { start, minutes } => {
                let length = i64::from(*minutes) * 60;
                let begin = start.next(zone, DateTime::from_timestamp(at - length, 0)?)?.timestamp();
                (begin <= at).then_some(begin + length)
            }
        }
    }
}

impl Calendar {
    /// When the blackouts that cover `at`, one after another, end; `None`: none covers it.
    pub(crate) fn blackout_end(&self, zone: &Zone, at: i64) -> Option<i64> {
        let end = |at| self.blackouts.iter().filter_map(|blackout| blackout.end(zone, at)).max();
        let mut ends = end(at)?;
        for _ in 0..MAX_CHAIN {
            match end(ends) {
                Some(later) => ends = later,
                None => break,
            }
        }
        Some(ends)
    }
}
