//! What earlier runs took, and what is on its way to a deadline. Each read is bounded, and goes by an index.

use std::collections::HashMap;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ids::{AutomationId, JobId},
    job::Trigger,
    sla::{Past, RunningJob},
};
use sea_orm::{ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

use super::{
    facts::{MOST_ROWS, SUCCEEDED},
    literally,
};
use crate::{Database, Error, entity::job};

/// Start, end, milliseconds of its pauses, creation, and the earliest start that was asked for.
type PastRow = (Option<DateTime<Utc>>, DateTime<Utc>, i64, DateTime<Utc>, Option<DateTime<Utc>>);

/// The last runs of an automation that succeeded and ended after `since`, the latest first, at most so many.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_history_unscoped(
    database: &Database,
    automation_id: AutomationId,
    since: DateTime<Utc>,
    limit: u64,
) -> Result<Vec<Past>, Error> {
    use job::Column as C;
    let query = job::Entity::find()
        .select_only()
        .columns([C::StartedAt, C::CompletedAt, C::PausedMs, C::CreatedAt, C::NotBefore])
        .filter(C::AutomationId.eq(automation_id.get()))
        .filter(C::CompletedAt.gt(since))
        .filter(literally(SUCCEEDED))
        .order_by_desc(C::CompletedAt)
        .limit(limit);
    let rows: Vec<PastRow> = query.into_tuple().all(database.connection()).await?;
    let past = |(started_at, ended_at, paused_ms, created_at, not_before): PastRow| {
        let started_at = started_at?;
        let could_start = not_before.map_or(created_at, |at| at.max(created_at));
        let took = ended_at - started_at - TimeDelta::milliseconds(paused_ms);
        Some(Past { started_at, took, waited: started_at - could_start })
    };
    Ok(rows.into_iter().filter_map(past).collect())
}

/// A job that has not ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coming {
    /// The job.
    pub job_id: JobId,
    /// Its automation.
    pub automation_id: AutomationId,
    /// Its queue.
    pub queue: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Whether a schedule created it.
    pub is_scheduled: bool,
    /// When it may start, if that was asked for.
    pub not_before: Option<DateTime<Utc>>,
    /// How it runs, if it does.
    pub running: Option<RunningJob>,
}

/// Id, automation, queue, creation, trigger, earliest start, start, begin of its pause, milliseconds of its pauses.
type ComingRow = (Uuid, i32, String, DateTime<Utc>, String, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<DateTime<Utc>>, i64);

impl Coming {
    fn of((id, automation, queue, created_at, trigger, not_before, started_at, paused_at, paused_ms): ComingRow) -> Self {
        let job_id = JobId::from(id);
        let running = |started_at| RunningJob { job_id, started_at, paused_at, paused: TimeDelta::milliseconds(paused_ms) };
        Self {
            job_id,
            automation_id: automation.into(),
            queue,
            created_at,
            is_scheduled: trigger == Trigger::Scheduled.as_str(),
            not_before,
            running: started_at.map(running),
        }
    }

    async fn list(database: &Database, which: Condition, order: bool, limit: u64) -> Result<Vec<Self>, Error> {
        use job::Column as C;
        let query = job::Entity::find().select_only().columns([
            C::Id,
            C::AutomationId,
            C::QueueName,
            C::CreatedAt,
            C::Trigger,
            C::NotBefore,
            C::StartedAt,
            C::PausedAt,
            C::PausedMs,
        ]);
        let query = query.filter(which).limit(limit);
        let query = if order { query.order_by_desc(C::Priority).order_by_asc(C::Id) } else { query };
        let rows: Vec<ComingRow> = query.into_tuple().all(database.connection()).await?;
        Ok(rows.into_iter().map(Self::of).collect())
    }
}

/// The jobs of these automations that run or are paused, at most so many of 500 automations.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_running_of_unscoped(database: &Database, automations: &[AutomationId], limit: u64) -> Result<Vec<Coming>, Error> {
    let mut all = Vec::new();
    for ids in automations.chunks(MOST_ROWS) {
        let which = Condition::all()
            .add(literally("status IN ('running', 'paused')"))
            .add(job::Column::AutomationId.is_in(ids.iter().map(|id| id.get())));
        all.extend(Coming::list(database, which, false, limit).await?);
    }
    Ok(all)
}

/// The jobs at the front of a queue, in the order in which they start: those that are with the broker, then the others. At most so many of both.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_front_unscoped(database: &Database, queue: &str, limit: u64) -> Result<Vec<Coming>, Error> {
    let mut all = Vec::new();
    // One for each partial index.
    for which in ["status = 'pending' AND dispatch_started_at IS NOT NULL", "status = 'pending' AND dispatch_started_at IS NULL"] {
        let which = Condition::all().add(literally(which)).add(job::Column::QueueName.eq(queue));
        all.extend(Coming::list(database, which, true, limit).await?);
    }
    Ok(all)
}

/// For each of these the time when its last run succeeded, among those that ended after `since`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_last_ends_unscoped(
    database: &Database,
    automations: &[AutomationId],
    since: DateTime<Utc>,
) -> Result<HashMap<AutomationId, DateTime<Utc>>, Error> {
    // Only the last one is asked for.
    let never = since + TimeDelta::days(36_500);
    let of = |id: &AutomationId| super::SuccessOf { automation_id: *id, previous: never, early: never, since };
    let asked: Vec<super::SuccessOf> = automations.iter().map(of).collect();
    let found = super::sla_list_successes_unscoped(database, &asked).await?;
    Ok(automations.iter().zip(found).filter_map(|(id, success)| Some((*id, success.last_at?))).collect())
}
