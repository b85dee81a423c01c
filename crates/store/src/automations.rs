//! Automations.

use chrono::{DateTime, Utc};
use domain::{
    automation::{EntrypointType, QueueProfile},
    retry::RetryPolicy,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::LockType};
use serde_json::{Map, Value};

use crate::{Database, Error, Transaction, entity::automation};

/// What somebody says an automation is.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// Name, unique among those that are not archived.
    pub name: String,
    /// For people.
    pub description: String,
    /// Queue.
    pub queue_name: String,
    /// How the queue is declared.
    pub queue_profile: QueueProfile,
    /// How the program is started.
    pub entrypoint_type: EntrypointType,
    /// The program.
    pub script_path: String,
    /// JSON Schema of the parameters.
    pub parameter_schema: Option<Value>,
    /// Used for parameters that a request does not give.
    pub default_params: Map<String, Value>,
    /// Seconds until a job is killed.
    pub timeout_s: Option<i64>,
    /// Most jobs at once.
    pub max_concurrency: Option<i64>,
    /// 0 to 9.
    pub priority: i32,
    /// When a failed job is run again.
    pub retry_policy: RetryPolicy,
}

/// A registered automation.
#[derive(Clone, Debug, PartialEq)]
pub struct Automation {
    /// Id.
    pub id: i32,
    /// What it is.
    pub draft: Draft,
    /// When it was archived.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// Which automations to list, by id.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Also archived ones.
    pub archived: bool,
    /// Page size; 0: all.
    pub limit: u64,
    /// Id of the last one of the page before.
    pub after: Option<i32>,
}

/// Adds an automation.
///
/// # Errors
/// [`Error::Duplicate`] when the name is taken.
pub async fn automation_insert(database: &Database, draft: &Draft, now: DateTime<Utc>) -> Result<Automation, Error> {
    let mut row = to_row(draft)?;
    row.created_at = Set(now);
    row.updated_at = Set(now);
    from_row(row.insert(database.connection()).await?)
}

/// Changes an automation; `None` when there is none with this id.
///
/// # Errors
/// [`Error::Duplicate`] when the new name is taken.
pub async fn automation_update(database: &Database, id: i32, draft: &Draft, now: DateTime<Utc>) -> Result<Option<Automation>, Error> {
    let mut row = to_row(draft)?;
    row.updated_at = Set(now);
    let updated = automation::Entity::update_many().set(row).filter(automation::Column::Id.eq(id)).exec(database.connection()).await?;
    if updated.rows_affected == 0 {
        return Ok(None);
    }
    automation_get(database, id).await
}

/// Archives an automation; `false` when there is none or it is archived already.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_archive(database: &Database, id: i32, now: DateTime<Utc>) -> Result<bool, Error> {
    let row = automation::ActiveModel { archived_at: Set(Some(now)), updated_at: Set(now), ..Default::default() };
    let updated = automation::Entity::update_many()
        .set(row)
        .filter(automation::Column::Id.eq(id))
        .filter(automation::Column::ArchivedAt.is_null())
        .exec(database.connection())
        .await?;
    Ok(updated.rows_affected == 1)
}

/// One automation, archived or not.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_get(database: &Database, id: i32) -> Result<Option<Automation>, Error> {
    automation::Entity::find_by_id(id).one(database.connection()).await?.map(from_row).transpose()
}

/// The automation of this name that is not archived.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_find_by_name(database: &Database, name: &str) -> Result<Option<Automation>, Error> {
    let query = automation::Entity::find().filter(automation::Column::Name.eq(name)).filter(automation::Column::ArchivedAt.is_null());
    query.one(database.connection()).await?.map(from_row).transpose()
}

/// Automations by id.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_list(database: &Database, filter: &Filter) -> Result<Vec<Automation>, Error> {
    let mut query = automation::Entity::find().order_by_asc(automation::Column::Id);
    if !filter.archived {
        query = query.filter(automation::Column::ArchivedAt.is_null());
    }
    if let Some(after) = filter.after {
        query = query.filter(automation::Column::Id.gt(after));
    }
    if filter.limit > 0 {
        query = query.limit(filter.limit);
    }
    query.all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// Locks these automations against other dispatchers, by id, and returns their limits of jobs at once.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_lock_limits_in_txn(txn: &Transaction, ids: &[i32]) -> Result<Vec<(i32, Option<i64>)>, Error> {
    let query = automation::Entity::find()
        .select_only()
        .column(automation::Column::Id)
        .column(automation::Column::MaxConcurrency)
        .filter(automation::Column::Id.is_in(ids.iter().copied()))
        .order_by_asc(automation::Column::Id)
        .lock(LockType::NoKeyUpdate);
    Ok(query.into_tuple().all(&txn.0).await?)
}

fn to_row(draft: &Draft) -> Result<automation::ActiveModel, Error> {
    let retry_policy = serde_json::to_value(&draft.retry_policy).map_err(|error| Error::Refused(error.to_string()))?;
    Ok(automation::ActiveModel {
        name: Set(draft.name.clone()),
        description: Set(draft.description.clone()),
        queue_name: Set(draft.queue_name.clone()),
        queue_profile: Set(draft.queue_profile.as_str().to_owned()),
        entrypoint_type: Set(draft.entrypoint_type.as_str().to_owned()),
        script_path: Set(draft.script_path.clone()),
        parameter_schema: Set(draft.parameter_schema.clone()),
        default_params: Set(Value::Object(draft.default_params.clone())),
        timeout_s: Set(draft.timeout_s),
        max_concurrency: Set(draft.max_concurrency),
        priority: Set(draft.priority),
        retry_policy: Set(retry_policy),
        ..Default::default()
    })
}

fn from_row(row: automation::Model) -> Result<Automation, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("automations.{column} of {}", row.id));
    let draft = Draft {
        queue_profile: QueueProfile::parse(&row.queue_profile).ok_or_else(|| corrupt("queue_profile"))?,
        entrypoint_type: EntrypointType::parse(&row.entrypoint_type).ok_or_else(|| corrupt("entrypoint_type"))?,
        default_params: match row.default_params {
            Value::Object(map) => map,
            _ => return Err(corrupt("default_params")),
        },
        retry_policy: serde_json::from_value(row.retry_policy)
            .map_err(|_| Error::Corrupt(format!("automations.retry_policy of {}", row.id)))?,
        name: row.name,
        description: row.description,
        queue_name: row.queue_name,
        script_path: row.script_path,
        parameter_schema: row.parameter_schema,
        timeout_s: row.timeout_s,
        max_concurrency: row.max_concurrency,
        priority: row.priority,
    };
    Ok(Automation { id: row.id, draft, archived_at: row.archived_at, created_at: row.created_at, updated_at: row.updated_at })
}
