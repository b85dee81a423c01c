use super::*;
use crate::sla::{FailureRate, Standing};

const SINCE: &str = "2026-11-27T00:00:00Z";

/// Runs of each minute, the latest first: `+` succeeded, `-` failed, `c` was canceled.
fn runs(text: &str) -> Vec<Run> {
    let status = |letter| match letter {
        '+' => Status::Completed,
        '-' => Status::Failed,
        _ => Status::Canceled,
    };
    let all = text.chars().zip(1_u128..);
    all.map(|(letter, nth)| run(nth, status(letter), &format!("2026-11-27T01:{:02}:00Z", 59 - nth))).collect()
}

fn standing(expect: Expectations, history: &str) -> (Standing, Standing) {
    let (rule, times) = (rule(expect), times(None));
    let look = look(&rule, &times, SINCE, "2026-11-27T02:00:00Z");
    (look.failures(&runs(history)).standing, look.streak(&runs(history)).standing)
}

#[test]
fn the_last_run_decides_about_a_failure() {
    let expect = || Expectations { alert_on_failure: true, ..Expectations::default() };
    for (history, expected) in [
        ("", Standing::Fine),
        ("+", Standing::Fine),
        ("-+", Standing::Breached),
        ("+-", Standing::Fine),
        ("c-+", Standing::Breached),
        ("c+-", Standing::Fine),
    ] {
        assert_eq!(standing(expect(), history).0, expected, "{history}");
    }
}

#[test]
fn a_streak_is_failures_in_a_row() {
    let expect = || Expectations { failure_streak: Some(3), ..Expectations::default() };
    for (history, expected) in [
        ("--", Standing::Fine),
        ("---", Standing::Breached),
        ("--+-", Standing::Fine),
        ("-c--+", Standing::Breached),
        ("+---", Standing::Fine),
        ("----", Standing::Breached),
    ] {
        assert_eq!(standing(expect(), history).1, expected, "{history}");
    }
}

#[test]
fn a_rate_counts_the_last_runs_or_those_of_a_window() {
    let expect = |rate| Expectations { failure_rate: Some(rate), ..Expectations::default() };
    let of_runs = FailureRate { percent: 50, runs: Some(4), window_minutes: None, at_least: 3 };
    for (history, expected) in [
        ("--", Standing::Fine),
        ("-+-", Standing::Breached),
        ("--++", Standing::Fine),
        ("---+", Standing::Breached),
        ("++++----", Standing::Fine),
    ] {
        assert_eq!(standing(expect(of_runs), history).0, expected, "{history}");
    }
    let (rule, times) = (rule(expect(FailureRate { percent: 50, runs: None, window_minutes: Some(10), at_least: 1 })), times(None));
    let history = runs("-+--");
    let verdict = look(&rule, &times, SINCE, "2026-11-27T02:00:00Z").failures(&history);
    assert_eq!(verdict.facts.as_ref().and_then(|facts| facts.measured), Some(75.0));
    assert_eq!(verdict.due_at, Some(at("2026-11-27T02:05:00Z")), "the oldest run leaves the window");
    assert_eq!(look(&rule, &times, SINCE, "2026-11-27T02:09:00Z").failures(&history).standing, Standing::Fine, "nothing is in it");
}

#[test]
fn what_ended_before_the_rule_does_not_count() {
    let (rule, times) = (rule(Expectations { alert_on_failure: true, failure_streak: Some(2), ..Expectations::default() }), times(None));
    let look = look(&rule, &times, "2026-11-27T01:57:30Z", "2026-11-27T02:00:00Z");
    assert_eq!(look.streak(&runs("---")).standing, Standing::Fine);
    assert_eq!(look.failures(&runs("---")).standing, Standing::Breached);
    assert_eq!(look.failures(&runs("c--")).standing, Standing::Fine);
}
