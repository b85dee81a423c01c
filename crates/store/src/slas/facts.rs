//! What rules are judged by. Each read is bounded by what is asked for, and goes by an index, however many jobs there are.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ids::{AutomationId, JobId, ScheduleId, WorkerId},
    job::Status,
    schedule::{ScheduleState, StateReason},
    sla::{Run, RunningJob, ScheduleFacts, WorkerFacts},
    worker::Life,
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Alias, Expr, ExprTrait, Func, IntoIden, Order, Query, SelectStatement, SubQueryStatement, TableRef, ValueTuple},
};
use serde_json::Value;
use uuid::Uuid;

use super::literally;
use crate::{
    Database, Error,
    entity::{job, schedule, worker},
};

/// Rows of one statement: databases bound its parameters.
pub(super) const MOST_ROWS: usize = 500;
/// Length to which an error's message is cut, in characters.
const MESSAGE: usize = 300;
/// Succeeded; as literals, so that the planner knows them.
pub(super) const SUCCEEDED: &str = "status IN ('completed', 'completed_no_invoices')";

/// Which success of an automation is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SuccessOf {
    /// The automation.
    pub automation_id: AutomationId,
    /// Runs of a schedule count that were created after.
    pub previous: DateTime<Utc>,
    /// Other runs count that ended then or later.
    pub early: DateTime<Utc>,
    /// The last success is looked for among those that ended after.
    pub since: DateTime<Utc>,
}

/// Successes of an automation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Success {
    /// When one ended that counts.
    pub counts_at: Option<DateTime<Utc>>,
    /// When the last one ended.
    pub last_at: Option<DateTime<Utc>>,
}

/// Automation, id, start, begin of its pause, milliseconds of its pauses.
type RunningRow = (i32, Uuid, Option<DateTime<Utc>>, Option<DateTime<Utc>>, i64);
/// Automation, id, whether it is on, state with its reason, last change, when it fires next.
type ScheduleRow = (i32, Uuid, bool, String, Option<String>, DateTime<Utc>, Option<DateTime<Utc>>);

/// For each of these the success that counts and the last one, in the same order.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_successes_unscoped(database: &Database, asked: &[SuccessOf]) -> Result<Vec<Success>, Error> {
    let mut all = Vec::with_capacity(asked.len());
    for asked in asked.chunks(MOST_ROWS) {
        let mut found = vec![Success::default(); asked.len()];
        for row in database.connection().query_all(&successes(asked)).await? {
            let nth = usize::try_from(row.try_get_by_index::<i32>(0)?).unwrap_or(usize::MAX);
            let at = |column| row.try_get_by_index::<Option<DateTime<Utc>>>(column);
            let (scheduled, other, last_at) = (at(1)?, at(2)?, at(3)?);
            if let Some(success) = found.get_mut(nth) {
                *success = Success { counts_at: Ord::max(scheduled, other), last_at };
            }
        }
        all.append(&mut found);
    }
    Ok(all)
}

/// One probe of the index for each cell.
fn successes(asked: &[SuccessOf]) -> SelectStatement {
    use job::Column as C;
    let of = |(nth, of): (usize, &SuccessOf)| {
        let nth = i32::try_from(nth).unwrap_or_default();
        ValueTuple::Many(vec![nth.into(), of.automation_id.get().into(), of.previous.into(), of.early.into(), of.since.into()])
    };
    let places: Vec<ValueTuple> = asked.iter().enumerate().map(of).collect();
    let cell = |name: &str| Expr::col(("asked", Alias::new(name)));
    let column = |column: C| Expr::col((job::Entity, column));
    let last = |which: Condition| {
        let query = Query::select()
            .column((job::Entity, C::CompletedAt))
            .from(job::Entity)
            .and_where(column(C::AutomationId).eq(cell("column2")))
            .cond_where(which.add(Expr::cust(SUCCEEDED)))
            .order_by((job::Entity, C::CompletedAt), Order::Desc)
            .limit(1)
            .to_owned();
        Expr::from(SubQueryStatement::from(query))
    };
    let scheduled = Condition::all()
        .add(Expr::cust("trigger = 'SCHEDULED'"))
        .add(column(C::CompletedAt).gt(cell("column3")))
        .add(column(C::CreatedAt).gt(cell("column3")));
    let other = Condition::all().add(Expr::cust("trigger <> 'SCHEDULED'")).add(column(C::CompletedAt).gte(cell("column4")));
    Query::select()
        .expr(cell("column1"))
        .expr(last(scheduled))
        .expr(last(other))
        .expr(last(Condition::all().add(column(C::CompletedAt).gt(cell("column5")))))
        .from(TableRef::ValuesList(places, "asked".into_iden()))
        .to_owned()
}

/// Which of an automation's last runs are looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LastRuns {
    /// The automation.
    pub automation_id: AutomationId,
    /// Those that ended after.
    pub since: DateTime<Utc>,
    /// At most so many attempts.
    pub limit: u64,
}

/// Id, status, end, start, paused for, class and message of the failure.
type RunRow = (Uuid, String, DateTime<Utc>, Option<DateTime<Utc>>, i64, Option<String>, Option<String>);

/// The last runs of an automation that ended, the latest first; without attempts that were tried again.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_runs_unscoped(database: &Database, of: &LastRuns) -> Result<Vec<Run>, Error> {
    use job::Column as C;
    let query = job::Entity::find()
        .select_only()
        .columns([C::Id, C::Status, C::CompletedAt, C::StartedAt, C::PausedMs, C::ErrorClass, C::ErrorMessage])
        .filter(C::AutomationId.eq(of.automation_id.get()))
        .filter(C::CompletedAt.gt(of.since))
        .order_by_desc(C::CompletedAt)
        .limit(of.limit);
    let rows: Vec<RunRow> = query.into_tuple().all(database.connection()).await?;
    let failed: Vec<Uuid> = rows.iter().filter(|row| row.1 == Status::Failed.as_str()).map(|row| row.0).collect();
    let retried = retried(database, &failed).await?;
    let run = |(id, status, ended_at, started_at, paused_ms, error_class, message): RunRow| {
        let message = message.filter(|message| !message.is_empty());
        Ok(Run {
            job_id: id.into(),
            status: Status::parse(&status).ok_or_else(|| Error::Corrupt(format!("jobs.status of {id}")))?,
            ended_at,
            started_at,
            took: started_at.map(|started| ended_at - started - TimeDelta::milliseconds(paused_ms)),
            error_class,
            error_message: message.map(|message| message.chars().take(MESSAGE).collect()),
        })
    };
    rows.into_iter().filter(|row| !retried.contains(&row.0)).map(run).collect()
}

/// Those of these jobs that are tried again.
async fn retried(database: &Database, ids: &[Uuid]) -> Result<BTreeSet<Uuid>, Error> {
    let mut all = BTreeSet::new();
    for ids in ids.chunks(MOST_ROWS) {
        let query = job::Entity::find().select_only().column(job::Column::RetryOf).filter(job::Column::RetryOf.is_in(ids.iter().copied()));
        all.extend(query.into_tuple::<Uuid>().all(database.connection()).await?);
    }
    Ok(all)
}

/// The jobs of these automations that run or are paused.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_running_unscoped(
    database: &Database,
    automations: &[AutomationId],
) -> Result<HashMap<AutomationId, Vec<RunningJob>>, Error> {
    use job::Column as C;
    let mut all: HashMap<AutomationId, Vec<RunningJob>> = HashMap::new();
    for ids in automations.chunks(MOST_ROWS) {
        let query = job::Entity::find()
            .select_only()
            .columns([C::AutomationId, C::Id, C::StartedAt, C::PausedAt, C::PausedMs])
            .filter(literally("status IN ('running', 'paused')"))
            .filter(C::AutomationId.is_in(ids.iter().map(|id| id.get())));
        let rows: Vec<RunningRow> = query.into_tuple().all(database.connection()).await?;
        for (automation, id, started_at, paused_at, paused_ms) in rows {
            let Some(started_at) = started_at else { continue };
            let job = RunningJob { job_id: JobId::from(id), started_at, paused_at, paused: TimeDelta::milliseconds(paused_ms) };
            all.entry(automation.into()).or_default().push(job);
        }
    }
    Ok(all)
}

/// Jobs of one automation that wait in one queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The queue.
    pub queue: String,
    /// The automation.
    pub automation_id: AutomationId,
    /// How many wait.
    pub jobs: i64,
    /// Since when the oldest could have started.
    pub oldest_at: DateTime<Utc>,
}

/// Pending jobs that may start now, by queue and automation; of these queues, or of all.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_waiting_unscoped(
    database: &Database,
    queues: Option<&BTreeSet<String>>,
    now: DateTime<Utc>,
) -> Result<Vec<Waiting>, Error> {
    use job::Column as C;
    let mut all = Vec::new();
    // One arm for each partial index.
    for which in ["status = 'pending' AND dispatch_started_at IS NULL", "status = 'pending' AND dispatch_started_at IS NOT NULL"] {
        let since: Expr = Func::min(Func::coalesce([Expr::col(C::NotBefore), Expr::col(C::CreatedAt)])).into();
        let query = job::Entity::find()
            .select_only()
            .columns([C::QueueName, C::AutomationId])
            .column_as(Expr::col(C::Id).count(), "jobs")
            .column_as(since, "oldest_at")
            .filter(literally(which))
            .filter(C::NotBefore.is_null().or(C::NotBefore.lte(now)))
            .filter(Condition::all().add_option(queues.map(|names| C::QueueName.is_in(names.iter().cloned()))))
            .group_by(C::QueueName)
            .group_by(C::AutomationId);
        let rows: Vec<(String, i32, i64, DateTime<Utc>)> = query.into_tuple().all(database.connection()).await?;
        let waiting = |(queue, automation, jobs, oldest_at): (String, i32, i64, DateTime<Utc>)| Waiting {
            queue,
            automation_id: automation.into(),
            jobs,
            oldest_at,
        };
        all.extend(rows.into_iter().map(waiting));
    }
    Ok(all)
}

/// A worker that rules watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// The worker.
    pub id: WorkerId,
    /// Queues that it takes jobs from.
    pub queues: Vec<String>,
    /// How many jobs it runs at once.
    pub slots: i32,
    /// What is judged.
    pub facts: WorkerFacts,
}

/// All workers.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_workers_unscoped(database: &Database) -> Result<Vec<Watched>, Error> {
    use worker::Column as C;
    type Row = (Uuid, Value, i32, DateTime<Utc>, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let query = worker::Entity::find().select_only().columns([C::Id, C::Queues, C::Slots, C::LastSeenAt, C::PausedAt, C::StoppedAt]);
    let rows: Vec<Row> = query.into_tuple().all(database.connection()).await?;
    rows.into_iter()
        .map(|(id, queues, slots, last_seen_at, paused_at, stopped_at)| {
            let queues = serde_json::from_value(queues).map_err(|_| Error::Corrupt(format!("workers.queues of {id}")))?;
            Ok(Watched { id: id.into(), queues, slots, facts: WorkerFacts { life: Life { last_seen_at, paused_at, stopped_at } } })
        })
        .collect()
}

/// The schedules of these automations.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_schedules_unscoped(
    database: &Database,
    automations: &[AutomationId],
) -> Result<HashMap<AutomationId, Vec<(ScheduleId, ScheduleFacts)>>, Error> {
    use schedule::Column as C;
    let mut all: HashMap<AutomationId, Vec<(ScheduleId, ScheduleFacts)>> = HashMap::new();
    for ids in automations.chunks(MOST_ROWS) {
        let query = schedule::Entity::find()
            .select_only()
            .columns([C::AutomationId, C::Id, C::Enabled, C::State, C::StateReason, C::UpdatedAt, C::WakeAt])
            .filter(C::AutomationId.is_in(ids.iter().map(|id| id.get())));
        let rows: Vec<ScheduleRow> = query.into_tuple().all(database.connection()).await?;
        for (automation, id, enabled, state, reason, updated_at, next_at) in rows {
            let state = ScheduleState::parse(&state).ok_or_else(|| Error::Corrupt(format!("schedules.state of {id}")))?;
            let reason = reason.as_deref().and_then(StateReason::parse);
            all.entry(automation.into()).or_default().push((id.into(), ScheduleFacts { enabled, state, reason, updated_at, next_at }));
        }
    }
    Ok(all)
}
