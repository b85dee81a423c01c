//! Channels: where people are told. Secrets are sealed elsewhere; a row has their names and the place.
//!
//! A channel is read and written whole, by who holds its row; each change counts its revision.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    ids::ChannelId,
    notification::{
        ChannelKind,
        channel::{Channel, Draft, Sealed, Settings},
    },
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    entity::{
        channel::{Column, Entity, Model},
        sla,
    },
};

/// Selects channels of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this kind.
    pub kind: Option<ChannelKind>,
    /// Only those that are on, or off.
    pub enabled: Option<bool>,
    /// Only that with this name.
    pub name: Option<String>,
    /// The last channel of the previous page.
    pub after: Option<ChannelId>,
    /// Page size.
    pub limit: u64,
}

/// Adds a channel.
///
/// # Errors
/// [`Error::Duplicate`] when another has its name.
pub async fn channel_insert_in_txn(txn: &Transaction, change: &Change, channel: &Channel) -> Result<(), Error> {
    let row = to_row(channel)?;
    Entity::insert(row.clone().into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
    audit_record_in_txn(txn, change, ("channel.create", target(channel.id)), (NONE, Some(&row)), channel.created_at).await
}

/// A channel, which stays as it is until the transaction ends.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn channel_lock_in_txn(txn: &Transaction, id: ChannelId) -> Result<Option<Channel>, Error> {
    Entity::find_by_id(id.get()).lock_exclusive().one(&txn.0).await?.map(from_row).transpose()
}

/// Writes a channel that [`channel_lock_in_txn`] returned as `before`, with the revision after its. `action` is recorded: `channel.update`.
///
/// # Errors
/// [`Error::Duplicate`] when another has its name.
pub async fn channel_update_in_txn(
    txn: &Transaction,
    (change, action): (&Change, &'static str),
    (before, after): (&Channel, &Channel),
) -> Result<(), Error> {
    let (before, row) = (to_row(before)?, Model { revision: before.revision + 1, ..to_row(after)? });
    row.clone().into_active_model().reset_all().update(&txn.0).await?;
    audit_record_in_txn(txn, change, (action, target(after.id)), (Some(&before), Some(&row)), after.updated_at).await
}

/// Deletes a channel that [`channel_lock_in_txn`] returned.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn channel_delete_in_txn(txn: &Transaction, change: &Change, channel: &Channel, now: DateTime<Utc>) -> Result<(), Error> {
    Entity::delete_by_id(channel.id.get()).exec(&txn.0).await?;
    audit_record_in_txn(txn, change, ("channel.delete", target(channel.id)), (Some(&to_row(channel)?), NONE), now).await
}

/// Switches a channel off because its receiver wants no message any more; `false`: it is off, or there is none.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn channel_disable(
    database: &Database,
    change: &Change,
    (id, reason): (ChannelId, &str),
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    // Without `Database::in_transaction`, whose closure would borrow: the future of that is not `Send`, and a task calls this.
    let txn = database.begin().await?;
    let Some(before) = channel_lock_in_txn(&txn, id).await?.filter(|channel| channel.enabled) else { return Ok(false) };
    let (disabled_reason, updated_by) = (Some(reason.to_owned()), change.author().actor.clone());
    let after = Channel { enabled: false, disabled_reason, updated_at: now, updated_by, ..before.clone() };
    channel_update_in_txn(&txn, (change, "channel.disable"), (&before, &after)).await?;
    txn.commit().await?;
    Ok(true)
}

/// One channel.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn channel_get(database: &Database, id: ChannelId) -> Result<Option<Channel>, Error> {
    Entity::find_by_id(id.get()).one(database.connection()).await?.map(from_row).transpose()
}

/// Channels in order of creation.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn channel_list(database: &Database, filter: &Filter) -> Result<Vec<Channel>, Error> {
    let wanted = Condition::all()
        .add_option(filter.kind.map(|kind| Column::Kind.eq(kind.as_str())))
        .add_option(filter.enabled.map(|enabled| Column::Enabled.eq(enabled)))
        .add_option(filter.name.as_ref().map(|name| Column::Name.eq(name)))
        .add_option(filter.after.map(|after| Column::Id.gt(after.get())));
    let rows = Entity::find().filter(wanted).order_by_asc(Column::Id).limit(filter.limit).all(database.connection()).await?;
    rows.into_iter().map(from_row).collect()
}

/// Those of these channels that exist.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn channel_list_known(database: &Database, ids: &[ChannelId]) -> Result<BTreeSet<ChannelId>, Error> {
    if ids.is_empty() {
        return Ok(BTreeSet::new());
    }
    let query = Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(ids.iter().map(|id| id.get())));
    let found: Vec<Uuid> = query.into_tuple().all(database.connection()).await?;
    Ok(found.into_iter().map(ChannelId::from).collect())
}

/// Names of the SLA rules that notify this channel, the first ten by name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn channel_list_rules_in_txn(txn: &Transaction, id: ChannelId) -> Result<Vec<String>, Error> {
    // As a text: the two databases have no operator for this in common. The id is in it nowhere else.
    let terms = Expr::col((sla::Entity, sla::Column::Terms)).cast_as("text");
    let query = sla::Entity::find().select_only().column(sla::Column::Name).filter(terms.like(format!("%\"{id}\"%")));
    Ok(query.order_by_asc(sla::Column::Name).limit(10).into_tuple().all(&txn.0).await?)
}

/// A channel in the audit trail.
#[must_use]
pub fn target(id: ChannelId) -> Target {
    Target::new("channel", id)
}

fn to_row(channel: &Channel) -> Result<Model, Error> {
    let Channel { id, draft, enabled, disabled_reason, sealed, revision, created_at, created_by, updated_at, updated_by } = channel.clone();
    let Draft { name, settings, language, routing, quiet_hours, group_wait_s, templates } = draft;
    let kind = settings.kind();
    // As it is tagged, beside its kind.
    let settings = to_json(&settings)?.get_mut("settings").map(Value::take).unwrap_or_default();
    Ok(Model {
        id: id.get(),
        name,
        kind: kind.as_str().to_owned(),
        settings,
        language: language.as_str().to_owned(),
        routing: to_json(&routing)?,
        quiet_hours: quiet_hours.as_ref().map(to_json).transpose()?,
        group_wait_s: i32::try_from(group_wait_s).map_err(|error| Error::Refused(error.to_string()))?,
        templates: to_json(&templates)?,
        enabled,
        disabled_reason,
        secret_id: sealed.id,
        secret_names: to_json(&sealed.names)?,
        old_secret_until: sealed.old_until,
        revision,
        created_at,
        created_by,
        updated_at,
        updated_by,
    })
}

fn from_row(row: Model) -> Result<Channel, Error> {
    let id = row.id;
    let settings: Settings = from_json(json!({"kind": row.kind, "settings": row.settings}), id, "settings")?;
    let draft = Draft {
        name: row.name,
        settings,
        language: from_json(Value::String(row.language), id, "language")?,
        routing: from_json(row.routing, id, "routing")?,
        quiet_hours: row.quiet_hours.map(|value| from_json(value, id, "quiet_hours")).transpose()?,
        group_wait_s: row.group_wait_s.unsigned_abs(),
        templates: from_json(row.templates, id, "templates")?,
    };
    Ok(Channel {
        id: id.into(),
        draft,
        enabled: row.enabled,
        disabled_reason: row.disabled_reason,
        sealed: Sealed { id: row.secret_id, names: from_json(row.secret_names, id, "secret_names")?, old_until: row.old_secret_until },
        revision: row.revision,
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
    serde_json::from_value(value).map_err(|_| Error::Corrupt(format!("channels.{column} of {id}")))
}
