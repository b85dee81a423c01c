use domain::job::Status;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, EntityTrait,
    sea_query::{Asterisk, CommonTableExpression, Expr, ExprTrait, Func, IntoIden, Query, TableRef, UpdateStatement, Value, ValueTuple},
};
use serde_json::Value as Json;

use super::{JobRow, NewJob};
use crate::{Database, Error, Transaction, entity::job};

/// Rows a statement takes at most; a power of two, so that few different statements have to be prepared.
const MOST_ROWS: usize = 128;

/// Adds jobs as pending.
///
/// # Errors
/// [`Error::Duplicate`] when an id or an idempotency key is there already: the transaction must be dropped then.
pub async fn job_insert_many_in_txn(txn: &Transaction, jobs: &[&NewJob]) -> Result<(), Error> {
    for rows in in_few_lengths(jobs) {
        job::Entity::insert_many(rows.iter().map(|new| to_active(new))).exec_without_returning(&txn.0).await?;
    }
    Ok(())
}

/// Adds jobs as pending in one statement, which is its own transaction. At most [`MOST_AT_ONCE`].
///
/// # Errors
/// As [`job_insert_many_in_txn`].
pub async fn job_insert_at_once(database: &Database, jobs: &[&NewJob]) -> Result<(), Error> {
    if !jobs.is_empty() {
        job::Entity::insert_many(jobs.iter().map(|new| to_active(new))).exec_without_returning(database.connection()).await?;
    }
    Ok(())
}

fn to_active(new: &NewJob) -> job::ActiveModel {
    job::ActiveModel {
        id: Set(new.id),
        automation_id: Set(new.automation_id),
        queue_name: Set(new.queue_name.clone()),
        status: Set(Status::Pending.as_str().to_owned()),
        trigger: Set(new.trigger.as_str().to_owned()),
        priority: Set(new.priority),
        parameters: Set(Json::Object(new.parameters.clone())),
        attempt: Set(new.attempt),
        retry_of: Set(new.retry_of),
        idempotency_key: Set(new.idempotency_key.clone()),
        created_at: Set(new.created_at),
        not_before: Set(new.not_before),
        dispatch_started_at: Set(new.dispatch_started_at),
        log_lines: Set(0),
        log_offset: Set(0),
        version: Set(0),
        timeout_s: Set(new.terms.timeout_s),
        queue_deadline_at: Set(new.terms.queue_deadline_at),
        max_attempts: Set(new.terms.max_attempts),
        cancel_grace_s: Set(new.terms.cancel_grace_s),
        concurrency_key: Set(new.terms.concurrency_key.clone()),
        requires: Set(Some(new.terms.requires.join(",")).filter(|labels| !labels.is_empty())),
        paused_ms: Set(0),
        deadline_at: NotSet,
        paused_at: NotSet,
        result: NotSet,
        error_class: NotSet,
        error_message: NotSet,
        worker_id: NotSet,
        lease_token: NotSet,
        lease_expires_at: NotSet,
        progress: NotSet,
        dispatched_at: NotSet,
        started_at: NotSet,
        completed_at: NotSet,
        last_heartbeat_at: NotSet,
        cancellation_requested_at: NotSet,
    }
}

/// Jobs that [`job_insert_at_once`] and [`job_update_at_once`] take at most.
pub const MOST_AT_ONCE: usize = 16;

/// Splits into slices of few different lengths, so that few different statements have to be prepared: up to 16 as they are, powers of two
/// beyond.
pub(crate) fn in_few_lengths<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let power = 1 << rows.len().checked_ilog2()?;
        let take = if rows.len() <= MOST_AT_ONCE { rows.len() } else { Ord::min(power, MOST_ROWS) };
        let (head, tail) = rows.split_at(take);
        rows = tail;
        Some(head)
    })
}

/// The columns that a job's life changes, in the order of [`to_tuple`], where id and version come first.
const CHANGING: [job::Column; 20] = {
    use job::Column as C;
    [
        C::Status,
        C::Result,
        C::ErrorClass,
        C::ErrorMessage,
        C::WorkerId,
        C::LeaseToken,
        C::LeaseExpiresAt,
        C::Progress,
        C::DispatchStartedAt,
        C::DispatchedAt,
        C::StartedAt,
        C::CompletedAt,
        C::LastHeartbeatAt,
        C::CancellationRequestedAt,
        C::LogLines,
        C::LogOffset,
        C::NotBefore,
        C::DeadlineAt,
        C::PausedAt,
        C::PausedMs,
    ]
};

/// Writes what changed in these jobs since they were loaded, each once.
///
/// # Errors
/// [`Error::Conflict`] when one of them was changed by somebody else meanwhile: the transaction must be dropped then.
pub async fn job_update_many_in_txn(txn: &Transaction, rows: &[&JobRow]) -> Result<(), Error> {
    for rows in rows.chunks(MOST_ROWS) {
        let written = txn.0.execute(&update(rows)).await?.rows_affected();
        if written != rows.len() as u64 {
            return Err(Error::Conflict("a job was changed by somebody else".to_owned()));
        }
    }
    Ok(())
}

/// The same in one statement, which is its own transaction and writes all or nothing. At most [`MOST_AT_ONCE`] jobs.
///
/// # Errors
/// As [`job_update_many_in_txn`].
pub async fn job_update_at_once(database: &Database, rows: &[&JobRow]) -> Result<(), Error> {
    if database.is_sqlite() {
        // No data-changing WITH there, and no round trips to spare.
        let txn = database.begin().await?;
        job_update_many_in_txn(&txn, rows).await?;
        return txn.commit().await;
    }
    let mut update = update(rows);
    update.returning(Query::returning().expr(Expr::val(1)));
    let written = CommonTableExpression::new().table_name("written").query(update).to_owned();
    // A division by zero is what makes a statement take back what it did.
    let all = Expr::case(Expr::col(Asterisk).count().eq(rows.len() as i64), 1).finally(0);
    let checked = Query::select().expr(Expr::val(1).div(all)).from("written").to_owned();
    let statement = checked.with(Query::with().cte(written).to_owned());
    database.connection().execute(&statement).await?;
    Ok(())
}

fn update(rows: &[&JobRow]) -> UpdateStatement {
    let mut tuples: Vec<ValueTuple> = rows.iter().map(|row| to_tuple(row)).collect();
    // Repeated rows change nothing: an UPDATE takes one of several matching rows.
    if let Some(last) = tuples.last().cloned() {
        tuples.resize(tuples.len().next_power_of_two(), last);
    }
    let cell = |index: usize| Expr::col(("changed", format!("column{index}")));
    let version = || Expr::col((job::Entity, job::Column::Version));
    let mut update = Query::update();
    update
        .table(job::Entity)
        .from(TableRef::ValuesList(tuples, "changed".into_iden()))
        .and_where(Expr::col((job::Entity, job::Column::Id)).eq(cell(1)))
        .and_where(version().eq(cell(2)))
        .value(job::Column::Version, version().add(1));
    for (index, column) in CHANGING.into_iter().enumerate() {
        let new = cell(index + 3);
        let value =
            if matches!(column, job::Column::Result) { Func::coalesce([new, Expr::col((job::Entity, column))]).into() } else { new };
        update.value(column, value);
    }
    update
}

fn to_tuple(row: &JobRow) -> ValueTuple {
    let lease = row.job.lease.as_ref();
    let failure = row.job.failure.as_ref();
    let values: Vec<Value> = vec![
        row.job.id.into(),
        row.version.into(),
        row.job.status.as_str().into(),
        row.result.clone().into(),
        failure.map(|failure| failure.class.as_str()).into(),
        failure.map(|failure| failure.message.as_str()).into(),
        lease.and_then(|lease| lease.worker_id).into(),
        lease.map(|lease| lease.token).into(),
        lease.map(|lease| lease.expires_at).into(),
        row.progress.clone().into(),
        row.dispatch_started_at.into(),
        row.dispatched_at.into(),
        row.started_at.into(),
        row.completed_at.into(),
        row.last_heartbeat_at.into(),
        row.cancellation_requested_at.into(),
        row.log_lines.into(),
        row.log_offset.into(),
        row.not_before.into(),
        row.deadline_at.into(),
        row.paused_at.into(),
        row.paused_ms.into(),
    ];
    ValueTuple::Many(values)
}
