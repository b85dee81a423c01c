//! From verdicts to observations: what is new is told, what is known is not.

use chrono::{DateTime, TimeDelta, Utc};

use super::Rule;
use crate::{
    alert::{AlertSource, AlertType, Facts, Key, Observation, Resolution, Seen, Terms},
    ids::AutomationId,
    wire::wire_names,
};

/// How often the figures of what is still so are told again.
const REFRESH: TimeDelta = TimeDelta::minutes(5);

wire_names! {
    /// How an expectation of a subject is.
    pub enum Standing as "SlaStanding" {
        /// It is as expected, as far as is known.
        Fine = "fine",
        /// It is not.
        Breached = "breached",
        /// It is as expected again, and not yet long enough for the alert to be over.
        Recovering = "recovering",
        /// Nothing is expected while the automation, its queue or its schedules are paused.
        Held = "held",
        /// Nothing is expected in a blackout and out of the hours of the calendar.
        Closed = "closed",
        /// Nothing can be said yet: too few runs have succeeded.
        Learning = "learning",
    }
}

/// What was found about one expectation of one subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    /// How it is.
    pub standing: Standing,
    /// When a breach began.
    pub at: Option<DateTime<Utc>>,
    /// What was seen of a breach; `None` with [`Standing::Breached`]: nothing new.
    pub facts: Option<Facts>,
    /// When to judge it again, if nothing happens before.
    pub due_at: Option<DateTime<Utc>>,
    /// Whether what holds it is over when it is due.
    pub is_until_due: bool,
    /// Runs are expected since then, if that is later than the rule.
    pub since: Option<DateTime<Utc>>,
    /// What the breach is of: the daily deadline that was missed, or when the run started that is unusual.
    pub breach_of: Option<DateTime<Utc>>,
    /// Why an incident is over, if not because it is as expected again.
    pub over: Option<Resolution>,
}

impl Verdict {
    /// As expected.
    #[must_use]
    pub const fn fine() -> Self {
        Self {
            standing: Standing::Fine,
            at: None,
            facts: None,
            due_at: None,
            is_until_due: false,
            since: None,
            breach_of: None,
            over: None,
        }
    }

    /// Not as expected, since `at`.
    #[must_use]
    pub fn breach(at: DateTime<Utc>, facts: Facts) -> Self {
        Self { standing: Standing::Breached, at: Some(at), facts: Some(facts), ..Self::fine() }
    }

    /// As it was.
    pub(super) fn unchanged(known: &Known) -> Self {
        Self { standing: known.standing, at: known.at, since: known.since, breach_of: known.breach_of, ..Self::fine() }
    }
}

/// What is remembered of one expectation of one subject.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// How it was.
    pub standing: Standing,
    /// When the breach began that was told last.
    pub at: Option<DateTime<Utc>>,
    /// When that was told.
    pub told_at: Option<DateTime<Utc>>,
    /// Since when it has been as expected again.
    pub fine_since: Option<DateTime<Utc>>,
    /// As [`Verdict::due_at`].
    pub due_at: Option<DateTime<Utc>>,
    /// As [`Verdict::is_until_due`].
    pub is_until_due: bool,
    /// As [`Verdict::since`].
    pub since: Option<DateTime<Utc>>,
    /// As [`Verdict::breach_of`].
    pub breach_of: Option<DateTime<Utc>>,
}

/// What is to be told of a verdict, and what to remember.
#[must_use]
pub fn settle(
    rule: &Rule,
    (key, automation_id): (&Key, Option<AutomationId>),
    known: Option<&Known>,
    verdict: Verdict,
    now: DateTime<Utc>,
) -> (Option<Observation>, Known) {
    let Verdict { standing, at, facts, due_at, is_until_due, since, breach_of, over } = verdict;
    let was_open = known.is_some_and(|known| matches!(known.standing, Standing::Breached | Standing::Recovering));
    let mut next = Known { standing, at, told_at: None, fine_since: None, due_at, is_until_due, since, breach_of };
    let terms = terms(rule, key.alert_type);
    let wait = TimeDelta::minutes(terms.resolve_after_minutes.into());
    let observe = |seen, at| Observation { key: key.clone(), automation_id, source: AlertSource::Regente, terms: terms.clone(), seen, at };
    let observation = if standing == Standing::Breached {
        let told = known.filter(|_| was_open);
        // One breach of a type that recurs is told once, also when a person resolved its alert; its figures are told again while they change.
        let has_changed = !key.alert_type.recurs() || matches!(key.alert_type, AlertType::DurationAnomaly | AlertType::SlaForecast);
        let is_new = told.is_none_or(|told| {
            let is_other = key.alert_type.recurs() && told.at != at;
            let is_old = has_changed && told.told_at.is_none_or(|told| now - told >= REFRESH);
            told.standing != Standing::Breached || is_other || is_old
        });
        // A state began when it was seen first.
        next.at = if key.alert_type.recurs() { at } else { told.and_then(|told| told.at).or(at) };
        next.told_at = if is_new { Some(now) } else { told.and_then(|told| told.told_at) };
        facts.filter(|_| is_new).zip(next.at).map(|(facts, at)| observe(Seen::Breach(Box::new(facts)), at))
    } else if was_open {
        let fine_since = known.and_then(|known| known.fine_since).unwrap_or(now);
        if now - fine_since < wait {
            let over = fine_since + wait;
            next = Known {
                standing: Standing::Recovering,
                at: known.and_then(|known| known.at),
                fine_since: Some(fine_since),
                due_at: Some(due_at.map_or(over, |due| due.min(over))),
                ..next
            };
        }
        // When it begins to be fine, and when it has been for long enough.
        let is_told = fine_since == now || next.standing != Standing::Recovering;
        is_told.then(|| observe(over.map_or(Seen::Fine, Seen::Gone), now))
    } else {
        None
    };
    // What nobody is to hear of is remembered only.
    let is_silent = matches!(key.alert_type, AlertType::Late | AlertType::SlaForecast) && !rule.expect.alert_on_late;
    (observation.filter(|_| !is_silent), next)
}

/// What is told of an expectation that does not apply any more.
#[must_use]
pub fn gone(rule: &Rule, (key, automation_id): (Key, Option<AutomationId>), why: Resolution, now: DateTime<Utc>) -> Observation {
    let terms = terms(rule, key.alert_type);
    Observation { key, automation_id, source: AlertSource::Regente, terms, seen: Seen::Gone(why), at: now }
}

/// The terms of one type: what is either so or not is over at once.
fn terms(rule: &Rule, alert_type: AlertType) -> Terms {
    let is_measured = matches!(alert_type, AlertType::QueueBacklog | AlertType::WorkerDown | AlertType::Hub);
    let resolve_after_minutes = if is_measured { rule.terms.resolve_after_minutes } else { 0 };
    Terms { resolve_after_minutes, ..rule.terms.clone() }
}
