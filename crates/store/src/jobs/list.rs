use chrono::{DateTime, TimeDelta, Utc};
use domain::job::{ErrorClass, Status, Trigger};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, Query},
};
use uuid::Uuid;

use super::{
    FullJob,
    dispatch::{dispatched, waiting},
    read::full,
};
use crate::{Database, Error, entity::job};

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these; empty: all.
    pub statuses: Vec<Status>,
    /// Only this automation.
    pub automation_id: Option<i32>,
    /// Only this queue.
    pub queue_name: Option<String>,
    /// Only jobs that failed with this class.
    pub error_class: Option<ErrorClass>,
    /// Only these; empty: all.
    pub ids: Vec<Uuid>,
    /// Only jobs that no other job runs again.
    pub not_retried: bool,
    /// Only this trigger.
    pub trigger: Option<Trigger>,
    /// Accepted at this time or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Accepted before this time.
    pub created_to: Option<DateTime<Utc>>,
    /// Page size.
    pub limit: u64,
    /// The last job of the page before.
    pub after: Option<Uuid>,
}

/// Jobs, newest first. Ids are UUIDs v7: their order is that of acceptance, so that time and page are ranges of the primary key.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list(database: &Database, filter: &Filter) -> Result<Vec<FullJob>, Error> {
    let query = chosen(filter).order_by_desc(job::Column::Id).limit(filter.limit);
    query.all(database.connection()).await?.into_iter().map(full).collect()
}

/// How many jobs the filter chooses, whatever its limit, counting at most `most`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_count(database: &Database, filter: &Filter, most: u64) -> Result<u64, Error> {
    let some = chosen(filter).select_only().column(job::Column::Id).limit(most);
    Ok(some.count(database.connection()).await?)
}

fn chosen(filter: &Filter) -> Select<job::Entity> {
    use job::Column as C;
    let mut query = job::Entity::find();
    if !filter.statuses.is_empty() {
        query = query.filter(has_status(&filter.statuses));
    }
    if let Some(automation_id) = filter.automation_id {
        query = query.filter(C::AutomationId.eq(automation_id));
    }
    if let Some(queue_name) = &filter.queue_name {
        query = query.filter(C::QueueName.eq(queue_name));
    }
    if let Some(class) = filter.error_class {
        query = query.filter(C::ErrorClass.eq(class.as_str()));
    }
    if !filter.ids.is_empty() {
        query = query.filter(C::Id.is_in(filter.ids.iter().copied()));
    }
    if filter.not_retried {
        let retry = Query::select()
            .expr(Expr::val(1))
            .from_as(job::Entity, "retry")
            .and_where(Expr::col(("retry", C::RetryOf)).equals((job::Entity, C::Id)))
            .to_owned();
        query = query.filter(Expr::exists(retry).not());
    }
    if let Some(trigger) = filter.trigger {
        query = query.filter(C::Trigger.eq(trigger.as_str()));
    }
    if let Some(from) = filter.created_from {
        query = query.filter(C::Id.gte(first_id(from - AROUND))).filter(C::CreatedAt.gte(from));
    }
    if let Some(to) = filter.created_to {
        query = query.filter(C::Id.lte(last_id(to + AROUND))).filter(C::CreatedAt.lt(to));
    }
    if let Some(after) = filter.after {
        query = query.filter(C::Id.lt(after));
    }
    query
}

/// An arm for each partial index, and literals, so that the planner sees that it fits.
fn has_status(wanted: &[Status]) -> Condition {
    let mut any = Condition::any();
    if wanted.contains(&Status::Pending) {
        any = any.add(waiting()).add(dispatched());
    }
    let held = [Status::Running, Status::Paused].as_slice();
    let unwell = [Status::Failed, Status::Canceled, Status::CompletedNoInvoices].as_slice();
    for indexed in [held, unwell, &[Status::Completed]] {
        let words: Vec<String> = indexed.iter().filter(|status| wanted.contains(status)).map(|status| format!("'{status}'")).collect();
        if !words.is_empty() {
            any = any.add(Expr::cust(format!("status IN ({})", words.join(", "))));
        }
    }
    any
}

/// How long before or after its `created_at` a job's id may have been made. The exact bounds are those of `created_at`; the range of ids only
/// spares reading the rest.
const AROUND: TimeDelta = TimeDelta::minutes(1);

/// The lowest id that a job of this millisecond can have.
fn first_id(at: DateTime<Utc>) -> Uuid {
    Uuid::from_u128(u128::from(millis(at)) << 80)
}

/// The highest id that a job of this millisecond can have.
fn last_id(at: DateTime<Utc>) -> Uuid {
    Uuid::from_u128((u128::from(millis(at)) << 80) | ((1 << 80) - 1))
}

fn millis(at: DateTime<Utc>) -> u64 {
    Ord::min(u64::try_from(at.timestamp_millis()).unwrap_or(0), 0xffff_ffff_ffff)
}
