//! Workers: they register, show that they live, take jobs, and are paused by people.

mod changes;
mod limits;
mod live;
mod manage;
mod presence;
mod register;
mod roster;
pub(crate) mod routes;
mod tokens;

pub(crate) use self::{
    changes::{CachedWorkers, WorkerChanges},
    limits::check_holder,
    presence::Presence,
    roster::Roster,
};
