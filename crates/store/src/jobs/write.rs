use domain::job::Status;
use sea_orm::{
    ConnectionTrait, StatementBuilder,
    sea_query::{Asterisk, CommonTableExpression, Expr, ExprTrait, Func, IntoIden, Query, TableRef, UpdateStatement, Value, ValueTuple},
};
use serde_json::Value as Json;

use super::{JobRow, NewJob};
use crate::{
    Database, Error, Transaction,
    entity::job,
    statement_text::{StatementTexts, cells, insert},
};

/// Rows a statement takes at most; a power of two, so that few different statements have to be prepared.
const MOST_ROWS: usize = 128;

/// Adds jobs as pending.
///
/// # Errors
/// [`Error::Duplicate`] when an id or an idempotency key is there already: the transaction must be dropped then.
pub async fn job_insert_many_in_txn(txn: &Transaction, jobs: &[&NewJob]) -> Result<(), Error> {
    for rows in in_few_lengths(jobs) {
        txn.0.execute_raw(INSERT.statement(txn.0.get_database_backend(), rows.iter().map(|new| to_cells(new)))).await?;
    }
    Ok(())
}

/// Adds jobs as pending in one statement, which is its own transaction. At most [`MOST_AT_ONCE`].
///
/// # Errors
/// As [`job_insert_many_in_txn`].
pub async fn job_insert_at_once(database: &Database, jobs: &[&NewJob]) -> Result<(), Error> {
    if !jobs.is_empty() {
        database.execute_alone(INSERT.statement(database.backend(), jobs.iter().map(|new| to_cells(new)))).await?;
    }
    Ok(())
}

/// The columns that a new job has, in the order of [`to_cells`].
const NEW: [job::Column; 24] = {
    use job::Column as C;
    [
        C::Id,
        C::AutomationId,
        C::QueueName,
        C::Status,
        C::Trigger,
        C::Priority,
        C::Parameters,
        C::Attempt,
        C::RetryOf,
        C::IdempotencyKey,
        C::CreatedAt,
        C::NotBefore,
        C::DispatchStartedAt,
        C::LogLines,
        C::LogOffset,
        C::Version,
        C::TimeoutS,
        C::QueueDeadlineAt,
        C::MaxAttempts,
        C::CancelGraceS,
        C::ConcurrencyKey,
        C::Requires,
        C::PausedMs,
        C::RequestDigest,
    ]
};

static INSERT: StatementTexts = StatementTexts::new(|backend, rows| insert::<job::Entity>(&NEW, backend, rows));

fn to_cells(new: &NewJob) -> Vec<Value> {
    let requires = Some(new.terms.requires.join(",")).filter(|labels| !labels.is_empty());
    vec![
        new.id.into(),
        new.automation_id.into(),
        new.queue_name.as_str().into(),
        Status::Pending.as_str().into(),
        new.trigger.as_str().into(),
        new.priority.into(),
        Json::Object(new.parameters.clone()).into(),
        new.attempt.into(),
        new.retry_of.into(),
        new.idempotency_key.as_deref().into(),
        new.created_at.into(),
        new.not_before.into(),
        new.dispatch_started_at.into(),
        0_i64.into(),
        0_i64.into(),
        0_i64.into(),
        new.terms.timeout_s.into(),
        new.terms.queue_deadline_at.into(),
        new.terms.max_attempts.into(),
        new.terms.cancel_grace_s.into(),
        new.terms.concurrency_key.as_deref().into(),
        requires.into(),
        0_i64.into(),
        new.request_digest.as_deref().into(),
    ]
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

/// The columns that a job's life changes, in the order of [`to_changed_cells`], where id and version come first.
const CHANGING: [job::Column; 22] = {
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
        C::LogBytes,
        C::LogLeftOut,
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
        let updated = txn.0.execute_raw(UPDATE.statement(txn.0.get_database_backend(), changed(rows))).await?;
        all_written(rows, updated.rows_affected())?;
    }
    Ok(())
}

/// The same in one statement, which is its own transaction and writes all or nothing. At most [`MOST_AT_ONCE`] jobs.
///
/// # Errors
/// As [`job_update_many_in_txn`].
pub async fn job_update_at_once(database: &Database, rows: &[&JobRow]) -> Result<(), Error> {
    match rows {
        [] => Ok(()),
        // There is nothing to take back when the only row is not written.
        [_] => all_written(rows, database.execute_alone(UPDATE.statement(database.backend(), changed(rows))).await?),
        // No data-changing WITH there, and no round trips to spare.
        _ if database.is_sqlite() => {
            let txn = database.begin().await?;
            job_update_many_in_txn(&txn, rows).await?;
            txn.commit().await
        }
        _ => database.execute_alone(UPDATE_ALL.statement(database.backend(), changed(rows))).await.map(drop),
    }
}

fn all_written(rows: &[&JobRow], written: u64) -> Result<(), Error> {
    if written == rows.len() as u64 { Ok(()) } else { Err(Error::Conflict("a job was changed by somebody else".to_owned())) }
}

static UPDATE: StatementTexts = StatementTexts::new(|backend, rows| StatementBuilder::build(&update(rows), &backend).sql);

/// Fails unless it updates every row.
static UPDATE_ALL: StatementTexts = StatementTexts::new(|backend, rows| {
    let mut update = update(rows);
    update.returning(Query::returning().expr(constant(1)));
    let written = CommonTableExpression::new().table_name("written").query(update).to_owned();
    // A division by zero is what makes a statement take back what it did.
    let all = Expr::case(Expr::col(Asterisk).count().eq(constant(rows)), constant(1)).finally(constant(0));
    let checked = Query::select().expr(constant(1).div(all)).from("written").to_owned();
    StatementBuilder::build(&checked.with(Query::with().cte(written).to_owned()), &backend).sql
});

fn update(rows: usize) -> UpdateStatement {
    let tuples = cells(rows, CHANGING.len() + 2).map(ValueTuple::Many).collect();
    let cell = |index: usize| Expr::col(("changed", format!("column{index}")));
    let version = || Expr::col((job::Entity, job::Column::Version));
    let mut update = Query::update();
    update
        .table(job::Entity)
        .from(TableRef::ValuesList(tuples, "changed".into_iden()))
        .and_where(Expr::col((job::Entity, job::Column::Id)).eq(cell(1)))
        .and_where(version().eq(cell(2)))
        .value(job::Column::Version, version().add(constant(1)));
    for (index, column) in CHANGING.into_iter().enumerate() {
        let new = cell(index + 3);
        let value =
            if matches!(column, job::Column::Result) { Func::coalesce([new, Expr::col((job::Entity, column))]).into() } else { new };
        update.value(column, value);
    }
    update
}

/// A number in the text itself, not a parameter.
fn constant(number: usize) -> Expr {
    Expr::cust(number.to_string())
}

/// The cells of [`update`]. Many rows are filled up to a power of two with the last one, so that few different statements have to be
/// prepared: it changes nothing, because an UPDATE takes one of several matching rows.
fn changed(rows: &[&JobRow]) -> impl ExactSizeIterator<Item = Vec<Value>> {
    let count = if rows.len() <= MOST_AT_ONCE { rows.len() } else { rows.len().next_power_of_two() };
    (0..count).map(|index| to_changed_cells(rows[Ord::min(index, rows.len() - 1)]))
}

fn to_changed_cells(row: &JobRow) -> Vec<Value> {
    let lease = row.job.lease.as_ref();
    let failure = row.job.failure.as_ref();
    vec![
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
        row.log_bytes.into(),
        row.log_left_out.into(),
        row.log_offset.into(),
        row.not_before.into(),
        row.deadline_at.into(),
        row.paused_at.into(),
        row.paused_ms.into(),
    ]
}
