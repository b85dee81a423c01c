//! Automations: registered, changed, paused and archived; what of them jobs need is cached in [`Catalog`].

mod catalog;
mod convert;
mod draft;
mod pause;
mod register;
pub(crate) mod routes;
mod schema;

pub(crate) use self::{catalog::Catalog, draft::unkept, pause::pause, register::not_found};
