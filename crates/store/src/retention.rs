//! Deletion of rows that have exceeded their retention time. Ids are UUIDs v7, so that age is a range of the primary key; each call deletes
//! a bounded part of it, so that no transaction gets long.

use chrono::{DateTime, Utc};
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use crate::{
    Database, Error,
    entity::{dead_letter, job, job_event, job_log_chunk, schedule_fire},
    id_range::first_id,
};

/// Deletes at most `limit` jobs that were accepted and ended before `before`, oldest first, with their log lines and events. Returns the
/// number of jobs.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn retention_jobs(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    use job::Column as C;
    let txn = database.begin().await?;
    let old = job::Entity::find()
        .select_only()
        .column(C::Id)
        .filter(C::Id.lt(first_id(before)))
        .filter(C::CompletedAt.lt(before))
        .order_by_asc(C::Id)
        .limit(limit);
    let ids: Vec<Uuid> = old.into_tuple().all(&txn.0).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    let of_these = || ids.iter().copied();
    job_log_chunk::Entity::delete_many().filter(job_log_chunk::Column::JobId.is_in(of_these())).exec(&txn.0).await?;
    job_event::Entity::delete_many().filter(job_event::Column::JobId.is_in(of_these())).exec(&txn.0).await?;
    let deleted = job::Entity::delete_many().filter(C::Id.is_in(of_these())).exec(&txn.0).await?;
    txn.commit().await?;
    Ok(deleted.rows_affected)
}

/// Deletes at most `limit` batches of log lines that were stored before `before`, of jobs that were accepted before it. Returns their
/// number.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn retention_log_chunks(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    use job_log_chunk::Column as C;
    let old = job_log_chunk::Entity::find()
        .select_only()
        .columns([C::JobId, C::LastLine])
        .filter(C::JobId.lt(first_id(before)))
        .filter(C::CreatedAt.lt(before))
        .order_by_asc(C::JobId)
        .order_by_asc(C::LastLine)
        .limit(limit);
    let key = Expr::tuple([Expr::col(C::JobId), Expr::col(C::LastLine)]);
    let delete = job_log_chunk::Entity::delete_many().filter(key.in_subquery(old.into_query()));
    Ok(delete.exec(database.connection()).await?.rows_affected)
}

/// Deletes at most `limit` job events from before `before`. Returns their number.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn retention_job_events(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    use job_event::Column as C;
    let old = job_event::Entity::find().select_only().column(C::Id).filter(C::Id.lt(first_id(before))).order_by_asc(C::Id).limit(limit);
    let delete = job_event::Entity::delete_many().filter(C::Id.in_subquery(old.into_query()));
    Ok(delete.exec(database.connection()).await?.rows_affected)
}

/// Deletes at most `limit` dead letters that were received before `before`. Returns their number.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn retention_dead_letters(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    use dead_letter::Column as C;
    let old = dead_letter::Entity::find().select_only().column(C::Id).filter(C::Id.lt(first_id(before))).order_by_asc(C::Id).limit(limit);
    let delete = dead_letter::Entity::delete_many().filter(C::Id.in_subquery(old.into_query()));
    Ok(delete.exec(database.connection()).await?.rows_affected)
}

/// Deletes at most `limit` fires of schedules whose slots were before `before`. Returns their number.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn retention_fires(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    use schedule_fire::Column as C;
    let old = schedule_fire::Entity::find().select_only().columns([C::ScheduleId, C::SlotAt]).filter(C::SlotAt.lt(before));
    let old = old.order_by_asc(C::SlotAt).limit(limit);
    let key = Expr::tuple([Expr::col(C::ScheduleId), Expr::col(C::SlotAt)]);
    let delete = schedule_fire::Entity::delete_many().filter(key.in_subquery(old.into_query()));
    Ok(delete.exec(database.connection()).await?.rows_affected)
}
