use chrono::{DateTime, Utc};

use super::{ConcurrencyKey, MAX_AHEAD, Overlap, cancel_grace_fault, queue_timeout_fault};
use crate::{
    Fault,
    automation::{MAX_TIMEOUT_S, PRIORITY, priority_rule},
    retry::RetryPolicy,
};

/// Settings of one job that override its automation's. `None`: the automation's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// 0 to 9.
    pub priority: Option<i32>,
    /// Time limit in seconds.
    pub timeout_s: Option<i64>,
    /// Seconds that it may stay pending.
    pub queue_timeout_s: Option<i64>,
    /// Maximum attempts, the first run included.
    pub max_attempts: Option<u32>,
    /// Seconds that its program has to stop after a cancel before it is killed.
    pub cancel_grace_s: Option<i64>,
    /// Concurrency key, literally (not a template).
    pub concurrency_key: Option<String>,
    /// Earliest start; a time in the past has no effect.
    pub not_before: Option<DateTime<Utc>>,
    /// What the request does while another job of the automation (with the same concurrency key) is pending or running.
    pub overlap: Option<Overlap>,
    /// Maximum number of jobs of its schedule that run at the same time, besides the limits of the automation and of its key.
    pub max_concurrency: Option<u32>,
    /// Seconds before the second attempt; the retry policy says how the delay grows from there.
    pub retry_backoff_s: Option<i64>,
}

/// Upper bound of a schedule's running jobs.
pub const MAX_CONCURRENCY: u32 = 10_000;
/// Upper bound of the delay before the second attempt, in seconds: a day.
pub const MAX_RETRY_BACKOFF_S: i64 = 86_400;

impl Overrides {
    /// Every fault of the fields.
    #[must_use]
    pub fn faults(&self, now: DateTime<Utc>) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.priority.is_some_and(|priority| !PRIORITY.contains(&priority)) {
            faults.push(Fault::new("priority", priority_rule()));
        }
        if self.timeout_s.is_some_and(|seconds| !(1..=MAX_TIMEOUT_S).contains(&seconds)) {
            faults.push(Fault::new("timeout_s", format!("must be 1 to {MAX_TIMEOUT_S} seconds")));
        }
        faults.extend(queue_timeout_fault(self.queue_timeout_s));
        if self.max_attempts.is_some_and(|attempts| !(1..=RetryPolicy::MAX_ATTEMPTS).contains(&attempts)) {
            faults.push(Fault::new("max_attempts", format!("must be 1 to {}", RetryPolicy::MAX_ATTEMPTS)));
        }
        faults.extend(cancel_grace_fault(self.cancel_grace_s));
        let key = self.concurrency_key.as_deref().map_or(Ok(()), ConcurrencyKey::check);
        faults.extend(key.err().map(|message| Fault::new("concurrency_key", message)));
        if self.not_before.is_some_and(|at| at > now + MAX_AHEAD) {
            faults.push(Fault::new("not_before", "must be within ten years"));
        }
        if self.max_concurrency.is_some_and(|jobs| !(1..=MAX_CONCURRENCY).contains(&jobs)) {
            faults.push(Fault::new("max_concurrency", format!("must be 1 to {MAX_CONCURRENCY}")));
        }
        if self.retry_backoff_s.is_some_and(|seconds| !(0..=MAX_RETRY_BACKOFF_S).contains(&seconds)) {
            faults.push(Fault::new("retry_backoff_s", format!("must be 0 to {MAX_RETRY_BACKOFF_S} seconds (a day)")));
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use chrono::TimeDelta;

    use super::*;

    #[test]
    fn each_fault_names_its_field() {
        let now = DateTime::from_timestamp(1_700_000_000, 0).unwrap();
        let fine = Overrides {
            priority: Some(0),
            timeout_s: Some(1),
            queue_timeout_s: Some(1),
            max_attempts: Some(100),
            cancel_grace_s: Some(3600),
            concurrency_key: Some("{not} a template".into()),
            not_before: Some(now - TimeDelta::days(1)),
            overlap: Some(Overlap::Skip),
            max_concurrency: Some(MAX_CONCURRENCY),
            retry_backoff_s: Some(0),
        };
        assert_eq!(fine.faults(now), []);
        assert_eq!(Overrides::default().faults(now), []);
        let bad = Overrides {
            priority: Some(-1),
            timeout_s: Some(0),
            queue_timeout_s: Some(-1),
            max_attempts: Some(0),
            cancel_grace_s: Some(3601),
            concurrency_key: Some(String::new()),
            not_before: Some(now + TimeDelta::days(4000)),
            overlap: None,
            max_concurrency: Some(0),
            retry_backoff_s: Some(-1),
        };
        let fields: Vec<_> = bad.faults(now).into_iter().map(|fault| fault.field).collect();
        let expected = [
            "priority",
            "timeout_s",
            "queue_timeout_s",
            "max_attempts",
            "cancel_grace_s",
            "concurrency_key",
            "not_before",
            "max_concurrency",
            "retry_backoff_s",
        ];
        assert_eq!(fields, expected);
    }
}
