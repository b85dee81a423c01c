//! The life of an alert: what a look at its expectation, the time and people do to it.
//!
//! What must hold: an alert is told when it opens and when it is over, each once; what a person resolved does not open again by the same breach.

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};

use super::{AlertSource, AlertStatus, AlertType, Facts, Key, Observation, Resolution, Seen, Severity, Terms};
use crate::{
    ids::{AlertId, AutomationId},
    notification::NoticeKind,
    wire::wire_names,
};

/// How often the figures of an alert that lasts are written.
const REFRESH: TimeDelta = TimeDelta::seconds(60);

wire_names! {
    /// What happened to an alert.
    pub enum AlertEventKind as "AlertEventKind" {
        /// It opened.
        Opened = "opened",
        /// It was seen again: another breach, or the same after it was fine for a moment. Several in a row are one.
        Repeated = "repeated",
        /// It became worse.
        Escalated = "escalated",
        /// People were reminded.
        Reminded = "reminded",
        /// Somebody took it.
        Acknowledged = "acknowledged",
        /// Somebody wrote something.
        Commented = "commented",
        /// Somebody asked for silence.
        Muted = "muted",
        /// The silence ended.
        Unmuted = "unmuted",
        /// It is over.
        Resolved = "resolved",
    }
}

impl AlertEventKind {
    /// What people are told of it.
    #[must_use]
    pub const fn notice(self) -> Option<NoticeKind> {
        match self {
            Self::Opened => Some(NoticeKind::Opened),
            Self::Escalated => Some(NoticeKind::Escalated),
            Self::Reminded => Some(NoticeKind::Reminded),
            Self::Acknowledged => Some(NoticeKind::Acknowledged),
            Self::Resolved => Some(NoticeKind::Resolved),
            Self::Repeated | Self::Commented | Self::Muted | Self::Unmuted => None,
        }
    }
}

/// A line of an alert's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What happened.
    pub what: AlertEventKind,
    /// Who did it; `None`: the hub.
    pub by: Option<String>,
    /// What there is to say of it.
    pub text: Option<String>,
}

impl Entry {
    fn of(what: AlertEventKind) -> Self {
        Self { what, by: None, text: None }
    }

    fn with(what: AlertEventKind, text: impl Into<String>) -> Self {
        Self { text: Some(text.into()), ..Self::of(what) }
    }
}

/// An alert.
#[derive(Clone, Debug, PartialEq)]
pub struct Alert {
    /// Id.
    pub id: AlertId,
    /// Its incident.
    pub key: Key,
    /// The automation that it belongs to.
    pub automation_id: Option<AutomationId>,
    /// Who found it.
    pub source: AlertSource,
    /// How bad it is now.
    pub severity: Severity,
    /// What its rule said last.
    pub terms: Terms,
    /// What was seen last.
    pub facts: Facts,
    /// How often it was seen: breaches, not looks.
    pub count: i64,
    /// When the hub found it.
    pub opened_at: DateTime<Utc>,
    /// When the first breach began.
    pub began_at: DateTime<Utc>,
    /// When the latest breach began.
    pub breach_at: DateTime<Utc>,
    /// When it was seen last, to the minute.
    pub last_seen_at: DateTime<Utc>,
    /// Since when it is fine, while it waits to be resolved.
    pub fine_since: Option<DateTime<Utc>>,
    /// When people were last told that it is open.
    pub told_at: DateTime<Utc>,
    /// When and by whom it was acknowledged.
    pub acknowledged: Option<(DateTime<Utc>, String)>,
    /// How it ended.
    pub resolved: Option<End>,
    /// Until when a person muted it.
    pub muted_until: Option<DateTime<Utc>>,
    /// Whether another look at its key concerns it: it is open, or a person resolved it and its breach lasts, or it is another system's.
    pub holds_key: bool,
    /// Counts its changes.
    pub revision: i64,
}

/// How an alert ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: DateTime<Utc>,
    /// Who resolved it; `None`: the hub.
    pub by: Option<String>,
    /// Why it is over.
    pub why: Resolution,
}

/// Why a command is refused: the alert is resolved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the alert is resolved")]
pub struct IsResolved;

/// What a look did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The alert that held the key, if it changed, and what happened to it.
    pub changed: Option<(Alert, Vec<Entry>)>,
    /// The alert that opened, and what happened to it.
    pub opened: Option<(Alert, Vec<Entry>)>,
}

/// What an observation does, where `current` holds its key. An alert that opens has the id `id`. Times count to the microsecond, as databases keep them.
#[must_use]
pub fn observe(current: Option<&Alert>, observation: &Observation, id: AlertId, now: DateTime<Utc>) -> Observed {
    let observation = Observation { at: observation.at.trunc_subsecs(6), ..observation.clone() };
    let (Observation { key, seen, at, .. }, now) = (&observation, now.trunc_subsecs(6));
    match (current, seen) {
        (None, Seen::Breach(facts)) => Observed { changed: None, opened: Some(Alert::open(&observation, facts, id, now)) },
        (None, Seen::Fine | Seen::Gone(_)) => Observed::default(),
        (Some(held), Seen::Breach(facts)) if held.resolved.is_some() => {
            if !key.alert_type.recurs() || *at <= held.breach_at {
                return Observed::default();
            }
            Observed { changed: Some(held.released()), opened: Some(Alert::open(&observation, facts, id, now)) }
        }
        (Some(held), _) if held.resolved.is_some() => {
            Observed { changed: (!key.alert_type.is_heard()).then(|| held.released()), opened: None }
        }
        // What was sent before the breach is over it.
        (Some(open), Seen::Fine) if key.alert_type.is_heard() && *at < open.breach_at => Observed::default(),
        (Some(open), seen) => {
            let mut alert = open.clone();
            let mut entries = match seen {
                Seen::Breach(facts) => alert.seen_again(&observation, facts, now),
                Seen::Gone(why) => alert.gone(*why, now),
                Seen::Fine => {
                    alert.fine_since.get_or_insert(now);
                    Vec::new()
                }
            };
            entries.extend(alert.settle(now));
            Observed { changed: (alert != *open).then_some((alert, entries)), opened: None }
        }
    }
}

impl AlertType {
    /// Whether it is heard of by messages, which may be repeated and overtake each other, and not seen.
    const fn is_heard(self) -> bool {
        matches!(self, Self::External)
    }
}

impl Alert {
    fn open(observation: &Observation, facts: &Facts, id: AlertId, now: DateTime<Utc>) -> (Self, Vec<Entry>) {
        let Observation { key, automation_id, source, terms, at, .. } = observation;
        let mut alert = Self {
            id,
            key: key.clone(),
            automation_id: *automation_id,
            source: *source,
            severity: terms.severity,
            terms: terms_now(terms, now),
            facts: facts.clone(),
            count: 1,
            opened_at: now,
            began_at: *at,
            breach_at: *at,
            last_seen_at: now,
            fine_since: None,
            told_at: now,
            acknowledged: None,
            resolved: None,
            muted_until: None,
            holds_key: true,
            revision: 1,
        };
        let mut entries = vec![Entry::of(AlertEventKind::Opened)];
        entries.extend(alert.settle(now));
        (alert, entries)
    }

    /// Where it is in its life.
    #[must_use]
    pub const fn status(&self) -> AlertStatus {
        match (&self.resolved, &self.acknowledged) {
            (Some(_), _) => AlertStatus::Resolved,
            (None, Some(_)) => AlertStatus::Acknowledged,
            (None, None) => AlertStatus::Open,
        }
    }

    /// Until when nobody is told: by a person, or by its rule.
    #[must_use]
    pub fn silent_until(&self) -> Option<DateTime<Utc>> {
        self.muted_until.max(self.terms.muted_until)
    }

    /// When the time does something to it next.
    #[must_use]
    pub fn due_at(&self) -> Option<DateTime<Utc>> {
        if self.resolved.is_some() {
            return None;
        }
        let fine = self.fine_since.and_then(|since| after(since, self.terms.resolve_after_minutes));
        let silent = self.silent_until();
        let is_taken = self.acknowledged.is_some();
        let worse = self.terms.escalate.iter().filter(|step| !is_taken && step.severity > self.severity);
        let worse = worse.filter_map(|step| after(self.opened_at, step.after_minutes)).min();
        let every = self.terms.repeat_every_minutes.filter(|_| !is_taken && silent.is_none());
        let remind = every.and_then(|every| after(self.told_at, every.max(1)));
        [fine, silent, worse, remind].into_iter().flatten().min()
    }

    /// Lets everything happen that is due.
    pub fn settle(&mut self, now: DateTime<Utc>) -> Vec<Entry> {
        let mut entries = Vec::new();
        if self.resolved.is_some() {
            return entries;
        }
        let fine = self.fine_since.and_then(|since| after(since, self.terms.resolve_after_minutes));
        if fine.is_some_and(|at| at <= now) {
            return self.end(None, Resolution::Recovered, now);
        }
        let is_taken = self.acknowledged.is_some();
        if self.silent_until().is_some_and(|until| until <= now) {
            (self.muted_until, self.terms.muted_until) = (None, None);
            entries.push(Entry::of(AlertEventKind::Unmuted));
            entries.extend((!is_taken).then(|| self.tell(Entry::of(AlertEventKind::Reminded), now)));
        }
        let severity = self.severity_at(now);
        if !is_taken && severity > self.severity {
            let text = format!("{} to {severity}", self.severity);
            self.severity = severity;
            entries.push(self.tell(Entry::with(AlertEventKind::Escalated, text), now));
        }
        let every = self.terms.repeat_every_minutes.filter(|_| !is_taken && self.silent_until().is_none());
        if every.and_then(|every| after(self.told_at, every.max(1))).is_some_and(|at| at <= now) {
            entries.push(self.tell(Entry::of(AlertEventKind::Reminded), now));
        }
        entries
    }

    /// What it is about is gone.
    pub fn gone(&mut self, why: Resolution, now: DateTime<Utc>) -> Vec<Entry> {
        if self.resolved.is_some() { Vec::new() } else { self.end(None, why, now) }
    }

    /// Somebody takes it. Repeating it has no effect.
    ///
    /// # Errors
    /// [`IsResolved`].
    pub fn acknowledge(&mut self, by: &str, text: Option<String>, now: DateTime<Utc>) -> Result<Vec<Entry>, IsResolved> {
        self.check_open()?;
        if self.acknowledged.is_some() {
            return Ok(text.map(|text| vec![comment(by, text)]).unwrap_or_default());
        }
        self.acknowledged = Some((now, by.to_owned()));
        Ok(vec![Entry { what: AlertEventKind::Acknowledged, by: Some(by.to_owned()), text }])
    }

    /// Somebody says that it is over. It does not open again by the same breach. Repeating it has no effect.
    pub fn resolve(&mut self, by: &str, text: Option<String>, now: DateTime<Utc>) -> Vec<Entry> {
        if self.resolved.is_some() {
            return text.map(|text| vec![comment(by, text)]).unwrap_or_default();
        }
        let lasts = self.fine_since.is_none();
        let mut entries = self.end(Some(by.to_owned()), Resolution::Person, now);
        self.holds_key |= lasts;
        entries.iter_mut().for_each(|entry| (entry.by, entry.text) = (Some(by.to_owned()), text.clone()));
        entries
    }

    /// Somebody asks for silence until a time, or ends the silence that somebody asked for.
    ///
    /// # Errors
    /// [`IsResolved`].
    pub fn mute(&mut self, by: &str, until: Option<DateTime<Utc>>, text: Option<String>) -> Result<Vec<Entry>, IsResolved> {
        self.check_open()?;
        let what = if until.is_some() { AlertEventKind::Muted } else { AlertEventKind::Unmuted };
        if self.muted_until == until {
            return Ok(text.map(|text| vec![comment(by, text)]).unwrap_or_default());
        }
        self.muted_until = until;
        Ok(vec![Entry { what, by: Some(by.to_owned()), text }])
    }

    fn check_open(&self) -> Result<(), IsResolved> {
        if self.resolved.is_none() { Ok(()) } else { Err(IsResolved) }
    }

    /// The expectation is still, or again, not met.
    fn seen_again(&mut self, observation: &Observation, facts: &Facts, now: DateTime<Utc>) -> Vec<Entry> {
        let Observation { key, automation_id, terms, at, .. } = observation;
        let is_another = self.fine_since.take().is_some() || (key.alert_type.recurs() && *at > self.breach_at);
        let terms = terms_now(terms, now);
        if terms.severity < self.terms.severity && self.severity == self.terms.severity {
            self.severity = terms.severity;
        }
        let is_told_again = is_another || terms != self.terms || now - self.last_seen_at >= REFRESH;
        (self.terms, self.automation_id) = (terms, *automation_id);
        if is_told_again {
            (self.facts, self.last_seen_at, self.breach_at) = (facts.clone(), now, self.breach_at.max(*at));
        }
        if !is_another {
            return Vec::new();
        }
        self.count += 1;
        vec![Entry::with(AlertEventKind::Repeated, self.count.to_string())]
    }

    fn severity_at(&self, now: DateTime<Utc>) -> Severity {
        let reached = |step: &&super::Escalation| after(self.opened_at, step.after_minutes).is_some_and(|at| at <= now);
        let steps = self.terms.escalate.iter().filter(reached).map(|step| step.severity);
        steps.chain([self.terms.severity, self.severity]).max().unwrap_or(self.severity)
    }

    fn tell(&mut self, entry: Entry, now: DateTime<Utc>) -> Entry {
        self.told_at = now;
        entry
    }

    fn end(&mut self, by: Option<String>, why: Resolution, now: DateTime<Utc>) -> Vec<Entry> {
        self.resolved = Some(End { at: now, by, why });
        // A repeated message of the same breach must not open it again.
        (self.holds_key, self.muted_until) = (self.key.alert_type.is_heard(), None);
        vec![Entry::with(AlertEventKind::Resolved, why.as_str())]
    }

    fn released(&self) -> (Self, Vec<Entry>) {
        (Self { holds_key: false, ..self.clone() }, Vec::new())
    }
}

/// Somebody wrote something about an alert.
#[must_use]
pub fn comment(by: &str, text: String) -> Entry {
    Entry { what: AlertEventKind::Commented, by: Some(by.to_owned()), text: Some(text) }
}

/// Terms without a mute that is over.
fn terms_now(terms: &Terms, now: DateTime<Utc>) -> Terms {
    Terms { muted_until: terms.muted_until.filter(|until| *until > now), ..terms.clone() }
}

fn after(from: DateTime<Utc>, minutes: u32) -> Option<DateTime<Utc>> {
    from.checked_add_signed(TimeDelta::minutes(minutes.into()))
}
