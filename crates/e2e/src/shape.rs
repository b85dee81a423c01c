//! Which processes the hub of a test is made of.
//!
//! A suite runs twice: with every service in one process, and, with `TEST_SHAPE=apart`, with two orchestrators behind two gateways. A test that is
//! about one of the shapes says so with [`Shape::only`] and its reason; there are few of them, and a test lists them.

/// Which processes a hub is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Every service in one process.
    Together,
    /// Two orchestrators, and two gateways in front of them.
    Apart,
}

/// The one shape that a test is about.
#[derive(Clone, Copy, Debug)]
pub struct Only(pub(crate) Shape);

impl Shape {
    /// What `TEST_SHAPE` says (`apart` or `together`), else together.
    ///
    /// # Panics
    /// When it says something else.
    #[must_use]
    pub fn of_environment() -> Self {
        match std::env::var("TEST_SHAPE").as_deref() {
            Err(_) | Ok("" | "together") => Self::Together,
            Ok("apart") => Self::Apart,
            Ok(other) => panic!("TEST_SHAPE must be apart or together, not {other}"),
        }
    }

    /// This shape, whatever the environment says; `reason`: why the test is about no other.
    #[must_use]
    pub const fn only(self, reason: &'static str) -> Only {
        assert!(!reason.is_empty(), "a test of one shape needs a reason");
        Only(self)
    }
}
