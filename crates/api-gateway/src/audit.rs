//! The audit trail for people: lists, exports, the reconciler that seals entries, and the record of refused sign-ins.

pub(crate) mod failures;
pub(crate) mod routes;
mod seal;

pub(crate) use self::seal::Seal;
