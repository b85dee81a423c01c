//! Registered workers.

mod list;
mod seen;

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    audit::{Change, Target},
    automation::is_every_queue,
    ids::WorkerId,
    worker::{Life, State},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{LockType, OnConflict},
};
use uuid::Uuid;

pub use self::list::{
    Filter, HeldJob, Identity, worker_jobs, worker_list, worker_list_known_unscoped, worker_list_lives, worker_list_seen_unscoped,
};
pub use self::seen::{Seen, worker_note_seen};
use crate::{
    Database, Error,
    audit::{NONE, audit_record_in_txn},
    entity::worker,
    scope,
};

/// A registered worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// Id; kept when the same worker registers again.
    pub id: WorkerId,
    /// Unique name.
    pub name: String,
    /// Queues that it takes jobs from.
    pub queues: Vec<String>,
    /// Capabilities that jobs can require.
    pub labels: Vec<String>,
    /// Maximum number of jobs that it runs at the same time.
    pub slots: i32,
    /// Version of its program.
    pub version: String,
    /// Name of its host.
    pub hostname: String,
    /// Whether it consumes from the broker (true) or claims over HTTP (false).
    pub uses_broker: bool,
    /// When it first registered.
    pub registered_at: DateTime<Utc>,
    /// When its last heartbeat arrived, when it was paused, when it signed off.
    pub life: Life,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Figures of its last heartbeat.
    pub vitals: Vitals,
    /// Identifies its installation among workers of the same name, if it sent one.
    pub instance_id: Option<Uuid>,
    /// Process id on its host, if it sent one.
    pub pid: Option<i64>,
    /// Credential that it registered with; `None`: worker authentication was off.
    pub credential: Option<String>,
}

/// Figures of a heartbeat.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vitals {
    /// Jobs that it runs.
    pub running_jobs: i32,
    /// CPU usage of its host in percent, 0 to 100.
    pub cpu_percent: Option<f64>,
    /// Memory used on its host, in bytes.
    pub memory_bytes: Option<i64>,
}

/// Inserts a worker; `false` when the name is in use.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_insert(database: &Database, worker: &Worker) -> Result<bool, Error> {
    let row = worker::ActiveModel {
        name: Set(worker.name.clone()),
        paused_at: Set(worker.life.paused_at),
        paused_by: Set(worker.paused_by.clone()),
        id: Set(worker.id.into()),
        registered_at: Set(worker.registered_at),
        ..registration(worker)
    };
    let on_conflict = OnConflict::column(worker::Column::Name).do_nothing().to_owned();
    let insert = worker::Entity::insert(row).on_conflict(on_conflict);
    Ok(insert.exec_without_returning(database.connection()).await? == 1)
}

/// Updates the registration `current` to `worker`; the id and a pause are kept. `false` when another worker has taken the name meanwhile.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_renew(database: &Database, current: &Worker, worker: &Worker) -> Result<bool, Error> {
    update(database, current.id, registration(worker), is_whose(current)).await
}

/// Moves the name of `current` to another worker with another id; a pause is kept. With `lost_before`, as in [`worker_list`], only if `current`
/// is stopped or lost. `false` when another worker has taken the name meanwhile, or `current` is alive.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_replace(
    database: &Database,
    current: &Worker,
    worker: &Worker,
    lost_before: Option<DateTime<Utc>>,
) -> Result<bool, Error> {
    let row = worker::ActiveModel { id: Set(worker.id.into()), registered_at: Set(worker.registered_at), ..registration(worker) };
    let free = lost_before.map_or_else(Condition::all, is_gone);
    update(database, current.id, row, Condition::all().add(is_whose(current)).add(free)).await
}

/// The columns that a registration sets.
fn registration(worker: &Worker) -> worker::ActiveModel {
    worker::ActiveModel {
        queues: Set(worker.queues.clone().into()),
        slots: Set(worker.slots),
        version: Set(worker.version.clone()),
        hostname: Set(worker.hostname.clone()),
        uses_broker: Set(worker.uses_broker),
        last_seen_at: Set(worker.life.last_seen_at),
        labels: Set(Some(worker.labels.clone().into())),
        running_jobs: Set(worker.vitals.running_jobs),
        cpu_percent: Set(worker.vitals.cpu_percent),
        memory_bytes: Set(worker.vitals.memory_bytes),
        stopped_at: Set(worker.life.stopped_at),
        instance_id: Set(worker.instance_id),
        pid: Set(worker.pid),
        credential: Set(worker.credential.clone()),
        ..Default::default()
    }
}

/// The row still belongs to the worker that `current` was read for.
fn is_whose(current: &Worker) -> Condition {
    use worker::Column as C;
    let instance = current.instance_id.map_or_else(|| C::InstanceId.is_null(), |id| C::InstanceId.eq(id));
    let credential = current.credential.as_ref().map_or_else(|| C::Credential.is_null(), |key| C::Credential.eq(key));
    Condition::all().add(instance).add(credential)
}

/// The worker of this name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_find_unscoped(database: &Database, name: &str) -> Result<Option<Worker>, Error> {
    let row = worker::Entity::find().filter(worker::Column::Name.eq(name)).one(database.connection()).await?;
    row.map(from_row).transpose()
}

/// One worker.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_get(database: &Database, scope: &Scope, id: WorkerId) -> Result<Option<Worker>, Error> {
    let worker = worker::Entity::find_by_id(id.get()).one(database.connection()).await?.map(from_row).transpose()?;
    let reached = scope::queues(database, scope).await?;
    Ok(worker.and_then(|worker| narrowed(worker, reached.as_ref())))
}

/// A worker whose queues are named by automations in scope alone; `None` for any other.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_get_within(database: &Database, scope: &Scope, id: WorkerId) -> Result<Option<Worker>, Error> {
    let worker = worker::Entity::find_by_id(id.get()).one(database.connection()).await?.map(from_row).transpose()?;
    let within = scope::queues_within(database, scope).await?;
    let is_within = |worker: &Worker| within.as_ref().is_none_or(|within| worker.queues.iter().all(|queue| within.contains(queue)));
    Ok(worker.filter(is_within))
}

/// Records that a worker signed off; `false` when there is no such worker.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_stop(database: &Database, id: WorkerId, now: DateTime<Utc>) -> Result<bool, Error> {
    let row = worker::ActiveModel { stopped_at: Set(Some(now)), running_jobs: Set(0), ..Default::default() };
    update(database, id, row, Condition::all()).await
}

/// Pauses a running worker; `false` when there is no such worker or it is in another state. `lost_before` as in [`worker_list`].
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_pause(
    database: &Database,
    change: &Change,
    id: WorkerId,
    now: DateTime<Utc>,
    lost_before: DateTime<Utc>,
) -> Result<bool, Error> {
    let row = worker::ActiveModel { paused_at: Set(Some(now)), paused_by: Set(Some(change.author().actor.clone())), ..Default::default() };
    write(database, (change, "worker.pause"), id, (row, has_state(State::Running, lost_before)), now).await
}

/// Resumes a paused worker, alive or not; `false` when there is no such worker or it is not paused.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_resume(database: &Database, change: &Change, id: WorkerId, now: DateTime<Utc>) -> Result<bool, Error> {
    let row = worker::ActiveModel { paused_at: Set(None), paused_by: Set(None), ..Default::default() };
    write(database, (change, "worker.resume"), id, (row, Condition::all().add(worker::Column::PausedAt.is_not_null())), now).await
}

/// Deletes a stopped or lost worker; `false` when there is no such worker or it is alive. `lost_before` as in [`worker_list`].
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_delete(
    database: &Database,
    change: &Change,
    id: WorkerId,
    now: DateTime<Utc>,
    lost_before: DateTime<Utc>,
) -> Result<bool, Error> {
    let txn = database.begin().await?;
    let found = worker::Entity::find_by_id(id.get()).filter(is_gone(lost_before)).lock(LockType::Update).one(&txn.0).await?;
    let Some(before) = found else { return Ok(false) };
    worker::Entity::delete_by_id(id.get()).exec(&txn.0).await?;
    audit_record_in_txn(&txn, change, ("worker.delete", target(id)), (Some(&before), NONE), now).await?;
    txn.commit().await?;
    Ok(true)
}

/// Writes to a worker that meets a condition, and records the change; `false` when there is none.
async fn write(
    database: &Database,
    (change, action): (&Change, &'static str),
    id: WorkerId,
    (row, when): (worker::ActiveModel, Condition),
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let txn = database.begin().await?;
    let found = worker::Entity::find_by_id(id.get()).filter(when).lock(LockType::NoKeyUpdate).one(&txn.0).await?;
    let Some(before) = found else { return Ok(false) };
    let after = worker::ActiveModel { id: Unchanged(id.get()), ..row }.update(&txn.0).await?;
    audit_record_in_txn(&txn, change, (action, target(id)), (Some(&before), Some(&after)), now).await?;
    txn.commit().await?;
    Ok(true)
}

fn target(id: WorkerId) -> Target {
    Target::new("worker", id)
}

async fn update(database: &Database, id: WorkerId, row: worker::ActiveModel, condition: Condition) -> Result<bool, Error> {
    let update = worker::Entity::update_many().set(row).filter(worker::Column::Id.eq(id.get())).filter(condition);
    Ok(update.exec(database.connection()).await?.rows_affected == 1)
}

fn is_gone(lost_before: DateTime<Utc>) -> Condition {
    Condition::any().add(has_state(State::Stopped, lost_before)).add(has_state(State::Lost, lost_before))
}

/// The states of [`Life::state`] as conditions.
fn has_state(state: State, lost_before: DateTime<Utc>) -> Condition {
    use worker::Column as C;
    let alive = || Condition::all().add(C::StoppedAt.is_null()).add(C::LastSeenAt.gte(lost_before));
    match state {
        State::Running => alive().add(C::PausedAt.is_null()),
        State::Paused => alive().add(C::PausedAt.is_not_null()),
        State::Stopped => Condition::all().add(C::StoppedAt.is_not_null()),
        State::Lost => Condition::all().add(C::StoppedAt.is_null()).add(C::LastSeenAt.lt(lost_before)),
    }
}

/// The worker with only those of its queues that are among these, if it takes jobs from one of them; `None`: any queue.
fn narrowed(mut worker: Worker, queues: Option<&BTreeSet<String>>) -> Option<Worker> {
    if !serves_any(&worker.queues, queues) {
        return None;
    }
    if let Some(queues) = queues.filter(|_| !is_every_queue(&worker.queues)) {
        worker.queues.retain(|queue| queues.contains(queue));
    }
    Some(worker)
}

/// Whether a worker with its `own` queues takes jobs from one of these queues; `None`: any queue.
fn serves_any(own: &[String], queues: Option<&BTreeSet<String>>) -> bool {
    queues.is_none_or(|queues| queues.iter().any(|queue| serves(own, queue)))
}

fn serves(own: &[String], queue: &String) -> bool {
    is_every_queue(own) || own.contains(queue)
}

fn from_row(row: worker::Model) -> Result<Worker, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("workers.{column} of {}", row.id));
    let queues = serde_json::from_value(row.queues).map_err(|_| corrupt("queues"))?;
    let labels = row.labels.map(serde_json::from_value).transpose().map_err(|_| corrupt("labels"))?;
    Ok(Worker {
        id: row.id.into(),
        name: row.name,
        queues,
        labels: labels.unwrap_or_default(),
        slots: row.slots,
        version: row.version,
        hostname: row.hostname,
        uses_broker: row.uses_broker,
        registered_at: row.registered_at,
        life: Life { last_seen_at: row.last_seen_at, paused_at: row.paused_at, stopped_at: row.stopped_at },
        paused_by: row.paused_by,
        vitals: Vitals { running_jobs: row.running_jobs, cpu_percent: row.cpu_percent, memory_bytes: row.memory_bytes },
        instance_id: row.instance_id,
        pid: row.pid,
        credential: row.credential,
    })
}
