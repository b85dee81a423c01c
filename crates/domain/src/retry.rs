//! Whether and when a failed job is retried. Retries are the hub's decision alone: the broker never redelivers a failed job.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{
    Fault,
    job::{ErrorClass, known_classes},
    policy::OnWorkerLost,
    wire::wire_names,
};

wire_names! {
    /// How the delay between attempts grows.
    pub enum Backoff as "Backoff" {
        /// `base_s` before each attempt.
        Fixed = "fixed",
        /// `base_s`, then twice that, then four times that, up to `max_s`.
        Exponential = "exponential",
    }
    default Exponential;
}

/// Whether and when a failed job is retried. The default is one attempt: no retry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Maximum attempts, the first run included; 1 to [`RetryPolicy::MAX_ATTEMPTS`].
    pub max_attempts: u32,
    /// How the delay grows.
    pub backoff: Backoff,
    /// Delay before the second attempt, in seconds.
    pub base_s: f64,
    /// Maximum delay in seconds, before jitter.
    pub max_s: f64,
    /// Random share of the delay, 0 to 1: 0.2 spreads it over 80–120 %.
    pub jitter: f64,
    /// Error classes that are retried; empty: all that [may pass](ErrorClass::may_pass).
    #[serde(deserialize_with = "known_classes")]
    pub on: Vec<ErrorClass>,
    /// Error classes that are never retried.
    #[serde(deserialize_with = "known_classes")]
    pub never_on: Vec<ErrorClass>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 1, backoff: Backoff::default(), base_s: 10.0, max_s: 600.0, jitter: 0.2, on: Vec::new(), never_on: Vec::new() }
    }
}

/// Minimum number of attempts, in all, under [`OnWorkerLost::Retry`].
pub const LOST_ATTEMPTS: u32 = 3;

/// How an attempt ended, and what the job says of further ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// Its number, from 1.
    pub number: u32,
    /// Why it failed.
    pub class: ErrorClass,
    /// Maximum attempts of the job, which override the policy's; `None`: the policy's.
    pub max_attempts: Option<u32>,
    /// Delay of the job before its second attempt in seconds, which overrides the policy's; `None`: the policy's.
    pub backoff_s: Option<u32>,
}

/// Delay before the attempt after `attempt`; `None`: no retry. `random` in 0–1 places the delay within its jitter.
///
/// Precedence: the job's own `max_attempts`; then `on_worker_lost`, which overrides `on`, `never_on` and `max_attempts` of the policy and
/// uses its backoff; then the policy. `on_worker_lost` applies to every [interruption](ErrorClass::is_interruption), whoever detected it.
/// Only a `never_on` with `KILLED` overrides [`OnWorkerLost::Retry`].
#[must_use]
pub fn next_delay(policy: &RetryPolicy, on_worker_lost: Option<OnWorkerLost>, attempt: Attempt, random: f64) -> Option<Duration> {
    let lost = on_worker_lost.filter(|_| attempt.class.is_interruption());
    let excluded = attempt.class != ErrorClass::WorkerLost && policy.never_on.contains(&attempt.class);
    let (retries, most) = match lost {
        Some(OnWorkerLost::Fail) => return None,
        Some(OnWorkerLost::Retry) => (!excluded, policy.max_attempts.max(LOST_ATTEMPTS)),
        None => (policy.retries(attempt.class), policy.max_attempts),
    };
    let left = attempt.number < attempt.max_attempts.unwrap_or(most);
    (retries && left).then(|| policy.delay_after(attempt, random))
}

impl RetryPolicy {
    /// Upper bound of `max_attempts`.
    pub const MAX_ATTEMPTS: u32 = 100;
    /// Upper bound of a delay in seconds: a week.
    pub const MAX_DELAY_S: f64 = 604_800.0;

    /// Whether failures of this class are retried while attempts are left.
    fn retries(&self, class: ErrorClass) -> bool {
        let retries = if self.on.is_empty() { class.may_pass() } else { self.on.contains(&class) };
        retries && !self.never_on.contains(&class)
    }

    fn delay_after(&self, attempt: Attempt, random: f64) -> Duration {
        let base_s = attempt.backoff_s.map_or(self.base_s, f64::from);
        let growth = match self.backoff {
            Backoff::Fixed => 1.0,
            Backoff::Exponential => 2f64.powi(i32::try_from(attempt.number.saturating_sub(1)).unwrap_or(i32::MAX).min(64)),
        };
        let delay_s = (base_s * growth).min(self.max_s.max(base_s)) * (1.0 + self.jitter * (2.0 * random.clamp(0.0, 1.0) - 1.0));
        Duration::from_secs_f64(delay_s.clamp(0.0, 2.0 * Self::MAX_DELAY_S))
    }

    /// Every fault of the policy; fields are relative to it.
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

    fn attempt(number: u32, class: ErrorClass) -> Attempt {
        Attempt { number, class, max_attempts: None, backoff_s: None }
    }

    /// Seconds before the attempt after this one, as the policy alone decides.
    fn after(policy: &RetryPolicy, number: u32, class: ErrorClass, random: f64) -> Option<f64> {
        next_delay(policy, None, attempt(number, class), random).map(|delay| delay.as_secs_f64())
    }

    #[test]
    fn the_delay_doubles_up_to_the_maximum() {
        let delays: Vec<_> = (1..5).map(|number| after(&policy(), number, ErrorClass::Unknown, 0.5).unwrap()).collect();
        assert_eq!(delays, [2.0, 4.0, 8.0, 10.0]);
        let fixed = RetryPolicy { backoff: Backoff::Fixed, ..policy() };
        assert_eq!(after(&fixed, 4, ErrorClass::Unknown, 0.5), Some(2.0));
    }

    #[test]
    fn a_jobs_own_backoff_replaces_the_first_delay_and_may_exceed_the_maximum() {
        let delay = |policy: &RetryPolicy, number, backoff_s| {
            let attempt = Attempt { backoff_s: Some(backoff_s), ..attempt(number, ErrorClass::Unknown) };
            next_delay(policy, None, attempt, 0.5).map(|delay| delay.as_secs_f64())
        };
        assert_eq!([1, 2, 3].map(|number| delay(&policy(), number, 3)), [Some(3.0), Some(6.0), Some(10.0)], "it grows as the policy says");
        assert_eq!([1, 2].map(|number| delay(&policy(), number, 60)), [Some(60.0), Some(60.0)]);
        assert_eq!(delay(&policy(), 1, 0), Some(0.0));
        assert_eq!(delay(&RetryPolicy::default(), 1, 60), None, "it allows no attempt");
    }

    #[test]
    fn jitter_spreads_both_ways() {
        let at = |random| after(&policy(), 1, ErrorClass::Unknown, random).unwrap();
        assert_eq!((at(0.0), at(1.0)), (1.0, 3.0));
    }

    #[test]
    fn attempts_and_classes_limit_retries() {
        assert_eq!(after(&policy(), 5, ErrorClass::Unknown, 0.5), None);
        assert_eq!(after(&RetryPolicy::default(), 1, ErrorClass::Unknown, 0.5), None);
        let picky =
            RetryPolicy { on: vec![ErrorClass::WorkerLost, ErrorClass::JobTimeout], never_on: vec![ErrorClass::JobTimeout], ..policy() };
        assert!(after(&picky, 1, ErrorClass::WorkerLost, 0.5).is_some());
        assert_eq!(after(&picky, 1, ErrorClass::JobTimeout, 0.5), None);
        assert_eq!(after(&picky, 1, ErrorClass::Unknown, 0.5), None);
    }

    #[test]
    fn a_class_that_a_retry_cannot_fix_is_retried_only_if_listed() {
        for class in [ErrorClass::QueueTimeout, ErrorClass::CredentialInvalid, ErrorClass::InvalidParameters] {
            assert_eq!(after(&policy(), 1, class, 0.5), None, "{class:?}");
            let patient = RetryPolicy { on: vec![class], ..policy() };
            assert!(after(&patient, 1, class, 0.5).is_some(), "{class:?}");
        }
        assert!(after(&policy(), 1, ErrorClass::PortalDown, 0.5).is_some());
    }

    #[test]
    fn a_misspelt_class_is_refused() {
        let read = |text: &str| serde_json::from_str::<RetryPolicy>(text).map(|policy| policy.on).map_err(|error| error.to_string());
        assert_eq!(read(r#"{"on": ["PORTAL_DOWN", "UNKNOWN"]}"#), Ok(vec![ErrorClass::PortalDown, ErrorClass::Unknown]));
        assert!(
            read(r#"{"on": ["PORTAL_DOWN", "PORTAL_DWON"]}"#).is_err_and(|error| error.contains("\"PORTAL_DWON\" is none of ROBOT_ERROR"))
        );
        assert!(serde_json::from_str::<RetryPolicy>(r#"{"never_on": ["x"]}"#).is_err());
    }

    #[test]
    fn on_worker_lost_decides_about_lost_workers() {
        use ErrorClass::{Killed, RobotError, WorkerLost};
        let once = RetryPolicy::default();
        let never = RetryPolicy { never_on: vec![WorkerLost], ..policy() };
        let others = RetryPolicy { on: vec![RobotError], ..policy() };
        let retried = |policy: &RetryPolicy, rule, number, class| next_delay(policy, rule, attempt(number, class), 0.5).is_some();
        let table = [
            // (policy, attempts of 1 to 6 that are followed by another when the worker was lost) under null, retry and fail
            (&once, [0, 2, 0]),
            (&policy(), [4, 4, 0]),
            (&never, [0, 4, 0]),
            (&others, [0, 4, 0]),
        ];
        for (policy, expected) in table {
            for (rule, expected) in [None, Some(OnWorkerLost::Retry), Some(OnWorkerLost::Fail)].into_iter().zip(expected) {
                let followed = (1..=6).filter(|number| retried(policy, rule, *number, WorkerLost)).count();
                assert_eq!(followed, expected, "{rule:?} with {policy:?}");
            }
        }
        assert!(!retried(&once, Some(OnWorkerLost::Retry), 1, RobotError), "it applies to nothing else");
        assert!(retried(&policy(), Some(OnWorkerLost::Fail), 1, RobotError));
        let unkilled = RetryPolicy { never_on: vec![Killed], ..policy() };
        let table = [(&once, [false, true, false]), (&policy(), [true, true, false]), (&unkilled, [false, false, false])];
        for (policy, expected) in table {
            let rules = [None, Some(OnWorkerLost::Retry), Some(OnWorkerLost::Fail)];
            let followed = rules.map(|rule| retried(policy, rule, 1, Killed));
            assert_eq!(followed, expected, "a worker that is back reports KILLED: {policy:?}");
        }
        let delay = next_delay(&never, Some(OnWorkerLost::Retry), attempt(2, WorkerLost), 0.5);
        assert_eq!(delay, Some(Duration::from_secs(4)), "under the policy's backoff");
    }

    #[test]
    fn a_jobs_own_number_of_attempts_takes_precedence() {
        let given = |rule, number, most| {
            let attempt = Attempt { number, class: ErrorClass::WorkerLost, max_attempts: Some(most), backoff_s: None };
            next_delay(&policy(), rule, attempt, 0.5).is_some()
        };
        assert_eq!((given(None, 5, 7), given(None, 7, 7), given(None, 1, 1)), (true, false, false));
        assert!(!given(Some(OnWorkerLost::Retry), 1, 1), "also when the worker was lost");
        assert!(!given(Some(OnWorkerLost::Fail), 1, 7));
    }

    #[test]
    fn out_of_range_numbers_are_named() {
        let bad = RetryPolicy { max_attempts: 0, base_s: -1.0, jitter: f64::NAN, ..policy() };
        let fields: Vec<_> = bad.faults().into_iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["max_attempts", "base_s", "jitter"]);
    }
}
