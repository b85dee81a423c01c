use domain::{
    Scope,
    ids::{AutomationId, JobId},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, DbErr, EntityTrait, FromQueryResult, QueryFilter, QueryOrder, QueryResult, QuerySelect,
    Select,
    sea_query::{Expr, LockType},
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{FullJob, JobRow};
use crate::{Database, Error, LazyTransaction, Transaction, database::Reader, entity::job, scope};

/// A row from its [`job::LOADED`] columns, which must be the first of the query.
pub(super) struct Loaded(JobRow);

impl FromQueryResult for Loaded {
    fn from_query_result(found: &QueryResult, _prefix: &str) -> Result<Self, DbErr> {
        job::load(found).map(Self)
    }
}

/// A row with parameters and result.
struct Whole {
    row: JobRow,
    parameters: Value,
}

impl FromQueryResult for Whole {
    fn from_query_result(found: &QueryResult, prefix: &str) -> Result<Self, DbErr> {
        let row = JobRow { result: found.try_get(prefix, "result")?, ..job::load(found)? };
        Ok(Self { row, parameters: found.try_get(prefix, "parameters")? })
    }
}

/// Loads these jobs in order of their ids, without locks: a write of a row that was changed meanwhile fails with a conflict.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_load(txn: &LazyTransaction<'_>, ids: &[JobId]) -> Result<Vec<JobRow>, Error> {
    match txn.reader() {
        Reader::Database(database) => load(database.connection(), ids, false).await,
        Reader::Transaction(txn) => load(&txn.0, ids, false).await,
    }
}

/// Loads these jobs in order of their ids and locks them until the transaction ends.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_load_for_update_in_txn(txn: &Transaction, ids: &[JobId]) -> Result<Vec<JobRow>, Error> {
    load(&txn.0, ids, true).await
}

async fn load(connection: &impl ConnectionTrait, ids: &[JobId], lock: bool) -> Result<Vec<JobRow>, Error> {
    let mut ids = ids.to_vec();
    ids.sort_unstable();
    ids.dedup();
    let mut rows = Vec::with_capacity(ids.len());
    for ids in batches(&ids) {
        let query = job::Entity::find().filter(job::Column::Id.is_in(ids)).order_by_asc(job::Column::Id);
        rows.extend(all(connection, if lock { query.lock(LockType::NoKeyUpdate) } else { query }).await?);
    }
    Ok(rows)
}

/// The jobs that `query` selects, without parameters and result, which may be large and no transition needs.
pub(super) async fn all(connection: &impl ConnectionTrait, query: Select<job::Entity>) -> Result<Vec<JobRow>, Error> {
    let rows = loaded(query).into_model::<Loaded>().all(connection).await?;
    Ok(rows.into_iter().map(|Loaded(row)| row).collect())
}

/// The jobs that `query` selects, with parameters and result.
pub(super) async fn all_whole(connection: &impl ConnectionTrait, query: Select<job::Entity>) -> Result<Vec<FullJob>, Error> {
    let query = loaded(query).columns([job::Column::Parameters, job::Column::Result]);
    let jobs = query.into_model().all(connection).await?;
    jobs.into_iter().map(|Whole { row, parameters }| Ok(FullJob { parameters: object(parameters, row.job.id)?, row })).collect()
}

/// `query` with the columns of [`Loaded`].
fn loaded(query: Select<job::Entity>) -> Select<job::Entity> {
    job::LOADED.iter().fold(query.select_only(), |query, column| query.expr(Expr::col((job::Entity, *column))))
}

/// Maximum number of ids in a statement.
const MOST_IDS: usize = 4096;

/// Parts of `ids` as their column has them, the last id of each repeated up to a power of two, so that few different statements have to be
/// prepared.
pub(super) fn batches<T: Copy + Into<Uuid>>(ids: &[T]) -> impl Iterator<Item = Vec<Uuid>> {
    ids.chunks(MOST_IDS).map(|part| {
        let mut ids = Vec::with_capacity(part.len().next_power_of_two());
        ids.extend(part.iter().map(|id| (*id).into()));
        ids.resize(part.len().next_power_of_two(), part[part.len() - 1].into());
        ids
    })
}

/// The ids of the jobs that `query` chooses.
pub(super) async fn ids(connection: &impl ConnectionTrait, query: Select<job::Entity>) -> Result<Vec<JobId>, Error> {
    let found = query.select_only().column(job::Column::Id).into_tuple::<Uuid>().all(connection).await?;
    Ok(found.into_iter().map(JobId::from).collect())
}

/// A job that was accepted under an idempotency key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Idempotent {
    /// Its automation, which the key belongs to.
    pub automation_id: AutomationId,
    /// The key.
    pub key: String,
    /// The job.
    pub job_id: JobId,
    /// Digest of the request; `None`: unknown.
    pub request_digest: Option<String>,
}

/// The jobs of these automations and idempotency keys.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_find_idempotent_unscoped(txn: &LazyTransaction<'_>, keys: &[(AutomationId, String)]) -> Result<Vec<Idempotent>, Error> {
    use job::Column as C;
    let query = job::Entity::find()
        .select_only()
        .columns([C::AutomationId, C::IdempotencyKey, C::Id, C::RequestDigest])
        .filter(C::AutomationId.is_in(keys.iter().map(|(automation_id, _)| automation_id.get())))
        .filter(C::IdempotencyKey.is_in(keys.iter().map(|(_, key)| key.as_str())));
    let query = query.into_tuple();
    let found: Vec<(i32, String, Uuid, Option<String>)> = match txn.reader() {
        Reader::Database(database) => query.all(database.connection()).await?,
        Reader::Transaction(txn) => query.all(&txn.0).await?,
    };
    let is_asked_for = |found: &Idempotent| keys.iter().any(|(id, key)| *id == found.automation_id && *key == found.key);
    Ok(found.into_iter().map(idempotent).filter(is_asked_for).collect())
}

/// Idempotency keys of jobs of one automation, from the first to the last; both have one form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeySpan {
    /// The automation.
    pub automation_id: AutomationId,
    /// The first key.
    pub first: String,
    /// The last one.
    pub last: String,
}

/// The jobs whose idempotency keys are in one of these spans.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_keyed_unscoped(database: &Database, spans: &[KeySpan]) -> Result<Vec<Idempotent>, Error> {
    use job::Column as C;
    /// Spans of one statement: databases bound its conditions.
    const MOST_SPANS: usize = 200;
    let mut all = Vec::new();
    for spans in spans.chunks(MOST_SPANS) {
        let is_in = |span: &KeySpan| {
            let is_between = C::IdempotencyKey.between(span.first.as_str(), span.last.as_str());
            Condition::all().add(C::AutomationId.eq(span.automation_id.get())).add(is_between)
        };
        let those = spans.iter().fold(Condition::any(), |any, span| any.add(is_in(span)));
        let query = job::Entity::find().select_only().columns([C::AutomationId, C::IdempotencyKey, C::Id, C::RequestDigest]);
        let found: Vec<(i32, String, Uuid, Option<String>)> = query.filter(those).into_tuple().all(database.connection()).await?;
        all.extend(found.into_iter().map(idempotent));
    }
    Ok(all)
}

fn idempotent((automation_id, key, job_id, request_digest): (i32, String, Uuid, Option<String>)) -> Idempotent {
    Idempotent { automation_id: automation_id.into(), key, job_id: job_id.into(), request_digest }
}

/// One job with parameters and result.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_get(database: &Database, scope: &Scope, id: JobId) -> Result<Option<FullJob>, Error> {
    let query = job::Entity::find_by_id(id.get()).filter(in_scope(scope));
    Ok(all_whole(database.connection(), query).await?.pop())
}

/// One job without parameters and result.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_get_row(database: &Database, scope: &Scope, id: JobId) -> Result<Option<JobRow>, Error> {
    let query = job::Entity::find_by_id(id.get()).filter(in_scope(scope));
    Ok(all(database.connection(), query).await?.pop())
}

/// The versions of those of these jobs that exist.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_list_versions_unscoped(database: &Database, ids: &[JobId]) -> Result<Vec<(JobId, i64)>, Error> {
    let mut versions = Vec::with_capacity(ids.len());
    for ids in batches(ids) {
        let query = job::Entity::find().select_only().columns([job::Column::Id, job::Column::Version]);
        let found = query.filter(job::Column::Id.is_in(ids)).into_tuple::<(Uuid, i64)>().all(database.connection()).await?;
        versions.extend(found.into_iter().map(|(id, version)| (JobId::from(id), version)));
    }
    Ok(versions)
}

/// The parameters of these jobs.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn job_payloads(txn: &LazyTransaction<'_>, ids: &[JobId]) -> Result<Vec<(JobId, Map<String, Value>)>, Error> {
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
    rows.into_iter().map(|(id, parameters)| Ok((id.into(), object(parameters, id.into())?))).collect()
}

/// The jobs in scope.
pub(super) fn in_scope(scope: &Scope) -> Condition {
    Condition::all().add_option(scope::has(scope, job::Column::AutomationId))
}

pub(super) fn object(value: Value, id: JobId) -> Result<Map<String, Value>, Error> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(Error::Corrupt(format!("jobs.parameters of {id}"))),
    }
}
