use std::{collections::HashMap, ops::RangeInclusive};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Scope,
    ids::{AutomationId, JobId},
    job::{ErrorClass, Status, Trigger},
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
    sea_query::{Expr, ExprTrait, Func, Query},
};
use serde_json::Value;
use uuid::Uuid;

use super::{
    FullJob, JobRow,
    dispatch::{dispatched, waiting},
    read::{all, batches, in_scope, object},
};
use crate::{
    Database, Error,
    entity::job,
    id_range::{first_id, last_id},
    scope,
};

/// Selects jobs of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these; empty: all.
    pub statuses: Vec<Status>,
    /// Only jobs of this automation.
    pub automation_id: Option<AutomationId>,
    /// Only jobs of automations of the domain with this slug.
    pub domain: Option<String>,
    /// Only jobs of this queue.
    pub queue_name: Option<String>,
    /// Only jobs that failed with this error class.
    pub error_class: Option<ErrorClass>,
    /// Only these; empty: all.
    pub ids: Vec<JobId>,
    /// Only jobs without a retry.
    pub not_retried: bool,
    /// Only jobs with this trigger.
    pub trigger: Option<Trigger>,
    /// Only jobs that this user, key or service requested.
    pub requested_by: Option<String>,
    /// Only jobs that run this one again.
    pub retry_of: Option<JobId>,
    /// Accepted at this time or later.
    pub created_from: Option<DateTime<Utc>>,
    /// Accepted before this time.
    pub created_to: Option<DateTime<Utc>>,
    /// Page size.
    pub limit: u64,
    /// The last job of the page before.
    pub after: Option<JobId>,
}

/// What a page contains besides the rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Payload {
    /// The parameters.
    Parameters,
    /// Parameters and results.
    All,
}

/// A page of jobs without their payload.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct JobPage {
    /// The jobs, each with the size of its payload in bytes.
    pub rows: Vec<(JobRow, u64)>,
    /// Whether there may be another page.
    pub more: bool,
}

/// Number of jobs whose payload is measured at once: few at first, then more while the page has room, because the database reads a payload
/// to measure it.
const MEASURED: RangeInclusive<usize> = 16..=128;

/// A page of jobs, newest first: at most the filter's limit, and at most `most_bytes` of payload unless a single job has more. Ids are
/// UUIDs v7, which sort in order of acceptance, so that times and pages are ranges of the primary key.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_page(
    database: &Database,
    scope: &Scope,
    filter: &Filter,
    payload: Payload,
    most_bytes: u64,
) -> Result<JobPage, Error> {
    let rows = all(database.connection(), chosen(scope, filter).order_by_desc(job::Column::Id).limit(filter.limit)).await?;
    let mut page = JobPage { more: rows.len() as u64 == filter.limit, ..JobPage::default() };
    let mut rest = rows.into_iter().peekable();
    let (mut bytes, mut measured) = (0, *MEASURED.start());
    while rest.peek().is_some() {
        let rows: Vec<JobRow> = rest.by_ref().take(measured).collect();
        let sizes = sizes(database, &rows, payload).await?;
        for row in rows {
            let size = sizes.get(&row.job.id).copied().unwrap_or(0);
            bytes += size;
            if bytes > most_bytes && !page.rows.is_empty() {
                page.more = true;
                return Ok(page);
            }
            page.rows.push((row, size));
        }
        measured = Ord::min(measured * 2, *MEASURED.end());
    }
    Ok(page)
}

/// The size of each job's payload in bytes.
async fn sizes(database: &Database, rows: &[JobRow], payload: Payload) -> Result<HashMap<JobId, u64>, Error> {
    let ids: Vec<JobId> = rows.iter().map(|row| row.job.id).collect();
    let mut sizes = HashMap::with_capacity(ids.len());
    for ids in batches(&ids) {
        let query = job::Entity::find().select_only().column(job::Column::Id).expr_as(size(payload), "bytes");
        let found: Vec<(Uuid, i64)> = query.filter(job::Column::Id.is_in(ids)).into_tuple().all(database.connection()).await?;
        sizes.extend(found.into_iter().map(|(id, bytes)| (id.into(), u64::try_from(bytes).unwrap_or(0))));
    }
    Ok(sizes)
}

/// These jobs with their payload; jobs that were removed meanwhile are omitted.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_load_payloads(database: &Database, rows: Vec<JobRow>, payload: Payload) -> Result<Vec<FullJob>, Error> {
    let ids: Vec<JobId> = rows.iter().map(|row| row.job.id).collect();
    let mut found: HashMap<JobId, (Value, Option<Value>)> = HashMap::with_capacity(ids.len());
    for ids in batches(&ids) {
        let query = job::Entity::find().select_only().columns([job::Column::Id, job::Column::Parameters]);
        let query = match payload {
            Payload::Parameters => query.expr_as(Expr::cust("NULL"), "result"),
            Payload::All => query.column(job::Column::Result),
        };
        let query = query.filter(job::Column::Id.is_in(ids)).into_tuple::<(Uuid, Value, Option<Value>)>();
        found.extend(query.all(database.connection()).await?.into_iter().map(|(id, parameters, result)| (id.into(), (parameters, result))));
    }
    let whole = |row: JobRow| {
        let (parameters, result) = found.remove(&row.job.id)?;
        Some(object(parameters, row.job.id).map(|parameters| FullJob { row: JobRow { result, ..row }, parameters }))
    };
    rows.into_iter().filter_map(whole).collect()
}

fn size(payload: Payload) -> Expr {
    let bytes = |column: job::Column| Func::cust("octet_length").arg(Expr::col((job::Entity, column)).cast_as("text"));
    let result = || Expr::expr(Func::coalesce([bytes(job::Column::Result).into(), Expr::val(0)]));
    let parameters = Expr::expr(bytes(job::Column::Parameters));
    match payload {
        Payload::Parameters => parameters,
        Payload::All => parameters.add(result()),
    }
    .cast_as("bigint")
}

/// The number of jobs that match the filter, regardless of its limit; counts at most `most`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_count(database: &Database, scope: &Scope, filter: &Filter, most: u64) -> Result<u64, Error> {
    let some = chosen(scope, filter).select_only().column(job::Column::Id).limit(most);
    Ok(some.count(database.connection()).await?)
}

fn chosen(scope: &Scope, filter: &Filter) -> Select<job::Entity> {
    use job::Column as C;
    let mut query = job::Entity::find().filter(in_scope(scope));
    if !filter.statuses.is_empty() {
        query = query.filter(has_status(&filter.statuses));
    }
    if let Some(automation_id) = filter.automation_id {
        query = query.filter(C::AutomationId.eq(automation_id.get()));
    }
    if let Some(slug) = &filter.domain {
        query = query.filter(scope::has_domain(slug, C::AutomationId));
    }
    if let Some(queue_name) = &filter.queue_name {
        query = query.filter(C::QueueName.eq(queue_name));
    }
    if let Some(class) = filter.error_class {
        query = query.filter(C::ErrorClass.eq(class.as_str()));
    }
    if !filter.ids.is_empty() {
        query = query.filter(C::Id.is_in(filter.ids.iter().map(|id| id.get())));
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
    if let Some(requested_by) = &filter.requested_by {
        query = query.filter(C::RequestedBy.eq(requested_by));
    }
    if let Some(job) = filter.retry_of {
        query = query.filter(C::RetryOf.eq(Uuid::from(job)));
    }
    if let Some(from) = filter.created_from {
        query = query.filter(C::Id.gte(first_id(from - AROUND))).filter(C::CreatedAt.gte(from));
    }
    if let Some(to) = filter.created_to {
        query = query.filter(C::Id.lte(last_id(to + AROUND))).filter(C::CreatedAt.lt(to));
    }
    if let Some(after) = filter.after {
        query = query.filter(C::Id.lt(after.get()));
    }
    query
}

/// One arm for each partial index, with literals, so that the planner can use it.
fn has_status(statuses: &[Status]) -> Condition {
    let mut any = Condition::any();
    if statuses.contains(&Status::Pending) {
        any = any.add(waiting()).add(dispatched());
    }
    let held = [Status::Running, Status::Paused].as_slice();
    let unwell = [Status::Failed, Status::Canceled, Status::CompletedNoInvoices].as_slice();
    for indexed in [held, unwell, &[Status::Completed]] {
        let words: Vec<String> = indexed.iter().filter(|status| statuses.contains(status)).map(|status| format!("'{status}'")).collect();
        if !words.is_empty() {
            any = any.add(Expr::cust(format!("status IN ({})", words.join(", "))));
        }
    }
    any
}

/// Maximum difference between a job's `created_at` and the time in its id. The filter on `created_at` is exact; the range of ids only
/// limits what is read.
const AROUND: TimeDelta = TimeDelta::minutes(1);
