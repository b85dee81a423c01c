//! Claims and last runs of reconcilers, and heartbeats of replicas. A claim expires, so that a replica that dies in a run blocks nobody.

use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::ReplicaId;
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use serde_json::Value;

use crate::{
    Database, Error,
    entity::{reconciler, replica},
};

/// State of a reconciler.
#[derive(Clone, Debug, PartialEq)]
pub struct Reconciler {
    /// Its name.
    pub name: String,
    /// The replica that runs it.
    pub holder: Option<ReplicaId>,
    /// When the claim expires unless the holder finishes before.
    pub held_until: Option<DateTime<Utc>>,
    /// When the last run started.
    pub last_started_at: Option<DateTime<Utc>>,
    /// When the last run ended.
    pub last_finished_at: Option<DateTime<Utc>>,
    /// When the last run that did not fail ended.
    pub last_succeeded_at: Option<DateTime<Utc>>,
    /// Duration in milliseconds.
    pub last_duration_ms: Option<i64>,
    /// Its outcome, as counts.
    pub last_outcome: Option<Value>,
    /// Why it failed, if it did.
    pub last_error: Option<String>,
    /// Number of runs that ended.
    pub runs: i64,
    /// Time between two runs; `None`: no replica of a version that records it has started yet.
    pub interval: Option<TimeDelta>,
}

/// A request to run a reconciler.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    /// Its name.
    pub name: &'a str,
    /// The replica.
    pub holder: ReplicaId,
    /// Current time.
    pub now: DateTime<Utc>,
    /// When the claim expires, from now.
    pub hold_for: TimeDelta,
    /// Minimum time since the start of the last run.
    pub every: TimeDelta,
}

/// Outcome of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// When it ended.
    pub now: DateTime<Utc>,
    /// Duration in milliseconds.
    pub duration_ms: i64,
    /// Its counts, or why it failed.
    pub outcome: Result<Value, String>,
}

/// Ensures that these reconcilers have rows, with their intervals.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn reconciler_put(database: &Database, reconcilers: &[(&str, TimeDelta)]) -> Result<(), Error> {
    if reconcilers.is_empty() {
        return Ok(());
    }
    let rows = reconcilers.iter().map(|(name, interval)| reconciler::ActiveModel {
        name: Set((*name).to_owned()),
        runs: Set(0),
        interval_ms: Set(Some(interval.num_milliseconds())),
        ..Default::default()
    });
    let again = OnConflict::column(reconciler::Column::Name).update_column(reconciler::Column::IntervalMs).to_owned();
    reconciler::Entity::insert_many(rows).on_conflict(again).exec_without_returning(database.connection()).await?;
    Ok(())
}

/// Claims a reconciler that is due and not running; `true` for one of several replicas. A claim whose holder died expires.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn reconciler_claim(database: &Database, claim: &Claim<'_>) -> Result<bool, Error> {
    use reconciler::Column as C;
    let row = reconciler::ActiveModel {
        holder: Set(Some(claim.holder.get())),
        held_until: Set(Some(claim.now + claim.hold_for)),
        last_started_at: Set(Some(claim.now)),
        ..Default::default()
    };
    let free = Condition::any().add(C::HeldUntil.is_null()).add(C::HeldUntil.lt(claim.now));
    let due = Condition::any().add(C::LastStartedAt.is_null()).add(C::LastStartedAt.lte(claim.now - claim.every));
    let update = reconciler::Entity::update_many().set(row).filter(C::Name.eq(claim.name)).filter(free).filter(due);
    Ok(update.exec(database.connection()).await?.rows_affected == 1)
}

/// Records a run and releases the claim; no effect when `holder` has lost it meanwhile.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn reconciler_finish(database: &Database, name: &str, holder: ReplicaId, run: &Run) -> Result<(), Error> {
    use reconciler::Column as C;
    let row = reconciler::ActiveModel {
        holder: Set(None),
        held_until: Set(None),
        last_finished_at: Set(Some(run.now)),
        last_duration_ms: Set(Some(run.duration_ms)),
        last_outcome: Set(run.outcome.as_ref().ok().cloned()),
        last_error: Set(run.outcome.as_ref().err().cloned()),
        ..Default::default()
    };
    let succeeded_at = Expr::val(run.outcome.is_ok().then_some(run.now)).if_null(Expr::col(C::LastSucceededAt));
    let update =
        reconciler::Entity::update_many().set(row).col_expr(C::LastSucceededAt, succeeded_at).col_expr(C::Runs, Expr::col(C::Runs).add(1));
    update.filter(C::Name.eq(name)).filter(C::Holder.eq(holder.get())).exec(database.connection()).await?;
    Ok(())
}

/// All reconcilers by name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn reconciler_list(database: &Database) -> Result<Vec<Reconciler>, Error> {
    let rows = reconciler::Entity::find().order_by_asc(reconciler::Column::Name).all(database.connection()).await?;
    let from_row = |row: reconciler::Model| Reconciler {
        name: row.name,
        holder: row.holder.map(ReplicaId::from),
        held_until: row.held_until,
        last_started_at: row.last_started_at,
        last_finished_at: row.last_finished_at,
        last_succeeded_at: row.last_succeeded_at,
        last_duration_ms: row.last_duration_ms,
        last_outcome: row.last_outcome,
        last_error: row.last_error,
        runs: row.runs,
        interval: row.interval_ms.and_then(TimeDelta::try_milliseconds),
    };
    Ok(rows.into_iter().map(from_row).collect())
}

/// A hub process.
#[derive(Clone, Debug, PartialEq)]
pub struct Replica {
    /// Id, new at each start.
    pub id: ReplicaId,
    /// Version of its program.
    pub version: String,
    /// When it started.
    pub started_at: DateTime<Utc>,
    /// When its last heartbeat was written.
    pub last_seen_at: DateTime<Utc>,
    /// Services that it runs; `None`: a version that always runs all.
    pub services: Option<Vec<String>>,
    /// Checks the tokens of its services; `None` of a version whose services have none.
    pub public_key: Option<Vec<u8>>,
}

/// Writes a replica's heartbeat, and deletes replicas without one since `forget_before`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn replica_beat(database: &Database, replica: &Replica, forget_before: DateTime<Utc>) -> Result<(), Error> {
    use replica::Column as C;
    let row = replica::ActiveModel {
        id: Set(replica.id.get()),
        version: Set(replica.version.clone()),
        started_at: Set(replica.started_at),
        last_seen_at: Set(replica.last_seen_at),
        services: Set(replica.services.as_ref().map(|services| services.join(","))),
        public_key: Set(replica.public_key.clone()),
    };
    let again = OnConflict::column(C::Id).update_column(C::LastSeenAt).to_owned();
    replica::Entity::insert(row).on_conflict(again).exec_without_returning(database.connection()).await?;
    replica::Entity::delete_many().filter(C::LastSeenAt.lt(forget_before)).exec(database.connection()).await?;
    Ok(())
}

/// Replicas with a heartbeat since `since`, oldest first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn replica_list(database: &Database, since: DateTime<Utc>) -> Result<Vec<Replica>, Error> {
    let query = replica::Entity::find().filter(replica::Column::LastSeenAt.gte(since)).order_by_asc(replica::Column::Id);
    let from_row = |row: replica::Model| Replica {
        id: row.id.into(),
        version: row.version,
        started_at: row.started_at,
        last_seen_at: row.last_seen_at,
        services: row.services.map(|services| services.split(',').map(str::to_owned).collect()),
        public_key: row.public_key,
    };
    Ok(query.all(database.connection()).await?.into_iter().map(from_row).collect())
}
