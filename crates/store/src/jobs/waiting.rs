use domain::{
    ids::{AutomationId, JobId, ScheduleId, WorkerId},
    job::Status,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::{
    FullJob,
    dispatch::{HELD, dispatched, waiting},
    read::{all_whole, ids},
};
use crate::{Database, Error, entity::job};

/// A job that counts against limits: it runs, is paused, or is dispatched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveJob {
    /// The job.
    pub id: JobId,
    /// Its automation.
    pub automation_id: AutomationId,
    /// Its concurrency key.
    pub concurrency_key: Option<String>,
    /// Its schedule.
    pub schedule_id: Option<ScheduleId>,
    /// The registered worker that holds it.
    pub worker_id: Option<WorkerId>,
}

/// Every such job, oldest first, at most `limit`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_active_unscoped(database: &Database, limit: u64) -> Result<Vec<ActiveJob>, Error> {
    use job::Column as C;
    let query = job::Entity::find()
        .select_only()
        .columns([C::Id, C::AutomationId, C::ConcurrencyKey, C::ScheduleId, C::WorkerId])
        .filter(Condition::any().add(Expr::cust(HELD)).add(dispatched()))
        .order_by_asc(C::Id)
        .limit(limit);
    type Row = (Uuid, i32, Option<String>, Option<Uuid>, Option<Uuid>);
    let rows: Vec<Row> = query.into_tuple().all(database.connection()).await?;
    let given_out = |(id, automation_id, concurrency_key, schedule_id, worker_id): Row| ActiveJob {
        id: id.into(),
        automation_id: automation_id.into(),
        concurrency_key,
        schedule_id: schedule_id.map(ScheduleId::from),
        worker_id: worker_id.map(WorkerId::from),
    };
    Ok(rows.into_iter().map(given_out).collect())
}

/// The first jobs of `queue` that are not dispatched, due or not, in order of dispatch: by priority, then age.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_waiting_unscoped(database: &Database, queue: &str, limit: u64) -> Result<Vec<JobId>, Error> {
    let query = job::Entity::find()
        .filter(waiting())
        .filter(job::Column::QueueName.eq(queue))
        .order_by_desc(job::Column::Priority)
        .order_by_asc(job::Column::Id)
        .limit(limit);
    ids(database.connection(), query).await
}

/// Whether a pending job of `queue` is dispatched.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_has_dispatched_unscoped(database: &Database, queue: &str) -> Result<bool, Error> {
    let query = job::Entity::find().filter(dispatched()).filter(job::Column::QueueName.eq(queue)).limit(1);
    Ok(!ids(database.connection(), query).await?.is_empty())
}

/// The next job of `queue`, due or not; when all are dispatched, one of those.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_next_unscoped(database: &Database, queue: &str) -> Result<Option<FullJob>, Error> {
    let first = job_list_waiting_unscoped(database, queue, 1).await?;
    let query = match first.first() {
        Some(id) => job::Entity::find_by_id(id.get()).filter(job::Column::Status.eq(Status::Pending.as_str())),
        None => job::Entity::find().filter(dispatched()).filter(Expr::col(job::Column::QueueName).eq(queue)).order_by_asc(job::Column::Id),
    };
    Ok(all_whole(database.connection(), query.limit(1)).await?.pop())
}
