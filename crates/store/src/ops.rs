//! Figures about the hub, or about the part of it in somebody's scope. They are read from partial indexes, so that their cost does not grow with the number of stored jobs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{Scope, ids::JobId, job::Status};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Alias, Expr, ExprTrait, IntoIden, Order, Query, SubQueryStatement, TableRef, ValueTuple},
};
use uuid::Uuid;

use crate::{
    Database, Error,
    entity::{automation, job},
    scope,
};

/// Number of jobs in a queue.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueueLoad {
    /// Pending jobs that are not dispatched.
    pub waiting: u64,
    /// Pending jobs that are dispatched.
    pub dispatched: u64,
    /// Jobs that a worker holds.
    pub running: u64,
    /// When the oldest pending job was accepted, to the millisecond.
    pub oldest_pending_at: Option<DateTime<Utc>>,
}

/// Literals, not parameters, so that the planner can use the partial indexes.
const WAITING: &str = "status = 'pending' AND dispatch_started_at IS NULL";
const DISPATCHED: &str = "status = 'pending' AND dispatch_started_at IS NOT NULL";
const HELD: &str = "status IN ('running', 'paused')";

/// The load of each queue, including queues of automations without jobs; of automations and jobs in scope.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn queue_loads(database: &Database, scope: &Scope) -> Result<BTreeMap<String, QueueLoad>, Error> {
    let mut loads: BTreeMap<String, QueueLoad> =
        named_queues(database, scope).await?.into_iter().map(|name| (name, QueueLoad::default())).collect();
    let waiting = counts(database, scope, WAITING).await?;
    let oldest = oldest_waiting(database, scope, waiting.iter().map(|(queue, _)| queue.as_str())).await?;
    for (queue, jobs) in waiting {
        loads.entry(queue).or_default().waiting = jobs;
    }
    for (queue, at) in oldest {
        loads.entry(queue).or_default().oldest_pending_at = Some(at);
    }
    for (queue, accepted_at) in dispatched(database, scope).await? {
        let load = loads.entry(queue).or_default();
        load.dispatched += 1;
        load.oldest_pending_at = Some(load.oldest_pending_at.map_or(accepted_at, |oldest| Ord::min(oldest, accepted_at)));
    }
    for (queue, jobs) in counts(database, scope, HELD).await? {
        loads.entry(queue).or_default().running = jobs;
    }
    Ok(loads)
}

async fn named_queues(database: &Database, scope: &Scope) -> Result<Vec<String>, Error> {
    let query = automation::Entity::find()
        .select_only()
        .column(automation::Column::QueueName)
        .distinct()
        .filter(Condition::all().add(automation::Column::ArchivedAt.is_null()).add_option(scope::has_automation(scope)));
    Ok(query.into_tuple().all(database.connection()).await?)
}

async fn counts(database: &Database, scope: &Scope, which: &'static str) -> Result<Vec<(String, u64)>, Error> {
    let query = job::Entity::find()
        .select_only()
        .column(job::Column::QueueName)
        .column_as(Expr::col(job::Column::QueueName).count(), "jobs")
        .filter(in_scope(scope).add(Expr::cust(which)))
        .group_by(job::Column::QueueName);
    let rows: Vec<(String, i64)> = query.into_tuple().all(database.connection()).await?;
    Ok(rows.into_iter().map(|(queue, jobs)| (queue, u64::try_from(jobs).unwrap_or(0))).collect())
}

/// When the oldest job in the backlog of each queue was accepted. One probe for each queue and priority, the leading columns of the index.
async fn oldest_waiting(
    database: &Database,
    scope: &Scope,
    queues: impl Iterator<Item = &str>,
) -> Result<Vec<(String, DateTime<Utc>)>, Error> {
    use job::Column as C;
    let places: Vec<ValueTuple> =
        queues.flat_map(|queue| domain::automation::PRIORITY.map(move |priority| ValueTuple::Two(queue.into(), priority.into()))).collect();
    if places.is_empty() {
        return Ok(Vec::new());
    }
    let cell = |name: &str| Expr::col(("places", Alias::new(name)));
    let oldest = Query::select()
        .column((job::Entity, C::Id))
        .from(job::Entity)
        .cond_where(in_scope(scope).add(Expr::cust(WAITING)))
        .and_where(Expr::col((job::Entity, C::QueueName)).eq(cell("column1")))
        .and_where(Expr::col((job::Entity, C::Priority)).eq(cell("column2")))
        .order_by((job::Entity, C::Id), Order::Asc)
        .limit(1)
        .to_owned();
    let query = Query::select()
        .expr(cell("column1"))
        .expr(SubQueryStatement::from(oldest))
        .from(TableRef::ValuesList(places, "places".into_iden()))
        .to_owned();
    let mut found: BTreeMap<String, DateTime<Utc>> = BTreeMap::new();
    for row in database.connection().query_all(&query).await? {
        let (queue, id): (String, Option<Uuid>) = (row.try_get_by_index(0)?, row.try_get_by_index(1)?);
        if let Some(at) = id.map(JobId::from).and_then(accepted_at) {
            found.entry(queue).and_modify(|oldest| *oldest = Ord::min(at, *oldest)).or_insert(at);
        }
    }
    Ok(found.into_iter().collect())
}

async fn dispatched(database: &Database, scope: &Scope) -> Result<Vec<(String, DateTime<Utc>)>, Error> {
    let query = job::Entity::find()
        .select_only()
        .columns([job::Column::QueueName, job::Column::CreatedAt])
        .filter(in_scope(scope).add(Expr::cust(DISPATCHED)));
    Ok(query.into_tuple().all(database.connection()).await?)
}

/// When a job with this id was accepted.
fn accepted_at(id: JobId) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_millis(i64::try_from(id.get().as_u128() >> 80).ok()?)
}

fn in_scope(scope: &Scope) -> Condition {
    Condition::all().add_option(scope::has(scope, job::Column::AutomationId))
}

/// The number of jobs in scope that ended since `since`, by status.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_count_ended(database: &Database, scope: &Scope, since: DateTime<Utc>) -> Result<Vec<(Status, u64)>, Error> {
    let query = job::Entity::find()
        .select_only()
        .column(job::Column::Status)
        .column_as(Expr::col(job::Column::Status).count(), "jobs")
        .filter(in_scope(scope).add(job::Column::CompletedAt.gte(since)))
        .group_by(job::Column::Status);
    let rows: Vec<(String, i64)> = query.into_tuple().all(database.connection()).await?;
    let read = |(status, jobs): (String, i64)| {
        let status = Status::parse(&status).ok_or_else(|| Error::Corrupt(format!("jobs.status: {status}")))?;
        Ok((status, u64::try_from(jobs).unwrap_or(0)))
    };
    rows.into_iter().map(read).collect()
}
