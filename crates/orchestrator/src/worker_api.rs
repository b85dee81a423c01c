//! What robots call about their jobs: start, log, progress, finish, and many of these at once.

pub(crate) mod reports;
pub(crate) mod routes;
