use domain::job::Status;
use sea_orm::{
    ActiveValue::{NotSet, Set},
    ConnectionTrait, EntityTrait,
    sea_query::{Expr, ExprTrait, Func, IntoIden, Query, TableRef, Value, ValueTuple},
};
use serde_json::Value as Json;

use super::{JobRow, NewJob};
use crate::{Error, Transaction, entity::job};

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

/// Splits into slices of few different lengths, so that few different statements have to be prepared: up to 16 as they are, powers of two
/// beyond.
pub(crate) fn in_few_lengths<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let power = 1 << rows.len().checked_ilog2()?;
        let take = if rows.len() <= 16 { rows.len() } else { Ord::min(power, MOST_ROWS) };
        let (head, tail) = rows.split_at(take);
        rows = tail;
        Some(head)
    })
}

/// The columns that a job's life changes, in the order of [`to_tuple`]; the id comes first.
const CHANGING: [job::Column; 17] = {
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
    ]
};

/// Writes what changed in these jobs, which the transaction has loaded for update.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_update_many_in_txn(txn: &Transaction, rows: &[&JobRow]) -> Result<(), Error> {
    for rows in rows.chunks(MOST_ROWS) {
        let mut tuples: Vec<ValueTuple> = rows.iter().map(|row| to_tuple(row)).collect();
        // Repeated rows change nothing: an UPDATE takes one of several matching rows.
        if let Some(last) = tuples.last().cloned() {
            tuples.resize(tuples.len().next_power_of_two(), last);
        }
        let changed = "changed".into_iden();
        let cell = |index: usize| Expr::col(("changed", format!("column{index}")));
        let mut update = Query::update();
        update
            .table(job::Entity)
            .from(TableRef::ValuesList(tuples, changed))
            .and_where(Expr::col((job::Entity, job::Column::Id)).eq(cell(1)));
        for (index, column) in CHANGING.into_iter().enumerate() {
            let new = cell(index + 2);
            let value =
                if matches!(column, job::Column::Result) { Func::coalesce([new, Expr::col((job::Entity, column))]).into() } else { new };
            update.value(column, value);
        }
        txn.0.execute(&update).await?;
    }
    Ok(())
}

fn to_tuple(row: &JobRow) -> ValueTuple {
    let lease = row.job.lease.as_ref();
    let failure = row.job.failure.as_ref();
    let values: Vec<Value> = vec![
        row.job.id.into(),
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
    ];
    ValueTuple::Many(values)
}
