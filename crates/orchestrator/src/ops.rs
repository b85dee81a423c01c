//! How the hub and its work stand.

pub(crate) mod routes;
mod status;

pub(crate) use self::status::Snapshot;
