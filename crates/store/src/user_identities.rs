//! Whom an identity provider means. A user is found by the provider's issuer and its subject alone: names and e-mail addresses pass from one
//! person to another.
//!
//! What must hold: who signs in, the user that is made for them, and the grants that come of their groups are one transaction with its entries
//! in the audit trail; grants that were given by hand stay as they are.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    ids::UserId,
    permission::{Grant, GrantSource, Grantee},
    user::username_numbered,
};
use sea_orm::{ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QuerySelect, sea_query::LockType};
use uuid::Uuid;

use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    entity::{
        user,
        user_identity::{Entity, Model},
    },
    grants::grant_replace_in_txn,
    identity::{User, from_row},
    users::user_insert_in_txn,
};

/// What a provider says of somebody who signs in.
#[derive(Clone, Debug)]
pub struct SignIn {
    /// The provider.
    pub issuer: String,
    /// Its name for them, which it gives to nobody else.
    pub subject: String,
    /// An e-mail address whose user they are if they are nobody else: the provider has verified it, and is trusted for that.
    pub link_email: Option<String>,
    /// The user that is made of them if they are nobody; `None`: none is made.
    pub new_user: Option<NewUser>,
    /// What their groups give them.
    pub grants: Vec<Grant>,
}

/// A user who is made at the first sign-in.
#[derive(Clone, Debug)]
pub struct NewUser {
    /// User name, unless somebody has it: then a number follows.
    pub username: String,
    /// Their e-mail address, unless somebody has it.
    pub email: Option<String>,
    /// What people call them.
    pub display_name: Option<String>,
}

/// Whom a sign-in found.
#[derive(Clone, Debug)]
pub enum Found {
    /// This user, who now has the grants.
    User(User),
    /// This user, who may not sign in. Nothing was changed.
    Deactivated(User),
    /// Nobody, and no user was to be made.
    Nobody,
}

/// Times that a sign-in is tried when another one makes the same user or takes the same name.
const ATTEMPTS: usize = 5;
/// Characters that names with different numbers have in common.
const COMMON: usize = 50;

/// Finds or makes the user that the provider means, and replaces the grants that come of groups. `change` is by the user of this name.
///
/// # Errors
/// Any [`Error`] of the database; then nothing was changed.
pub async fn user_sign_in(
    database: &Database,
    sign_in: &SignIn,
    change: impl Fn(&str) -> Change,
    now: DateTime<Utc>,
) -> Result<Found, Error> {
    let mut attempt = 1;
    loop {
        let txn = database.begin().await?;
        match in_txn(&txn, sign_in, &change, now).await {
            Ok(found) => {
                if matches!(found, Found::User(_)) {
                    txn.commit().await?;
                }
                return Ok(found);
            }
            Err(Error::Duplicate(_) | Error::Conflict(_)) if attempt < ATTEMPTS => attempt += 1,
            Err(error) => return Err(error),
        }
    }
}

async fn in_txn(txn: &Transaction, sign_in: &SignIn, change: &impl Fn(&str) -> Change, now: DateTime<Utc>) -> Result<Found, Error> {
    let user = match known_in_txn(txn, sign_in).await? {
        Some(user) if !user.is_active => return Ok(Found::Deactivated(user)),
        Some(user) => user,
        None => match new_in_txn(txn, sign_in, change, now).await? {
            Some(user) if !user.is_active => return Ok(Found::Deactivated(user)),
            Some(user) => user,
            None => return Ok(Found::Nobody),
        },
    };
    let whose = (Grantee::User(user.id), GrantSource::Oidc);
    grant_replace_in_txn(txn, &change(&user.username), whose, &sign_in.grants, now).await?;
    Ok(Found::User(user))
}

/// The user of this identity, locked against another sign-in and against deactivation.
async fn known_in_txn(txn: &Transaction, sign_in: &SignIn) -> Result<Option<User>, Error> {
    let key = (sign_in.issuer.clone(), sign_in.subject.clone());
    let Some(identity) = Entity::find_by_id(key).one(&txn.0).await? else { return Ok(None) };
    let row = user::Entity::find_by_id(identity.user_id).lock(LockType::NoKeyUpdate).one(&txn.0).await?;
    Ok(row.map(from_row))
}

/// The user who is linked or made now.
async fn new_in_txn(
    txn: &Transaction,
    sign_in: &SignIn,
    change: &impl Fn(&str) -> Change,
    now: DateTime<Utc>,
) -> Result<Option<User>, Error> {
    let linked = match &sign_in.link_email {
        Some(email) => by_email_in_txn(txn, email).await?,
        None => None,
    };
    let user = match (linked, &sign_in.new_user) {
        (Some(user), _) if !user.is_active => return Ok(Some(user)),
        (Some(user), _) => user,
        (None, Some(new)) => insert_in_txn(txn, new, change, now).await?,
        (None, None) => return Ok(None),
    };
    let SignIn { issuer, subject, .. } = sign_in.clone();
    let row = Model { issuer, subject, user_id: user.id.get(), linked_at: now };
    Entity::insert(row.clone().into_active_model()).exec_without_returning(&txn.0).await?;
    let about = ("user.link_identity", Target::new("user", user.id));
    audit_record_in_txn(txn, &change(&user.username), about, (NONE, Some(&row)), now).await?;
    Ok(Some(user))
}

async fn by_email_in_txn(txn: &Transaction, email: &str) -> Result<Option<User>, Error> {
    let query = user::Entity::find().filter(user::Column::Email.eq(email.to_lowercase())).lock(LockType::NoKeyUpdate);
    Ok(query.one(&txn.0).await?.map(from_row))
}

async fn insert_in_txn(txn: &Transaction, new: &NewUser, change: &impl Fn(&str) -> Change, now: DateTime<Utc>) -> Result<User, Error> {
    let email = match &new.email {
        Some(email) if by_email_in_txn(txn, email).await?.is_none() => Some(email.to_lowercase()),
        _ => None,
    };
    let user = User {
        id: UserId::from(Uuid::now_v7()),
        username: free_name_in_txn(txn, &new.username).await?,
        email,
        display_name: new.display_name.clone(),
        password_hash: String::new(),
        is_active: true,
        generation: 0,
        must_change_password: false,
        created_at: now,
    };
    user_insert_in_txn(txn, &user, &change(&user.username)).await?;
    Ok(user)
}

async fn free_name_in_txn(txn: &Transaction, name: &str) -> Result<String, Error> {
    let common: String = name.chars().take(COMMON).collect();
    let query = user::Entity::find().select_only().column(user::Column::Username).filter(user::Column::Username.starts_with(common));
    let taken: HashSet<String> = query.into_tuple::<String>().all(&txn.0).await?.into_iter().collect();
    let free = (1..).map(|number| username_numbered(name, number)).find(|name| !taken.contains(name));
    free.ok_or_else(|| Error::Refused(format!("all names like {name} are taken")))
}
