//! Grants: what users and API keys may do, and where. Each change is counted with identities, so that every replica hears of it.

use chrono::{DateTime, Utc};
use domain::{
    ids::{ApiKeyId, GrantId},
    permission::{Grant, Grantee, Where},
};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, sea_query::OnConflict};

use crate::{
    Database, Error, Transaction,
    changes::{Subject, change_add_in_txn},
    entity::grant::{ActiveModel, Column, Entity, Model},
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
    /// Who gave it.
    pub granted_by: String,
    /// When.
    pub granted_at: DateTime<Utc>,
}

/// Adds a grant; `false` when the grantee has it already.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn grant_insert(database: &Database, held: &Held) -> Result<bool, Error> {
    let txn = database.begin().await?;
    let is_new = grant_insert_in_txn(&txn, held).await?;
    txn.commit().await?;
    Ok(is_new)
}

/// [`grant_insert`] in a transaction.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn grant_insert_in_txn(txn: &Transaction, held: &Held) -> Result<bool, Error> {
    let (grantee_kind, grantee_id) = (held.grantee.kind(), held.grantee.id());
    let (where_kind, where_value) = to_columns(&held.grant.place);
    let row = ActiveModel {
        id: Set(held.id.get()),
        grantee_kind: Set(grantee_kind.to_owned()),
        grantee_id: Set(grantee_id),
        granted: Set(held.grant.right.to_string()),
        where_kind: Set(where_kind.to_owned()),
        where_value: Set(where_value),
        granted_by: Set(held.granted_by.clone()),
        granted_at: Set(held.granted_at),
    };
    use Column::{Granted, GranteeId, GranteeKind, WhereKind, WhereValue};
    let known = OnConflict::columns([GranteeKind, GranteeId, Granted, WhereKind, WhereValue]).do_nothing().to_owned();
    let is_new = Entity::insert(row).on_conflict(known).exec_without_returning(&txn.0).await? == 1;
    if is_new {
        change_add_in_txn(txn, Subject::Identities).await?;
    }
    Ok(is_new)
}

/// Takes a grant away; `false` when the grantee does not have it.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn grant_delete_in_txn(txn: &Transaction, grantee: Grantee, id: GrantId) -> Result<bool, Error> {
    let delete = Entity::delete_many().filter(of(grantee)).filter(Column::Id.eq(id.get()));
    let had = delete.exec(&txn.0).await?.rows_affected == 1;
    if had {
        change_add_in_txn(txn, Subject::Identities).await?;
    }
    Ok(had)
}

/// Takes all grants of a grantee away. Whoever calls it counts the change.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn grant_delete_all_in_txn(txn: &Transaction, grantee: Grantee) -> Result<(), Error> {
    Entity::delete_many().filter(of(grantee)).exec(&txn.0).await?;
    Ok(())
}

/// Takes away all grants at a place that there will be no more.
pub(crate) async fn grant_delete_at_in_txn(txn: &Transaction, place: &Where) -> Result<(), Error> {
    let (where_kind, where_value) = to_columns(place);
    let delete = Entity::delete_many().filter(Column::WhereKind.eq(where_kind)).filter(Column::WhereValue.eq(where_value));
    if delete.exec(&txn.0).await?.rows_affected > 0 {
        change_add_in_txn(txn, Subject::Identities).await?;
    }
    Ok(())
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
    Ok(Held { id: row.id.into(), grantee, grant: Grant { right, place }, granted_by: row.granted_by, granted_at: row.granted_at })
}
