//! SLA rules: what is expected of automations, queues, workers, schedules and the hub, and whether it is so.
//!
//! A [`Rule`] has a [`Target`] and any number of [`Expectations`]. What is so is a pure function of what the database says and the time: the same
//! state gives the same [`Verdict`], however often and by whomever it is judged, and whatever happened meanwhile. What must be remembered of a subject
//! is its [`Known`]; [`settle`] makes an observation of what is new.
//!
//! A *deadline* is the instant by which a run is expected; a run is *late* at the deadline and the grace. Nothing is late while the automation is on
//! [`Hold`] on purpose, in a blackout, and on a day that the calendar excludes.

mod ahead;
mod faults;
mod late;
mod limits;
mod outcomes;
mod settle;
#[cfg(test)]
mod tests;
mod times;
mod unusual;
mod words;

use chrono::{DateTime, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::{
    ahead::{ForecastFacts, Line},
    faults::MAX_NOTE,
    late::{Deadline, Hold, LateFacts},
    limits::{HubPart, QueueFacts, RunningJob, ScheduleFacts, WorkerFacts},
    outcomes::{MAX_RUNS, Run},
    settle::{Known, Standing, Verdict, gone, settle},
    times::Times,
    unusual::{History, Past},
};
use crate::{
    alert::Terms,
    duration::Sensitivity,
    ids::{AutomationId, CalendarId, DomainId},
    schedule::input::{time_of_day, time_of_day_text},
};

/// How long before a daily time a run counts that no schedule started, unless the rule says otherwise.
pub const EARLY_MINUTES: i64 = 180;
/// How long a measured limit must be kept again before its alert is over, unless the rule says otherwise.
pub const RESOLVE_AFTER_MINUTES: u32 = 2;

/// What people set of a rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name; unique.
    pub name: String,
    /// What it is about.
    pub target: Target,
    /// What it expects.
    pub expect: Expectations,
    /// Days and blackouts that it obeys.
    pub calendar_id: Option<CalendarId>,
    /// IANA name of its zone.
    pub timezone: String,
    /// What it says of its alerts.
    pub terms: Terms,
    /// Whether it is judged at all.
    pub enabled: bool,
}

/// What a rule is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// One automation.
    Automation(AutomationId),
    /// A queue: its jobs and workers, and the automations that name it.
    Queue(String),
    /// The automations of a domain.
    Domain(DomainId),
    /// All automations, queues, workers and schedules.
    Everything,
}

/// What a rule expects: each expectation is on where its field is set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Expectations {
    /// A run succeeds at least so often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_run_every_minutes: Option<i64>,
    /// A run has succeeded by this time of each day.
    #[serde(with = "optional_time", skip_serializing_if = "Option::is_none")]
    pub expected_daily_time: Option<NaiveTime>,
    /// How long before the daily time a run counts that no schedule started.
    pub early_minutes: i64,
    /// How long after its deadline a run is late.
    pub late_after_minutes: i64,
    /// Whether a late run is an incident.
    pub alert_on_late: bool,
    /// Whether a failed run is an incident.
    pub alert_on_failure: bool,
    /// So many failures in a row are an incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_streak: Option<i64>,
    /// So many failures of the last runs are an incident.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure_rate: Option<FailureRate>,
    /// A run takes at most so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_duration_s: Option<i64>,
    /// A run takes at least so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_duration_s: Option<i64>,
    /// A run takes about as long as those before it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_anomaly: Option<DurationAnomaly>,
    /// Whether a deadline that will probably be missed is an incident before it is.
    pub forecast: bool,
    /// A job waits at most so long.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_pending_age_s: Option<i64>,
    /// At most so many jobs wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_backlog: Option<i64>,
    /// A worker is heard of at least so often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker_gone_after_s: Option<i64>,
    /// Whether an enabled schedule that will not run again is an incident.
    pub alert_on_dead_schedule: bool,
    /// Whether a part of the hub that is stuck is an incident.
    pub watch_hub: bool,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            expected_run_every_minutes: None,
            expected_daily_time: None,
            early_minutes: EARLY_MINUTES,
            late_after_minutes: 0,
            alert_on_late: true,
            alert_on_failure: false,
            failure_streak: None,
            failure_rate: None,
            max_duration_s: None,
            min_duration_s: None,
            duration_anomaly: None,
            forecast: false,
            max_pending_age_s: None,
            max_backlog: None,
            worker_gone_after_s: None,
            alert_on_dead_schedule: false,
            watch_hub: false,
        }
    }
}

/// How many of the last runs may fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailureRate {
    /// More than this percentage is an incident.
    pub percent: i64,
    /// Of the last so many runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub runs: Option<i64>,
    /// Of the runs of the last so many minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window_minutes: Option<i64>,
    /// Not before so many runs.
    pub at_least: i64,
}

/// How far a run may be from what is usual for its automation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DurationAnomaly {
    /// What is far.
    pub sensitivity: Sensitivity,
}

impl Expectations {
    /// Whether a run is expected by a time.
    #[must_use]
    pub const fn has_deadline(&self) -> bool {
        self.expected_run_every_minutes.is_some() || self.expected_daily_time.is_some()
    }

    /// Whether something follows from each run that ends.
    #[must_use]
    pub const fn follows_runs(&self) -> bool {
        self.has_failures() || self.has_durations() || self.has_history()
    }

    /// Whether runs are judged by those before them.
    #[must_use]
    pub const fn has_history(&self) -> bool {
        self.duration_anomaly.is_some() || self.forecast
    }

    /// How unusual a run must be.
    #[must_use]
    pub fn sensitivity(&self) -> Sensitivity {
        self.duration_anomaly.unwrap_or_default().sensitivity
    }

    /// Whether the duration of runs is limited; not what is unusual about it, which is an incident of its own.
    #[must_use]
    pub const fn has_durations(&self) -> bool {
        self.max_duration_s.is_some() || self.min_duration_s.is_some()
    }

    /// Whether failed runs are counted.
    #[must_use]
    pub const fn has_failures(&self) -> bool {
        self.alert_on_failure || self.failure_rate.is_some() || self.failure_streak.is_some()
    }

    /// Whether waiting jobs are measured.
    #[must_use]
    pub const fn has_backlog(&self) -> bool {
        self.max_backlog.is_some() || self.max_pending_age_s.is_some()
    }
}

/// A rule as it is judged.
#[derive(Clone, Copy, Debug)]
pub struct Look<'a> {
    /// What people set.
    pub rule: &'a Rule,
    /// Whose clock and days are meant.
    pub times: &'a Times,
    /// Nothing counts that was before: the rule was created, switched on, or expected something else.
    pub since: DateTime<Utc>,
    /// The time.
    pub now: DateTime<Utc>,
}

/// A time of day as people write it.
mod optional_time {
    use serde::{Deserializer, Serializer, de::Error as _};

    use super::{Deserialize, NaiveTime, time_of_day, time_of_day_text};

    #[expect(clippy::ref_option, reason = "serde asks for it so")]
    pub(super) fn serialize<S: Serializer>(time: &Option<NaiveTime>, output: S) -> Result<S::Ok, S::Error> {
        match time {
            Some(time) => output.serialize_str(&time_of_day_text(*time)),
            None => output.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<NaiveTime>, D::Error> {
        let text = Option::<String>::deserialize(input)?;
        text.map(|text| time_of_day("expected_daily_time", &text).map_err(|fault| D::Error::custom(fault.message))).transpose()
    }
}
