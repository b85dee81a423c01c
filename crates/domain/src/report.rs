//! Reports: how the automations of a domain did in a day or a week, for people who read them in a mail.
//!
//! What must hold: a run counts once, by its last attempt, in the period in which that ended.

mod plan;

use std::cmp::Ordering;

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveTime, Utc};

pub use self::plan::{MAX_CHANNELS, Plan};
use crate::{
    ids::{AutomationId, JobId},
    schedule::Zone,
    wire::wire_names,
};

/// Automations and failures that a report names at most.
pub const MAX_ROWS: usize = 10;
/// How many runs an automation needs in the period, and before it, for its usual duration to mean something.
pub const LEAST_RUNS: usize = 3;
/// From which multiple of the usual duration on an automation is slow.
const SLOW: f64 = 1.25;

wire_names! {
    /// Length of a report's period.
    pub enum Period as "ReportPeriod" {
        /// A day.
        Daily = "daily",
        /// Seven days, from Monday.
        Weekly = "weekly",
    }
    default Daily;
}

/// The days of a report, in its zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first day.
    pub first: NaiveDate,
    /// How many.
    pub days: u32,
    /// Bounds of the days, one more than there are days: each begins at one and ends before the next.
    pub bounds: Vec<DateTime<Utc>>,
}

impl Period {
    /// How many days it has.
    #[must_use]
    pub const fn days(self) -> u32 {
        match self {
            Self::Daily => 1,
            Self::Weekly => 7,
        }
    }

    /// The period that has `date` in it. `None`: the calendar ends there.
    #[must_use]
    pub fn around(self, date: NaiveDate, zone: &Zone) -> Option<Span> {
        let first = match self {
            Self::Daily => date,
            Self::Weekly => date.checked_sub_days(Days::new(date.weekday().num_days_from_monday().into()))?,
        };
        let day = |number: u32| first.checked_add_days(Days::new(number.into()));
        let bounds = (0..=self.days()).map(|number| begins(day(number)?, zone)).collect::<Option<Vec<_>>>()?;
        Some(Span { first, days: self.days(), bounds })
    }

    /// The last period that is over at `now`.
    #[must_use]
    pub fn last(self, now: DateTime<Utc>, zone: &Zone) -> Option<Span> {
        let today = zone.local(now).date();
        self.around(today.checked_sub_days(Days::new(self.days().into()))?, zone)
    }
}

/// When a day begins: where its midnight does not exist, at the first instant after it.
fn begins(date: NaiveDate, zone: &Zone) -> Option<DateTime<Utc>> {
    zone.instant(date.and_time(NaiveTime::MIN))
}

impl Span {
    /// When it begins.
    #[must_use]
    pub fn from(&self) -> DateTime<Utc> {
        self.bounds.first().copied().unwrap_or_default()
    }

    /// When it is over.
    #[must_use]
    pub fn until(&self) -> DateTime<Utc> {
        self.bounds.last().copied().unwrap_or_default()
    }

    /// The same number of days before it.
    #[must_use]
    pub fn before(&self, zone: &Zone) -> Option<Self> {
        let first = self.first.checked_sub_days(Days::new(self.days.into()))?;
        let bounds = (0..=self.days).map(|number| begins(first.checked_add_days(Days::new(number.into()))?, zone));
        Some(Self { first, days: self.days, bounds: bounds.collect::<Option<Vec<_>>>()? })
    }
}

/// How many runs ended how.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Runs {
    /// Completed, with data.
    pub completed: u64,
    /// Completed, without data.
    pub no_data: u64,
    /// Failed, after the last attempt.
    pub failed: u64,
    /// Canceled.
    pub canceled: u64,
}

impl Runs {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.completed + self.no_data + self.failed + self.canceled
    }

    /// Those that did their work.
    #[must_use]
    pub const fn succeeded(&self) -> u64 {
        self.completed + self.no_data
    }

    /// Percent of the runs that did their work, among those that were not canceled; `None`: there were none.
    #[must_use]
    pub fn success_percent(&self) -> Option<f64> {
        let judged = self.succeeded() + self.failed;
        #[expect(clippy::cast_precision_loss, reason = "counts of runs are far below 2^52")]
        (judged > 0).then(|| self.succeeded() as f64 * 100.0 / judged as f64)
    }
}

impl std::ops::AddAssign for Runs {
    fn add_assign(&mut self, other: Self) {
        self.completed += other.completed;
        self.no_data += other.no_data;
        self.failed += other.failed;
        self.canceled += other.canceled;
    }
}

/// How one automation did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AutomationFigures {
    /// The automation.
    pub automation_id: AutomationId,
    /// Its name.
    pub name: String,
    /// Its runs.
    pub runs: Runs,
    /// How often it was late.
    pub late: u64,
    /// Minutes that a person needs for what one run does.
    pub manual_minutes: Option<i64>,
    /// Median duration of its completed runs, in seconds.
    pub median_s: Option<f64>,
    /// The same before the period.
    pub usual_s: Option<f64>,
}

impl AutomationFigures {
    /// Hours that people did not have to work.
    #[must_use]
    pub fn hours_saved(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "counts and minutes are far below 2^52")]
        self.manual_minutes.map_or(0.0, |minutes| self.runs.completed as f64 * minutes as f64 / 60.0)
    }

    /// How many times its usual duration it took, if it has one.
    #[must_use]
    pub fn slowdown(&self) -> Option<f64> {
        self.median_s.zip(self.usual_s).filter(|(_, usual)| *usual > 0.0).map(|(median, usual)| median / usual)
    }
}

/// Failures of one class.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailureClass {
    /// The class.
    pub error_class: String,
    /// How many runs failed so.
    pub count: u64,
    /// The last one.
    pub example: JobId,
    /// Its automation.
    pub automation_id: AutomationId,
    /// Its message.
    pub message: String,
}

/// A report.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// Its days.
    pub span: Span,
    /// All automations together.
    pub runs: Runs,
    /// The same of the days before.
    pub runs_before: Runs,
    /// Runs that ended on each of its days.
    pub by_day: Vec<Runs>,
    /// How often one was late.
    pub late: u64,
    /// Hours that people did not have to work.
    pub hours_saved: f64,
    /// The automations, those with failures first, then by runs.
    pub automations: Vec<AutomationFigures>,
    /// Classes of failures, the most frequent first.
    pub failures: Vec<FailureClass>,
}

impl Report {
    /// Puts a report together; of `automations` those without runs that were not late are left out.
    #[must_use]
    pub fn new(
        span: Span,
        runs_before: Runs,
        by_day: Vec<Runs>,
        automations: Vec<AutomationFigures>,
        mut failures: Vec<FailureClass>,
    ) -> Self {
        let mut automations: Vec<_> = automations.into_iter().filter(|one| one.runs.total() > 0 || one.late > 0).collect();
        let order = |one: &AutomationFigures| (one.runs.failed, one.late, one.runs.total());
        automations.sort_by(|one, other| order(other).cmp(&order(one)).then_with(|| one.name.cmp(&other.name)));
        failures.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.error_class.cmp(&other.error_class)));
        failures.truncate(MAX_ROWS);
        let mut runs = Runs::default();
        automations.iter().for_each(|one| runs += one.runs);
        let late = automations.iter().map(|one| one.late).sum();
        let hours_saved = automations.iter().map(AutomationFigures::hours_saved).sum();
        Self { span, runs, runs_before, by_day, late, hours_saved, automations, failures }
    }

    /// The automations that took longer than usual, the worst first.
    #[must_use]
    pub fn slowest(&self) -> Vec<&AutomationFigures> {
        let slow = |one: &&AutomationFigures| one.slowdown().is_some_and(|times| times >= SLOW);
        let mut slow: Vec<_> = self.automations.iter().filter(slow).collect();
        slow.sort_by(|one, other| other.slowdown().partial_cmp(&one.slowdown()).unwrap_or(Ordering::Equal));
        slow.truncate(MAX_ROWS);
        slow
    }
}

/// The median; `None` of fewer than [`LEAST_RUNS`] values.
#[must_use]
pub fn median(mut values: Vec<f64>) -> Option<f64> {
    if values.len() < LEAST_RUNS {
        return None;
    }
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    let upper = values.get(middle)?;
    if values.len() % 2 == 1 { Some(*upper) } else { Some(f64::midpoint(*values.get(middle - 1)?, *upper)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schedule::Zones;

    fn zone() -> Zone {
        Zones::bundled().get("America/Sao_Paulo").unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn a_period_is_whole_days_of_its_zone() {
        let day = Period::Daily.last(at("2026-11-27T02:59:00Z"), &zone()).unwrap();
        assert_eq!((day.from(), day.until()), (at("2026-11-25T03:00:00Z"), at("2026-11-26T03:00:00Z")), "it is still the 26th there");
        let week = Period::Weekly.last(at("2026-11-30T03:00:00Z"), &zone()).unwrap();
        assert_eq!((week.first, week.bounds.len()), ("2026-11-23".parse().unwrap(), 8), "Monday has begun");
        assert_eq!(week.until(), at("2026-11-30T03:00:00Z"));
        let week = Period::Weekly.last(at("2026-11-30T02:59:59Z"), &zone()).unwrap();
        assert_eq!(week.first, "2026-11-16".parse().unwrap());
        assert_eq!(week.before(&zone()).unwrap().first, "2026-11-09".parse().unwrap());
    }

    #[test]
    fn a_day_without_midnight_begins_when_the_clock_goes_on() {
        let day = Period::Daily.around("2018-11-04".parse().unwrap(), &zone()).unwrap();
        assert_eq!((day.from(), day.until()), (at("2018-11-04T03:00:00Z"), at("2018-11-05T02:00:00Z")));
    }

    #[test]
    fn success_leaves_out_what_was_canceled() {
        let runs = Runs { completed: 6, no_data: 1, failed: 1, canceled: 92 };
        assert_eq!((runs.total(), runs.success_percent()), (100, Some(87.5)));
        assert_eq!(Runs { canceled: 1, ..Runs::default() }.success_percent(), None);
    }

    #[test]
    fn what_failed_comes_first_and_what_did_nothing_is_left_out() {
        let one = |name: &str, completed, failed, late| AutomationFigures {
            name: name.to_owned(),
            runs: Runs { completed, failed, ..Runs::default() },
            late,
            ..AutomationFigures::default()
        };
        let span = Period::Daily.around("2026-11-26".parse().unwrap(), &zone()).unwrap();
        let given = vec![one("idle", 0, 0, 0), one("busy", 90, 0, 0), one("broken", 1, 2, 0), one("late", 0, 0, 1)];
        let report = Report::new(span, Runs::default(), Vec::new(), given, Vec::new());
        let names: Vec<_> = report.automations.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["broken", "late", "busy"]);
        assert_eq!((report.runs.total(), report.late), (93, 1));
    }

    #[test]
    fn saved_hours_are_those_of_completed_runs() {
        let runs = Runs { completed: 40, no_data: 10, failed: 3, canceled: 0 };
        let figures = AutomationFigures { runs, manual_minutes: Some(15), ..AutomationFigures::default() };
        assert!((figures.hours_saved() - 10.0).abs() < f64::EPSILON);
        assert!(AutomationFigures { runs, ..AutomationFigures::default() }.hours_saved().abs() < f64::EPSILON);
    }

    #[test]
    fn slow_is_what_takes_longer_than_usual() {
        let one = |name: &str, median_s, usual_s| AutomationFigures {
            name: name.to_owned(),
            runs: Runs { completed: 5, ..Runs::default() },
            median_s,
            usual_s,
            ..AutomationFigures::default()
        };
        let span = Period::Daily.around("2026-11-26".parse().unwrap(), &zone()).unwrap();
        let given = vec![
            one("as usual", Some(100.0), Some(95.0)),
            one("new", Some(100.0), None),
            one("slow", Some(90.0), Some(60.0)),
            one("slower", Some(300.0), Some(100.0)),
            one("quick", Some(10.0), Some(100.0)),
        ];
        let report = Report::new(span, Runs::default(), Vec::new(), given, Vec::new());
        assert_eq!(report.slowest().iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["slower", "slow"]);
    }

    #[test]
    fn a_median_needs_three() {
        assert_eq!(median(vec![1.0, 2.0]), None);
        assert_eq!((median(vec![9.0, 1.0, 2.0]), median(vec![4.0, 1.0, 3.0, 2.0])), (Some(2.0), Some(2.5)));
    }
}
