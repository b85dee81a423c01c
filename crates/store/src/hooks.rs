//! Inbound webhooks and what came to them. Only digests of tokens are stored, and secrets are sealed elsewhere, so that a copy of the database
//! cannot be used to send.
//!
//! What must hold: of the deliveries of a hook with one key, one has the claim at a time, and its parameters are those that the key's job is
//! asked for with, whoever asks.

mod deliveries;

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    audit::{Change, Target},
    hook::{Rules, Signature},
    ids::{AutomationId, HookId},
};
use sea_orm::{ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;
use uuid::Uuid;

pub use self::deliveries::{
    Delivery, Finish, delivery_claim, delivery_finish, delivery_get_unscoped, delivery_insert, delivery_list_unscoped,
    retention_hook_deliveries,
};
use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    entity::hook::{Column, Entity, Model},
    scope,
};

/// A hook, without its token and secret.
#[derive(Clone, Debug, PartialEq)]
pub struct Hook {
    /// Id, UUID v7.
    pub id: HookId,
    /// The automation whose jobs it starts.
    pub automation_id: AutomationId,
    /// What it is for.
    pub name: String,
    /// Its token.
    pub token: Token,
    /// The token before it, and until when it counts.
    pub old_token: Option<(String, DateTime<Utc>)>,
    /// How senders prove themselves.
    pub signature: Signature,
    /// Where the secret is sealed.
    pub secret_id: Option<Uuid>,
    /// Where the one before it is sealed, and until when it counts.
    pub old_secret: Option<(Uuid, DateTime<Utc>)>,
    /// What it makes of a request.
    pub rules: Rules,
    /// Since when, and by whom, it is paused.
    pub paused: Option<(DateTime<Utc>, String)>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Who created it.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last.
    pub updated_by: String,
}

/// What is kept of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Its beginning, by which people recognise it.
    pub prefix: String,
    /// SHA-256 of it, as 64 hexadecimal digits.
    pub digest: String,
}

/// Selects hooks of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this automation.
    pub automation_id: Option<AutomationId>,
    /// Only those with this name.
    pub name: Option<String>,
    /// The last hook of the previous page.
    pub after: Option<HookId>,
    /// Page size.
    pub limit: u64,
}

/// Adds a hook.
///
/// # Errors
/// [`Error::Duplicate`] when the token exists, [`Error::Dangling`] or another [`Error`] of the database when there is no such automation.
pub async fn hook_insert_in_txn(txn: &Transaction, change: &Change, hook: &Hook) -> Result<(), Error> {
    let row = to_row(hook)?;
    Entity::insert(row.clone().into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
    audit_record_in_txn(txn, change, ("hook.create", target(hook.id)), (NONE, Some(&row)), hook.created_at).await
}

/// A hook in scope, which stays as it is until the transaction ends.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn hook_lock_in_txn(txn: &Transaction, scope: &Scope, id: HookId) -> Result<Option<Hook>, Error> {
    let row = Entity::find_by_id(id.get()).filter(in_scope(scope)).lock_exclusive().one(&txn.0).await?;
    row.map(from_row).transpose()
}

/// Writes a hook that [`hook_lock_in_txn`] returned as `before`. `action` is recorded: `hook.update`.
///
/// # Errors
/// [`Error::Duplicate`] when its token exists.
pub async fn hook_update_in_txn(
    txn: &Transaction,
    (change, action): (&Change, &'static str),
    (before, after): (&Hook, &Hook),
) -> Result<(), Error> {
    let (before, row) = (to_row(before)?, to_row(after)?);
    row.clone().into_active_model().reset_all().update(&txn.0).await?;
    audit_record_in_txn(txn, change, (action, target(after.id)), (Some(&before), Some(&row)), after.updated_at).await
}

/// Deletes a hook that [`hook_lock_in_txn`] returned, with its deliveries.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn hook_delete_in_txn(txn: &Transaction, change: &Change, hook: &Hook, now: DateTime<Utc>) -> Result<(), Error> {
    Entity::delete_by_id(hook.id.get()).exec(&txn.0).await?;
    audit_record_in_txn(txn, change, ("hook.delete", target(hook.id)), (Some(&to_row(hook)?), NONE), now).await
}

/// A hook in the audit trail.
#[must_use]
pub fn target(id: HookId) -> Target {
    Target::new("hook", id)
}

/// One hook.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn hook_get(database: &Database, scope: &Scope, id: HookId) -> Result<Option<Hook>, Error> {
    Entity::find_by_id(id.get()).filter(in_scope(scope)).one(database.connection()).await?.map(from_row).transpose()
}

/// The hook whose token has this digest, or whose old token has: until when that counts is for the caller to check.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn hook_find_unscoped(database: &Database, digest: &str) -> Result<Option<Hook>, Error> {
    let has_token = Condition::any().add(Column::TokenDigest.eq(digest)).add(Column::OldTokenDigest.eq(digest));
    Entity::find().filter(has_token).one(database.connection()).await?.map(from_row).transpose()
}

/// Hooks in order of creation.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn hook_list(database: &Database, scope: &Scope, filter: &Filter) -> Result<Vec<Hook>, Error> {
    let wanted = in_scope(scope)
        .add_option(filter.automation_id.map(|id| Column::AutomationId.eq(id.get())))
        .add_option(filter.name.as_ref().map(|name| Column::Name.eq(name)))
        .add_option(filter.after.map(|after| Column::Id.gt(after.get())));
    let rows = Entity::find().filter(wanted).order_by_asc(Column::Id).limit(filter.limit).all(database.connection()).await?;
    rows.into_iter().map(from_row).collect()
}

fn in_scope(scope: &Scope) -> Condition {
    Condition::all().add_option(scope::has(scope, Column::AutomationId))
}

fn to_row(hook: &Hook) -> Result<Model, Error> {
    let Hook { id, automation_id, name, token, old_token, signature, secret_id, old_secret, rules, paused, .. } = hook.clone();
    let Hook { created_at, created_by, updated_at, updated_by, .. } = hook.clone();
    let (old_token_digest, old_token_until) = old_token.unzip();
    let (old_secret_id, old_secret_until) = old_secret.unzip();
    let (paused_at, paused_by) = paused.unzip();
    Ok(Model {
        id: id.get(),
        automation_id: automation_id.get(),
        name,
        token_prefix: token.prefix,
        token_digest: token.digest,
        old_token_digest,
        old_token_until,
        signature: to_json(&signature)?,
        secret_id,
        old_secret_id,
        old_secret_until,
        parameters: Value::Object(rules.parameters),
        mapping: to_json(&rules.mapping)?,
        filter: to_json(&rules.filter)?,
        dedup: to_json(&rules.dedup)?,
        paused_at,
        paused_by,
        created_at,
        created_by,
        updated_at,
        updated_by,
    })
}

fn from_row(row: Model) -> Result<Hook, Error> {
    let id = row.id;
    let rules = Rules {
        parameters: from_json(row.parameters, id, "parameters")?,
        mapping: from_json(row.mapping, id, "mapping")?,
        filter: from_json(row.filter, id, "filter")?,
        dedup: from_json(row.dedup, id, "dedup")?,
    };
    Ok(Hook {
        id: id.into(),
        automation_id: row.automation_id.into(),
        name: row.name,
        token: Token { prefix: row.token_prefix, digest: row.token_digest },
        old_token: row.old_token_digest.zip(row.old_token_until),
        signature: from_json(row.signature, id, "signature")?,
        secret_id: row.secret_id,
        old_secret: row.old_secret_id.zip(row.old_secret_until),
        rules,
        paused: row.paused_at.zip(row.paused_by),
        created_at: row.created_at,
        created_by: row.created_by,
        updated_at: row.updated_at,
        updated_by: row.updated_by,
    })
}

fn to_json(value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Refused(error.to_string()))
}

fn from_json<T: DeserializeOwned>(value: Value, id: Uuid, column: &str) -> Result<T, Error> {
    serde_json::from_value(value).map_err(|_| Error::Corrupt(format!("hooks.{column} of {id}")))
}
