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
}
