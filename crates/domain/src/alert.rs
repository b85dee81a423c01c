//! Alerts: what is wrong, since when, with whom. An alert is an incident of one expectation and one subject.
//!
//! What must hold: of one [`Key`] at most one alert is open.

pub mod heard;
mod life;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, fmt};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

pub use self::life::{Alert, AlertEventKind, End, Entry, IsResolved, Observed, comment, observe};
use crate::{
    ids::{AutomationId, ChannelId, JobId, ScheduleId, SlaId, WorkerId},
    wire::wire_names,
};

/// Jobs that an alert names at most.
pub const MAX_JOBS: usize = 10;

wire_names! {
    /// What is wrong.
    pub enum AlertType as "AlertType" {
        /// A run that was expected is not there.
        Late = "LATE",
        /// A run failed, or too many of the last ones did.
        Failure = "FAILURE",
        /// Runs failed one after the other.
        FailureStreak = "FAILURE_STREAK",
        /// A run takes too long, or was suspiciously short.
        Duration = "DURATION",
        /// A run takes unusually long or short for its automation.
        DurationAnomaly = "DURATION_ANOMALY",
        /// Too many jobs wait, or one waits too long.
        QueueBacklog = "QUEUE_BACKLOG",
        /// A worker is gone.
        WorkerDown = "WORKER_DOWN",
        /// A deadline will probably be missed.
        SlaForecast = "SLA_FORECAST",
        /// A schedule will not run again although it is enabled.
        ScheduleDead = "SCHEDULE_DEAD",
        /// A part of the hub is stuck or behind.
        Hub = "HUB",
        /// Another system says so: see `source`.
        External = "EXTERNAL",
    }
}

wire_names! {
    /// How bad it is, from the mildest.
    pub enum Severity as "Severity" {
        /// Worth knowing.
        Info = "info",
        /// Look at it today.
        Warning = "warning",
        /// Look at it now.
        Error = "error",
        /// Wake somebody.
        Critical = "critical",
    }
    default Error;
}

wire_names! {
    /// Where an alert is in its life.
    pub enum AlertStatus as "AlertStatus" {
        /// Nobody has taken it.
        Open = "open",
        /// Somebody works on it.
        Acknowledged = "acknowledged",
        /// It is over.
        Resolved = "resolved",
    }
}

wire_names! {
    /// Who found it.
    pub enum AlertSource as "AlertSource" {
        /// A rule of the hub.
        Regente = "regente",
        /// Prometheus, by way of its Alertmanager.
        Prometheus = "prometheus",
    }
    default Regente;
}

/// What an alert is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// An automation.
    Automation(AutomationId),
    /// A queue.
    Queue(String),
    /// A worker.
    Worker(WorkerId),
    /// A schedule.
    Schedule(ScheduleId),
    /// A part of the hub: the name of a reconciler, `dispatch`.
    Hub(String),
    /// An alert of another system, by the fingerprint that it gives.
    External(String),
}

impl Subject {
    /// Kind and name, as a row has them.
    #[must_use]
    pub fn parts(&self) -> (&'static str, String) {
        match self {
            Self::Automation(id) => ("automation", id.to_string()),
            Self::Queue(name) => ("queue", name.clone()),
            Self::Worker(id) => ("worker", id.to_string()),
            Self::Schedule(id) => ("schedule", id.to_string()),
            Self::Hub(part) => ("hub", part.clone()),
            Self::External(fingerprint) => ("external", fingerprint.clone()),
        }
    }

    /// The subject with these parts; `None`: there is none.
    #[must_use]
    pub fn from_parts(kind: &str, name: &str) -> Option<Self> {
        Some(match kind {
            "automation" => Self::Automation(name.parse().ok()?),
            "queue" => Self::Queue(name.to_owned()),
            "worker" => Self::Worker(name.parse().ok()?),
            "schedule" => Self::Schedule(name.parse().ok()?),
            "hub" => Self::Hub(name.to_owned()),
            "external" => Self::External(name.to_owned()),
            _ => return None,
        })
    }
}

/// What makes two sightings the same incident: the rule (none: another system's), the type and the subject.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The rule.
    pub rule_id: Option<SlaId>,
    /// What is wrong.
    pub alert_type: AlertType,
    /// With whom.
    pub subject: Subject,
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, name) = self.subject.parts();
        match self.rule_id {
            Some(rule) => write!(f, "{rule}/{}/{kind}:{name}", self.alert_type),
            None => write!(f, "{}/{kind}:{name}", self.alert_type),
        }
    }
}

/// What was seen: the figures that a message is made of. Each is there where it means something.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// When a run should have been there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected_at: Option<DateTime<Utc>>,
    /// When the run will probably be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub predicted_at: Option<DateTime<Utc>>,
    /// How sure that is, from 0 to 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certainty: Option<f64>,
    /// When the last run succeeded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<DateTime<Utc>>,
    /// When a worker or a part of the hub was last heard of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_seen_at: Option<DateTime<Utc>>,
    /// What was measured, in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub measured: Option<f64>,
    /// What it should have been at most, or at least, in `unit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub limit: Option<f64>,
    /// Unit of both.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<Unit>,
    /// The jobs that it is about, the latest first, [`MAX_JOBS`] at most.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub job_ids: Vec<JobId>,
    /// Class of the last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_class: Option<String>,
    /// Its message, cut.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// What another system, or the hub about itself, says in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub summary: Option<String>,
    /// The same at length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Labels of another system's alert.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Where that system shows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
}

wire_names! {
    /// Unit of what was measured.
    pub enum Unit as "AlertUnit" {
        /// Seconds.
        Seconds = "seconds",
        /// Jobs.
        Jobs = "jobs",
        /// Percent of jobs.
        Percent = "percent",
    }
}

/// One look at one expectation of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// Of which incident.
    pub key: Key,
    /// The automation that it belongs to, which decides who sees it.
    pub automation_id: Option<AutomationId>,
    /// Who looked.
    pub source: AlertSource,
    /// What the rule says of its alerts.
    pub terms: Terms,
    /// What was seen.
    pub seen: Seen,
    /// When: of a breach, when it began, such as a deadline or the end of the job that failed. Of a type that [recurs](AlertType::recurs) the same
    /// time is the same breach, and a later one another.
    pub at: DateTime<Utc>,
}

/// What an [`Observation`] saw.
#[derive(Clone, Debug, PartialEq)]
pub enum Seen {
    /// It is not as expected.
    Breach(Box<Facts>),
    /// It is as expected.
    Fine,
    /// The expectation does not apply any more.
    Gone(Resolution),
}

/// What a rule says of its alerts. Each alert keeps those of the last observation, and lives by them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Terms {
    /// How bad it is at first.
    pub severity: Severity,
    /// How bad it becomes with time, while nobody acknowledges it.
    pub escalate: Vec<Escalation>,
    /// How often people are reminded while it is open and nobody acknowledges it; `None`: never.
    pub repeat_every_minutes: Option<u32>,
    /// How long it must be fine before it is resolved; 0: at once, as of what is either so or not (a run that was late and came, a success after
    /// a failure). Measured limits wait, so as not to flap.
    pub resolve_after_minutes: u32,
    /// Nobody is told before this time.
    pub muted_until: Option<DateTime<Utc>>,
    /// Who is told; empty: routing decides.
    pub channels: Vec<ChannelId>,
    /// What to do, in Markdown.
    pub note: String,
}

/// A step of an escalation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Escalation {
    /// Minutes after the alert opened.
    pub after_minutes: u32,
    /// How bad it is from then on, if it is not worse already.
    pub severity: Severity,
}

wire_names! {
    /// Why an alert is over.
    pub enum Resolution as "AlertResolution" {
        /// It is as expected again.
        Recovered = "recovered",
        /// A person said so.
        Person = "person",
        /// The rule was deleted, switched off, or expects something else.
        RuleChanged = "rule_changed",
        /// The automation was archived.
        Archived = "archived",
        /// Another alert says so now: a deadline that was forecast to be missed was.
        Superseded = "superseded",
    }
}

impl AlertType {
    /// Whether one alert may be of several breaches, told apart by when they began: deadlines, failed jobs. The others are states, which last
    /// until they are fine.
    #[must_use]
    pub const fn recurs(self) -> bool {
        match self {
            Self::Late
            | Self::Failure
            | Self::FailureStreak
            | Self::Duration
            | Self::DurationAnomaly
            | Self::SlaForecast
            | Self::External => true,
            Self::QueueBacklog | Self::WorkerDown | Self::ScheduleDead | Self::Hub => false,
        }
    }
}
