//! Automations.

mod pause;
mod place;
mod rate;
mod row;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    audit::{Change, Target},
    automation::{EntrypointType, QueueProfile},
    ids::{AutomationId, DomainId},
    job::Rules,
    policy::{Pause, Policy},
    retry::RetryPolicy,
    scope::Place,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::LockType,
};
use serde_json::{Map, Value};

use self::row::{Audited, from_row, to_row};
pub use self::{
    pause::{automation_pause, automation_resume},
    place::{Placed, automation_list_places_unscoped},
    rate::{automation_list_rates_unscoped, automation_lock_rates_in_txn, automation_set_rate_in_txn},
};
use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    changes::{Subject, change_add_in_txn},
    domains::domain_exists_in_txn,
    entity::automation,
    scope,
    search::has_text,
};

/// The settings of an automation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Draft {
    /// Name; unique among automations that are not archived.
    pub name: String,
    /// Free text for people.
    pub description: String,
    /// Queue.
    pub queue_name: String,
    /// Profile with which the hub declares the queue; `None`: its workers declare it.
    pub queue_profile: Option<QueueProfile>,
    /// How the program is started.
    pub entrypoint_type: EntrypointType,
    /// Path of the script or program on the worker.
    pub script_path: String,
    /// JSON Schema of the parameters.
    pub parameter_schema: Option<Value>,
    /// Values of parameters that a request omits.
    pub default_params: Map<String, Value>,
    /// Time limit of a job in seconds.
    pub timeout_s: Option<i64>,
    /// Maximum number of its jobs that run at the same time.
    pub max_concurrency: Option<i64>,
    /// Minutes that a person needs for what one of its jobs does.
    pub manual_minutes: Option<i64>,
    /// 0 to 9.
    pub priority: i32,
    /// Whether and when a failed job is retried.
    pub retry_policy: RetryPolicy,
    /// How its jobs are queued, started and ended.
    pub policy: Policy,
    /// Domain that it belongs to.
    pub domain_id: Option<DomainId>,
    /// Labels of its own, normalised.
    pub labels: Vec<String>,
    /// Who set them; `None`: before this was recorded.
    pub updated_by: Option<String>,
}

impl Draft {
    /// What decides whether it is in a scope, before it is registered.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place { automation: None, domain: self.domain_id, labels: &self.labels }
    }
}

/// A registered automation.
#[derive(Clone, Debug, PartialEq)]
pub struct Automation {
    /// Id.
    pub id: AutomationId,
    /// Its settings.
    pub draft: Draft,
    /// The last pause that nobody resumed; it may have expired.
    pub pause: Option<Pause>,
    /// When it was archived.
    pub archived_at: Option<DateTime<Utc>>,
    /// When it was registered.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

impl Automation {
    /// The rules for its jobs.
    #[must_use]
    pub const fn rules(&self) -> Rules<'_> {
        let draft = &self.draft;
        Rules {
            is_archived: self.archived_at.is_some(),
            queue_name: draft.queue_name.as_str(),
            priority: draft.priority,
            default_params: &draft.default_params,
            retry_policy: &draft.retry_policy,
            policy: &draft.policy,
        }
    }

    /// What decides whether it is in a scope.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place { automation: Some(self.id), ..self.draft.place() }
    }

    /// Whether it is paused at `now`.
    #[must_use]
    pub fn is_paused(&self, now: DateTime<Utc>) -> bool {
        self.pause.as_ref().is_some_and(|pause| pause.holds(now))
    }
}

/// Selects automations of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Whether archived ones are included.
    pub archived: bool,
    /// Only those of this name: one that is not archived, at most.
    pub name: Option<String>,
    /// Only those with this text in their name, in upper or lower case.
    pub search: Option<String>,
    /// Only those of the domain with this slug.
    pub domain: Option<String>,
    /// Only those with this label, normalised.
    pub label: Option<String>,
    /// Page size; 0: all.
    pub limit: u64,
    /// Id of the last automation of the previous page.
    pub after: Option<AutomationId>,
}

/// Inserts an automation by somebody with this scope, which must include every other automation of its queue.
///
/// # Errors
/// [`Error::Duplicate`] when the name is taken, [`Error::Dangling`] when there is no such domain, [`Error::OutOfScope`] for the queue.
pub async fn automation_insert(
    database: &Database,
    scope: &Scope,
    change: &Change,
    draft: &Draft,
    now: DateTime<Utc>,
) -> Result<Automation, Error> {
    let mut row = to_row(draft)?;
    row.created_at = Set(now);
    row.updated_at = Set(now);
    let insert = async |txn: &Transaction| {
        let counted = Set(change_add_in_txn(txn, Subject::Automations).await?);
        check_queue_in_txn(txn, scope, &draft.queue_name).await?;
        check_domain_in_txn(txn, draft.domain_id).await?;
        let row = automation::ActiveModel { change: counted, ..row.clone() }.insert(&txn.0).await?;
        audit_record_in_txn(txn, change, ("automation.create", target(row.id)), (NONE, Some(&Audited(&row))), now).await?;
        from_row(row)
    };
    database.in_transaction(insert).await
}

/// Changes an automation in scope; `None` when there is none with this id. If its queue changes, the scope must include every other automation
/// of the new one.
///
/// # Errors
/// [`Error::Duplicate`] when the new name is taken, [`Error::Dangling`] when there is no such domain, [`Error::OutOfScope`] for the queue.
pub async fn automation_update(
    database: &Database,
    (scope, change): (&Scope, &Change),
    id: AutomationId,
    draft: &Draft,
    now: DateTime<Utc>,
) -> Result<Option<Automation>, Error> {
    let mut row = to_row(draft)?;
    row.updated_at = Set(now);
    let check = async |txn: &Transaction, before: &automation::Model| {
        if before.queue_name != draft.queue_name {
            check_queue_in_txn(txn, scope, &draft.queue_name).await?;
        }
        check_domain_in_txn(txn, draft.domain_id).await
    };
    if !write(database, (change, "automation.update"), id, (row, in_scope(scope), check), now).await? {
        return Ok(None);
    }
    automation_get(database, &Scope::All, id).await
}

/// Archives an automation; `false` when there is none or it is archived.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_archive(database: &Database, change: &Change, id: AutomationId, now: DateTime<Utc>) -> Result<bool, Error> {
    let (archived_at, updated_by) = (Set(Some(now)), Set(Some(change.author().actor.clone())));
    let row = automation::ActiveModel { archived_at, updated_at: Set(now), updated_by, ..Default::default() };
    let when = Condition::all().add(automation::Column::ArchivedAt.is_null());
    write(database, (change, "automation.archive"), id, (row, when, unchecked), now).await
}

/// Writes to an automation that meets `when` and passes the check, counts and records the change; `false` when there is none.
async fn write(
    database: &Database,
    (change, action): (&Change, &'static str),
    id: AutomationId,
    (row, when, check): (automation::ActiveModel, Condition, impl AsyncFn(&Transaction, &automation::Model) -> Result<(), Error>),
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let update = async |txn: &Transaction| {
        // Other changes of automations wait for this one from here on: the row stays as it is read.
        let counted = Set(change_add_in_txn(txn, Subject::Automations).await?);
        let found = automation::Entity::find_by_id(id.get()).filter(when.clone()).one(&txn.0).await?;
        let Some(before) = found else { return Ok(false) };
        check(txn, &before).await?;
        let row = automation::ActiveModel { id: Unchanged(id.get()), change: counted, ..row.clone() };
        let after = row.update(&txn.0).await?;
        audit_record_in_txn(txn, change, (action, target(id.get())), (Some(&Audited(&before)), Some(&Audited(&after))), now).await?;
        Ok(true)
    };
    database.in_transaction(update).await
}

/// For a write that needs no check.
async fn unchecked(_: &Transaction, _: &automation::Model) -> Result<(), Error> {
    Ok(())
}

/// Checks that no automation out of scope names the queue. Whoever calls it blocks changes of automations.
async fn check_queue_in_txn(txn: &Transaction, scope: &Scope, queue: &str) -> Result<(), Error> {
    let Some(outside) = scope::outside(scope) else { return Ok(()) };
    let named = automation::Entity::find().filter(automation::Column::QueueName.eq(queue)).filter(outside);
    if named.count(&txn.0).await? == 0 { Ok(()) } else { Err(Error::OutOfScope("queue_name")) }
}

/// Checks that the domain exists. Whoever calls it blocks changes of automations.
async fn check_domain_in_txn(txn: &Transaction, id: Option<DomainId>) -> Result<(), Error> {
    match id {
        Some(id) if !domain_exists_in_txn(txn, id).await? => Err(Error::Dangling("domain_id")),
        _ => Ok(()),
    }
}

fn target(id: i32) -> Target {
    Target::new("automation", id)
}

/// The names of these automations.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_list_names_unscoped(database: &Database, ids: &[AutomationId]) -> Result<HashMap<AutomationId, String>, Error> {
    use automation::Column::{Id, Name};
    let ids: BTreeSet<i32> = ids.iter().map(|id| id.get()).collect();
    let mut all = HashMap::new();
    for ids in Vec::from_iter(ids).chunks(5_000) {
        let query = automation::Entity::find().select_only().columns([Id, Name]).filter(Id.is_in(ids.iter().copied()));
        let rows: Vec<(i32, String)> = query.into_tuple().all(database.connection()).await?;
        all.extend(rows.into_iter().map(|(id, name)| (id.into(), name)));
    }
    Ok(all)
}

/// The automations in scope with these names that are not archived.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_find_named(
    database: &Database,
    scope: &Scope,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, AutomationId>, Error> {
    use automation::Column::{ArchivedAt, Id, Name};
    let names: Vec<&String> = names.iter().collect();
    let mut all = BTreeMap::new();
    for names in names.chunks(5_000) {
        let query = automation::Entity::find().select_only().columns([Id, Name]).filter(in_scope(scope));
        let query = query.filter(ArchivedAt.is_null()).filter(Name.is_in(names.iter().copied()));
        let rows: Vec<(i32, String)> = query.into_tuple().all(database.connection()).await?;
        all.extend(rows.into_iter().map(|(id, name)| (name, id.into())));
    }
    Ok(all)
}

/// One automation, archived or not.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_get(database: &Database, scope: &Scope, id: AutomationId) -> Result<Option<Automation>, Error> {
    automation::Entity::find_by_id(id.get()).filter(in_scope(scope)).one(database.connection()).await?.map(from_row).transpose()
}

/// Automations by id.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_list(database: &Database, scope: &Scope, filter: &Filter) -> Result<Vec<Automation>, Error> {
    let mut query = automation::Entity::find().filter(in_scope(scope)).order_by_asc(automation::Column::Id);
    if !filter.archived {
        query = query.filter(automation::Column::ArchivedAt.is_null());
    }
    if let Some(name) = &filter.name {
        query = query.filter(automation::Column::Name.eq(name));
    }
    if let Some(text) = &filter.search {
        query = query.filter(has_text(automation::Column::Name, text));
    }
    if let Some(slug) = &filter.domain {
        query = query.filter(scope::is_of_domain(slug));
    }
    if let Some(label) = &filter.label {
        query = query.filter(scope::has_label(label));
    }
    if let Some(after) = filter.after {
        query = query.filter(automation::Column::Id.gt(after.get()));
    }
    if filter.limit > 0 {
        query = query.limit(filter.limit);
    }
    query.all(database.connection()).await?.into_iter().map(from_row).collect()
}

fn in_scope(scope: &Scope) -> Condition {
    Condition::all().add_option(scope::has_automation(scope))
}

/// Automations, archived or not, that were changed after `change`, and their last change, from which the next call continues.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_list_changed_unscoped(database: &Database, change: i64) -> Result<(Vec<Automation>, i64), Error> {
    let rows = automation::Entity::find().filter(automation::Column::Change.gt(change)).all(database.connection()).await?;
    let last = rows.iter().map(|row| row.change).max().unwrap_or(change);
    Ok((rows.into_iter().map(from_row).collect::<Result<_, _>>()?, last))
}

/// Locks these automations against other dispatchers, in order of their ids, and returns their concurrency limits.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_lock_limits_in_txn(txn: &Transaction, ids: &[AutomationId]) -> Result<Vec<(AutomationId, Option<i64>)>, Error> {
    let query = automation::Entity::find()
        .select_only()
        .column(automation::Column::Id)
        .column(automation::Column::MaxConcurrency)
        .filter(automation::Column::Id.is_in(ids.iter().map(|id| id.get())))
        .order_by_asc(automation::Column::Id)
        .lock(LockType::NoKeyUpdate);
    let limits: Vec<(i32, Option<i64>)> = query.into_tuple().all(&txn.0).await?;
    Ok(limits.into_iter().map(|(id, limit)| (id.into(), limit)).collect())
}
