//! Chains, what counted for them, and their runs.
//!
//! A run is a row, unique by chain and key, written before its job is asked for: whoever finds it waiting asks with the same idempotency key, so it
//! has one job, whichever replica is killed when. What a scheduler counts it counts while it holds the rows of the chains ([`chain_lock_in_txn`]):
//! of two that see the last two ends of a join, the second sees what the first counted.

mod ends;
mod runs;

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, NaiveTime, Timelike as _, Utc};
use domain::{
    Scope,
    audit::{Change, Target},
    chain::{Input, Join, Taken, cycle},
    ids::{AutomationId, ChainId},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use self::{
    ends::{Mark, chain_count_in_txn, chain_list_ended_unscoped, chain_lock_in_txn, chain_results_in_txn, chain_since_unscoped},
    runs::{
        NewRun, Outcome, Run, RunFilter, chain_finish_run, chain_list_runs, chain_list_waiting_unscoped, chain_prune,
        chain_start_run_in_txn,
    },
};
use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    dialect,
    entity::{automation, chain, chain_input, chain_mark},
    scope,
};

/// What people set of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The automation that it runs.
    pub automation_id: AutomationId,
    /// Its name; unique among the chains of the automation.
    pub name: String,
    /// Whether it runs.
    pub enabled: bool,
    /// What it waits for; each automation once.
    pub inputs: Vec<Input>,
    /// How many of them must have ended.
    pub join: Join,
    /// Its jobs wait for this time of the day.
    pub not_before: Option<NaiveTime>,
    /// IANA name of its zone.
    pub timezone: String,
    /// Parameters of its jobs.
    pub parameters: Map<String, Value>,
    /// Parameters that are taken from results.
    pub parameters_from: Vec<Taken>,
}

/// A chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Chain {
    /// Id, UUID v7.
    pub id: ChainId,
    /// What people set.
    pub draft: Draft,
    /// Ends before this time do not count: it was created or switched on, or its inputs were changed.
    pub since_at: DateTime<Utc>,
    /// Number of its version: a change names the one that it is based on.
    pub revision: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When somebody last changed it.
    pub updated_at: DateTime<Utc>,
    /// Who did.
    pub updated_by: Option<String>,
}

/// Selects chains.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these; empty: all.
    pub ids: Vec<ChainId>,
    /// Only those that run this automation.
    pub automation_id: Option<AutomationId>,
    /// Only those that wait for this automation.
    pub input_id: Option<AutomationId>,
    /// Only those with this name.
    pub name: Option<String>,
    /// Page size.
    pub limit: u64,
    /// The last chain of the page before.
    pub after: Option<ChainId>,
}

/// Outcome of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Save {
    /// It is done. With the chain as it is now.
    Done(Box<Chain>),
    /// There is no such chain in scope.
    Missing,
    /// Somebody changed it since: its revision is another one.
    Stale(i64),
    /// With it the end of an automation would start that automation again, in this way.
    Cycle(Vec<AutomationId>),
}

/// Creates a chain. Ends after `now` count.
///
/// # Errors
/// [`Error::Duplicate`] when the automation has one of this name, [`Error::Dangling`] when there is no such automation.
pub async fn chain_insert(database: &Database, change: &Change, id: ChainId, draft: &Draft, now: DateTime<Utc>) -> Result<Save, Error> {
    database
        .in_transaction(async |txn| {
            if let Some(way) = checked_in_txn(txn, id, draft).await? {
                return Ok(Save::Cycle(way));
            }
            let row = chain::ActiveModel {
                id: Set(id.get()),
                since_at: Set(now),
                revision: Set(1),
                created_at: Set(now),
                updated_at: Set(now),
                updated_by: Set(Some(change.author().actor.clone())),
                ..to_row(draft)?
            };
            let row = row.insert(&txn.0).await?;
            inputs_replace_in_txn(txn, id, draft).await?;
            audit_record_in_txn(txn, change, ("chain.create", target(id)), (NONE, Some(&row)), now).await?;
            Ok(Save::Done(Box::new(from_row(row)?)))
        })
        .await
}

/// Changes a chain in scope; `revision`: only if it is still this one. If it is switched on, or waits for something else than before, ends after
/// `now` count, and nothing that counted before.
///
/// # Errors
/// As [`chain_insert`].
pub async fn chain_update(
    database: &Database,
    (scope, change): (&Scope, &Change),
    (id, revision): (ChainId, Option<i64>),
    draft: &Draft,
    now: DateTime<Utc>,
) -> Result<Save, Error> {
    database
        .in_transaction(async |txn| {
            // Before the chain's row, as whoever saves another does.
            if let Some(way) = checked_in_txn(txn, id, draft).await? {
                return Ok(Save::Cycle(way));
            }
            let find = chain::Entity::find_by_id(id.get()).filter(in_scope(scope)).lock_exclusive();
            let Some(before) = find.one(&txn.0).await? else { return Ok(Save::Missing) };
            if revision.is_some_and(|revision| revision != before.revision) {
                return Ok(Save::Stale(before.revision));
            }
            let old = from_row(before.clone())?.draft;
            let is_other = old.inputs != draft.inputs || old.join != draft.join || (draft.enabled && !old.enabled);
            let row = chain::ActiveModel {
                id: Unchanged(id.get()),
                since_at: Set(if is_other { now } else { before.since_at }),
                revision: Set(before.revision + 1),
                updated_at: Set(now),
                updated_by: Set(Some(change.author().actor.clone())),
                ..to_row(draft)?
            };
            let after = row.update(&txn.0).await?;
            inputs_replace_in_txn(txn, id, draft).await?;
            if is_other {
                chain_mark::Entity::delete_many().filter(chain_mark::Column::ChainId.eq(id.get())).exec(&txn.0).await?;
            }
            audit_record_in_txn(txn, change, ("chain.update", target(id)), (Some(&before), Some(&after)), now).await?;
            Ok(Save::Done(Box::new(from_row(after)?)))
        })
        .await
}

/// Deletes a chain in scope with what counted for it and its runs; its jobs stay. `false` when there is none.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_delete(database: &Database, (scope, change): (&Scope, &Change), id: ChainId, now: DateTime<Utc>) -> Result<bool, Error> {
    database
        .in_transaction(async |txn| {
            let find = chain::Entity::find_by_id(id.get()).filter(in_scope(scope)).lock_exclusive();
            let Some(before) = find.one(&txn.0).await? else { return Ok(false) };
            chain::Entity::delete_by_id(id.get()).exec(&txn.0).await?;
            audit_record_in_txn(txn, change, ("chain.delete", target(id)), (Some(&before), NONE), now).await?;
            Ok(true)
        })
        .await
}

/// One chain.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_get(database: &Database, scope: &Scope, id: ChainId) -> Result<Option<Chain>, Error> {
    chain::Entity::find_by_id(id.get()).filter(in_scope(scope)).one(database.connection()).await?.map(from_row).transpose()
}

/// Chains by id: in the order in which they were created.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_list(database: &Database, scope: &Scope, filter: &Filter) -> Result<Vec<Chain>, Error> {
    use chain::Column as C;
    let waits = filter.input_id.map(|id| {
        let those = chain_input::Entity::find().select_only().column(chain_input::Column::ChainId);
        C::Id.in_subquery(those.filter(chain_input::Column::AutomationId.eq(id.get())).into_query())
    });
    let matching = in_scope(scope)
        .add_option((!filter.ids.is_empty()).then(|| C::Id.is_in(uuids(&filter.ids))))
        .add_option(filter.automation_id.map(|id| C::AutomationId.eq(id.get())))
        .add_option(waits)
        .add_option(filter.name.as_ref().map(|name| C::Name.eq(name)))
        .add_option(filter.after.map(|after| C::Id.gt(after.get())));
    let query = chain::Entity::find().filter(matching).order_by_asc(C::Id).limit(filter.limit);
    query.all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// The names of these automations, of those that are in scope.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_list_names(
    database: &Database,
    scope: &Scope,
    ids: &BTreeSet<AutomationId>,
) -> Result<HashMap<AutomationId, String>, Error> {
    use automation::Column::{Id, Name};
    let mut names = HashMap::new();
    for ids in Vec::from_iter(ids).chunks(5_000) {
        let query = automation::Entity::find().select_only().columns([Id, Name]).filter(Id.is_in(ids.iter().map(|id| id.get())));
        let query = query.filter(Condition::all().add_option(scope::has_automation(scope)));
        let found: Vec<(i32, String)> = query.into_tuple().all(database.connection()).await?;
        names.extend(found.into_iter().map(|(id, name)| (id.into(), name)));
    }
    Ok(names)
}

/// A chain in the audit trail.
#[must_use]
pub fn target(id: ChainId) -> Target {
    Target::new("chain", id)
}

/// Checks that the automations are there, and keeps others from saving chains until the transaction ends. Returns the circle that there would be;
/// chains that are switched off count, as each can be switched on.
async fn checked_in_txn(txn: &Transaction, id: ChainId, draft: &Draft) -> Result<Option<Vec<AutomationId>>, Error> {
    dialect::lock(&txn.0, "regente chains").await?;
    let inputs: Vec<AutomationId> = draft.inputs.iter().map(|input| input.automation_id).collect();
    for (field, id) in inputs.iter().map(|id| ("inputs", *id)).chain([("automation_id", draft.automation_id)]) {
        if automation::Entity::find_by_id(id.get()).count(&txn.0).await? == 0 {
            return Err(Error::Dangling(field));
        }
    }
    let edges = chain_input::Entity::find()
        .select_only()
        .column(chain_input::Column::AutomationId)
        .column(chain::Column::AutomationId)
        .inner_join(chain::Entity)
        .filter(chain::Column::Id.ne(id.get()));
    let edges: Vec<(i32, i32)> = edges.into_tuple().all(&txn.0).await?;
    let edges = edges.into_iter().map(|(input, started)| (input.into(), started.into()));
    Ok(cycle((&inputs, draft.automation_id), edges))
}

async fn inputs_replace_in_txn(txn: &Transaction, id: ChainId, draft: &Draft) -> Result<(), Error> {
    chain_input::Entity::delete_many().filter(chain_input::Column::ChainId.eq(id.get())).exec(&txn.0).await?;
    let rows = draft
        .inputs
        .iter()
        .map(|input| chain_input::ActiveModel { chain_id: Set(id.get()), automation_id: Set(input.automation_id.get()) });
    chain_input::Entity::insert_many(rows).exec_without_returning(&txn.0).await?;
    Ok(())
}

fn in_scope(scope: &Scope) -> Condition {
    Condition::all().add_option(scope::has(scope, chain::Column::AutomationId))
}

/// The row without id, revision and times, which the caller sets.
fn to_row(draft: &Draft) -> Result<chain::ActiveModel, Error> {
    let second = |time: NaiveTime| i32::try_from(time.num_seconds_from_midnight()).unwrap_or_default();
    Ok(chain::ActiveModel {
        automation_id: Set(draft.automation_id.get()),
        name: Set(draft.name.clone()),
        enabled: Set(draft.enabled),
        inputs: Set(to_json(&draft.inputs)?),
        join_mode: Set(draft.join.as_str().to_owned()),
        not_before_s: Set(draft.not_before.map(second)),
        timezone: Set(draft.timezone.clone()),
        parameters: Set(Value::Object(draft.parameters.clone())),
        parameters_from: Set(to_json(&draft.parameters_from)?),
        ..Default::default()
    })
}

fn from_row(row: chain::Model) -> Result<Chain, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("chains.{column} of {}", row.id));
    let time = |second: i32| NaiveTime::from_num_seconds_from_midnight_opt(second.try_into().ok()?, 0);
    let draft = Draft {
        automation_id: row.automation_id.into(),
        enabled: row.enabled,
        inputs: from_json(row.inputs).ok_or_else(|| corrupt("inputs"))?,
        join: Join::parse(&row.join_mode).ok_or_else(|| corrupt("join_mode"))?,
        not_before: row.not_before_s.map(|second| time(second).ok_or_else(|| corrupt("not_before_s"))).transpose()?,
        parameters: from_json(row.parameters).ok_or_else(|| corrupt("parameters"))?,
        parameters_from: from_json(row.parameters_from).ok_or_else(|| corrupt("parameters_from"))?,
        name: row.name,
        timezone: row.timezone,
    };
    Ok(Chain {
        id: row.id.into(),
        draft,
        since_at: row.since_at,
        revision: row.revision,
        created_at: row.created_at,
        updated_at: row.updated_at,
        updated_by: row.updated_by,
    })
}

fn to_json(value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Refused(error.to_string()))
}

fn from_json<T: DeserializeOwned>(value: Value) -> Option<T> {
    serde_json::from_value(value).ok()
}

fn uuids<T: Copy + Into<Uuid>>(ids: &[T]) -> impl Iterator<Item = Uuid> {
    ids.iter().map(|id| (*id).into())
}
