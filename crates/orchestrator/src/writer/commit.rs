//! Makes a [`Plan`] last: reads what it asks for, writes what it changes, commits. What must hold:
//!
//! - Commands that came in together share one transaction (group commit), and nobody waits for a timer: what comes in meanwhile is the next one.
//! - What a single statement can do is done without a transaction around it: a lone start or a lone new job costs one round trip.
//! - A row is written only if its version is still the one that the plan was made by. If not, everything is taken back, and the plan is made
//!   again with rows that are read and locked.
//! - What is dispatched beside commands does not fail them: when the database refuses it, the commands are written alone.
//!
//! It changes nothing in memory: what is remembered is lent, and what follows from the commit is returned. So another transaction could be under way
//! beside it.

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

/// How long a transaction that met another one is tried again.
const CONFLICT_PATIENCE: Duration = Duration::from_secs(3);

/// Runs transactions.
pub(super) struct Commit<'a> {
    pub(super) deps: &'a Deps,
    pub(super) memory: &'a Memory,
}

/// Where rows come from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// From memory as far as they are remembered, else from the database.
    Remembered,
    /// From the database.
    Read,
    /// From the database, locked.
    Locked,
}

impl Commit<'_> {
    /// Carries out `commands` in one transaction, and dispatches what it can.
    pub(super) async fn run(&self, commands: &[&Command]) -> Result<Effects, Error> {
        match self.attempts(commands, Source::Remembered, true).await {
            Err(error @ (Error::Refused(_) | Error::Corrupt(_) | Error::Duplicate(_))) => {
                let effects = self.attempts(commands, Source::Read, false).await?;
                // What was asked for is fine: it is a waiting job that cannot be dispatched.
                tracing::error!(%error, "jobs could not be dispatched; tried again with the next tick");
                Ok(effects)
            }
            outcome => outcome,
        }
    }

    /// One transaction, again when it met another one: then with rows that are locked when they are read.
    async fn attempts(&self, commands: &[&Command], mut source: Source, dispatches: bool) -> Result<Effects, Error> {
        let begun = Instant::now();
        loop {
            match self.attempt(commands, source, dispatches).await {
                // The first attempt may have waited long for whoever changed a row: that is no reason not to try with locked rows.
                Err(Error::Conflict(_)) if source != Source::Locked || begun.elapsed() < CONFLICT_PATIENCE => source = Source::Locked,
                Ok(effects) if source == Source::Remembered => return Ok(effects),
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
            cache: (source == Source::Remembered).then_some(rows),
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

/// A transaction under way.
struct Attempt<'a> {
    deps: &'a Deps,
    txn: &'a LazyTransaction<'a>,
    locks_rows: bool,
    /// It has the lock under which places are counted.
    counts: bool,
}

impl Attempt<'_> {
    /// All but the commit. The transaction has begun only if it was needed.
    async fn carry_out(&mut self, plan: &mut Plan<'_>, dispatches: bool) -> Result<(), Error> {
        self.read(plan).await?;
        plan.carry_out();
        if plan.is_doubtful() {
            return Err(Error::Conflict("a remembered row may be outdated".to_owned()));
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
