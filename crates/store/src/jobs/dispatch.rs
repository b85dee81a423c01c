use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobId, WorkerId},
    job::Status,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, UpdateMany,
    sea_query::{CommonTableExpression, Expr, ExprTrait, LockBehavior, LockType, Query, SubQueryStatement, UnionType},
};
use uuid::Uuid;

use super::{
    FullJob, JobRow,
    read::{all, all_whole, batches, ids},
};
use crate::{Database, Error, LazyTransaction, Transaction, database::Reader, dialect, entity::job};

/// Literals, not parameters, so that the planner sees that the partial indexes fit.
const PENDING: &str = "status = 'pending'";
pub(super) const HELD: &str = "status IN ('running', 'paused')";
const ACTIVE: &str = "status IN ('pending', 'running', 'paused')";

pub(super) fn waiting() -> Condition {
    Condition::all().add(Expr::cust(PENDING)).add(job::Column::DispatchStartedAt.is_null())
}

pub(super) fn dispatched() -> Condition {
    Condition::all().add(Expr::cust(PENDING)).add(job::Column::DispatchStartedAt.is_not_null())
}

/// Which waiting jobs to look at.
#[derive(Clone, Debug)]
pub struct CandidateFilter<'a> {
    /// Of this queue.
    pub queue: &'a str,
    /// Due by then.
    pub now: DateTime<Utc>,
    /// At most so many.
    pub limit: u64,
    /// None of these automations.
    pub except_automations: &'a [AutomationId],
    /// None with one of these concurrency keys.
    pub except_keys: &'a [String],
    /// `None`: jobs that any worker can run; else those that require exactly one of these sets of labels.
    pub requires: Option<&'a [Vec<String>]>,
}

/// Waiting jobs that are not held, by priority, then age; locked, and passing over what another dispatcher has locked.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_candidates_in_txn(txn: &Transaction, wanted: &CandidateFilter<'_>) -> Result<Vec<FullJob>, Error> {
    use job::Column as C;
    let mut query = job::Entity::find()
        .filter(waiting())
        .filter(C::HeldAt.is_null())
        .filter(C::QueueName.eq(wanted.queue))
        .filter(Condition::any().add(C::NotBefore.is_null()).add(C::NotBefore.lte(wanted.now)))
        .filter(match wanted.requires {
            None => C::Requires.is_null(),
            Some(sets) => C::Requires.is_in(sets.iter().map(|labels| labels.join(","))),
        })
        .order_by_desc(C::Priority)
        .order_by_asc(C::Id)
        .limit(wanted.limit)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
    if !wanted.except_automations.is_empty() {
        query = query.filter(C::AutomationId.is_not_in(wanted.except_automations.iter().map(|id| id.get())));
    }
    if !wanted.except_keys.is_empty() {
        let other = C::ConcurrencyKey.is_not_in(wanted.except_keys.iter().map(String::as_str));
        query = query.filter(Condition::any().add(C::ConcurrencyKey.is_null()).add(other));
    }
    all_whole(&txn.0, query).await
}

/// The sets of labels that waiting jobs of `queue` require.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_required_in_txn(txn: &Transaction, queue: &str) -> Result<Vec<Vec<String>>, Error> {
    let query = job::Entity::find()
        .select_only()
        .column(job::Column::Requires)
        .distinct()
        .filter(waiting())
        .filter(job::Column::QueueName.eq(queue))
        .filter(job::Column::Requires.is_not_null());
    let sets: Vec<String> = query.into_tuple().all(&txn.0).await?;
    Ok(sets.into_iter().map(|labels| labels.split(',').map(str::to_owned).collect()).collect())
}

/// How many jobs with each of these concurrency keys run, are paused, or are on their way to a worker. Keys without any are left out.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_count_active_by_key_in_txn(txn: &Transaction, keys: &[String]) -> Result<Vec<(String, i64)>, Error> {
    let given_out = Condition::any().add(Expr::cust(HELD)).add(job::Column::DispatchStartedAt.is_not_null());
    let query = job::Entity::find()
        .select_only()
        .column(job::Column::ConcurrencyKey)
        .column_as(Expr::col(job::Column::Id).count(), "jobs")
        .filter(Expr::cust(ACTIVE))
        .filter(job::Column::ConcurrencyKey.is_not_null())
        .filter(job::Column::ConcurrencyKey.is_in(keys.iter().map(String::as_str)))
        .filter(given_out)
        .group_by(job::Column::ConcurrencyKey);
    Ok(query.into_tuple().all(&txn.0).await?)
}

/// Jobs of this automation that have not ended, locked, oldest first, at most `limit`: with this concurrency key, or without a key all of
/// them. Of those that wait only those in `queue`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_active_in_txn(
    txn: &Transaction,
    automation_id: AutomationId,
    queue: &str,
    key: Option<&str>,
    limit: u64,
) -> Result<Vec<JobRow>, Error> {
    use job::Column as C;
    let mut query =
        job::Entity::find().filter(C::AutomationId.eq(automation_id.get())).order_by_asc(C::Id).limit(limit).lock(LockType::NoKeyUpdate);
    query = match key {
        Some(key) => query.filter(Expr::cust(ACTIVE)).filter(C::ConcurrencyKey.is_not_null()).filter(C::ConcurrencyKey.eq(key)),
        None => {
            let waits = Condition::all().add(waiting()).add(C::QueueName.eq(queue));
            query.filter(Condition::any().add(waits).add(dispatched()).add(Expr::cust(HELD)))
        }
    };
    all(&txn.0, query).await
}

/// Keeps other hubs from counting the same free places until the transaction ends.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_lock_admission_in_txn(txn: &Transaction) -> Result<(), Error> {
    Ok(dialect::lock(&txn.0, "regente admission").await?)
}

/// How many jobs of each of these automations run, are paused, or are on their way to a worker.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_count_active_in_txn(txn: &Transaction, automation_ids: &[AutomationId]) -> Result<Vec<(AutomationId, i64)>, Error> {
    let count = |condition: Condition| {
        job::Entity::find()
            .select_only()
            .column(job::Column::AutomationId)
            .column_as(Expr::col(job::Column::Id).count(), "jobs")
            .filter(job::Column::AutomationId.is_in(automation_ids.iter().map(|id| id.get())))
            .filter(condition)
            .group_by(job::Column::AutomationId)
    };
    let held = Condition::all().add(Expr::cust(HELD));
    let mut counts: Vec<(i32, i64)> = count(held).into_tuple().all(&txn.0).await?;
    let on_the_way: Vec<(i32, i64)> = count(dispatched()).into_tuple().all(&txn.0).await?;
    counts.extend(on_the_way);
    Ok(counts.into_iter().map(|(id, jobs)| (id.into(), jobs)).collect())
}

/// Makes these jobs wait again, those that are still pending; returns how many.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_undispatch_in_txn(txn: &Transaction, ids: &[JobId]) -> Result<u64, Error> {
    let row = job::ActiveModel { dispatch_started_at: Set(None), dispatched_at: Set(None), ..Default::default() };
    update_those(txn, ids, row, dispatched()).await
}

/// Writes `row` to the jobs of `ids` that meet `condition`; returns how many did.
async fn update_those(txn: &Transaction, ids: &[JobId], row: job::ActiveModel, condition: Condition) -> Result<u64, Error> {
    let mut updated = 0;
    for ids in batches(ids) {
        let update = update(row.clone()).filter(job::Column::Id.is_in(ids)).filter(condition.clone());
        updated += update.exec(&txn.0).await?.rows_affected;
    }
    Ok(updated)
}

/// An update that those notice who loaded a row before it.
pub(super) fn update(row: job::ActiveModel) -> UpdateMany<job::Entity> {
    job::Entity::update_many().set(row).col_expr(job::Column::Version, Expr::col(job::Column::Version).add(1))
}

/// Makes jobs wait again whose message was never confirmed though it was due before `before`: a hub died between commit and confirm.
/// Returns how many.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_release_unconfirmed(database: &Database, before: DateTime<Utc>) -> Result<u64, Error> {
    let row = job::ActiveModel { dispatch_started_at: Set(None), ..Default::default() };
    let update =
        update(row).filter(dispatched()).filter(job::Column::DispatchedAt.is_null()).filter(job::Column::DispatchStartedAt.lt(before));
    Ok(update.exec(database.connection()).await?.rows_affected)
}

/// Queues in which a job waits, also those that no automation names any more. Steps from one name to the next, so that it costs as much
/// as there are queues, not jobs.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_queues_waiting(database: &Database) -> Result<Vec<String>, Error> {
    let name = || Expr::col(("queues", "queue_name"));
    let lowest = || Query::select().expr(Expr::col(job::Column::QueueName).min()).from(job::Entity).cond_where(waiting()).to_owned();
    let next = lowest().and_where(Expr::col((job::Entity, job::Column::QueueName)).gt(name())).to_owned();
    let step = Query::select().expr(SubQueryStatement::from(next)).from("queues").and_where(name().is_not_null()).to_owned();
    let names = CommonTableExpression::new()
        .table_name("queues")
        .column("queue_name")
        .query(lowest().union(UnionType::All, step).to_owned())
        .to_owned();
    let found = Query::select().expr(name()).from("queues").and_where(name().is_not_null()).to_owned();
    let query = found.with(Query::with().recursive(true).cte(names).to_owned());
    let rows = database.connection().query_all(&query).await?;
    Ok(rows.iter().map(|row| row.try_get_by_index(0)).collect::<Result<_, _>>()?)
}

/// Jobs that were handed to the broker and not started, as (job, queue, when).
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_undelivered_unscoped(database: &Database) -> Result<Vec<(JobId, String, DateTime<Utc>)>, Error> {
    let query = job::Entity::find()
        .select_only()
        .columns([job::Column::Id, job::Column::QueueName, job::Column::DispatchStartedAt])
        .filter(dispatched());
    let found: Vec<(Uuid, String, DateTime<Utc>)> = query.into_tuple().all(database.connection()).await?;
    Ok(found.into_iter().map(|(id, queue, at)| (id.into(), queue, at)).collect())
}

/// Held jobs, as (job, queue, worker).
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_held_unscoped(database: &Database) -> Result<Vec<(JobId, String, Option<WorkerId>)>, Error> {
    let columns = [job::Column::Id, job::Column::QueueName, job::Column::WorkerId];
    let query = job::Entity::find().select_only().columns(columns).filter(Expr::cust(HELD));
    let found: Vec<(Uuid, String, Option<Uuid>)> = query.into_tuple().all(database.connection()).await?;
    Ok(found.into_iter().map(|(id, queue, worker)| (id.into(), queue, worker.map(WorkerId::from))).collect())
}

/// Held jobs whose lease ended, at `now` or before; at most `limit`, in no order.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_expired_unscoped(database: &Database, now: DateTime<Utc>, limit: u64) -> Result<Vec<JobId>, Error> {
    let query = job::Entity::find().filter(Expr::cust(HELD)).filter(job::Column::LeaseExpiresAt.lte(now)).limit(limit);
    ids(database.connection(), query).await
}

/// Running jobs whose time was up at `now`; at most `limit`, in no order.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_overdue_unscoped(database: &Database, now: DateTime<Utc>, limit: u64) -> Result<Vec<JobId>, Error> {
    let query = job::Entity::find()
        .filter(Expr::cust(HELD))
        .filter(job::Column::Status.eq(Status::Running.as_str()))
        .filter(job::Column::DeadlineAt.lte(now))
        .limit(limit);
    ids(database.connection(), query).await
}

/// Pending jobs that should have started by `now`; at most `limit`, those due first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_queue_overdue_unscoped(database: &Database, now: DateTime<Utc>, limit: u64) -> Result<Vec<JobId>, Error> {
    let query = job::Entity::find()
        .filter(Expr::cust(PENDING))
        .filter(job::Column::QueueDeadlineAt.is_not_null())
        .filter(job::Column::QueueDeadlineAt.lte(now))
        .order_by_asc(job::Column::QueueDeadlineAt)
        .limit(limit);
    ids(database.connection(), query).await
}

/// Jobs that these workers hold, as (job, worker).
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_held_by_unscoped(txn: &LazyTransaction<'_>, workers: &[WorkerId]) -> Result<Vec<(JobId, WorkerId)>, Error> {
    let mut held = Vec::new();
    for workers in batches(workers) {
        let query = job::Entity::find()
            .select_only()
            .columns([job::Column::Id, job::Column::WorkerId])
            .filter(Expr::cust(HELD))
            .filter(job::Column::WorkerId.is_in(workers))
            .into_tuple::<(Uuid, Uuid)>();
        let found = match txn.reader() {
            Reader::Database(database) => query.all(database.connection()).await?,
            Reader::Transaction(txn) => query.all(&txn.0).await?,
        };
        held.extend(found.into_iter().map(|(job, worker)| (JobId::from(job), WorkerId::from(worker))));
    }
    Ok(held)
}

/// Notes that the broker has these messages, for the jobs that are still pending.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_confirm_dispatched_in_txn(txn: &Transaction, ids: &[JobId], now: DateTime<Utc>) -> Result<(), Error> {
    let row = job::ActiveModel { dispatched_at: Set(Some(now)), ..Default::default() };
    update_those(txn, ids, row, dispatched()).await?;
    Ok(())
}
