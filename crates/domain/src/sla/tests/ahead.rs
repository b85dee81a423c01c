use super::*;
use crate::{
    alert::{AlertType, Key, Observation, Resolution, Seen, Subject},
    duration::Sensitivity,
    forecast::Takes,
    sla::{Deadline, ForecastFacts, History, Hold, Known, Line, Past, RunningJob, Standing, Verdict, settle},
};

/// The deadline: 14:30 in São Paulo, with ten minutes of grace.
const DEADLINE: &str = "2026-11-27T17:30:00Z";

fn foretold(expect: Expectations) -> Rule {
    rule(Expectations { forecast: true, late_after_minutes: 10, ..expect })
}

fn daily() -> Rule {
    foretold(Expectations { expected_daily_time: chrono::NaiveTime::from_hms_opt(14, 30, 0), ..Expectations::default() })
}

/// Sixty runs of 30 to 36 minutes, of which each had waited for a minute.
fn history() -> History {
    let past = |nth: i64| Past {
        started_at: at("2026-11-26T16:00:00Z") - TimeDelta::days(nth),
        took: TimeDelta::seconds(1800 + nth % 7 * 60),
        waited: TimeDelta::seconds(60),
    };
    History::of(&(0..60).map(past).collect::<Vec<_>>(), &times(None).zone, Sensitivity::Normal)
}

fn minutes(minutes: i64) -> DateTime<Utc> {
    at(DEADLINE) + TimeDelta::minutes(minutes)
}

/// A job that started so many minutes before the deadline.
fn job(before: i64) -> RunningJob {
    RunningJob { job_id: Uuid::from_u128(1).into(), started_at: minutes(-before), paused_at: None, paused: TimeDelta::zero() }
}

fn running(before: i64) -> ForecastFacts {
    ForecastFacts { running: vec![job(before)], ..ForecastFacts::default() }
}

fn said(rule: &Rule, known: Option<&Known>, facts: &ForecastFacts, now: DateTime<Utc>) -> Verdict {
    let times = times(None);
    Look { rule, times: &times, since: at("2026-11-20T00:00:00Z"), now }.forecast(known, facts, &history())
}

/// Looks one after the other at an expectation.
struct Story {
    rule: Rule,
    known: Option<Known>,
}

impl Story {
    fn of(rule: Rule) -> Self {
        Self { rule, known: None }
    }

    fn look(&mut self, facts: &ForecastFacts, now: DateTime<Utc>) -> Option<Observation> {
        let key = Key { rule_id: None, alert_type: AlertType::SlaForecast, subject: Subject::Automation(7.into()) };
        let verdict = said(&self.rule, self.known.as_ref(), facts, now);
        let (told, known) = settle(&self.rule, (&key, Some(7.into())), self.known.as_ref(), verdict, now);
        self.known = Some(known);
        told
    }

    fn standing(&self) -> Standing {
        self.known.as_ref().unwrap().standing
    }

    fn due(&self) -> Option<DateTime<Utc>> {
        self.known.as_ref().unwrap().due_at
    }
}

#[test]
fn a_deadline_is_looked_at_when_it_is_near_and_more_often_the_nearer() {
    let mut story = Story::of(daily());
    assert_eq!(story.look(&ForecastFacts::default(), minutes(-600)), None);
    let first = (minutes(10) - story.due().unwrap()).num_minutes();
    assert!((120..=132).contains(&first), "an hour and twice a run before it is late, not {first} minutes");
    for (before, due) in [(100, -85), (30, -20), (2, 1), (-9, 10)] {
        let verdict = said(&daily(), None, &running(40), minutes(-before));
        assert_eq!(verdict.due_at, Some(minutes(due)), "{before} minutes before");
    }
}

#[test]
fn a_run_that_will_miss_its_deadline_is_told_once_with_its_figures() {
    let mut story = Story::of(daily());
    let told = story.look(&running(5), minutes(-5)).unwrap();
    let Seen::Breach(facts) = told.seen else { panic!("{told:?}") };
    assert_eq!((told.at, facts.expected_at), (at(DEADLINE), Some(at(DEADLINE))));
    let predicted = (facts.predicted_at.unwrap() - at(DEADLINE)).num_minutes();
    assert!((25..=31).contains(&predicted) && facts.certainty.unwrap() > 0.95, "{facts:?}");
    assert_eq!(facts.job_ids, [Uuid::from_u128(1).into()]);
    assert_eq!((story.look(&running(5), minutes(-4)), story.look(&running(5), minutes(-1))), (None, None));
    assert_eq!(story.look(&running(5), minutes(0)).map(|told| told.at), Some(at(DEADLINE)), "newer figures of the same");
    // Half a minute before the alert that it is late nobody needs a forecast.
    let now = minutes(10) - TimeDelta::seconds(30);
    assert_eq!(
        (said(&daily(), None, &running(5), now).facts, said(&daily(), story.known.as_ref(), &running(5), now).facts.is_some()),
        (None, true)
    );
}

#[test]
fn what_was_told_is_taken_back_below_a_half() {
    let (late, likely, in_time) = (running(5), running(22), running(28));
    assert_eq!(said(&daily(), None, &likely, minutes(-4)).standing, Standing::Fine, "it would not be told anew");
    let mut story = Story::of(daily());
    assert!(story.look(&late, minutes(-5)).is_some());
    assert_eq!((story.look(&likely, minutes(-4)), story.standing()), (None, Standing::Breached));
    assert_eq!(story.look(&in_time, minutes(-3)).map(|told| told.seen), Some(Seen::Fine));
}

#[test]
fn it_is_over_when_a_run_succeeds_and_when_a_run_is_late() {
    let mut story = Story::of(daily());
    assert!(story.look(&running(5), minutes(-5)).is_some());
    let success = ForecastFacts { success_at: Some(minutes(5)), last_success_at: Some(minutes(5)), ..ForecastFacts::default() };
    // The hub was away, and looks when it would have been late.
    assert_eq!(story.look(&success, minutes(30)).map(|told| told.seen), Some(Seen::Fine));
    assert!(story.due().unwrap() > minutes(20 * 60), "the next day");
    let mut story = Story::of(daily());
    assert!(story.look(&running(5), minutes(-5)).is_some());
    assert_eq!(story.look(&running(5), minutes(10)).map(|told| told.seen), Some(Seen::Gone(Resolution::Superseded)));
    assert_eq!((story.look(&success, minutes(11)), story.standing()), (None, Standing::Fine));
    let mut story = Story::of(daily());
    assert_eq!((story.look(&running(5), minutes(10)), story.standing()), (None, Standing::Fine), "nothing was told");
}

#[test]
fn nothing_is_foretold_while_it_is_held_or_too_little_is_known() {
    let mut story = Story::of(daily());
    let _told = story.look(&running(5), minutes(-5)).unwrap();
    let held = ForecastFacts { hold: Hold::Paused(None), ..running(5) };
    assert_eq!(story.look(&held, minutes(-4)).map(|told| told.seen), Some(Seen::Fine));
    assert_eq!(story.standing(), Standing::Held);
    let (rule, times) = (daily(), times(None));
    let look = Look { rule: &rule, times: &times, since: at("2026-11-20T00:00:00Z"), now: minutes(-5) };
    assert_eq!(look.forecast(None, &running(5), &History::default()).standing, Standing::Learning);
    assert!(!look.forecast_needs_jobs(None, &running(5), &History::default()));
    assert!(look.forecast_needs_jobs(None, &running(5), &history()));
}

#[test]
fn what_is_not_there_is_forecast_from_its_next_fire_or_as_if_it_started_now() {
    let of = |facts: &ForecastFacts, before: i64| said(&daily(), None, facts, minutes(-before)).facts.map(|facts| facts.certainty.unwrap());
    let fires = |at| ForecastFacts { comes_at: Some(at), ..ForecastFacts::default() };
    assert_eq!(of(&ForecastFacts::default(), 40), None, "there is time enough");
    assert!(of(&ForecastFacts::default(), 15).unwrap() > 0.9);
    assert_eq!(of(&fires(minutes(-30)), 60), None);
    assert!(of(&fires(minutes(-15)), 60).unwrap() > 0.9, "it comes too late");
    let line = |many: usize| {
        let takes = Takes { median: 600.0, deviation: 0.1 };
        let line = Line { job_id: Uuid::from_u128(2).into(), ahead: vec![takes; many], running: vec![(takes, 300.0)], slots: 1 };
        ForecastFacts { line: Some(line), ..ForecastFacts::default() }
    };
    assert_eq!(of(&line(1), 60), None);
    assert!(of(&line(5), 60).unwrap() > 0.9, "behind an hour of other jobs");
    let nobody = ForecastFacts { line: line(5).line.map(|line| Line { running: vec![], slots: 0, ..line }), ..ForecastFacts::default() };
    assert_eq!((of(&nobody, 60), of(&nobody, 15).is_some()), (None, true), "if somebody worked now");
}

#[test]
fn a_deadline_that_the_rule_has_no_more_is_not_waited_for() {
    let mut story = Story::of(daily());
    assert!(story.look(&running(5), minutes(-5)).is_some());
    story.rule.expect.expected_daily_time = chrono::NaiveTime::from_hms_opt(16, 0, 0);
    assert_eq!(story.look(&running(5), minutes(-4)).map(|told| told.seen), Some(Seen::Fine));
}

#[test]
fn an_interval_is_forecast_from_the_last_success() {
    let rule = foretold(Expectations { expected_run_every_minutes: Some(60), ..Expectations::default() });
    let since = |last: DateTime<Utc>| ForecastFacts { last_success_at: Some(last), ..ForecastFacts::default() };
    let mut story = Story::of(rule);
    assert_eq!(story.look(&since(minutes(0)), minutes(30)), None);
    let told = story.look(&since(minutes(0)), minutes(50)).unwrap();
    assert_eq!(told.at, minutes(60), "the deadline");
    let late = story.look(&since(minutes(0)), minutes(70)).unwrap();
    assert_eq!((late.seen, story.standing(), story.due()), (Seen::Gone(Resolution::Superseded), Standing::Fine, None));
    assert_eq!(story.look(&since(minutes(75)), minutes(75)), None);
}

#[test]
fn a_forecast_is_silent_where_lateness_is() {
    let quiet = daily();
    let mut story = Story::of(Rule { expect: Expectations { alert_on_late: false, ..quiet.expect.clone() }, ..quiet });
    assert_eq!((story.look(&running(5), minutes(-5)), story.standing()), (None, Standing::Breached));
}

#[test]
fn what_was_before_the_rule_is_not_expected() {
    let (rule, times) = (daily(), times(None));
    let look = Look { rule: &rule, times: &times, since: minutes(1), now: minutes(5) };
    let next = Deadline::Daily { previous: at(DEADLINE), at: minutes(24 * 60), early: minutes(21 * 60) };
    assert_eq!(look.deadline_ahead(None), next);
}
