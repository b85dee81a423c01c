use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobId, ScheduleId, WorkerId},
    job::Status,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait, TryGetable, UpdateMany,
    sea_query::{CommonTableExpression, Expr, ExprTrait, LockBehavior, LockType, Query, SubQueryStatement, UnionType},
};
use uuid::Uuid;

use super::{
    FullJob, JobRow,
    read::{all, all_whole, batches, ids},
};
use crate::{Database, Error, LazyTransaction, Transaction, database::Reader, dialect, entity::job};

/// Literals, not parameters, so that the planner can use the partial indexes.
const PENDING: &str = "status = 'pending'";
pub(super) const HELD: &str = "status IN ('running', 'paused')";
const ACTIVE: &str = "status IN ('pending', 'running', 'paused')";

pub(super) fn waiting() -> Condition {
    Condition::all().add(Expr::cust(PENDING)).add(job::Column::DispatchStartedAt.is_null())
}

pub(super) fn dispatched() -> Condition {
    Condition::all().add(Expr::cust(PENDING)).add(job::Column::DispatchStartedAt.is_not_null())
}

/// Which jobs are candidates for dispatch.
#[derive(Clone, Debug)]
pub struct CandidateFilter<'a> {
    /// Jobs of this queue.
    pub queue: &'a str,
    /// Jobs that may start at this time.
    pub now: DateTime<Utc>,
    /// Maximum number of candidates.
    pub limit: u64,
    /// Excluded automations.
    pub except_automations: &'a [AutomationId],
    /// Excluded concurrency keys.
    pub except_keys: &'a [String],
    /// Excluded schedules, as far as their jobs have a limit.
    pub except_schedules: &'a [ScheduleId],
    /// `None`: jobs without required labels; else jobs that require exactly one of these sets of labels.
    pub requires: Option<&'a [Vec<String>]>,
}

/// Candidates for dispatch by priority, then age, without parked jobs; locked, skipping rows that another dispatcher has locked.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_candidates_in_txn(txn: &Transaction, filter: &CandidateFilter<'_>) -> Result<Vec<FullJob>, Error> {
    use job::Column as C;
    let mut query = job::Entity::find()
        .filter(waiting())
        .filter(C::HeldAt.is_null())
        .filter(C::QueueName.eq(filter.queue))
        .filter(Condition::any().add(C::NotBefore.is_null()).add(C::NotBefore.lte(filter.now)))
        .filter(match filter.requires {
            None => C::Requires.is_null(),
            Some(sets) => C::Requires.is_in(sets.iter().map(|labels| labels.join(","))),
        })
        .order_by_desc(C::Priority)
        .order_by_asc(C::Id)
        .limit(filter.limit)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
    if !filter.except_automations.is_empty() {
        query = query.filter(C::AutomationId.is_not_in(filter.except_automations.iter().map(|id| id.get())));
    }
    if !filter.except_keys.is_empty() {
        let other = C::ConcurrencyKey.is_not_in(filter.except_keys.iter().map(String::as_str));
        query = query.filter(Condition::any().add(C::ConcurrencyKey.is_null()).add(other));
    }
    if !filter.except_schedules.is_empty() {
        let other = C::ScheduleId.is_not_in(filter.except_schedules.iter().map(|id| id.get()));
        query = query.filter(Condition::any().add(C::MaxConcurrency.is_null()).add(other));
    }
    all_whole(&txn.0, query).await
}

/// The sets of labels that jobs in the backlog of `queue` require.
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

/// The number of running, paused and dispatched jobs with each of these concurrency keys. Keys without any are omitted.
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

/// The number of dispatched jobs of each of these schedules, and of running and paused ones, as far as they are of these automations. Schedules
/// without any are omitted.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_count_active_by_schedule_in_txn(
    txn: &Transaction,
    automation_ids: &[AutomationId],
    ids: &[ScheduleId],
) -> Result<Vec<(ScheduleId, i64)>, Error> {
    let those = Condition::all().add(job::Column::ScheduleId.is_in(ids.iter().map(|id| id.get())));
    // The automations lead to the index of held jobs: schedules need none of their own. Dispatched jobs are few.
    let held = of_automations(automation_ids).add(those.clone());
    let counts: Vec<(Uuid, i64)> = count_active(txn, job::Column::ScheduleId, held, those).await?;
    Ok(counts.into_iter().map(|(id, jobs)| (id.into(), jobs)).collect())
}

/// Jobs of this automation that have not ended, with this concurrency key (`None`: any); locked, oldest first, at most `limit`. Of the
/// pending ones only those of `queue`.
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

/// Locks admission until the transaction ends, so that two replicas cannot count the same free slots.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_lock_admission_in_txn(txn: &Transaction) -> Result<(), Error> {
    Ok(dialect::lock(&txn.0, "regente admission").await?)
}

/// The number of running, paused and dispatched jobs of each of these automations.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_count_active_in_txn(txn: &Transaction, automation_ids: &[AutomationId]) -> Result<Vec<(AutomationId, i64)>, Error> {
    let those = of_automations(automation_ids);
    let counts: Vec<(i32, i64)> = count_active(txn, job::Column::AutomationId, those.clone(), those).await?;
    Ok(counts.into_iter().map(|(id, jobs)| (id.into(), jobs)).collect())
}

fn of_automations(ids: &[AutomationId]) -> Condition {
    Condition::all().add(job::Column::AutomationId.is_in(ids.iter().map(|id| id.get())))
}

/// The numbers of held and of dispatched jobs by `column`, among those that meet the first and the second condition. One statement, so that a job
/// that another replica starts meanwhile is one or the other: a start takes no lock.
async fn count_active<T: TryGetable>(
    txn: &Transaction,
    column: job::Column,
    held: Condition,
    sent: Condition,
) -> Result<Vec<(T, i64)>, Error> {
    let count = |condition: Condition| {
        let query = job::Entity::find().select_only().column(column).column_as(Expr::col(job::Column::Id).count(), "jobs");
        query.filter(condition).group_by(column).into_query()
    };
    let on_the_way = count(sent.add(dispatched()));
    let query = count(held.add(Expr::cust(HELD))).union(UnionType::All, on_the_way).to_owned();
    let rows = txn.0.query_all(&query).await?;
    rows.iter().map(|row| Ok((row.try_get_by_index(0)?, row.try_get_by_index(1)?))).collect()
}

/// Returns those of these jobs that are still pending to the backlog. Returns their number.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_undispatch_in_txn(txn: &Transaction, ids: &[JobId]) -> Result<u64, Error> {
    let row = job::ActiveModel { dispatch_started_at: Set(None), dispatched_at: Set(None), ..Default::default() };
    update_those(txn, ids, row, dispatched()).await
}

/// Writes `row` to those of these jobs that meet `condition`. Returns their number.
async fn update_those(txn: &Transaction, ids: &[JobId], row: job::ActiveModel, condition: Condition) -> Result<u64, Error> {
    let mut updated = 0;
    for ids in batches(ids) {
        let update = update(row.clone()).filter(job::Column::Id.is_in(ids)).filter(condition.clone());
        updated += update.exec(&txn.0).await?.rows_affected;
    }
    Ok(updated)
}

/// An update that increments the version, so that a write of a row that was loaded before fails.
pub(super) fn update(row: job::ActiveModel) -> UpdateMany<job::Entity> {
    job::Entity::update_many().set(row).col_expr(job::Column::Version, Expr::col(job::Column::Version).add(1))
}

/// Returns jobs to the backlog whose message was not confirmed although it was to be published before `before`: a hub died between commit
/// and confirm. Returns their number.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_release_unconfirmed(database: &Database, before: DateTime<Utc>) -> Result<u64, Error> {
    let row = job::ActiveModel { dispatch_started_at: Set(None), ..Default::default() };
    let update =
        update(row).filter(dispatched()).filter(job::Column::DispatchedAt.is_null()).filter(job::Column::DispatchStartedAt.lt(before));
    Ok(update.exec(database.connection()).await?.rows_affected)
}

/// Queues with a backlog, including those that no automation names any more. A skip scan from one name to the next: the cost depends on the
/// number of queues, not of jobs.
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

/// Jobs that are dispatched and have not started, as (job, queue, when).
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

/// Held jobs whose lease has expired at `now`; at most `limit`, in no particular order.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_expired_unscoped(database: &Database, now: DateTime<Utc>, limit: u64) -> Result<Vec<JobId>, Error> {
    let query = job::Entity::find().filter(Expr::cust(HELD)).filter(job::Column::LeaseExpiresAt.lte(now)).limit(limit);
    ids(database.connection(), query).await
}

/// Running jobs that have exceeded their time limit at `now`; at most `limit`, in no particular order.
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

/// Pending jobs that have exceeded their queue time-out at `now`; at most `limit`, earliest deadline first.
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

/// Records the broker's confirms for those of these jobs that are still pending.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_confirm_dispatched_in_txn(txn: &Transaction, ids: &[JobId], now: DateTime<Utc>) -> Result<(), Error> {
    let row = job::ActiveModel { dispatched_at: Set(Some(now)), ..Default::default() };
    update_those(txn, ids, row, dispatched()).await?;
    Ok(())
}
