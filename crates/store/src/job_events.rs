//! Events of a job that its status does not show: late results, recoveries.

use chrono::{DateTime, Utc};
use domain::ids::{JobEventId, JobId};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::Value;

use crate::{Database, Error, Transaction, entity::job_event};

/// An event of a job.
#[derive(Clone, Debug, PartialEq)]
pub struct JobEvent {
    /// Id, UUID v7.
    pub id: JobEventId,
    /// The job.
    pub job_id: JobId,
    /// `job.finish_late` …
    pub kind: String,
    /// Who caused it; `None`: the hub, or before this was recorded.
    pub actor: Option<String>,
    /// Details, as JSON.
    pub detail: Value,
    /// When it happened.
    pub created_at: DateTime<Utc>,
}

/// Inserts events.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_event_insert_many_in_txn(txn: &Transaction, events: &[JobEvent]) -> Result<(), Error> {
    if events.is_empty() {
        return Ok(());
    }
    let rows = events.iter().map(|event| job_event::ActiveModel {
        id: Set(event.id.get()),
        job_id: Set(event.job_id.into()),
        kind: Set(event.kind.clone()),
        actor: Set(event.actor.clone()),
        detail: Set(event.detail.clone()),
        created_at: Set(event.created_at),
    });
    job_event::Entity::insert_many(rows).exec_without_returning(&txn.0).await?;
    Ok(())
}

/// A job's events after `after`, oldest first; at most `limit`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_event_list(database: &Database, job_id: JobId, after: Option<JobEventId>, limit: u64) -> Result<Vec<JobEvent>, Error> {
    let mut query =
        job_event::Entity::find().filter(job_event::Column::JobId.eq(job_id.get())).order_by_asc(job_event::Column::Id).limit(limit);
    if let Some(after) = after {
        query = query.filter(job_event::Column::Id.gt(after.get()));
    }
    let to_event = |row: job_event::Model| JobEvent {
        id: row.id.into(),
        job_id: row.job_id.into(),
        kind: row.kind,
        actor: row.actor,
        detail: row.detail,
        created_at: row.created_at,
    };
    Ok(query.all(database.connection()).await?.into_iter().map(to_event).collect())
}
