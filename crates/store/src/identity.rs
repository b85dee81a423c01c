//! Users, and settings of the installation that are generated at the first start. Those are stored in the database so that replicas agree.

use chrono::{DateTime, Utc};
use domain::ids::UserId;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, sea_query::OnConflict};
use uuid::Uuid;

use crate::{
    Database, Error,
    entity::{instance_setting, user},
};

/// A user who may sign in.
#[derive(Clone, Debug)]
pub struct User {
    /// Id.
    pub id: UserId,
    /// User name.
    pub username: String,
    /// Argon2 hash, PHC form.
    pub password_hash: String,
}

/// Inserts a user unless the name is taken; returns whether it was inserted.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn user_insert_if_absent(database: &Database, username: &str, password_hash: &str, now: DateTime<Utc>) -> Result<bool, Error> {
    let row = user::ActiveModel {
        id: Set(Uuid::now_v7()),
        username: Set(username.to_owned()),
        password_hash: Set(password_hash.to_owned()),
        created_at: Set(now),
    };
    let insert = user::Entity::insert(row).on_conflict(OnConflict::column(user::Column::Username).do_nothing().to_owned());
    Ok(insert.exec_without_returning(database.connection()).await? == 1)
}

/// Replaces a user's password hash; `false` when there is no such user.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn user_set_password(database: &Database, username: &str, password_hash: &str) -> Result<bool, Error> {
    let row = user::ActiveModel { password_hash: Set(password_hash.to_owned()), ..Default::default() };
    let updated = user::Entity::update_many().set(row).filter(user::Column::Username.eq(username)).exec(database.connection()).await?;
    Ok(updated.rows_affected == 1)
}

/// The user of this name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn user_find(database: &Database, username: &str) -> Result<Option<User>, Error> {
    let row = user::Entity::find().filter(user::Column::Username.eq(username)).one(database.connection()).await?;
    Ok(row.map(|row| User { id: row.id.into(), username: row.username, password_hash: row.password_hash }))
}

/// The installation's value for `key`. If there is none, stores `fresh`, which is then the value for all replicas.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn instance_setting_get_or_insert(database: &Database, key: &str, fresh: &str) -> Result<String, Error> {
    let row = instance_setting::ActiveModel { key: Set(key.to_owned()), value: Set(fresh.to_owned()) };
    let insert =
        instance_setting::Entity::insert(row).on_conflict(OnConflict::column(instance_setting::Column::Key).do_nothing().to_owned());
    insert.exec_without_returning(database.connection()).await?;
    let stored = instance_setting::Entity::find_by_id(key.to_owned()).one(database.connection()).await?;
    stored.map(|row| row.value).ok_or_else(|| Error::Corrupt(format!("instance_settings.{key} vanished")))
}
