use chrono::{DateTime, Utc};
use domain::health;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{examples, schema};

/// Health of the hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::health)]
pub struct Health {
    /// `ok`, `degraded` or `unavailable`.
    #[schema(value_type = schema::HealthStatus)]
    pub status: health::Status,
    /// Version of the hub.
    pub version: String,
    /// `ok`, `unreachable` or `not_writable`.
    #[schema(value_type = schema::DatabaseHealth)]
    pub database: health::Database,
    /// `ok`, `unreachable` or `none`.
    #[schema(value_type = schema::BrokerHealth)]
    pub broker: health::Broker,
    /// Seconds since the process started.
    pub uptime_s: u64,
    /// The hub's clock.
    pub now: DateTime<Utc>,
    /// Data of the time zones that schedules are due and expectations are judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zones: Option<TimeZones>,
}

/// Data of time zones.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::time_zones)]
pub struct TimeZones {
    /// Its version, such as `2026f`.
    pub version: String,
    /// Where it comes from: `bundled`, or the folder that the settings name.
    pub source: String,
}
