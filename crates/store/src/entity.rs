//! One module per table.

pub(crate) mod automation;
pub(crate) mod dead_letter;
pub(crate) mod instance_setting;
pub(crate) mod job;
pub(crate) mod job_event;
pub(crate) mod job_log_chunk;
pub(crate) mod user;
pub(crate) mod worker;
