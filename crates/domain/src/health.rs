//! Health of a hub process: the states in `/api/v1/health` and `/api/v1/ops`, and how the overall status follows from its parts.

use crate::wire::wire_names;

wire_names! {
    /// Health of the hub.
    pub enum Status as "HealthStatus" {
        /// Jobs are accepted and dispatched.
        Ok = "ok",
        /// The broker is unreachable: jobs are accepted and stay pending.
        Degraded = "degraded",
        /// The database is unreachable or accepts no writes: no job is accepted.
        Unavailable = "unavailable",
    }
}

wire_names! {
    /// Health of the database.
    pub enum Database as "DatabaseHealth" {
        /// It answers and accepts writes.
        Ok = "ok",
        /// It does not answer.
        Unreachable = "unreachable",
        /// It answers, but the last write failed, for example because the disk is full.
        NotWritable = "not_writable",
    }
}

wire_names! {
    /// Health of the broker.
    pub enum Broker as "BrokerHealth" {
        /// The hub is connected to it.
        Ok = "ok",
        /// The hub is not connected to it.
        Unreachable = "unreachable",
        /// No broker is configured: workers claim jobs over HTTP.
        None = "none",
    }
}

wire_names! {
    /// State of a background task.
    pub enum TaskState as "TaskState" {
        /// It runs.
        Running = "running",
        /// It failed and is restarted after a delay.
        Restarting = "restarting",
        /// It ended before the shutdown and cannot be restarted: `/health/live` answers 503, so that the process is restarted.
        Broken = "broken",
        /// It ended because the process shuts down.
        Ended = "ended",
    }
}

impl Status {
    /// The status of a hub with this database and broker.
    #[must_use]
    pub const fn of(database: Database, broker: Broker) -> Self {
        match (database, broker) {
            (Database::Unreachable | Database::NotWritable, _) => Self::Unavailable,
            (Database::Ok, Broker::Unreachable) => Self::Degraded,
            (Database::Ok, Broker::Ok | Broker::None) => Self::Ok,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_database_it_is_unavailable_and_without_its_broker_degraded() {
        for broker in Broker::ALL {
            for database in [Database::Unreachable, Database::NotWritable] {
                assert_eq!(Status::of(database, broker), Status::Unavailable, "{database} {broker}");
            }
            let expected = if broker == Broker::Unreachable { Status::Degraded } else { Status::Ok };
            assert_eq!(Status::of(Database::Ok, broker), expected, "{broker}");
        }
    }
}
