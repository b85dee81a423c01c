//! What is wrong with a rule, field by field; the fields have their names in the API.

use std::ops::RangeInclusive;

use super::{Expectations, MAX_RUNS, Rule, Target};
use crate::{Fault, alert::Terms, schedule::input::name_fault, text::is_hidden};

/// Maximum length of the note, in characters.
pub const MAX_NOTE: usize = 10_000;
/// Maximum number of steps of an escalation, and of channels.
const MAX_STEPS: usize = 20;
/// A year in minutes.
const YEAR_MIN: i64 = 366 * 24 * 60;
/// A year in seconds.
const YEAR_S: i64 = YEAR_MIN * 60;
/// The longest time in which workers are heard of, in seconds.
const WEEK_S: i64 = 7 * 86_400;
const DAY_MIN: i64 = 24 * 60;

impl Rule {
    /// Every fault of its fields.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = name_fault(&self.name).into_iter().collect();
        if let Target::Queue(name) = &self.target
            && (name.is_empty() || name.chars().count() > 255)
        {
            faults.push(Fault::new("queue", "must have 1 to 255 characters"));
        }
        faults.extend(self.expect.faults());
        faults.extend(self.target_faults());
        faults.extend(terms_faults(&self.terms));
        faults
    }

    /// Expectations that do not fit what the rule is about.
    fn target_faults(&self) -> Vec<Fault> {
        let (expect, mut faults) = (&self.expect, Vec::new());
        if expect.watch_hub && self.target != Target::Everything {
            faults.push(Fault::new(
                "watch_hub",
                "must be false: only a rule for everything, without automation_id, queue and domain, watches the hub",
            ));
        }
        if self.calendar_id.is_some() && !expect.has_deadline() {
            faults.push(Fault::new(
                "calendar_id",
                "must be omitted: only expected_run_every_minutes and expected_daily_time obey a calendar",
            ));
        }
        faults
    }
}

impl Expectations {
    fn faults(&self) -> Vec<Fault> {
        let mut faults: Vec<Fault> = [
            ranged("expected_run_every_minutes", self.expected_run_every_minutes, 1..=YEAR_MIN),
            ranged("late_after_minutes", Some(self.late_after_minutes), 0..=YEAR_MIN),
            ranged("early_minutes", Some(self.early_minutes), 0..=DAY_MIN),
            ranged("failure_streak", self.failure_streak, 2..=MAX_RUNS),
            ranged("max_duration_s", self.max_duration_s, 1..=YEAR_S),
            ranged("min_duration_s", self.min_duration_s, 1..=YEAR_S),
            ranged("max_pending_age_s", self.max_pending_age_s, 1..=YEAR_S),
            ranged("max_backlog", self.max_backlog, 0..=1_000_000_000),
            ranged("worker_gone_after_s", self.worker_gone_after_s, 10..=WEEK_S),
        ]
        .into_iter()
        .flatten()
        .collect();
        if self.is_empty() {
            let message = "expects nothing: set at least one expectation, such as expected_run_every_minutes or alert_on_failure";
            faults.push(Fault::new("", message));
        }
        faults.extend(self.contradictions());
        faults.extend(self.rate_faults());
        faults
    }

    /// Whether it expects nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        let hub = self.alert_on_dead_schedule || self.watch_hub || self.worker_gone_after_s.is_some();
        !(self.has_deadline() || self.follows_runs() || self.has_backlog() || hub)
    }

    /// What can never hold together.
    fn contradictions(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.expected_run_every_minutes.is_some() && self.expected_daily_time.is_some() {
            let message = "must be omitted with expected_run_every_minutes: make two rules, whose alerts are told apart";
            faults.push(Fault::new("expected_daily_time", message));
        }
        if self.forecast && !self.has_deadline() {
            let message = "must be false without expected_run_every_minutes and expected_daily_time: there is no deadline to forecast";
            faults.push(Fault::new("forecast", message));
        }
        if let (Some(least), Some(most)) = (self.min_duration_s, self.max_duration_s)
            && least >= most
        {
            faults.push(Fault::new("min_duration_s", "must be less than max_duration_s: no run could be as expected"));
        }
        // A run would never be late: the next deadline comes first.
        if self.expected_daily_time.is_some() && self.late_after_minutes >= DAY_MIN {
            faults.push(Fault::new("late_after_minutes", "must be less than 1440, a day, with expected_daily_time"));
        }
        faults
    }

    fn rate_faults(&self) -> Vec<Fault> {
        let Some(rate) = self.failure_rate else { return Vec::new() };
        let mut faults: Vec<Fault> = [
            // Of 100 percent nothing is more.
            ranged("failure_rate/percent", Some(rate.percent), 0..=99),
            ranged("failure_rate/runs", rate.runs, 1..=MAX_RUNS),
            ranged("failure_rate/window_minutes", rate.window_minutes, 1..=YEAR_MIN),
            ranged("failure_rate/at_least", Some(rate.at_least), 1..=MAX_RUNS),
        ]
        .into_iter()
        .flatten()
        .collect();
        match (rate.runs, rate.window_minutes) {
            (None, None) => faults.push(Fault::new("failure_rate/runs", "must be given, or window_minutes")),
            (Some(_), Some(_)) => faults.push(Fault::new("failure_rate/window_minutes", "must be omitted with runs")),
            (Some(runs), None) if rate.at_least > runs => {
                faults.push(Fault::new("failure_rate/at_least", "must be at most runs: there are never more"));
            }
            _ => {}
        }
        faults
    }
}

fn terms_faults(terms: &Terms) -> Vec<Fault> {
    let mut faults = Vec::new();
    if terms.note.chars().count() > MAX_NOTE {
        faults.push(Fault::new("note", format!("must have at most {MAX_NOTE} characters")));
    }
    if terms.note.chars().any(|character| is_hidden(character) && !matches!(character, '\n' | '\r' | '\t' | '\u{200d}' | '\u{feff}')) {
        faults.push(Fault::new("note", "must not contain invisible characters other than line breaks and tabs"));
    }
    faults.extend(ranged("repeat_every_minutes", terms.repeat_every_minutes.map(i64::from), 1..=YEAR_MIN));
    faults.extend(ranged("resolve_after_minutes", Some(terms.resolve_after_minutes.into()), 0..=DAY_MIN));
    for (field, count) in [("escalate", terms.escalate.len()), ("notify_channels", terms.channels.len())] {
        if count > MAX_STEPS {
            faults.push(Fault::new(field, format!("must be at most {MAX_STEPS}")));
        }
    }
    let mut before = (0, terms.severity);
    for (nth, step) in terms.escalate.iter().enumerate() {
        faults.extend(ranged(&format!("escalate/{nth}/after_minutes"), Some(step.after_minutes.into()), 1..=YEAR_MIN));
        if step.after_minutes <= before.0 && nth > 0 {
            faults.push(Fault::new(format!("escalate/{nth}/after_minutes"), "must be later than the step before"));
        }
        if step.severity <= before.1 {
            faults.push(Fault::new(format!("escalate/{nth}/severity"), format!("must be worse than {}", before.1)));
        }
        before = (step.after_minutes, step.severity);
    }
    faults
}

fn ranged(field: &str, value: Option<i64>, range: RangeInclusive<i64>) -> Option<Fault> {
    let value = value?;
    (!range.contains(&value)).then(|| Fault::new(field, format!("must be {} to {}", range.start(), range.end())))
}
