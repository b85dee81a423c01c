//! Grants: what users and API keys may do, and where. Each change is counted with identities, so that every replica hears of it.

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    ids::{ApiKeyId, GrantId},
    permission::{Grant, GrantSource, Grantee, Where},
};
use sea_orm::{ColumnTrait, Condition, ConnectionTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, sea_query::OnConflict};
use uuid::Uuid;

use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    changes::{Subject, change_add_in_txn},
    entity::grant::{Column, Entity, Model},
};

/// A grant that somebody has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Id.
    pub id: GrantId,
    /// Who has it.
    pub grantee: Grantee,
    /// What it gives, and where.
    pub grant: Grant,
    /// What it comes from.
    pub source: GrantSource,
    /// Who gave it.
    pub granted_by: String,
    /// When.
    pub granted_at: DateTime<Utc>,
}

/// Adds a grant; `false` when the grantee has it already. One that is given by hand takes the place of the same one from another source, and so
/// stays.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn grant_insert(database: &Database, change: &Change, held: &Held) -> Result<bool, Error> {
    let txn = database.begin().await?;
    let is_new = grant_insert_in_txn(&txn, change, held).await?;
    txn.commit().await?;
    Ok(is_new)
}

/// [`grant_insert`] in a transaction.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn grant_insert_in_txn(txn: &Transaction, change: &Change, held: &Held) -> Result<bool, Error> {
    let row = to_row(held);
    use Column::{Granted, GranteeId, GranteeKind, WhereKind, WhereValue};
    if held.source == GrantSource::Manual {
        let same = of(held.grantee).add(Granted.eq(&row.granted)).add(WhereKind.eq(&row.where_kind)).add(WhereValue.eq(&row.where_value));
        delete(txn, change, same.add(Column::Source.ne(row.source.as_str())), held.granted_at).await?;
    }
    let known = OnConflict::columns([GranteeKind, GranteeId, Granted, WhereKind, WhereValue]).do_nothing().to_owned();
    let insert = Entity::insert(row.clone().into_active_model()).on_conflict(known);
    let is_new = insert.exec_without_returning(&txn.0).await? == 1;
    if is_new {
        change_add_in_txn(txn, Subject::Identities).await?;
        audit_record_in_txn(txn, change, ("grant.create", target(&row)), (NONE, Some(&row)), held.granted_at).await?;
    }
    Ok(is_new)
}

/// Takes a grant away; `false` when the grantee does not have it. Whoever calls it checks that an administrator is left.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn grant_delete_in_txn(
    txn: &Transaction,
    change: &Change,
    grantee: Grantee,
    id: GrantId,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    Ok(delete(txn, change, of(grantee).add(Column::Id.eq(id.get())), now).await? == 1)
}

/// Makes `wanted` the grants that the grantee has from `source`: what is missing is added, what is not wanted taken away. Grants from elsewhere
/// stay. Says whether anything changed.
pub(crate) async fn grant_replace_in_txn(
    txn: &Transaction,
    change: &Change,
    (grantee, source): (Grantee, GrantSource),
    wanted: &[Grant],
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let held = list(&txn.0, grantee).await?;
    let mut changed = false;
    for old in held.iter().filter(|held| held.source == source && !wanted.contains(&held.grant)) {
        changed |= grant_delete_in_txn(txn, change, grantee, old.id, now).await?;
    }
    for grant in wanted.iter().filter(|grant| held.iter().all(|held| held.grant != **grant)) {
        let id = Uuid::now_v7().into();
        let new = Held { id, grantee, grant: grant.clone(), source, granted_by: source.to_string(), granted_at: now };
        changed |= grant_insert_in_txn(txn, change, &new).await?;
    }
    Ok(changed)
}

/// Takes away all grants at a place that there will be no more.
pub(crate) async fn grant_delete_at_in_txn(txn: &Transaction, change: &Change, place: &Where, now: DateTime<Utc>) -> Result<(), Error> {
    let (where_kind, where_value) = to_columns(place);
    let there = Condition::all().add(Column::WhereKind.eq(where_kind)).add(Column::WhereValue.eq(where_value));
    delete(txn, change, there, now).await.map(drop)
}

/// Deletes, counts and records; returns how many.
async fn delete(txn: &Transaction, change: &Change, which: Condition, now: DateTime<Utc>) -> Result<usize, Error> {
    let rows = Entity::find().filter(which).all(&txn.0).await?;
    for row in &rows {
        Entity::delete_by_id(row.id).exec(&txn.0).await?;
        audit_record_in_txn(txn, change, ("grant.delete", target(row)), (Some(row), NONE), now).await?;
    }
    if !rows.is_empty() {
        change_add_in_txn(txn, Subject::Identities).await?;
    }
    Ok(rows.len())
}

/// The grants of a user or key, oldest first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn grant_list_unscoped(database: &Database, grantee: Grantee) -> Result<Vec<Held>, Error> {
    list(database.connection(), grantee).await
}

/// [`grant_list_unscoped`] in a transaction.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn grant_list_in_txn(txn: &Transaction, grantee: Grantee) -> Result<Vec<Held>, Error> {
    list(&txn.0, grantee).await
}

/// The grants of these API keys.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn grant_list_of_keys_unscoped(database: &Database, keys: &[ApiKeyId]) -> Result<Vec<Held>, Error> {
    let query = Entity::find().filter(Column::GranteeKind.eq("api_key")).filter(Column::GranteeId.is_in(keys.iter().map(|id| id.get())));
    let rows = query.order_by_asc(Column::GrantedAt).order_by_asc(Column::Id).all(database.connection()).await?;
    rows.into_iter()
        .map(|row| {
            let key = Grantee::ApiKey(row.grantee_id.into());
            from_row(row, key)
        })
        .collect()
}

async fn list(connection: &impl ConnectionTrait, grantee: Grantee) -> Result<Vec<Held>, Error> {
    let query = Entity::find().filter(of(grantee)).order_by_asc(Column::GrantedAt).order_by_asc(Column::Id);
    query.all(connection).await?.into_iter().map(|row| from_row(row, grantee)).collect()
}

fn of(grantee: Grantee) -> Condition {
    Condition::all().add(Column::GranteeKind.eq(grantee.kind())).add(Column::GranteeId.eq(grantee.id()))
}

fn target(row: &Model) -> Target {
    Target::new("grant", row.id)
}

fn to_row(held: &Held) -> Model {
    let (where_kind, where_value) = to_columns(&held.grant.place);
    Model {
        id: held.id.get(),
        grantee_kind: held.grantee.kind().to_owned(),
        grantee_id: held.grantee.id(),
        granted: held.grant.right.to_string(),
        where_kind: where_kind.to_owned(),
        where_value,
        granted_by: held.granted_by.clone(),
        granted_at: held.granted_at,
        source: held.source.to_string(),
    }
}

fn to_columns(place: &Where) -> (&'static str, String) {
    match place {
        Where::Everywhere => ("everywhere", String::new()),
        Where::Domain(id) => ("domain", id.to_string()),
        Where::Automation(id) => ("automation", id.to_string()),
        Where::Label(label) => ("label", label.clone()),
    }
}

fn from_row(row: Model, grantee: Grantee) -> Result<Held, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("grants.{column} of {}", row.id));
    let place = match row.where_kind.as_str() {
        "everywhere" => Where::Everywhere,
        "domain" => Where::Domain(row.where_value.parse().map_err(|_| corrupt("where_value"))?),
        "automation" => Where::Automation(row.where_value.parse().map_err(|_| corrupt("where_value"))?),
        "label" => Where::Label(row.where_value.clone()),
        _ => return Err(corrupt("where_kind")),
    };
    let right = row.granted.parse().map_err(|_| corrupt("granted"))?;
    let source = GrantSource::parse(&row.source).ok_or_else(|| corrupt("source"))?;
    Ok(Held { id: row.id.into(), grantee, grant: Grant { right, place }, source, granted_by: row.granted_by, granted_at: row.granted_at })
}
