use chrono::{DateTime, TimeDelta, Utc};

use crate::{Fault, wire::wire_names};

/// Maximum length of a reason, in characters.
pub const MAX_REASON: usize = 500;
/// How far in the future a requested time may be: ten years.
pub const MAX_AHEAD: TimeDelta = TimeDelta::days(3653);

wire_names! {
    /// What is paused.
    pub enum PauseScope as "PauseScope" {
        /// Jobs of the whole queue do not start.
        Queue = "queue",
        /// Jobs of the automation do not start.
        Automation = "automation",
    }
}

/// A pause: jobs are accepted and stay pending; running jobs continue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pause {
    /// When it began.
    pub at: DateTime<Utc>,
    /// When it ends; `None`: when somebody resumes.
    pub until: Option<DateTime<Utc>>,
    /// Reason, for people.
    pub reason: Option<String>,
    /// Who paused.
    pub by: String,
}

impl Pause {
    /// Whether it is in effect at `now`.
    #[must_use]
    pub fn holds(&self, now: DateTime<Utc>) -> bool {
        self.until.is_none_or(|until| now < until)
    }
}

/// Every fault of a request for a pause.
#[must_use]
pub fn pause_faults(until: Option<DateTime<Utc>>, reason: Option<&str>, now: DateTime<Utc>) -> Vec<Fault> {
    let mut faults = Vec::new();
    if until.is_some_and(|until| until <= now) {
        faults.push(Fault::new("until", "must be in the future"));
    }
    if until.is_some_and(|until| until > now + MAX_AHEAD) {
        faults.push(Fault::new("until", "must be within ten years; omit it for a pause without end"));
    }
    let reason = reason.unwrap_or_default();
    if reason.chars().count() > MAX_REASON {
        faults.push(Fault::new("reason", format!("must have at most {MAX_REASON} characters")));
    }
    if reason.chars().any(char::is_control) {
        faults.push(Fault::new("reason", "must not contain control characters"));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
    }

    #[test]
    fn a_pause_ends_at_its_end() {
        let open = Pause { at: at(0), until: None, reason: None, by: "x".into() };
        assert!(open.holds(at(0)) && open.holds(at(1_000_000_000)));
        let limited = Pause { until: Some(at(10)), ..open };
        assert!(limited.holds(at(9)) && !limited.holds(at(10)));
    }

    #[test]
    fn each_fault_names_its_field() {
        let fields = |until: Option<i64>, reason: &str| {
            let faults = pause_faults(until.map(at), Some(reason), at(0));
            faults.into_iter().map(|fault| fault.field).collect::<Vec<_>>()
        };
        assert_eq!(fields(None, ""), [""; 0]);
        assert_eq!(fields(Some(1), "maintenance"), [""; 0]);
        assert_eq!(fields(Some(0), "a\nb"), ["until", "reason"]);
        assert_eq!(fields(Some(-1), &"x".repeat(501)), ["until", "reason"]);
        assert_eq!(fields(Some(1_000_000_000), ""), ["until"]);
    }
}
