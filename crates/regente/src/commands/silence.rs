//! For how long nobody is notified.

use chrono::{DateTime, TimeDelta, Utc};
use clap::Args;

use super::Fault;

/// Until when nobody is notified.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub(super) struct SilenceArgs {
    /// For how long: 90m, 4h, 2d.
    #[arg(long = "for", value_name = "TIME", value_parser = humantime_serde::re::humantime::parse_duration)]
    lasts: Option<std::time::Duration>,
    /// Until when: 2026-11-26T08:30:00-03:00, or a date (UTC).
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    until: Option<DateTime<Utc>>,
    /// End the silence.
    #[arg(long)]
    off: bool,
}

impl SilenceArgs {
    /// When the silence that begins now ends; `None`: it ends at once.
    pub(super) fn until(&self, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Fault> {
        let Some(lasts) = self.lasts else { return Ok(self.until) };
        let end = TimeDelta::from_std(lasts).ok().and_then(|lasts| now.checked_add_signed(lasts));
        end.map(Some).ok_or_else(|| Fault::input("--for is longer than a time can say"))
    }
}
