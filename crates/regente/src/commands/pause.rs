//! What pausing takes, the same for automations and queues.

use api_types::PauseRequest;
use chrono::{DateTime, Utc};
use clap::Args;

use super::output::moment;

/// How long, and why.
#[derive(Args)]
pub(super) struct PauseArgs {
    /// Resume by itself at this time: 2026-11-26T08:30:00-03:00, or a date (UTC).
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    until: Option<DateTime<Utc>>,
    /// Why, for people.
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
}

impl From<PauseArgs> for PauseRequest {
    fn from(PauseArgs { until, reason }: PauseArgs) -> Self {
        Self { until, reason }
    }
}

/// How long a pause lasts that has just begun.
pub(super) fn lasts(until: Option<DateTime<Utc>>) -> String {
    until.map_or_else(|| "until somebody resumes it".to_owned(), |until| format!("until {}", moment(until)))
}

/// A pause in a list or among facts: since when, until when, by whom and why.
pub(super) fn pause(since: Option<DateTime<Utc>>, until: Option<DateTime<Utc>>, by: Option<&str>, reason: Option<&str>) -> Option<String> {
    let since = format!("since {}", moment(since?));
    let until = until.map(|until| format!(" until {}", moment(until)));
    let by = by.map(|by| format!(" by {by}"));
    let reason = reason.map(|reason| format!(": {reason}"));
    Some([Some(since), until, by, reason].into_iter().flatten().collect())
}
