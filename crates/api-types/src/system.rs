use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How the hub is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Health {
    /// `ok`; `degraded` when the broker is out of reach: jobs are accepted and wait; `unavailable` when the database is, or takes no writes.
    pub status: String,
    /// Version of the hub.
    pub version: String,
    /// `ok`, `unreachable`, or `not_writable`: the last write failed, as on a full disk.
    pub database: String,
    /// `ok`, `unreachable`, or `none` when jobs are only claimed over HTTP.
    pub broker: String,
    /// Seconds since the start.
    pub uptime_s: u64,
    /// The hub's clock when it answered.
    pub now: DateTime<Utc>,
}
