//! What a rule expects, in words: a rule that people do not name has its name from them.

use super::Expectations;
use crate::schedule::input::time_of_day_text;

impl Expectations {
    /// Each expectation in a few words, in English.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        let is_on = |is_on: bool, text: &str| is_on.then(|| text.to_owned());
        [
            self.expected_run_every_minutes.map(|minutes| format!("a run every {minutes} min")),
            self.expected_daily_time.map(|time| format!("a run by {}", time_of_day_text(time))),
            is_on(self.alert_on_failure, "no failure"),
            self.failure_streak.map(|runs| format!("fewer than {runs} failures in a row")),
            self.failure_rate.map(|rate| format!("at most {} % fail", rate.percent)),
            self.max_duration_s.map(|seconds| format!("at most {seconds} s a run")),
            self.min_duration_s.map(|seconds| format!("at least {seconds} s a run")),
            is_on(self.duration_anomaly.is_some(), "no unusual duration"),
            is_on(self.forecast, "told before it is late"),
            self.max_backlog.map(|jobs| format!("at most {jobs} jobs wait")),
            self.max_pending_age_s.map(|seconds| format!("none waits longer than {seconds} s")),
            self.worker_gone_after_s.map(|seconds| format!("workers are heard of every {seconds} s")),
            is_on(self.alert_on_dead_schedule, "no dead schedule"),
            is_on(self.watch_hub, "the hub works"),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}
