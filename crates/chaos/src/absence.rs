use std::time::{SystemTime, UNIX_EPOCH};

use crate::faults::Excuse;

/// A period in which an agent had an excuse, in seconds of the system's clock.
#[derive(Clone, Debug)]
pub(crate) struct Absence {
    pub(crate) worker: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) excuse: Excuse,
}

/// The system's clock, which PostgreSQL's is too.
pub(crate) fn unix_now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
}
