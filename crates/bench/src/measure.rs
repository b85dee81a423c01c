//! The parts of the measurement.

pub(crate) mod crowd;
pub(crate) mod growth;
pub(crate) mod hop;
pub(crate) mod latency;
pub(crate) mod load;
pub(crate) mod logs;
pub(crate) mod meter;
pub(crate) mod published;
pub(crate) mod schedules;
pub(crate) mod sign_in;
pub(crate) mod starts;
pub(crate) mod throughput;
pub(crate) mod watchers;
pub(crate) mod wire;
