//! API keys. Only their digests are stored, so that a copy of the database cannot be used to call the API. What a key may do are its grants, as
//! far as its owner may do it too.

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    ids::{ApiKeyId, UserId},
    permission::{Grant, GrantSource, Grantee},
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
};
use uuid::Uuid;

use crate::{
    Database, Error,
    audit::{NONE, audit_record_in_txn},
    changes::{Subject, change_add_in_txn},
    entity::api_key::{ActiveModel, Column, Entity, Model},
    grants::{Held, grant_insert_in_txn},
};

/// A key, without its secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiKey {
    /// Id, UUID v7.
    pub id: ApiKeyId,
    /// In whose place it acts.
    pub owner: UserId,
    /// What it is for.
    pub name: String,
    /// The beginning of the key, by which people recognise it.
    pub prefix: String,
    /// SHA-256 of the key, as 64 hexadecimal digits.
    pub digest: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Who revoked it.
    pub revoked_by: Option<String>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Adds a key with its grants.
///
/// # Errors
/// [`Error::Duplicate`] when the digest exists.
pub async fn api_key_insert(database: &Database, key: &ApiKey, grants: &[Grant], change: &Change) -> Result<(), Error> {
    let row = to_row(key);
    let txn = database.begin().await?;
    Entity::insert(row.clone().into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
    for grant in grants {
        let (id, grantee, by) = (Uuid::now_v7().into(), Grantee::ApiKey(key.id), change.author().actor.clone());
        let held = Held { id, grantee, grant: grant.clone(), source: GrantSource::Manual, granted_by: by, granted_at: key.created_at };
        grant_insert_in_txn(&txn, change, &held).await?;
    }
    audit_record_in_txn(&txn, change, ("api_key.create", Target::new("api_key", key.id)), (NONE, Some(&row)), key.created_at).await?;
    txn.commit().await
}

/// The key with this digest, even if it is revoked or expired.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn api_key_find_unscoped(database: &Database, digest: &str) -> Result<Option<ApiKey>, Error> {
    let row = Entity::find().filter(Column::Digest.eq(digest)).one(database.connection()).await?;
    Ok(row.map(from_row))
}

/// One key.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn api_key_get_unscoped(database: &Database, id: ApiKeyId) -> Result<Option<ApiKey>, Error> {
    Ok(Entity::find_by_id(id.get()).one(database.connection()).await?.map(from_row))
}

/// Keys of a user (`None`: of all), in order of creation, revoked ones included.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn api_key_list_unscoped(
    database: &Database,
    owner: Option<UserId>,
    after: Option<ApiKeyId>,
    limit: u64,
) -> Result<Vec<ApiKey>, Error> {
    let wanted = Condition::all()
        .add_option(owner.map(|owner| Column::OwnerId.eq(owner.get())))
        .add_option(after.map(|after| Column::Id.gt(after.get())));
    let rows = Entity::find().filter(wanted).order_by_asc(Column::Id).limit(limit).all(database.connection()).await?;
    Ok(rows.into_iter().map(from_row).collect())
}

/// Revokes a key; the first revocation counts. `false` when there is no such key.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn api_key_revoke(database: &Database, id: ApiKeyId, change: &Change, now: DateTime<Utc>) -> Result<bool, Error> {
    let txn = database.begin().await?;
    let row = ActiveModel { revoked_at: Set(Some(now)), revoked_by: Set(Some(change.author().actor.clone())), ..Default::default() };
    let update = Entity::update_many().set(row).filter(Column::Id.eq(id.get())).filter(Column::RevokedAt.is_null());
    let is_new = update.exec(&txn.0).await?.rows_affected == 1;
    let Some(after) = Entity::find_by_id(id.get()).one(&txn.0).await? else { return Ok(false) };
    if is_new {
        let before = Model { revoked_at: None, revoked_by: None, ..after.clone() };
        let target = Target::new("api_key", id);
        audit_record_in_txn(&txn, change, ("api_key.revoke", target), (Some(&before), Some(&after)), now).await?;
        change_add_in_txn(&txn, Subject::Identities).await?;
    }
    txn.commit().await?;
    Ok(true)
}

/// Records that a key was used, unless a later use is recorded.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn api_key_note_use(database: &Database, id: ApiKeyId, at: DateTime<Utc>) -> Result<(), Error> {
    let row = ActiveModel { last_used_at: Set(Some(at)), ..Default::default() };
    let earlier = Condition::any().add(Column::LastUsedAt.is_null()).add(Column::LastUsedAt.lt(at));
    Entity::update_many().set(row).filter(Column::Id.eq(id.get())).filter(earlier).exec(database.connection()).await?;
    Ok(())
}

fn to_row(key: &ApiKey) -> Model {
    let ApiKey { id, owner, name, prefix, digest, created_at, expires_at, revoked_at, revoked_by, last_used_at } = key.clone();
    let (id, owner_id) = (id.get(), owner.get());
    Model { id, owner_id, name, prefix, digest, created_at, expires_at, revoked_at, revoked_by, last_used_at }
}

fn from_row(row: Model) -> ApiKey {
    let Model { id, owner_id, name, prefix, digest, created_at, expires_at, revoked_at, revoked_by, last_used_at } = row;
    let (id, owner) = (id.into(), owner_id.into());
    ApiKey { id, owner, name, prefix, digest, created_at, expires_at, revoked_at, revoked_by, last_used_at }
}
