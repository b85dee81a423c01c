//! Messages that the broker gave up: they are kept, shown, and replayed by people.

mod consume;
mod replay;
pub(crate) mod routes;

pub(crate) use self::consume::run;
