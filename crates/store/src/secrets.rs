//! Sealed secrets: what the database keeps of them opens nothing without a master key, which is never here.

use std::fmt;

use chrono::{DateTime, Utc};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};

use crate::{
    Database, Error, Transaction,
    entity::secret::{ActiveModel, Column, Entity, Model},
};

/// A secret, sealed under a data key that a master key wraps.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// What it is for.
    pub purpose: String,
    /// Which one of these.
    pub id: String,
    /// The master key that wraps its data key.
    pub master_key_id: String,
    /// Its data key.
    pub wrapped_key: Vec<u8>,
    /// The secret itself.
    pub ciphertext: Vec<u8>,
    /// When it was sealed first.
    pub created_at: DateTime<Utc>,
}

/// Adds a secret unless its place has one; says whether it was added.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn secret_insert_if_absent(database: &Database, secret: &Secret) -> Result<bool, Error> {
    insert(database.connection(), secret).await
}

/// [`secret_insert_if_absent`] in a transaction.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn secret_insert_if_absent_in_txn(txn: &Transaction, secret: &Secret) -> Result<bool, Error> {
    insert(&txn.0, secret).await
}

async fn insert(connection: &impl ConnectionTrait, secret: &Secret) -> Result<bool, Error> {
    let row = ActiveModel {
        purpose: Set(secret.purpose.clone()),
        id: Set(secret.id.clone()),
        master_key_id: Set(secret.master_key_id.clone()),
        wrapped_key: Set(secret.wrapped_key.clone()),
        ciphertext: Set(secret.ciphertext.clone()),
        created_at: Set(secret.created_at),
    };
    let once = OnConflict::columns([Column::Purpose, Column::Id]).do_nothing().to_owned();
    Ok(Entity::insert(row).on_conflict(once).exec_without_returning(connection).await? == 1)
}

/// The secret at this place.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn secret_find(database: &Database, purpose: &str, id: &str) -> Result<Option<Secret>, Error> {
    let row = Entity::find_by_id((purpose.to_owned(), id.to_owned())).one(database.connection()).await?;
    Ok(row.map(from_row))
}

/// Ids of the master keys that are needed to open all secrets.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn secret_master_key_ids(database: &Database) -> Result<Vec<String>, Error> {
    let query = Entity::find().select_only().column(Column::MasterKeyId).distinct().order_by_asc(Column::MasterKeyId);
    Ok(query.into_tuple().all(database.connection()).await?)
}

/// Secrets that another master key than this one wraps, behind the place `after`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn secret_list_wrapped_otherwise(
    database: &Database,
    master_key_id: &str,
    after: Option<(&str, &str)>,
    limit: u64,
) -> Result<Vec<Secret>, Error> {
    let mut query = Entity::find().filter(Column::MasterKeyId.ne(master_key_id));
    if let Some((purpose, id)) = after {
        let same_purpose = Condition::all().add(Column::Purpose.eq(purpose)).add(Column::Id.gt(id));
        query = query.filter(Condition::any().add(Column::Purpose.gt(purpose)).add(same_purpose));
    }
    let query = query.order_by_asc(Column::Purpose).order_by_asc(Column::Id).limit(limit);
    Ok(query.all(database.connection()).await?.into_iter().map(from_row).collect())
}

/// Replaces the wrapped data key of `old` by that of `new`, whose secret is the same; `false` when somebody changed the row meanwhile.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn secret_rewrap(database: &Database, old: &Secret, new: &Secret) -> Result<bool, Error> {
    let row =
        ActiveModel { master_key_id: Set(new.master_key_id.clone()), wrapped_key: Set(new.wrapped_key.clone()), ..Default::default() };
    let same = Condition::all()
        .add(Column::Purpose.eq(&old.purpose))
        .add(Column::Id.eq(&old.id))
        .add(Column::MasterKeyId.eq(&old.master_key_id))
        .add(Column::WrappedKey.eq(old.wrapped_key.clone()));
    Ok(Entity::update_many().set(row).filter(same).exec(database.connection()).await?.rows_affected == 1)
}

/// Removes the secret at this place.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn secret_delete_in_txn(txn: &Transaction, purpose: &str, id: &str) -> Result<(), Error> {
    Entity::delete_by_id((purpose.to_owned(), id.to_owned())).exec(&txn.0).await?;
    Ok(())
}

fn from_row(row: Model) -> Secret {
    let Model { purpose, id, master_key_id, wrapped_key, ciphertext, created_at } = row;
    Secret { purpose, id, master_key_id, wrapped_key, ciphertext, created_at }
}

impl fmt::Debug for Secret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { purpose, id, master_key_id, .. } = self;
        formatter
            .debug_struct("Secret")
            .field("purpose", purpose)
            .field("id", id)
            .field("master_key_id", master_key_id)
            .finish_non_exhaustive()
    }
}
