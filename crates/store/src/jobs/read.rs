use domain::job::{ErrorClass, Failure, Job, Lease, Status, Trigger};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QuerySelect, Select, prelude::ChronoDateTimeUtc,
    sea_query::LockType,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{FullJob, JobRow, Terms};
use crate::{Database, Error, LazyTransaction, Transaction, database::Reader, entity::job};

/// The columns of [`JobRow`] but for `result`, which may be large and is not needed to decide.
#[derive(FromQueryResult)]
pub(super) struct Narrow {
    id: Uuid,
    automation_id: i32,
    queue_name: String,
    status: String,
    trigger: String,
    priority: i32,
    error_class: Option<String>,
    error_message: Option<String>,
    attempt: i32,
    retry_of: Option<Uuid>,
    worker_id: Option<Uuid>,
    lease_token: Option<Uuid>,
    lease_expires_at: Option<ChronoDateTimeUtc>,
    progress: Option<Value>,
    created_at: ChronoDateTimeUtc,
    not_before: Option<ChronoDateTimeUtc>,
    dispatch_started_at: Option<ChronoDateTimeUtc>,
    dispatched_at: Option<ChronoDateTimeUtc>,
    started_at: Option<ChronoDateTimeUtc>,
    completed_at: Option<ChronoDateTimeUtc>,
    last_heartbeat_at: Option<ChronoDateTimeUtc>,
    cancellation_requested_at: Option<ChronoDateTimeUtc>,
    log_lines: i64,
    log_bytes: i64,
    log_left_out: i64,
    log_offset: i64,
    version: i64,
    timeout_s: Option<i64>,
    queue_deadline_at: Option<ChronoDateTimeUtc>,
    max_attempts: Option<i32>,
    cancel_grace_s: Option<i64>,
    concurrency_key: Option<String>,
    requires: Option<String>,
    deadline_at: Option<ChronoDateTimeUtc>,
    paused_at: Option<ChronoDateTimeUtc>,
    paused_ms: i64,
}

/// Loads these jobs, in the order of their ids. Others may change them meanwhile: a write of what was loaded finds out.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_load(txn: &LazyTransaction<'_>, ids: &[Uuid]) -> Result<Vec<JobRow>, Error> {
    match txn.reader() {
        Reader::Database(database) => load(database.connection(), ids, false).await,
        Reader::Transaction(txn) => load(&txn.0, ids, false).await,
    }
}

/// Loads these jobs, in the order of their ids, and keeps others from changing them until the transaction ends.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_load_for_update_in_txn(txn: &Transaction, ids: &[Uuid]) -> Result<Vec<JobRow>, Error> {
    load(&txn.0, ids, true).await
}

async fn load(connection: &impl ConnectionTrait, ids: &[Uuid], lock: bool) -> Result<Vec<JobRow>, Error> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut rows = Vec::with_capacity(ids.len());
    for ids in batches(&ids) {
        let query = narrow().filter(job::Column::Id.is_in(ids)).order_by_asc(job::Column::Id);
        let query = if lock { query.lock(LockType::NoKeyUpdate) } else { query };
        rows.extend(query.into_model::<Narrow>().all(connection).await?);
    }
    rows.into_iter().map(Narrow::into_row).collect()
}

/// The columns of [`Narrow`].
pub(super) fn narrow() -> Select<job::Entity> {
    narrow_columns(job::Entity::find())
}

/// The same of the jobs that `query` chooses.
pub(super) fn narrow_columns(query: Select<job::Entity>) -> Select<job::Entity> {
    use job::Column as C;
    query
        .select_only()
        .columns([C::Id, C::AutomationId, C::QueueName, C::Status, C::Trigger, C::Priority, C::ErrorClass, C::ErrorMessage])
        .columns([C::Attempt, C::RetryOf, C::WorkerId, C::LeaseToken, C::LeaseExpiresAt, C::Progress, C::CreatedAt, C::NotBefore])
        .columns([C::DispatchStartedAt, C::DispatchedAt, C::StartedAt, C::CompletedAt, C::LastHeartbeatAt])
        .columns([C::CancellationRequestedAt, C::LogLines, C::LogBytes, C::LogLeftOut, C::LogOffset, C::Version])
        .columns([C::TimeoutS, C::QueueDeadlineAt, C::MaxAttempts, C::CancelGraceS, C::ConcurrencyKey, C::Requires])
        .columns([C::DeadlineAt, C::PausedAt, C::PausedMs])
}

/// Ids a statement takes at most.
const MOST_IDS: usize = 4096;

/// Parts of `ids`, the last id of each repeated up to a power of two, so that few different statements have to be prepared.
pub(super) fn batches(ids: &[Uuid]) -> impl Iterator<Item = Vec<Uuid>> {
    ids.chunks(MOST_IDS).map(|part| {
        let mut ids = part.to_vec();
        ids.resize(part.len().next_power_of_two(), part[part.len() - 1]);
        ids
    })
}

/// A job that was accepted under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotent {
    /// Its automation, which the key belongs to.
    pub automation_id: i32,
    /// The key.
    pub key: String,
    /// The job.
    pub job_id: Uuid,
    /// Digest of what was asked; `None`: not known.
    pub request_digest: Option<String>,
}

/// The jobs of these automations and idempotency keys.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_find_idempotent(txn: &LazyTransaction<'_>, keys: &[(i32, String)]) -> Result<Vec<Idempotent>, Error> {
    use job::Column as C;
    let query = job::Entity::find()
        .select_only()
        .columns([C::AutomationId, C::IdempotencyKey, C::Id, C::RequestDigest])
        .filter(C::AutomationId.is_in(keys.iter().map(|(automation_id, _)| *automation_id)))
        .filter(C::IdempotencyKey.is_in(keys.iter().map(|(_, key)| key.as_str())));
    let query = query.into_tuple();
    let found: Vec<(i32, String, Uuid, Option<String>)> = match txn.reader() {
        Reader::Database(database) => query.all(database.connection()).await?,
        Reader::Transaction(txn) => query.all(&txn.0).await?,
    };
    let wanted = |(automation_id, key, ..): &(i32, String, Uuid, Option<String>)| {
        keys.iter().any(|(wanted, wanted_key)| wanted == automation_id && wanted_key == key)
    };
    let found = found.into_iter().filter(wanted);
    Ok(found.map(|(automation_id, key, job_id, request_digest)| Idempotent { automation_id, key, job_id, request_digest }).collect())
}

/// One job whole.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_get(database: &Database, id: Uuid) -> Result<Option<FullJob>, Error> {
    job::Entity::find_by_id(id).one(database.connection()).await?.map(full).transpose()
}

/// One job without its payload.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_get_row(database: &Database, id: Uuid) -> Result<Option<JobRow>, Error> {
    Ok(load(database.connection(), &[id], false).await?.pop())
}

/// The versions of these jobs, of those that are there.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_versions(database: &Database, ids: &[Uuid]) -> Result<Vec<(Uuid, i64)>, Error> {
    let mut versions = Vec::with_capacity(ids.len());
    for ids in batches(ids) {
        let query = job::Entity::find().select_only().columns([job::Column::Id, job::Column::Version]);
        versions.extend(query.filter(job::Column::Id.is_in(ids)).into_tuple::<(Uuid, i64)>().all(database.connection()).await?);
    }
    Ok(versions)
}

/// The parameters of these jobs.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_payloads(txn: &LazyTransaction<'_>, ids: &[Uuid]) -> Result<Vec<(Uuid, Map<String, Value>)>, Error> {
    let mut rows: Vec<(Uuid, Value)> = Vec::with_capacity(ids.len());
    for ids in batches(ids) {
        let query =
            job::Entity::find().select_only().columns([job::Column::Id, job::Column::Parameters]).filter(job::Column::Id.is_in(ids));
        let query = query.into_tuple::<(Uuid, Value)>();
        rows.extend(match txn.reader() {
            Reader::Database(database) => query.all(database.connection()).await?,
            Reader::Transaction(txn) => query.all(&txn.0).await?,
        });
    }
    rows.into_iter().map(|(id, parameters)| Ok((id, object(parameters, id)?))).collect()
}

pub(super) fn full(row: job::Model) -> Result<FullJob, Error> {
    let parameters = object(row.parameters, row.id)?;
    let narrow = Narrow {
        id: row.id,
        automation_id: row.automation_id,
        queue_name: row.queue_name,
        status: row.status,
        trigger: row.trigger,
        priority: row.priority,
        error_class: row.error_class,
        error_message: row.error_message,
        attempt: row.attempt,
        retry_of: row.retry_of,
        worker_id: row.worker_id,
        lease_token: row.lease_token,
        lease_expires_at: row.lease_expires_at,
        progress: row.progress,
        created_at: row.created_at,
        not_before: row.not_before,
        dispatch_started_at: row.dispatch_started_at,
        dispatched_at: row.dispatched_at,
        started_at: row.started_at,
        completed_at: row.completed_at,
        last_heartbeat_at: row.last_heartbeat_at,
        cancellation_requested_at: row.cancellation_requested_at,
        log_lines: row.log_lines,
        log_bytes: row.log_bytes,
        log_left_out: row.log_left_out,
        log_offset: row.log_offset,
        version: row.version,
        timeout_s: row.timeout_s,
        queue_deadline_at: row.queue_deadline_at,
        max_attempts: row.max_attempts,
        cancel_grace_s: row.cancel_grace_s,
        concurrency_key: row.concurrency_key,
        requires: row.requires,
        deadline_at: row.deadline_at,
        paused_at: row.paused_at,
        paused_ms: row.paused_ms,
    };
    Ok(FullJob { row: JobRow { result: row.result, ..narrow.into_row()? }, parameters })
}

pub(super) fn object(value: Value, id: Uuid) -> Result<Map<String, Value>, Error> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(Error::Corrupt(format!("jobs.parameters of {id}"))),
    }
}

impl Narrow {
    pub(super) fn into_row(self) -> Result<JobRow, Error> {
        let status = Status::parse(&self.status).ok_or_else(|| Error::Corrupt(format!("jobs.status of {}", self.id)))?;
        let trigger = Trigger::parse(&self.trigger).ok_or_else(|| Error::Corrupt(format!("jobs.trigger of {}", self.id)))?;
        let lease =
            self.lease_token.zip(self.lease_expires_at).map(|(token, expires_at)| Lease { token, worker_id: self.worker_id, expires_at });
        let failure =
            self.error_class.map(|class| Failure { class: ErrorClass::parse(&class), message: self.error_message.unwrap_or_default() });
        let cancellation_requested = self.cancellation_requested_at.is_some();
        Ok(JobRow {
            job: Job { id: self.id, status, lease, cancellation_requested, failure },
            automation_id: self.automation_id,
            queue_name: self.queue_name,
            priority: self.priority,
            trigger,
            attempt: self.attempt,
            retry_of: self.retry_of,
            result: None,
            progress: self.progress,
            created_at: self.created_at,
            not_before: self.not_before,
            dispatch_started_at: self.dispatch_started_at,
            dispatched_at: self.dispatched_at,
            started_at: self.started_at,
            completed_at: self.completed_at,
            last_heartbeat_at: self.last_heartbeat_at,
            cancellation_requested_at: self.cancellation_requested_at,
            log_lines: self.log_lines,
            log_bytes: self.log_bytes,
            log_left_out: self.log_left_out,
            log_offset: self.log_offset,
            deadline_at: self.deadline_at,
            paused_at: self.paused_at,
            paused_ms: self.paused_ms,
            terms: Terms {
                timeout_s: self.timeout_s,
                queue_deadline_at: self.queue_deadline_at,
                max_attempts: self.max_attempts,
                cancel_grace_s: self.cancel_grace_s,
                concurrency_key: self.concurrency_key,
                requires: self.requires.map(|labels| labels.split(',').map(str::to_owned).collect()).unwrap_or_default(),
            },
            version: self.version,
        })
    }
}
