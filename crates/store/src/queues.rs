//! Queues. They exist because automations and jobs name them; only a pause has a row of its own.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    audit::{Change, Target},
    policy::Pause,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait, OnConflict},
};

use crate::{
    Database, Error,
    audit::{NONE, audit_record_in_txn},
    dialect,
    entity::{automation, job, queue_pause},
    scope,
};

/// A queue with its number of jobs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Name.
    pub name: String,
    /// Pending jobs.
    pub waiting: i64,
    /// Jobs that run or are paused.
    pub running: i64,
    /// The last pause that nobody resumed; it may have expired.
    pub pause: Option<Pause>,
}

/// Pauses a queue or changes its pause.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn queue_pause(database: &Database, change: &Change, name: &str, pause: &Pause, now: DateTime<Utc>) -> Result<(), Error> {
    let row = queue_pause::ActiveModel {
        queue_name: Set(name.to_owned()),
        paused_at: Set(pause.at),
        paused_until: Set(pause.until),
        reason: Set(pause.reason.clone()),
        paused_by: Set(pause.by.clone()),
    };
    use queue_pause::Column::{PausedAt, PausedBy, PausedUntil, QueueName, Reason};
    let on_conflict = OnConflict::column(QueueName).update_columns([PausedAt, PausedUntil, Reason, PausedBy]).to_owned();
    let txn = database.begin().await?;
    dialect::lock(&txn.0, PAUSES).await?;
    let before = queue_pause::Entity::find_by_id(name.to_owned()).one(&txn.0).await?;
    queue_pause::Entity::insert(row).on_conflict(on_conflict).exec_without_returning(&txn.0).await?;
    let after = queue_pause::Entity::find_by_id(name.to_owned()).one(&txn.0).await?;
    audit_record_in_txn(&txn, change, ("queue.pause", Target::new("queue", name)), (before.as_ref(), after.as_ref()), now).await?;
    txn.commit().await
}

/// The lock under which pauses change: the one before is recorded with each.
const PAUSES: &str = "regente queue pauses";

/// Ends a pause; `false` when none is in effect at `now`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn queue_resume(database: &Database, change: &Change, name: &str, now: DateTime<Utc>) -> Result<bool, Error> {
    use queue_pause::Column::PausedUntil;
    let lasts = Condition::any().add(PausedUntil.is_null()).add(PausedUntil.gt(now));
    let txn = database.begin().await?;
    dialect::lock(&txn.0, PAUSES).await?;
    let found = queue_pause::Entity::find_by_id(name.to_owned()).filter(lasts).one(&txn.0).await?;
    let Some(before) = found else { return Ok(false) };
    queue_pause::Entity::delete_by_id(name.to_owned()).exec(&txn.0).await?;
    audit_record_in_txn(&txn, change, ("queue.resume", Target::new("queue", name)), (Some(&before), NONE), now).await?;
    txn.commit().await?;
    Ok(true)
}

/// Every pause that nobody resumed, with its queue; some may have expired.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn queue_list_pauses_unscoped(database: &Database) -> Result<Vec<(String, Pause)>, Error> {
    let rows = queue_pause::Entity::find().all(database.connection()).await?;
    Ok(rows.into_iter().map(from_row).collect())
}

/// One queue; `None` when no automation, job or pause in scope names it.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn queue_get(database: &Database, scope: &Scope, name: &str) -> Result<Option<Queue>, Error> {
    let reached = Condition::all().add_option(scope::has(scope, automation::Column::Id));
    let named = automation::Entity::find().select_only().column(automation::Column::Id).filter(automation::Column::QueueName.eq(name));
    let named: Option<i32> = named.filter(reached).limit(1).into_tuple().one(database.connection()).await?;
    if named.is_none() && *scope != Scope::All {
        return Ok(None);
    }
    let pause = queue_pause::Entity::find_by_id(name.to_owned()).one(database.connection()).await?;
    let counts = counts(database, scope, Some(name)).await?.remove(name);
    let exists = named.is_some() || pause.is_some() || counts.is_some();
    let (waiting, running) = counts.unwrap_or_default();
    Ok(exists.then(|| Queue { name: name.to_owned(), waiting, running, pause: pause.map(|row| from_row(row).1) }))
}

/// The queues of automations that are not archived, of pending and running jobs, and of pauses, by name. Only those that an automation in
/// scope names.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn queue_list(database: &Database, scope: &Scope) -> Result<Vec<Queue>, Error> {
    let named = automation::Entity::find()
        .select_only()
        .column(automation::Column::QueueName)
        .distinct()
        .filter(automation::Column::ArchivedAt.is_null());
    let named: Vec<String> = named.into_tuple().all(database.connection()).await?;
    let mut queues: BTreeMap<String, Queue> = BTreeMap::new();
    for name in named {
        queues.insert(name.clone(), Queue { name, ..Queue::default() });
    }
    for (name, (waiting, running)) in counts(database, scope, None).await? {
        let queue = queues.entry(name.clone()).or_insert_with(|| Queue { name, ..Queue::default() });
        (queue.waiting, queue.running) = (waiting, running);
    }
    for (name, pause) in queue_list_pauses_unscoped(database).await? {
        queues.entry(name.clone()).or_insert_with(|| Queue { name, ..Queue::default() }).pause = Some(pause);
    }
    if let Some(reached) = scope::queues(database, scope).await? {
        queues.retain(|name, _| reached.contains(name));
    }
    Ok(queues.into_values().collect())
}

/// The names of the queues that automations in scope name, and no other automation: who may act on all of these automations may act on the
/// queue. `None`: every queue.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn queue_list_within(database: &Database, scope: &Scope) -> Result<Option<BTreeSet<String>>, Error> {
    scope::queues_within(database, scope).await
}

/// The names of the queues in scope; `None`: every queue.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn queue_list_names(database: &Database, scope: &Scope) -> Result<Option<BTreeSet<String>>, Error> {
    scope::queues(database, scope).await
}

/// Pending and running jobs in scope by queue; of one queue or of all.
async fn counts(database: &Database, scope: &Scope, name: Option<&str>) -> Result<BTreeMap<String, (i64, i64)>, Error> {
    // Literals and one arm for each partial index, so that the planner can use it.
    let pending = || Condition::all().add(Expr::cust("status = 'pending'"));
    let started = job::Column::DispatchStartedAt;
    let held = Condition::all().add(Expr::cust("status IN ('running', 'paused')"));
    let mut counts: BTreeMap<String, (i64, i64)> = BTreeMap::new();
    for waits in [pending().add(started.is_null()), pending().add(started.is_not_null())] {
        for (queue, jobs) in count(database, scope, name, waits).await? {
            counts.entry(queue).or_default().0 += jobs;
        }
    }
    for (queue, jobs) in count(database, scope, name, held).await? {
        counts.entry(queue).or_default().1 += jobs;
    }
    Ok(counts)
}

async fn count(database: &Database, scope: &Scope, name: Option<&str>, which: Condition) -> Result<Vec<(String, i64)>, Error> {
    let which = name.into_iter().fold(which, |which, name| which.add(job::Column::QueueName.eq(name)));
    let query = job::Entity::find()
        .select_only()
        .column(job::Column::QueueName)
        .column_as(Expr::col(job::Column::Id).count(), "jobs")
        .filter(which.add_option(scope::has(scope, job::Column::AutomationId)))
        .group_by(job::Column::QueueName);
    Ok(query.into_tuple().all(database.connection()).await?)
}

fn from_row(row: queue_pause::Model) -> (String, Pause) {
    (row.queue_name, Pause { at: row.paused_at, until: row.paused_until, reason: row.reason, by: row.paused_by })
}
