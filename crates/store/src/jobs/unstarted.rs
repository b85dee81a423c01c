//! Jobs whose message was delivered but that did not start. They are dispatched again, a bounded number of times: a worker that drops every
//! message must not make the hub publish for ever.

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    ids::JobId,
    waiting::Unstarted,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    dispatch::{dispatched, update, waiting},
    read::{batches, ids},
};
use crate::{Database, Error, Transaction, audit::audit_insert_in_txn, entity::job, job_events::JobEvent};

/// Returns jobs whose message was delivered without a start to the backlog: those that are still pending and were dispatched before
/// `before` (a job that was dispatched again meanwhile has a new message). A job to which this happened `most` times is parked
/// (`held_at`): it is no longer dispatched. Returns the jobs that are in the backlog again, and the number of parked ones.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_undeliver_in_txn(
    txn: &Transaction,
    ids: &[JobId],
    before: DateTime<Utc>,
    (most, now): (i32, DateTime<Utc>),
) -> Result<(Vec<JobId>, u64), Error> {
    use job::Column as C;
    let (ids, mut parked) = (job_list_dispatched_before_in_txn(txn, ids, before).await?, 0);
    for ids in batches(&ids) {
        let again = job::ActiveModel { dispatch_started_at: Set(None), dispatched_at: Set(None), ..Default::default() };
        let counted = update(again).col_expr(C::Unstarted, Expr::col(C::Unstarted).add(1));
        counted.filter(C::Id.is_in(ids.iter().copied())).filter(dispatched()).exec(&txn.0).await?;
        let park = job::ActiveModel { held_at: Set(Some(now)), ..Default::default() };
        let park = update(park).filter(C::Id.is_in(ids)).filter(waiting()).filter(C::HeldAt.is_null()).filter(C::Unstarted.gte(most));
        parked += park.exec(&txn.0).await?.rows_affected;
    }
    Ok((ids, parked))
}

/// Those of these jobs that were dispatched before `before` and are still pending. Their rows are locked: another replica that reports the same
/// waits, and then finds them dispatched again or in the backlog.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_dispatched_before_in_txn(txn: &Transaction, jobs: &[JobId], before: DateTime<Utc>) -> Result<Vec<JobId>, Error> {
    let mut found = Vec::new();
    for batch in batches(jobs) {
        let query = job::Entity::find().filter(job::Column::Id.is_in(batch));
        let query = query.filter(dispatched()).filter(job::Column::DispatchStartedAt.lt(before));
        found.extend(ids(&txn.0, query.lock_exclusive()).await?);
    }
    Ok(found)
}

/// Lets a parked job be dispatched again and resets its count. Returns its queue, or `None` when it is not parked.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_unpark(database: &Database, change: &Change, event: &JobEvent) -> Result<Option<String>, Error> {
    use job::Column as C;
    let released = database
        .in_transaction(async |txn| {
            let row = job::ActiveModel {
                held_at: Set(None),
                unstarted: Set(0),
                refused_keys: Set(0),
                refused_key_at: Set(None),
                ..Default::default()
            };
            let release = update(row).filter(C::Id.eq(event.job_id.get())).filter(waiting()).filter(C::HeldAt.is_not_null());
            if release.exec(&txn.0).await?.rows_affected == 0 {
                return Ok(None);
            }
            crate::job_events::job_event_insert_many_in_txn(txn, std::slice::from_ref(event)).await?;
            let entry =
                change.entry("job.resume", Target::new("job", event.job_id), Some(json!({"parked": true})), Some(json!({"parked": false})));
            audit_insert_in_txn(txn, &entry, event.created_at).await?;
            let query = job::Entity::find_by_id(event.job_id.get()).select_only().column(C::QueueName);
            Ok(query.into_tuple::<String>().one(&txn.0).await?)
        })
        .await?;
    Ok(released)
}

/// Adds to the number of starts of a dispatched job that were refused because of the worker's key. The count is not part of the job's
/// version, so that it never conflicts with a transition.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_note_refused(database: &Database, id: JobId, times: i32, now: DateTime<Utc>) -> Result<(), Error> {
    use job::Column as C;
    let row = job::ActiveModel { refused_key_at: Set(Some(now)), ..Default::default() };
    let count = job::Entity::update_many().set(row).col_expr(C::RefusedKeys, Expr::col(C::RefusedKeys).add(times));
    count.filter(C::Id.eq(id.get())).filter(dispatched()).exec(database.connection()).await?;
    Ok(())
}

/// A job, its deliveries, when it was parked, its refused keys, and when the last one was refused.
type Row = (Uuid, i32, Option<DateTime<Utc>>, i32, Option<DateTime<Utc>>);

/// Deliveries without a start of those of these jobs that have any.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_unstarted_unscoped(database: &Database, ids: &[JobId]) -> Result<Vec<(JobId, Unstarted)>, Error> {
    use job::Column as C;
    let mut found = Vec::new();
    for ids in batches(ids) {
        let query = job::Entity::find()
            .select_only()
            .columns([C::Id, C::Unstarted, C::HeldAt, C::RefusedKeys, C::RefusedKeyAt])
            .filter(C::Id.is_in(ids))
            .filter(Condition::any().add(C::Unstarted.gt(0)).add(C::RefusedKeys.gt(0)));
        let rows: Vec<Row> = query.into_tuple().all(database.connection()).await?;
        found.extend(rows.into_iter().map(|(id, deliveries, parked_at, refused, refused_key_at)| {
            let count = |number: i32| u32::try_from(number).unwrap_or(0);
            (id.into(), Unstarted { deliveries: count(deliveries), parked_at, refused_keys: count(refused), refused_key_at })
        }));
    }
    Ok(found)
}
