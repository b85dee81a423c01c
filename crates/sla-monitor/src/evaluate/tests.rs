//! The loop on both databases, with a clock that the tests set and rows that they write, as services and robots would.

mod cases;
mod month;
mod world;
