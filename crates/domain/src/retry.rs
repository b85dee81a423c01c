//! When a failed job is run again.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{Fault, job::ErrorClass};

/// How the delay between attempts grows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Backoff {
    /// `base_s` before each attempt.
    Fixed,
    /// `base_s`, twice that, four times that …
    #[default]
    Exponential,
}

/// Whether and when a failed job gets another attempt. The default is one attempt: no retry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts in all, the first included; 1 to [`RetryPolicy::MAX_ATTEMPTS`].
    pub max_attempts: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// Seconds before the second attempt.
    pub base_s: f64,
    /// Longest delay in seconds, before jitter.
    pub max_s: f64,
    /// Share of the delay that is random, 0 to 1: 0.2 spreads it over 80–120 %.
    pub jitter: f64,
    /// Error classes that are retried; empty: all.
    pub on: Vec<ErrorClass>,
    /// Error classes that are never retried.
    pub never_on: Vec<ErrorClass>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 1, backoff: Backoff::default(), base_s: 10.0, max_s: 600.0, jitter: 0.2, on: Vec::new(), never_on: Vec::new() }
    }
}

impl RetryPolicy {
    /// The most attempts a policy may ask for.
    pub const MAX_ATTEMPTS: u32 = 100;
    /// The longest delay a policy may ask for: a week, in seconds.
    pub const MAX_DELAY_S: f64 = 604_800.0;

    /// Delay before the attempt after number `attempt` (1 is the first) which ended with `class`; `None`: no further attempt.
    /// `random` in 0–1 places the delay inside its jitter.
    #[must_use]
    pub fn next_delay(&self, attempt: u32, class: ErrorClass, random: f64) -> Option<Duration> {
        let wanted = self.on.is_empty() || self.on.contains(&class);
        if attempt >= self.max_attempts || !wanted || self.never_on.contains(&class) {
            return None;
        }
        let growth = match self.backoff {
            Backoff::Fixed => 1.0,
            Backoff::Exponential => 2f64.powi(i32::try_from(attempt.saturating_sub(1)).unwrap_or(i32::MAX).min(64)),
        };
        let delay_s = (self.base_s * growth).min(self.max_s) * (1.0 + self.jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0));
        Some(Duration::from_secs_f64(delay_s.clamp(0.0, 2.0 * Self::MAX_DELAY_S)))
    }

    /// What is wrong with the policy; fields are relative to it.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if !(1..=Self::MAX_ATTEMPTS).contains(&self.max_attempts) {
            faults.push(Fault::new("max_attempts", format!("must be 1 to {}", Self::MAX_ATTEMPTS)));
        }
        for (field, value, max) in
            [("base_s", self.base_s, Self::MAX_DELAY_S), ("max_s", self.max_s, Self::MAX_DELAY_S), ("jitter", self.jitter, 1.0)]
        {
            if !(0.0..=max).contains(&value) {
                faults.push(Fault::new(field, format!("must be 0 to {max}")));
            }
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> RetryPolicy {
        RetryPolicy { max_attempts: 5, base_s: 2.0, max_s: 10.0, jitter: 0.5, ..RetryPolicy::default() }
    }

    #[test]
    fn delay_doubles_up_to_the_longest() {
        let delays: Vec<_> = (1..5).map(|attempt| policy().next_delay(attempt, ErrorClass::Unknown, 0.5).unwrap().as_secs_f64()).collect();
        assert_eq!(delays, [2.0, 4.0, 8.0, 10.0]);
        let fixed = RetryPolicy { backoff: Backoff::Fixed, ..policy() };
        assert_eq!(fixed.next_delay(4, ErrorClass::Unknown, 0.5).unwrap().as_secs_f64(), 2.0);
    }

    #[test]
    fn jitter_spreads_both_ways() {
        let at = |random| policy().next_delay(1, ErrorClass::Unknown, random).unwrap().as_secs_f64();
        assert_eq!((at(0.0), at(1.0)), (1.0, 3.0));
    }

    #[test]
    fn attempts_and_classes_end_it() {
        assert_eq!(policy().next_delay(5, ErrorClass::Unknown, 0.5), None);
        assert_eq!(RetryPolicy::default().next_delay(1, ErrorClass::Unknown, 0.5), None);
        let picky =
            RetryPolicy { on: vec![ErrorClass::WorkerLost, ErrorClass::JobTimeout], never_on: vec![ErrorClass::JobTimeout], ..policy() };
        assert!(picky.next_delay(1, ErrorClass::WorkerLost, 0.5).is_some());
        assert_eq!(picky.next_delay(1, ErrorClass::JobTimeout, 0.5), None);
        assert_eq!(picky.next_delay(1, ErrorClass::Unknown, 0.5), None);
    }

    #[test]
    fn absurd_numbers_are_named() {
        let bad = RetryPolicy { max_attempts: 0, base_s: -1.0, jitter: f64::NAN, ..policy() };
        let fields: Vec<_> = bad.faults().into_iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["max_attempts", "base_s", "jitter"]);
    }
}
