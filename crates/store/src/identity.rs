//! Users, and settings of the installation that are generated at the first start. Those are stored in the database so that replicas agree.

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    ids::{SessionId, UserId},
    permission::{Grant, GrantSource, Grantee, Role},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, QueryFilter, UpdateMany,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use serde_json::json;
use uuid::Uuid;

use crate::{
    Database, Error,
    audit::audit_insert_in_txn,
    changes::{Subject, change_add_in_txn},
    entity::{instance_setting, user},
    grants::{Held, grant_insert_in_txn},
    sessions::session_end_all_in_txn,
};

/// A user who may sign in.
#[derive(Clone, Debug)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// User name.
    pub username: String,
    /// E-mail address to sign in with, in lower case.
    pub email: Option<String>,
    /// What people call them.
    pub display_name: Option<String>,
    /// Argon2 hash, PHC form; empty: no password, because an identity provider says who they are.
    pub password_hash: String,
    /// Whether they may sign in.
    pub is_active: bool,
    /// Counts what ends their access tokens: another password, role or state.
    pub generation: i64,
    /// Whether they may only change their password until they have.
    pub must_change_password: bool,
    /// When they were added.
    pub created_at: DateTime<Utc>,
}

impl User {
    /// Whether they can sign in with a password.
    #[must_use]
    pub const fn has_password(&self) -> bool {
        !self.password_hash.is_empty()
    }
}

/// Inserts an administrator unless the name is taken; returns whether they were inserted.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn user_insert_if_absent(
    database: &Database,
    change: &Change,
    username: &str,
    password_hash: &str,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let id = Uuid::now_v7();
    let row = user::ActiveModel {
        id: Set(id),
        username: Set(username.to_owned()),
        password_hash: Set(password_hash.to_owned()),
        created_at: Set(now),
        email: Set(None),
        display_name: Set(None),
        is_active: Set(true),
        generation: Set(0),
        must_change_password: Set(false),
    };
    let insert = user::Entity::insert(row).on_conflict(OnConflict::column(user::Column::Username).do_nothing().to_owned());
    let txn = database.begin().await?;
    let is_new = insert.exec_without_returning(&txn.0).await? == 1;
    if is_new {
        let (grantee, grant) = (Grantee::User(id.into()), Grant::everywhere(Role::Admin));
        let (id, source) = (Uuid::now_v7().into(), GrantSource::Manual);
        let held = Held { id, grantee, grant, source, granted_by: "regente".to_owned(), granted_at: now };
        grant_insert_in_txn(&txn, change, &held).await?;
        let created = json!({"username": username, "role": Role::Admin});
        let entry = change.entry("user.create", Target::new("user", id), None, Some(created));
        audit_insert_in_txn(&txn, &entry, now).await?;
    }
    txn.commit().await?;
    Ok(is_new)
}

/// Replaces a user's password hash by one that they chose, and ends their access tokens and all sessions but one; `false` when there is no such
/// user, or somebody replaced `old_hash` before.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn user_set_password(
    database: &Database,
    change: &Change,
    (id, keep): (UserId, Option<SessionId>),
    (old_hash, new_hash): (&str, &str),
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let txn = database.begin().await?;
    let row = user::ActiveModel { password_hash: Set(new_hash.to_owned()), must_change_password: Set(false), ..Default::default() };
    let update = next_generation(row, id).filter(user::Column::PasswordHash.eq(old_hash));
    let was_there = update.exec(&txn.0).await?.rows_affected == 1;
    if was_there {
        session_end_all_in_txn(&txn, id, keep, now, "password_changed").await?;
        let (before, after) = (json!({"password_hash": old_hash}), json!({"password_hash": new_hash}));
        let entry = change.entry("user.change_password", Target::new("user", id), Some(before), Some(after));
        audit_insert_in_txn(&txn, &entry, now).await?;
        change_add_in_txn(&txn, Subject::Identities).await?;
    }
    txn.commit().await?;
    Ok(was_there)
}

/// The user with this id.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn user_get(database: &Database, id: UserId) -> Result<Option<User>, Error> {
    Ok(user::Entity::find_by_id(id.get()).one(database.connection()).await?.map(from_row))
}

/// The user of this name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn user_find(database: &Database, username: &str) -> Result<Option<User>, Error> {
    let row = user::Entity::find().filter(user::Column::Username.eq(username)).one(database.connection()).await?;
    Ok(row.map(from_row))
}

/// The user with this e-mail address, whatever its case.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn user_find_by_email(database: &Database, email: &str) -> Result<Option<User>, Error> {
    let row = user::Entity::find().filter(user::Column::Email.eq(email.to_lowercase())).one(database.connection()).await?;
    Ok(row.map(from_row))
}

fn next_generation(row: user::ActiveModel, id: UserId) -> UpdateMany<user::Entity> {
    let next = Expr::col(user::Column::Generation).add(1);
    user::Entity::update_many().set(row).col_expr(user::Column::Generation, next).filter(user::Column::Id.eq(id.get()))
}

pub(crate) fn from_row(row: user::Model) -> User {
    let user::Model { id, username, password_hash, created_at, email, display_name, is_active, generation, must_change_password } = row;
    let id = id.into();
    User { id, username, email, display_name, password_hash, is_active, generation, must_change_password, created_at }
}

/// The installation's value for `key`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn instance_setting_find(database: &Database, key: &str) -> Result<Option<String>, Error> {
    let stored = instance_setting::Entity::find_by_id(key.to_owned()).one(database.connection()).await?;
    Ok(stored.map(|row| row.value))
}

/// Deletes the installation's value for `key`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn instance_setting_delete(database: &Database, key: &str) -> Result<(), Error> {
    instance_setting::Entity::delete_by_id(key.to_owned()).exec(database.connection()).await?;
    Ok(())
}
