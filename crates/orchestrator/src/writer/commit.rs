//! Executes a [`Plan`]: performs its reads, writes its changes, commits. Invariants:
//!
//! - Commands that arrived together share one transaction (group commit) without a timer: commands that arrive meanwhile form the next one.
//! - A single statement needs no transaction around it: a lone start or a lone new job costs one round trip.
//! - A row is written only if its version is still that of the plan. Otherwise everything is rolled back, and the plan is made again with
//!   rows that are read and locked.
//! - Dispatching jobs cannot fail the commands: if the database refuses it, the commands are written alone.
//!
//! It changes nothing in memory: caches are borrowed, and effects are returned. A second transaction could therefore run at the same time.

mod reads;
mod writes;

use std::time::Duration;

use domain::ids::JobId;
use store::{Error, LazyTransaction};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    command::Command,
    deps::Deps,
    memory::Memory,
    plan::{Chance, Circumstances, Effects, Plan},
};
use crate::dispatch::select::View;

/// How long a conflicting transaction is retried.
const CONFLICT_PATIENCE: Duration = Duration::from_secs(3);

/// Runs transactions.
pub(super) struct Commit<'a> {
    pub(super) deps: &'a Deps,
    pub(super) memory: &'a Memory,
}

/// Source of rows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// The cache, else the database.
    Cached,
    /// The database.
    Read,
    /// The database, with locks.
    Locked,
}

impl Commit<'_> {
    /// Carries out `commands` in one transaction and dispatches jobs.
    pub(super) async fn run(&self, commands: &[&Command]) -> Result<Effects, Error> {
        match self.attempts(commands, Source::Cached, true).await {
            Err(error @ (Error::Refused(_) | Error::Corrupt(_) | Error::Duplicate(_) | Error::Dangling(_) | Error::OutOfScope(_))) => {
                let effects = self.attempts(commands, Source::Read, false).await?;
                // The commands are valid: a pending job cannot be dispatched.
                tracing::error!(%error, "jobs could not be dispatched; retrying with the next tick");
                Ok(effects)
            }
            outcome => outcome,
        }
    }

    /// Runs one transaction; repeats it after a conflict, then with rows that are locked when they are read.
    async fn attempts(&self, commands: &[&Command], mut source: Source, dispatches: bool) -> Result<Effects, Error> {
        let begun = Instant::now();
        loop {
            match self.attempt(commands, source, dispatches).await {
                // The first attempt may have waited long for another transaction; the attempt with locked rows is made anyway.
                Err(Error::Conflict(_)) if source != Source::Locked || begun.elapsed() < CONFLICT_PATIENCE => source = Source::Locked,
                Ok(effects) if source == Source::Cached => return Ok(effects),
                Ok(effects) => return Ok(Effects { outdated: job_ids(commands), ..effects }),
                Err(error) => return Err(error),
            }
        }
    }

    async fn attempt(&self, commands: &[&Command], source: Source, dispatches: bool) -> Result<Effects, Error> {
        let Self { deps, memory: Memory { state, rows } } = *self;
        let is_ready = |queue: &str| deps.broker_queues.is_ready(queue);
        let (automations, now) = (deps.catalog.cached(), (deps.clock)());
        let circumstances = Circumstances {
            view: View { state, automations, window: deps.window, is_ready: &is_ready, now },
            cache: (source == Source::Cached).then_some(rows),
            leases: deps.leases,
            log: deps.log,
            chance: Chance { id: &Uuid::now_v7, fraction: &rand::random },
        };
        let txn = deps.database.begin_lazily();
        let mut plan = Plan::new(circumstances, commands);
        let mut attempt = Attempt { deps, txn: &txn, locks_rows: source == Source::Locked, counts: false };
        attempt.carry_out(&mut plan, dispatches).await?;
        txn.commit().await?;
        Ok(plan.finish())
    }
}

/// A transaction in progress.
struct Attempt<'a> {
    deps: &'a Deps,
    txn: &'a LazyTransaction<'a>,
    locks_rows: bool,
    /// Whether it has the lock under which slots are counted.
    counts: bool,
}

impl Attempt<'_> {
    /// Everything but the commit. Begins the transaction only if it is needed.
    async fn carry_out(&mut self, plan: &mut Plan<'_>, dispatches: bool) -> Result<(), Error> {
        self.read(plan).await?;
        plan.carry_out();
        if plan.is_doubtful() {
            return Err(Error::Conflict("a cached row may be outdated".to_owned()));
        }
        self.read_parameters(plan).await?;
        let dispatches = plan.begin_dispatch(dispatches);
        self.write(plan, dispatches).await?;
        if dispatches {
            self.dispatch(plan).await?;
        }
        Ok(())
    }
}

/// The jobs of these commands.
pub(super) fn job_ids(commands: &[&Command]) -> Vec<JobId> {
    commands.iter().flat_map(|command| command.job_ids()).collect()
}
