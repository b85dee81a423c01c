//! Messages that ended in the dead-letter queue.

use chrono::{DateTime, Utc};
use sea_orm::{ActiveValue::Set, EntityTrait, QueryOrder, QuerySelect};
use uuid::Uuid;

use crate::{Database, Error, entity::dead_letter};

/// One such message.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// Id, UUID v7.
    pub id: Uuid,
    /// Queue it was meant for.
    pub queue_name: String,
    /// The job it names, when it names one.
    pub job_id: Option<Uuid>,
    /// Why the broker gave it up: `rejected`, `expired`, `maxlen`, `delivery_limit`.
    pub reason: String,
    /// The message, what is not UTF-8 replaced.
    pub body: String,
    /// When the hub took it from the queue.
    pub received_at: DateTime<Utc>,
}

/// Keeps a message.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_insert(database: &Database, letter: &DeadLetter) -> Result<(), Error> {
    let row = dead_letter::ActiveModel {
        id: Set(letter.id),
        queue_name: Set(letter.queue_name.clone()),
        job_id: Set(letter.job_id),
        reason: Set(letter.reason.clone()),
        body: Set(letter.body.clone()),
        received_at: Set(letter.received_at),
    };
    dead_letter::Entity::insert(row).exec_without_returning(database.connection()).await?;
    Ok(())
}

/// The newest messages.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_list(database: &Database, limit: u64) -> Result<Vec<DeadLetter>, Error> {
    let rows = dead_letter::Entity::find().order_by_desc(dead_letter::Column::Id).limit(limit).all(database.connection()).await?;
    let to_letter = |row: dead_letter::Model| DeadLetter {
        id: row.id,
        queue_name: row.queue_name,
        job_id: row.job_id,
        reason: row.reason,
        body: row.body,
        received_at: row.received_at,
    };
    Ok(rows.into_iter().map(to_letter).collect())
}
