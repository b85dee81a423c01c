use std::{
    fs,
    time::{SystemTime, UNIX_EPOCH},
};

use crate::faults::Excuse;

/// A period in which an agent had an excuse, in seconds of [`uptime`].
#[derive(Clone, Debug)]
pub(crate) struct Absence {
    pub(crate) worker: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    pub(crate) excuse: Excuse,
}

/// Seconds since the machine started, in hundredths: a clock that no fault steps. PostgreSQL and the robots read it in the same place.
pub(crate) fn uptime() -> f64 {
    let text = fs::read_to_string("/proc/uptime").unwrap_or_default();
    text.split(' ').next().and_then(|seconds| seconds.parse().ok()).unwrap_or_default()
}

/// When the machine started, in seconds of the system's clock.
pub(crate) fn started_at() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64() - uptime()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_has_been_running() {
        assert!(uptime() > 0.0 && started_at() > 1_700_000_000.0);
    }
}
