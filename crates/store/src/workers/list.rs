use chrono::{DateTime, Utc};
use domain::{
    Scope,
    ids::{AutomationId, JobId, WorkerId},
    job::Status,
    worker::{Life, State},
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};
use serde_json::Value;
use uuid::Uuid;

use super::{Worker, from_row, has_state, narrowed, serves, serves_any};
use crate::{
    Database, Error,
    entity::{job, worker},
    scope,
};

/// Selects workers of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only workers in this state.
    pub state: Option<State>,
    /// Only workers that take jobs from this queue.
    pub queue: Option<String>,
    /// Only workers with this label.
    pub label: Option<String>,
    /// Page size.
    pub limit: usize,
    /// The last worker of the page before.
    pub after: Option<WorkerId>,
}

/// A job that a worker holds.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldJob {
    /// The job.
    pub id: JobId,
    /// Its automation.
    pub automation_id: AutomationId,
    /// Its queue.
    pub queue_name: String,
    /// Running or paused.
    pub status: Status,
    /// When it was started.
    pub started_at: Option<DateTime<Utc>>,
    /// When the lease ends.
    pub lease_expires_at: Option<DateTime<Utc>>,
}

/// Workers with a heartbeat since `since`, in any state.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_list_seen_unscoped(database: &Database, since: DateTime<Utc>) -> Result<Vec<Worker>, Error> {
    worker::Entity::find()
        .filter(worker::Column::LastSeenAt.gte(since))
        .all(database.connection())
        .await?
        .into_iter()
        .map(from_row)
        .collect()
}

/// Identity of a worker, and whether it is paused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Id.
    pub id: WorkerId,
    /// Unique name.
    pub name: String,
    /// Credential that it registered with; `None`: worker authentication was off.
    pub credential: Option<String>,
    /// Whether it is paused.
    pub paused: bool,
}

/// The identities of all workers.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_list_known_unscoped(database: &Database) -> Result<Vec<Identity>, Error> {
    use worker::Column as C;
    let query = worker::Entity::find().select_only().columns([C::Id, C::Name, C::Credential, C::PausedAt]);
    type Row = (Uuid, String, Option<String>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = query.into_tuple().all(database.connection()).await?;
    let to_identity = |(id, name, credential, paused_at): Row| Identity { id: id.into(), name, credential, paused: paused_at.is_some() };
    Ok(rows.into_iter().map(to_identity).collect())
}

/// The timestamps that determine the states of workers.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_list_lives(database: &Database, scope: &Scope) -> Result<Vec<Life>, Error> {
    let reached = scope::queues(database, scope).await?;
    use worker::Column as C;
    let query = worker::Entity::find().select_only().columns([C::Id, C::Queues, C::LastSeenAt, C::PausedAt, C::StoppedAt]);
    type Row = (Uuid, Value, DateTime<Utc>, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = query.into_tuple().all(database.connection()).await?;
    let mut lives = Vec::new();
    for (id, queues, last_seen_at, paused_at, stopped_at) in rows {
        let queues: Vec<String> = serde_json::from_value(queues).map_err(|_| Error::Corrupt(format!("workers.queues of {id}")))?;
        if serves_any(&queues, reached.as_ref()) {
            lives.push(Life { last_seen_at, paused_at, stopped_at });
        }
    }
    Ok(lives)
}

/// Rows read at a time when a filter on queues or labels applies, which have no index.
const PAGE: u64 = 500;

/// Workers in order of registration. Workers whose last heartbeat is older than `lost_before` are lost.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_list(database: &Database, scope: &Scope, filter: &Filter, lost_before: DateTime<Utc>) -> Result<Vec<Worker>, Error> {
    let reached = scope::queues(database, scope).await?;
    let mut found = Vec::new();
    let mut after = filter.after;
    loop {
        let mut query = worker::Entity::find().order_by_asc(worker::Column::Id).limit(PAGE);
        if let Some(state) = filter.state {
            query = query.filter(has_state(state, lost_before));
        }
        if let Some(after) = after {
            query = query.filter(worker::Column::Id.gt(after.get()));
        }
        let rows = query.all(database.connection()).await?;
        let is_last = (rows.len() as u64) < PAGE;
        after = rows.last().map(|row| row.id.into());
        for row in rows {
            let Some(worker) = narrowed(from_row(row)?, reached.as_ref()) else { continue };
            let fits = filter.queue.as_ref().is_none_or(|queue| serves(&worker.queues, queue))
                && filter.label.as_ref().is_none_or(|label| worker.labels.contains(label));
            if fits {
                found.push(worker);
            }
            if found.len() == filter.limit {
                return Ok(found);
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// Jobs that a worker holds, oldest first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_jobs(database: &Database, scope: &Scope, id: WorkerId) -> Result<Vec<HeldJob>, Error> {
    use job::Column as C;
    let query = job::Entity::find()
        .select_only()
        .columns([C::Id, C::AutomationId, C::QueueName, C::Status, C::StartedAt, C::LeaseExpiresAt])
        // A literal, so that the planner can use the partial index.
        .filter(Expr::cust("status IN ('running', 'paused')"))
        .filter(C::WorkerId.eq(id.get()))
        .filter(Condition::all().add_option(scope::has(scope, C::AutomationId)));
    type Row = (Uuid, i32, String, String, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = query.into_tuple().all(database.connection()).await?;
    let to_job = |(id, automation_id, queue_name, status, started_at, lease_expires_at): Row| {
        let status = Status::parse(&status).ok_or_else(|| Error::Corrupt(format!("jobs.status of {id}")))?;
        Ok(HeldJob { id: id.into(), automation_id: automation_id.into(), queue_name, status, started_at, lease_expires_at })
    };
    let mut jobs = rows.into_iter().map(to_job).collect::<Result<Vec<_>, Error>>()?;
    jobs.sort_unstable_by_key(|job| job.id);
    Ok(jobs)
}
