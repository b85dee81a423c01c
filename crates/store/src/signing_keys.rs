//! Keys that sign access tokens: their public parts, which every service reads. The private part of the last one is a sealed secret.

use chrono::{DateTime, Utc};
use domain::audit::{Change, Target};
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder};

use serde_json::json;

use crate::{
    Database, Error, Transaction,
    audit::audit_insert_in_txn,
    changes::{Subject, change_add_in_txn},
    entity::signing_key::{ActiveModel, Column, Entity},
};

/// A key that signs access tokens, or signed them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKey {
    /// Id, which its tokens name.
    pub id: String,
    /// What checks them.
    pub public_key: Vec<u8>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// It signs nothing from then on.
    pub retired_at: Option<DateTime<Utc>>,
}

/// All keys that are kept, the last one first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn signing_key_list(database: &Database) -> Result<Vec<SigningKey>, Error> {
    let query = Entity::find().order_by_desc(Column::CreatedAt).order_by_desc(Column::Id);
    let rows = query.all(database.connection()).await?.into_iter();
    let key = |row: crate::entity::signing_key::Model| SigningKey {
        id: row.id,
        public_key: row.public_key,
        created_at: row.created_at,
        retired_at: row.retired_at,
    };
    Ok(rows.map(key).collect())
}

/// Puts `key` in the place of those that sign, and counts the change; returns the ids of the ones that it replaces. Keys that were retired before
/// `forget_before` are removed: no token of theirs is good any more.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn signing_key_replace_in_txn(
    txn: &Transaction,
    change: &Change,
    key: &SigningKey,
    forget_before: DateTime<Utc>,
) -> Result<Vec<String>, Error> {
    let signing = Entity::find().filter(Column::RetiredAt.is_null()).all(&txn.0).await?;
    let retired = ActiveModel { retired_at: Set(Some(key.created_at)), ..Default::default() };
    Entity::update_many().set(retired).filter(Column::RetiredAt.is_null()).exec(&txn.0).await?;
    Entity::delete_many().filter(Column::RetiredAt.lt(forget_before)).exec(&txn.0).await?;
    let row = ActiveModel {
        id: Set(key.id.clone()),
        public_key: Set(key.public_key.clone()),
        created_at: Set(key.created_at),
        retired_at: Set(key.retired_at),
    };
    Entity::insert(row).exec_without_returning(&txn.0).await?;
    let before = signing.iter().map(|key| &key.id).max().map(|id| json!({"signs": id}));
    let entry = change.entry("signing_key.rotate", Target::new("signing_key", &key.id), before, Some(json!({"signs": key.id})));
    audit_insert_in_txn(txn, &entry, key.created_at).await?;
    change_add_in_txn(txn, Subject::Identities).await?;
    Ok(signing.into_iter().map(|row| row.id).collect())
}
