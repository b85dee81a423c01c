//! Workers: robot hosts that registered.

use chrono::{DateTime, Utc};
use domain::{
    job::Status,
    worker::{Life, State},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, OnConflict},
};
use uuid::Uuid;

use crate::{
    Database, Error,
    entity::{job, worker},
};

/// A registered worker.
#[derive(Clone, Debug, PartialEq)]
pub struct Worker {
    /// Id, kept when it registers again under the same name.
    pub id: Uuid,
    /// Unique name.
    pub name: String,
    /// Queues it takes jobs from.
    pub queues: Vec<String>,
    /// What it can do, as words.
    pub labels: Vec<String>,
    /// Jobs it runs at once.
    pub slots: i32,
    /// Version of its program.
    pub version: String,
    /// Its host.
    pub hostname: String,
    /// Takes messages from the broker; claims over HTTP otherwise.
    pub uses_broker: bool,
    /// When it first registered.
    pub registered_at: DateTime<Utc>,
    /// When it was last heard of, when it was paused, when it said goodbye.
    pub life: Life,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// What it told of itself last.
    pub vitals: Vitals,
}

/// What a heartbeat tells.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Vitals {
    /// Jobs it runs.
    pub running_jobs: i32,
    /// How busy its host's processors are, 0 to 100.
    pub cpu_percent: Option<f64>,
    /// Memory in use on its host, in bytes.
    pub memory_bytes: Option<i64>,
}

/// Which workers to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those in this state.
    pub state: Option<State>,
    /// Only those that take jobs from this queue.
    pub queue: Option<String>,
    /// Only those with this label.
    pub label: Option<String>,
    /// Page size.
    pub limit: usize,
    /// The last worker of the page before.
    pub after: Option<Uuid>,
}

/// A job that a worker holds.
#[derive(Clone, Debug, PartialEq)]
pub struct HeldJob {
    /// The job.
    pub id: Uuid,
    /// Its automation.
    pub automation_id: i32,
    /// Its queue.
    pub queue_name: String,
    /// Running or paused.
    pub status: Status,
    /// When it was started.
    pub started_at: Option<DateTime<Utc>>,
    /// When the lease ends.
    pub lease_expires_at: Option<DateTime<Utc>>,
}

/// Adds a worker, or renews the one of this name, which keeps its id and stays paused; returns the id.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_upsert(database: &Database, worker: &Worker) -> Result<Uuid, Error> {
    let row = worker::ActiveModel {
        id: Set(worker.id),
        name: Set(worker.name.clone()),
        queues: Set(worker.queues.clone().into()),
        slots: Set(worker.slots),
        version: Set(worker.version.clone()),
        hostname: Set(worker.hostname.clone()),
        uses_broker: Set(worker.uses_broker),
        registered_at: Set(worker.registered_at),
        last_seen_at: Set(worker.life.last_seen_at),
        labels: Set(Some(worker.labels.clone().into())),
        running_jobs: Set(worker.vitals.running_jobs),
        cpu_percent: Set(worker.vitals.cpu_percent),
        memory_bytes: Set(worker.vitals.memory_bytes),
        paused_at: Set(worker.life.paused_at),
        paused_by: Set(worker.paused_by.clone()),
        stopped_at: Set(worker.life.stopped_at),
    };
    use worker::Column::{
        CpuPercent, Hostname, Labels, LastSeenAt, MemoryBytes, Name, Queues, RunningJobs, Slots, StoppedAt, UsesBroker, Version,
    };
    let renewed = [Queues, Labels, Slots, Version, Hostname, UsesBroker, LastSeenAt, RunningJobs, CpuPercent, MemoryBytes, StoppedAt];
    let on_conflict = OnConflict::column(Name).update_columns(renewed).to_owned();
    worker::Entity::insert(row).on_conflict(on_conflict).exec_without_returning(database.connection()).await?;
    let stored = worker_find(database, &worker.name).await?;
    stored.map(|stored| stored.id).ok_or_else(|| Error::Corrupt(format!("worker {} vanished", worker.name)))
}

/// The worker of this name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_find(database: &Database, name: &str) -> Result<Option<Worker>, Error> {
    let row = worker::Entity::find().filter(worker::Column::Name.eq(name)).one(database.connection()).await?;
    row.map(from_row).transpose()
}

/// One worker.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_get(database: &Database, id: Uuid) -> Result<Option<Worker>, Error> {
    worker::Entity::find_by_id(id).one(database.connection()).await?.map(from_row).transpose()
}

/// Notes a sign of life, also of one that said goodbye; `false` when there is no such worker.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_touch(database: &Database, id: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
    let row = worker::ActiveModel { last_seen_at: Set(now), stopped_at: Set(None), ..Default::default() };
    update(database, id, row, Condition::all()).await
}

/// Notes a heartbeat; `false` when there is no such worker. One that comes in after the worker's goodbye does not revive it.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_heartbeat(database: &Database, id: Uuid, vitals: &Vitals, now: DateTime<Utc>) -> Result<bool, Error> {
    let row = worker::ActiveModel {
        last_seen_at: Set(now),
        running_jobs: Set(vitals.running_jobs),
        cpu_percent: Set(vitals.cpu_percent),
        memory_bytes: Set(vitals.memory_bytes),
        ..Default::default()
    };
    update(database, id, row, Condition::all()).await
}

/// Notes a goodbye; `false` when there is no such worker.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_stop(database: &Database, id: Uuid, now: DateTime<Utc>) -> Result<bool, Error> {
    let row = worker::ActiveModel { stopped_at: Set(Some(now)), running_jobs: Set(0), ..Default::default() };
    update(database, id, row, Condition::all()).await
}

/// Pauses a worker that runs; `false` when there is no such worker, or it is in another state. `lost_before` as in [`worker_list`].
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_pause(database: &Database, id: Uuid, by: &str, now: DateTime<Utc>, lost_before: DateTime<Utc>) -> Result<bool, Error> {
    let row = worker::ActiveModel { paused_at: Set(Some(now)), paused_by: Set(Some(by.to_owned())), ..Default::default() };
    update(database, id, row, has_state(State::Running, lost_before)).await
}

/// Lets a paused worker take jobs again, be it alive or not; `false` when there is no such worker, or it is not paused.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_resume(database: &Database, id: Uuid) -> Result<bool, Error> {
    let row = worker::ActiveModel { paused_at: Set(None), paused_by: Set(None), ..Default::default() };
    update(database, id, row, Condition::all().add(worker::Column::PausedAt.is_not_null())).await
}

/// Removes a worker that stopped or is lost; `false` when there is no such worker, or it is alive. `lost_before` as in [`worker_list`].
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_delete(database: &Database, id: Uuid, lost_before: DateTime<Utc>) -> Result<bool, Error> {
    let gone = Condition::any().add(has_state(State::Stopped, lost_before)).add(has_state(State::Lost, lost_before));
    let deleted = worker::Entity::delete_many().filter(worker::Column::Id.eq(id)).filter(gone).exec(database.connection()).await?;
    Ok(deleted.rows_affected == 1)
}

async fn update(database: &Database, id: Uuid, row: worker::ActiveModel, condition: Condition) -> Result<bool, Error> {
    let update = worker::Entity::update_many().set(row).filter(worker::Column::Id.eq(id)).filter(condition);
    Ok(update.exec(database.connection()).await?.rows_affected == 1)
}

/// The states of [`Life::state`] as conditions.
fn has_state(state: State, lost_before: DateTime<Utc>) -> Condition {
    use worker::Column as C;
    let alive = || Condition::all().add(C::StoppedAt.is_null()).add(C::LastSeenAt.gte(lost_before));
    match state {
        State::Running => alive().add(C::PausedAt.is_null()),
        State::Paused => alive().add(C::PausedAt.is_not_null()),
        State::Stopped => Condition::all().add(C::StoppedAt.is_not_null()),
        State::Lost => Condition::all().add(C::StoppedAt.is_null()).add(C::LastSeenAt.lt(lost_before)),
    }
}

/// Workers heard of since `since` that did not say goodbye, the paused ones with them.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_list_live(database: &Database, since: DateTime<Utc>) -> Result<Vec<Worker>, Error> {
    let alive = Condition::any().add(has_state(State::Running, since)).add(has_state(State::Paused, since));
    worker::Entity::find().filter(alive).all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// Ids of the workers that are paused.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_list_paused(database: &Database) -> Result<Vec<Uuid>, Error> {
    let query = worker::Entity::find().select_only().column(worker::Column::Id).filter(worker::Column::PausedAt.is_not_null());
    Ok(query.into_tuple().all(database.connection()).await?)
}

/// The lives of all workers.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_lives(database: &Database) -> Result<Vec<Life>, Error> {
    use worker::Column as C;
    let query = worker::Entity::find().select_only().columns([C::LastSeenAt, C::PausedAt, C::StoppedAt]);
    let rows: Vec<(DateTime<Utc>, Option<DateTime<Utc>>, Option<DateTime<Utc>>)> = query.into_tuple().all(database.connection()).await?;
    Ok(rows.into_iter().map(|(last_seen_at, paused_at, stopped_at)| Life { last_seen_at, paused_at, stopped_at }).collect())
}

/// Rows read at a time when queues or labels decide, which no index has.
const PAGE: u64 = 500;

/// Workers in the order in which they first registered. Those last heard of before `lost_before` are lost.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_list(database: &Database, filter: &Filter, lost_before: DateTime<Utc>) -> Result<Vec<Worker>, Error> {
    let mut found = Vec::new();
    let mut after = filter.after;
    loop {
        let mut query = worker::Entity::find().order_by_asc(worker::Column::Id).limit(PAGE);
        if let Some(state) = filter.state {
            query = query.filter(has_state(state, lost_before));
        }
        if let Some(after) = after {
            query = query.filter(worker::Column::Id.gt(after));
        }
        let rows = query.all(database.connection()).await?;
        let is_last = (rows.len() as u64) < PAGE;
        after = rows.last().map(|row| row.id);
        for row in rows {
            let worker = from_row(row)?;
            let fits = |wanted: &Option<String>, has: &[String]| wanted.as_ref().is_none_or(|wanted| has.contains(wanted));
            if fits(&filter.queue, &worker.queues) && fits(&filter.label, &worker.labels) {
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
pub async fn worker_jobs(database: &Database, id: Uuid) -> Result<Vec<HeldJob>, Error> {
    use job::Column as C;
    let query = job::Entity::find()
        .select_only()
        .columns([C::Id, C::AutomationId, C::QueueName, C::Status, C::StartedAt, C::LeaseExpiresAt])
        // A literal, so that the planner sees that the partial index fits.
        .filter(Expr::cust("status IN ('running', 'paused')"))
        .filter(C::WorkerId.eq(id));
    type Row = (Uuid, i32, String, String, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let rows: Vec<Row> = query.into_tuple().all(database.connection()).await?;
    let to_job = |(id, automation_id, queue_name, status, started_at, lease_expires_at): Row| {
        let status = Status::parse(&status).ok_or_else(|| Error::Corrupt(format!("jobs.status of {id}")))?;
        Ok(HeldJob { id, automation_id, queue_name, status, started_at, lease_expires_at })
    };
    let mut jobs = rows.into_iter().map(to_job).collect::<Result<Vec<_>, Error>>()?;
    jobs.sort_unstable_by_key(|job| job.id);
    Ok(jobs)
}

fn from_row(row: worker::Model) -> Result<Worker, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("workers.{column} of {}", row.id));
    let queues = serde_json::from_value(row.queues).map_err(|_| corrupt("queues"))?;
    let labels = row.labels.map(serde_json::from_value).transpose().map_err(|_| corrupt("labels"))?;
    Ok(Worker {
        id: row.id,
        name: row.name,
        queues,
        labels: labels.unwrap_or_default(),
        slots: row.slots,
        version: row.version,
        hostname: row.hostname,
        uses_broker: row.uses_broker,
        registered_at: row.registered_at,
        life: Life { last_seen_at: row.last_seen_at, paused_at: row.paused_at, stopped_at: row.stopped_at },
        paused_by: row.paused_by,
        vitals: Vitals { running_jobs: row.running_jobs, cpu_percent: row.cpu_percent, memory_bytes: row.memory_bytes },
    })
}
