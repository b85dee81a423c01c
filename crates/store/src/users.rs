//! Users, as administrators manage them. A user is never removed, and keeps the name: what was changed names users, and a name that passes to
//! somebody else would pass on what is the first one's.
//!
//! What must hold: there is always somebody who may manage the hub ([`administrator_check_in_txn`]), whatever several replicas change at once.

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    ids::UserId,
    permission::{GrantSource, Permission, Role},
};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, LockType},
};

use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    changes::{Subject, change_add_in_txn},
    entity::{
        grant,
        user::{Column, Entity, Model},
    },
    identity::{User, from_row},
    search::has_text,
    sessions::session_end_all_in_txn,
};

/// Selects users.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only the one of this name.
    pub username: Option<String>,
    /// Only those with this text in their name, e-mail address or display name, whatever its case.
    pub search: Option<String>,
    /// Only those who may sign in, or who may not.
    pub is_active: Option<bool>,
    /// Only those whose name comes after this one.
    pub after: Option<String>,
    /// At most as many.
    pub limit: u64,
}

/// What is changed of a user; `None` stays as it is.
#[derive(Clone, Debug, Default)]
pub struct Profile {
    /// E-mail address; kept in lower case.
    pub email: Option<Option<String>>,
    /// What people call them.
    pub display_name: Option<Option<String>>,
}

/// A password that somebody else gives to a user.
#[derive(Clone, Debug)]
pub struct NewPassword {
    /// Argon2 hash, PHC form.
    pub hash: String,
    /// Whether the user has to choose another at the next sign-in.
    pub must_change: bool,
}

/// Adds a user, who may do nothing yet.
///
/// # Errors
/// [`Error::Duplicate`] when somebody has the name or the e-mail address.
pub async fn user_insert(database: &Database, user: &User, change: &Change) -> Result<(), Error> {
    let txn = database.begin().await?;
    user_insert_in_txn(&txn, user, change).await?;
    txn.commit().await
}

/// [`user_insert`] in a transaction.
pub(crate) async fn user_insert_in_txn(txn: &Transaction, user: &User, change: &Change) -> Result<(), Error> {
    let row = Model {
        id: user.id.get(),
        username: user.username.clone(),
        password_hash: user.password_hash.clone(),
        created_at: user.created_at,
        email: user.email.as_deref().map(str::to_lowercase),
        display_name: user.display_name.clone(),
        is_active: user.is_active,
        generation: user.generation,
        must_change_password: user.must_change_password,
    };
    Entity::insert(row.clone().into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
    audit_record_in_txn(txn, change, ("user.create", target(user.id)), (NONE, Some(&row)), user.created_at).await
}

/// Users by name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn user_list(database: &Database, filter: &Filter) -> Result<Vec<User>, Error> {
    let text = |text: &String| {
        [Column::Username, Column::Email, Column::DisplayName]
            .into_iter()
            .fold(Condition::any(), |any, column| any.add(has_text(column, text)))
    };
    let wanted = Condition::all()
        .add_option(filter.search.as_ref().map(text))
        .add_option(filter.is_active.map(|active| Column::IsActive.eq(active)))
        .add_option(filter.username.as_ref().map(|name| Column::Username.eq(name)))
        .add_option(filter.after.as_ref().map(|after| Column::Username.gt(after)));
    let query = Entity::find().filter(wanted).order_by_asc(Column::Username).limit(filter.limit);
    Ok(query.all(database.connection()).await?.into_iter().map(from_row).collect())
}

/// Changes what is known of a user; `None` when there is no such user.
///
/// # Errors
/// [`Error::Duplicate`] when somebody else has the address.
pub async fn user_update(
    database: &Database,
    id: UserId,
    profile: &Profile,
    change: &Change,
    now: DateTime<Utc>,
) -> Result<Option<User>, Error> {
    let txn = database.begin().await?;
    let Some(mut user) = Changed::lock_in_txn(&txn, id).await? else { return Ok(None) };
    if let Some(email) = &profile.email {
        user.after.email = email.as_ref().map(|email| email.to_lowercase());
    }
    if let Some(name) = &profile.display_name {
        user.after.display_name.clone_from(name);
    }
    if user.before != user.after {
        user.write_in_txn(&txn, "user.update", change, now).await?;
        txn.commit().await?;
    }
    Ok(Some(from_row(user.after)))
}

/// Lets a user sign in, or not any more, which ends their access tokens and sessions; `None` when there is no such user.
///
/// # Errors
/// [`Error::LastAdministrator`].
pub async fn user_set_active(
    database: &Database,
    id: UserId,
    is_active: bool,
    change: &Change,
    now: DateTime<Utc>,
) -> Result<Option<User>, Error> {
    let txn = database.begin().await?;
    let Some(mut user) = Changed::lock_in_txn(&txn, id).await? else { return Ok(None) };
    if user.before.is_active != is_active {
        user.after.is_active = is_active;
        user.after.generation += 1;
        let action = if is_active { "user.reactivate" } else { "user.deactivate" };
        user.write_in_txn(&txn, action, change, now).await?;
        if !is_active {
            session_end_all_in_txn(&txn, id, None, now, "deactivated").await?;
        }
        administrator_check_in_txn(&txn).await?;
        txn.commit().await?;
    }
    Ok(Some(from_row(user.after)))
}

/// Gives a user another password, and ends their access tokens and sessions; `None` when there is no such user.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn user_reset_password(
    database: &Database,
    id: UserId,
    NewPassword { hash, must_change }: NewPassword,
    change: &Change,
    now: DateTime<Utc>,
) -> Result<Option<User>, Error> {
    let txn = database.begin().await?;
    let Some(mut user) = Changed::lock_in_txn(&txn, id).await? else { return Ok(None) };
    (user.after.password_hash, user.after.must_change_password) = (hash, must_change);
    user.after.generation += 1;
    user.write_in_txn(&txn, "user.reset_password", change, now).await?;
    session_end_all_in_txn(&txn, id, None, now, "password_reset").await?;
    change_add_in_txn(&txn, Subject::Identities).await?;
    txn.commit().await?;
    Ok(Some(from_row(user.after)))
}

/// Checks, after a change of users or of what they may do, that an active user still may manage the hub, and counts the change. Such changes
/// wait for each other here, so that two at once cannot each leave it to the other's administrator. Call it last.
///
/// # Errors
/// [`Error::LastAdministrator`]: then the transaction must be rolled back.
pub async fn administrator_check_in_txn(txn: &Transaction) -> Result<(), Error> {
    change_add_in_txn(txn, Subject::Identities).await?;
    let granting = [Role::Admin.as_str(), Permission::AdminManage.as_str()];
    let administrators = grant::Entity::find()
        .select_only()
        .column(grant::Column::GranteeId)
        .filter(grant::Column::GranteeKind.eq("user"))
        .filter(grant::Column::Granted.is_in(granting))
        .filter(grant::Column::WhereKind.eq("everywhere"))
        // What a group gave ends with the group.
        .filter(grant::Column::Source.eq(GrantSource::Manual.as_str()))
        .into_query();
    let remaining = Entity::find().filter(Column::IsActive.eq(true)).filter(Column::Id.in_subquery(administrators));
    let remaining: Option<i32> = remaining.select_only().expr(Expr::value(1)).limit(1).into_tuple().one(&txn.0).await?;
    remaining.map(drop).ok_or(Error::LastAdministrator)
}

/// A user's row as it was and will be.
struct Changed {
    before: Model,
    after: Model,
}

impl Changed {
    async fn lock_in_txn(txn: &Transaction, id: UserId) -> Result<Option<Self>, Error> {
        let row = Entity::find_by_id(id.get()).lock(LockType::NoKeyUpdate).one(&txn.0).await?;
        Ok(row.map(|row| Self { before: row.clone(), after: row }))
    }

    async fn write_in_txn(&self, txn: &Transaction, action: &'static str, change: &Change, now: DateTime<Utc>) -> Result<(), Error> {
        let row = self.after.clone().into_active_model().reset_all();
        Entity::update_many().set(row).filter(Column::Id.eq(self.after.id)).exec(&txn.0).await?;
        audit_record_in_txn(txn, change, (action, target(self.after.id.into())), (Some(&self.before), Some(&self.after)), now).await
    }
}

fn target(id: UserId) -> Target {
    Target::new("user", id)
}
