//! Workers: robot hosts that registered.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};
use uuid::Uuid;

use crate::{Database, Error, entity::worker};

/// A registered worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// Id, kept when it registers again under the same name.
    pub id: Uuid,
    /// Unique name.
    pub name: String,
    /// Queues it takes jobs from.
    pub queues: Vec<String>,
    /// Jobs it runs at once.
    pub slots: i32,
    /// Version of its program.
    pub version: String,
    /// Its host.
    pub hostname: String,
    /// Takes messages from the broker; claims over HTTP otherwise.
    pub uses_broker: bool,
    /// When it first registered.
    pub registered_at: DateTime<Utc>,
    /// When it was last heard of.
    pub last_seen_at: DateTime<Utc>,
}

/// Adds a worker, or renews the one of this name, which keeps its id; returns the id.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_upsert(database: &Database, worker: &Worker) -> Result<Uuid, Error> {
    let row = worker::ActiveModel {
        id: Set(worker.id),
        name: Set(worker.name.clone()),
        queues: Set(worker.queues.clone().into()),
        slots: Set(worker.slots),
        version: Set(worker.version.clone()),
        hostname: Set(worker.hostname.clone()),
        uses_broker: Set(worker.uses_broker),
        registered_at: Set(worker.registered_at),
        last_seen_at: Set(worker.last_seen_at),
    };
    use worker::Column::{Hostname, LastSeenAt, Name, Queues, Slots, UsesBroker, Version};
    let on_conflict = OnConflict::column(Name).update_columns([Queues, Slots, Version, Hostname, UsesBroker, LastSeenAt]).to_owned();
    worker::Entity::insert(row).on_conflict(on_conflict).exec_without_returning(database.connection()).await?;
    let stored = worker::Entity::find().filter(Name.eq(&worker.name)).one(database.connection()).await?;
    stored.map(|row| row.id).ok_or_else(|| Error::Corrupt(format!("worker {} vanished", worker.name)))
}

/// Notes a sign of life; `false` when there is no such worker.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_touch(database: &Database, id: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
    let row = worker::ActiveModel { last_seen_at: Set(now), ..Default::default() };
    let updated = worker::Entity::update_many().set(row).filter(worker::Column::Id.eq(id)).exec(database.connection()).await?;
    Ok(updated.rows_affected == 1)
}

/// Workers heard of since `since`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_list_live(database: &Database, since: DateTime<Utc>) -> Result<Vec<Worker>, Error> {
    let rows = worker::Entity::find().filter(worker::Column::LastSeenAt.gte(since)).all(database.connection()).await?;
    rows.into_iter().map(from_row).collect()
}

fn from_row(row: worker::Model) -> Result<Worker, Error> {
    let queues = serde_json::from_value(row.queues).map_err(|_| Error::Corrupt(format!("workers.queues of {}", row.id)))?;
    Ok(Worker {
        id: row.id,
        name: row.name,
        queues,
        slots: row.slots,
        version: row.version,
        hostname: row.hostname,
        uses_broker: row.uses_broker,
        registered_at: row.registered_at,
        last_seen_at: row.last_seen_at,
    })
}
