//! The time of a process. Everything that compares a moment with a stored one asks the one [`Clock`] that it is handed, never the system, so
//! that a step of the system's clock changes no lease, and a test brings its own time.

mod steady;

use std::sync::Arc;

use chrono::{DateTime, Utc};
use store::{Database, Error};

pub use self::steady::SteadyClock;

/// Gives the current time. Tests bring their own.
pub type Clock = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;

/// The clock that a process reads, and the steady one behind it.
#[derive(Clone)]
pub struct Clocks {
    /// What everything asks.
    pub now: Clock,
    /// What is compared with the database's clock.
    pub steady: SteadyClock,
}

impl Default for Clocks {
    fn default() -> Self {
        Self::from(SteadyClock::default())
    }
}

impl From<SteadyClock> for Clocks {
    fn from(steady: SteadyClock) -> Self {
        let source = steady.clone();
        Self { now: Arc::new(move || source.now()), steady }
    }
}

impl Clocks {
    /// Compares with the database's clock, which all replicas of a PostgreSQL share. SQLite has none: nothing is compared.
    ///
    /// # Errors
    /// Any [`Error`] of the database. Cancel-safe.
    pub async fn compare(&self, database: &Database) -> Result<(), Error> {
        if let Some(time) = database.time().await? {
            self.steady.compare(time);
        }
        Ok(())
    }
}
