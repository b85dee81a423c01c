//! What became of slots and of runs of chains is kept as long as jobs are.

use runtime::{
    Context,
    reconcile::retention::{BATCH, Kind, Retention},
};
use store::{chains::chain_prune, retention::retention_fires};

const KINDS: &[Kind] = &[
    Kind { counted: "chain_runs_removed", remove: |database, before| Box::pin(chain_prune(database, before, BATCH)) },
    Kind { counted: "fires_removed", remove: |database, before| Box::pin(retention_fires(database, before, BATCH)) },
];

/// The reconciler.
pub(crate) fn fires(context: &Context) -> Retention {
    Retention::new(context, "retention_fires", context.settings.retention.jobs, KINDS)
}
