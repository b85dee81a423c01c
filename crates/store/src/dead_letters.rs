//! Dead letters: messages that the hub consumed from the dead-letter queue. They are stored so that people can inspect and replay them.

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    audit::{Change, Target},
    ids::{DeadLetterId, JobId},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::LockType,
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_insert_in_txn, audit_record_in_txn},
    entity::{dead_letter, job},
    scope,
};

/// A dead letter.
#[derive(Clone, Debug, PartialEq)]
pub struct DeadLetter {
    /// Id, UUID v7.
    pub id: DeadLetterId,
    /// Queue that it was published to.
    pub queue_name: String,
    /// The job it names, when it names one.
    pub job_id: Option<JobId>,
    /// Why the broker dead-lettered it: `rejected`, `expired`, `maxlen`, `delivery_limit`.
    pub reason: String,
    /// Body of the message as text; may be truncated, and bytes that are not UTF-8 are replaced.
    pub body: String,
    /// Whether `body` is the exact message.
    pub body_is_whole: bool,
    /// Its headers that are strings, as an object.
    pub headers: Option<Value>,
    /// When the hub consumed it.
    pub received_at: DateTime<Utc>,
    /// Its replay, if there was one.
    pub replay: Option<Replay>,
}

/// A replay of a dead letter.
#[derive(Clone, Debug, PartialEq)]
pub struct Replay {
    /// When it was replayed.
    pub at: DateTime<Utc>,
    /// Who replayed it.
    pub by: String,
    /// Job that replaces the one that it named; `None`: the message itself was published again.
    pub new_job_id: Option<JobId>,
}

/// Selects dead letters of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those published to this queue.
    pub queue: Option<String>,
    /// Only those that name this job.
    pub job_id: Option<JobId>,
    /// Only those that were (or were not) replayed.
    pub replayed: Option<bool>,
    /// Page size.
    pub limit: u64,
    /// The last dead letter of the previous page.
    pub after: Option<DeadLetterId>,
}

/// Inserts a dead letter.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_insert(database: &Database, letter: &DeadLetter) -> Result<(), Error> {
    let replay = letter.replay.as_ref();
    let row = dead_letter::ActiveModel {
        id: Set(letter.id.get()),
        queue_name: Set(letter.queue_name.clone()),
        job_id: Set(letter.job_id.map(JobId::get)),
        reason: Set(letter.reason.clone()),
        body: Set(letter.body.clone()),
        received_at: Set(letter.received_at),
        headers: Set(letter.headers.clone()),
        body_is_whole: Set(letter.body_is_whole),
        replayed_at: Set(replay.map(|replay| replay.at)),
        replayed_by: Set(replay.map(|replay| replay.by.clone())),
        new_job_id: Set(replay.and_then(|replay| replay.new_job_id).map(JobId::get)),
    };
    dead_letter::Entity::insert(row).exec_without_returning(database.connection()).await?;
    Ok(())
}

/// Dead letters, newest first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_list(database: &Database, scope: &Scope, filter: &Filter) -> Result<Vec<DeadLetter>, Error> {
    let mut query = dead_letter::Entity::find().filter(matching(scope, filter)).order_by_desc(dead_letter::Column::Id).limit(filter.limit);
    if let Some(after) = filter.after {
        query = query.filter(dead_letter::Column::Id.lt(after.get()));
    }
    all(database, query).await
}

/// Dead letters that were not replayed, oldest first; ignores `filter.replayed`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_list_open(database: &Database, scope: &Scope, filter: &Filter) -> Result<Vec<DeadLetter>, Error> {
    let filter = Filter { replayed: Some(false), ..filter.clone() };
    let mut query = dead_letter::Entity::find().filter(matching(scope, &filter)).order_by_asc(dead_letter::Column::Id).limit(filter.limit);
    if let Some(after) = filter.after {
        query = query.filter(dead_letter::Column::Id.gt(after.get()));
    }
    all(database, query).await
}

/// The number of dead letters that match `filter`, regardless of its page.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_count(database: &Database, scope: &Scope, filter: &Filter) -> Result<u64, Error> {
    Ok(dead_letter::Entity::find().filter(matching(scope, filter)).count(database.connection()).await?)
}

async fn all(database: &Database, query: Select<dead_letter::Entity>) -> Result<Vec<DeadLetter>, Error> {
    Ok(query.all(database.connection()).await?.into_iter().map(from_row).collect())
}

fn in_scope(scope: &Scope) -> Condition {
    Condition::all().add_option(scope::has_dead_letter(scope))
}

fn matching(scope: &Scope, filter: &Filter) -> Condition {
    use dead_letter::Column as C;
    let replayed = |yes: bool| if yes { C::ReplayedAt.is_not_null() } else { C::ReplayedAt.is_null() };
    in_scope(scope)
        .add_option(filter.queue.as_ref().map(|queue| C::QueueName.eq(queue)))
        .add_option(filter.job_id.map(|job_id| C::JobId.eq(job_id.get())))
        .add_option(filter.replayed.map(replayed))
}

/// One dead letter.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_get(database: &Database, scope: &Scope, id: DeadLetterId) -> Result<Option<DeadLetter>, Error> {
    Ok(dead_letter::Entity::find_by_id(id.get()).filter(in_scope(scope)).one(database.connection()).await?.map(from_row))
}

/// Deletes a dead letter; `false` when there is none with this id.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_delete(database: &Database, change: &Change, id: DeadLetterId, now: DateTime<Utc>) -> Result<bool, Error> {
    let txn = database.begin().await?;
    let found = dead_letter::Entity::find_by_id(id.get()).lock(LockType::Update).one(&txn.0).await?;
    let Some(before) = found else { return Ok(false) };
    dead_letter::Entity::delete_by_id(id.get()).exec(&txn.0).await?;
    audit_record_in_txn(&txn, change, ("dead_letter.delete", dead_letter_target(id)), (Some(&before), NONE), now).await?;
    txn.commit().await?;
    Ok(true)
}

/// A dead letter in the audit trail.
#[must_use]
pub fn dead_letter_target(id: DeadLetterId) -> Target {
    Target::new("dead_letter", id)
}

/// Marks a dead letter as replayed; `false` when it is deleted or was replayed before. A concurrent replay of the same dead letter waits for the
/// transaction.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_mark_replayed_in_txn(
    txn: &Transaction,
    change: &Change,
    id: DeadLetterId,
    replay: &Replay,
) -> Result<bool, Error> {
    let marked = mark(&txn.0, id, replay).await?;
    if marked {
        let (before, after) = (json!({"replayed_at": null}), json!({"replayed_at": replay.at, "new_job_id": replay.new_job_id}));
        audit_insert_in_txn(txn, &change.entry("dead_letter.replay", dead_letter_target(id), Some(before), Some(after)), replay.at).await?;
    }
    Ok(marked)
}

/// Marks a dead letter as replayed by a job whose insertion recorded the replay; `false` when it is deleted or was replayed before.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_mark_recorded(database: &Database, id: DeadLetterId, replay: &Replay) -> Result<bool, Error> {
    mark(database.connection(), id, replay).await
}

/// The job that replaces this one, with its idempotency key.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn dead_letter_retry(database: &Database, job_id: JobId) -> Result<Option<(JobId, Option<String>)>, Error> {
    let query = job::Entity::find()
        .select_only()
        .columns([job::Column::Id, job::Column::IdempotencyKey])
        .filter(job::Column::RetryOf.eq(job_id.get()))
        .order_by_asc(job::Column::Id)
        .limit(1);
    let found: Option<(Uuid, Option<String>)> = query.into_tuple().one(database.connection()).await?;
    Ok(found.map(|(id, key)| (id.into(), key)))
}

async fn mark(connection: &impl ConnectionTrait, id: DeadLetterId, replay: &Replay) -> Result<bool, Error> {
    use dead_letter::Column as C;
    let row = dead_letter::ActiveModel {
        replayed_at: Set(Some(replay.at)),
        replayed_by: Set(Some(replay.by.clone())),
        new_job_id: Set(replay.new_job_id.map(JobId::get)),
        ..Default::default()
    };
    let update = dead_letter::Entity::update_many().set(row).filter(C::Id.eq(id.get())).filter(C::ReplayedAt.is_null());
    Ok(update.exec(connection).await?.rows_affected == 1)
}

fn from_row(row: dead_letter::Model) -> DeadLetter {
    let replay =
        row.replayed_at.map(|at| Replay { at, by: row.replayed_by.unwrap_or_default(), new_job_id: row.new_job_id.map(JobId::from) });
    DeadLetter {
        id: row.id.into(),
        queue_name: row.queue_name,
        job_id: row.job_id.map(JobId::from),
        reason: row.reason,
        body: row.body,
        body_is_whole: row.body_is_whole,
        headers: row.headers,
        received_at: row.received_at,
        replay,
    }
}
