//! How the jobs of an automation are queued, started and ended, besides its concurrency limit and retry policy.

mod key;
mod labels;
mod overrides;
mod pause;
mod rate;

use chrono::{DateTime, TimeDelta, Utc};

pub use self::{
    key::{ConcurrencyKey, MAX_KEY},
    labels::{MAX_LABELS, labels},
    overrides::{MAX_CONCURRENCY, MAX_RETRY_BACKOFF_S, Overrides},
    pause::{MAX_AHEAD, MAX_REASON, Pause, PauseScope, pause_faults},
    rate::RateLimit,
};
use crate::{Fault, automation::MAX_TIMEOUT_S, wire::wire_names};

wire_names! {
    /// What happens to a request while another job of the automation (with the same concurrency key) is pending or running.
    pub enum Overlap as "Overlap" {
        /// The new job is queued.
        Queue = "queue",
        /// The request is refused with 409 `overlap_skipped`, which names the other job.
        Skip = "skip",
        /// The other jobs are canceled and the new job is queued.
        Replace = "replace",
        /// The request returns a pending job if there is one; otherwise the new job is queued.
        Coalesce = "coalesce",
    }
    default Queue;
}

wire_names! {
    /// What happens to a job whose worker is lost. It overrides the retry policy.
    pub enum OnWorkerLost as "OnWorkerLost" {
        /// The job is retried: at least 3 attempts in all, or as many as the retry policy allows.
        Retry = "retry",
        /// The job fails: for robots whose work must not be done twice.
        Fail = "fail",
    }
}

/// How the jobs of an automation are queued, started and ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Policy {
    /// Seconds that a job may stay pending before it fails with `QUEUE_TIMEOUT`.
    pub queue_timeout_s: Option<i64>,
    /// Seconds that a canceled program has to stop before it is killed; `None`: the worker's setting.
    pub cancel_grace_s: Option<i64>,
    /// Jobs with the same key share a limit, across automations.
    pub concurrency_key: Option<ConcurrencyKey>,
    /// Maximum number of jobs with the same key that run at the same time.
    pub concurrency_key_limit: i64,
    /// Rate limit of starts.
    pub rate_limit: Option<RateLimit>,
    /// What a request does while another job is pending or running.
    pub overlap: Overlap,
    /// What happens to a job whose worker is lost; `None`: the retry policy decides.
    pub on_worker_lost: Option<OnWorkerLost>,
    /// Labels that a worker must have, normalised by [`labels`].
    pub requires: Vec<String>,
    /// Whether its programs need a virtual display.
    pub display: bool,
    /// Maximum CPUs that a program may use.
    pub cpu_limit: Option<f64>,
    /// Maximum memory of a program in bytes.
    pub memory_limit_bytes: Option<i64>,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            queue_timeout_s: None,
            cancel_grace_s: None,
            concurrency_key: None,
            concurrency_key_limit: 1,
            rate_limit: None,
            overlap: Overlap::default(),
            on_worker_lost: None,
            requires: Vec::new(),
            display: false,
            cpu_limit: None,
            memory_limit_bytes: None,
        }
    }
}

/// Upper bound of `cancel_grace_s`, in seconds.
pub const MAX_CANCEL_GRACE_S: i64 = 3600;
/// Upper bound of `concurrency_key_limit`.
pub const MAX_KEY_LIMIT: i64 = 10_000;
const MEBIBYTE: i64 = 1 << 20;
/// Largest integer that a JSON number holds exactly.
const MAX_EXACT: i64 = 1 << 53;

impl Policy {
    /// Every fault of the policy. Fields with types of their own were validated when those were made.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        faults.extend(queue_timeout_fault(self.queue_timeout_s));
        faults.extend(cancel_grace_fault(self.cancel_grace_s));
        if !(1..=MAX_KEY_LIMIT).contains(&self.concurrency_key_limit) {
            faults.push(Fault::new("concurrency_key_limit", format!("must be 1 to {MAX_KEY_LIMIT}")));
        }
        faults.extend(self.rate_limit.iter().flat_map(RateLimit::faults).map(|fault| fault.under("rate_limit")));
        if self.cpu_limit.is_some_and(|processors| !(0.01..=1024.0).contains(&processors)) {
            faults.push(Fault::new("cpu_limit", "must be 0.01 to 1024 CPUs"));
        }
        if self.memory_limit_bytes.is_some_and(|bytes| !(MEBIBYTE..=MAX_EXACT).contains(&bytes)) {
            faults.push(Fault::new("memory_limit_bytes", format!("must be {MEBIBYTE} (1 MiB) to {MAX_EXACT} bytes")));
        }
        faults
    }
}

/// When a pending job fails with `QUEUE_TIMEOUT`. The time counts from its earliest start, and runs while its queue or automation is
/// paused. `None`: never.
#[must_use]
pub fn gives_up_at(created_at: DateTime<Utc>, not_before: Option<DateTime<Utc>>, queue_timeout_s: Option<i64>) -> Option<DateTime<Utc>> {
    let patience = TimeDelta::try_seconds(queue_timeout_s?)?;
    not_before.unwrap_or(created_at).max(created_at).checked_add_signed(patience)
}

fn queue_timeout_fault(seconds: Option<i64>) -> Option<Fault> {
    let bad = seconds.is_some_and(|s| !(1..=MAX_TIMEOUT_S).contains(&s));
    bad.then(|| Fault::new("queue_timeout_s", format!("must be 1 to {MAX_TIMEOUT_S} seconds")))
}

fn cancel_grace_fault(seconds: Option<i64>) -> Option<Fault> {
    let bad = seconds.is_some_and(|s| !(0..=MAX_CANCEL_GRACE_S).contains(&s));
    bad.then(|| Fault::new("cancel_grace_s", format!("must be 0 to {MAX_CANCEL_GRACE_S} seconds")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_names_its_field() {
        assert_eq!(Policy::default().faults(), []);
        let edge = Policy {
            queue_timeout_s: Some(MAX_TIMEOUT_S),
            cancel_grace_s: Some(0),
            concurrency_key_limit: MAX_KEY_LIMIT,
            rate_limit: Some(RateLimit { max: 100_000, per_s: 0.1 }),
            cpu_limit: Some(0.01),
            memory_limit_bytes: Some(MEBIBYTE),
            ..Policy::default()
        };
        assert_eq!(edge.faults(), []);
        let bad = Policy {
            queue_timeout_s: Some(0),
            cancel_grace_s: Some(-1),
            concurrency_key_limit: 0,
            rate_limit: Some(RateLimit { max: 0, per_s: f64::NAN }),
            cpu_limit: Some(0.0),
            memory_limit_bytes: Some(1),
            ..Policy::default()
        };
        let fields: Vec<_> = bad.faults().into_iter().map(|fault| fault.field).collect();
        let expected = [
            "queue_timeout_s",
            "cancel_grace_s",
            "concurrency_key_limit",
            "rate_limit/max",
            "rate_limit/per_s",
            "cpu_limit",
            "memory_limit_bytes",
        ];
        assert_eq!(fields, expected);
    }

    #[test]
    fn the_queue_time_out_counts_from_the_earliest_start() {
        let at = |second: i64| DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap();
        assert_eq!(gives_up_at(at(0), None, Some(60)), Some(at(60)));
        assert_eq!(gives_up_at(at(0), Some(at(600)), Some(60)), Some(at(660)), "a retry with a long delay is not given up at once");
        assert_eq!(gives_up_at(at(0), Some(at(-600)), Some(60)), Some(at(60)));
        assert_eq!(gives_up_at(at(0), None, None), None);
        assert_eq!(gives_up_at(at(0), None, Some(i64::MAX)), None);
    }
}
