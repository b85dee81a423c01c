//! Plans against a database in memory.

mod cases;
mod properties;
mod selection;
mod world;
