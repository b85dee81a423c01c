//! Sign-ins at an identity provider that are under way. Each has two halves: from its start until the browser comes back, which its state finds
//! once, and from there until the program that asked for it collects the outcome, which its code finds once.
//!
//! What must hold: a row has digests alone, so that nobody who reads the database can go on with a sign-in.

use chrono::{DateTime, Utc};
use domain::ids::UserId;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QuerySelect};
use uuid::Uuid;

use crate::{
    Database, Error,
    entity::pending_sign_in::{ActiveModel, Column, Entity, Model},
};

/// A sign-in that is under way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PendingSignIn {
    /// Id, UUID v7.
    pub id: Uuid,
    /// SHA-256 of the state that comes back with the browser.
    pub state_digest: String,
    /// SHA-256 of the secret that only this browser has.
    pub browser_digest: String,
    /// Where the browser goes in the end.
    pub return_to: String,
    /// What the verifier of the program that asked for it must hash to.
    pub code_challenge: String,
    /// When it was begun.
    pub created_at: DateTime<Utc>,
    /// Until when the browser may come back.
    pub expires_at: DateTime<Utc>,
}

/// How a sign-in ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It is this user.
    User(UserId),
    /// It was refused, for a reason that its caller has words for.
    Refused(String),
}

/// Adds a sign-in, unless `most` are under way at `now`; says whether it was added.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn pending_sign_in_insert(database: &Database, pending: &PendingSignIn, most: u64, now: DateTime<Utc>) -> Result<bool, Error> {
    let live = Entity::find().filter(Column::ExpiresAt.gt(now)).count(database.connection()).await?;
    if live >= most {
        return Ok(false);
    }
    let row = ActiveModel {
        id: Set(pending.id),
        state_digest: Set(pending.state_digest.clone()),
        browser_digest: Set(pending.browser_digest.clone()),
        return_to: Set(pending.return_to.clone()),
        code_challenge: Set(pending.code_challenge.clone()),
        created_at: Set(pending.created_at),
        expires_at: Set(pending.expires_at),
        used_at: Set(None),
        code_digest: Set(None),
        user_id: Set(None),
        refusal: Set(None),
    };
    Entity::insert(row).exec_without_returning(database.connection()).await?;
    Ok(true)
}

/// The sign-in of this state and browser, once: `None` when there is none, it has expired, or somebody took it before.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn pending_sign_in_take(
    database: &Database,
    (state_digest, browser_digest): (&str, &str),
    now: DateTime<Utc>,
) -> Result<Option<PendingSignIn>, Error> {
    let used = ActiveModel { used_at: Set(Some(now)), ..Default::default() };
    let take = Entity::update_many()
        .set(used)
        .filter(Column::StateDigest.eq(state_digest))
        .filter(Column::BrowserDigest.eq(browser_digest))
        .filter(Column::UsedAt.is_null())
        .filter(Column::ExpiresAt.gt(now));
    if take.exec(database.connection()).await?.rows_affected != 1 {
        return Ok(None);
    }
    let row = Entity::find().filter(Column::StateDigest.eq(state_digest)).one(database.connection()).await?;
    Ok(row.map(|row| from_row(row).0))
}

/// Keeps the outcome until `expires_at`, for whoever has the code of this digest.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn pending_sign_in_finish(
    database: &Database,
    id: Uuid,
    code_digest: &str,
    outcome: &Outcome,
    expires_at: DateTime<Utc>,
) -> Result<(), Error> {
    let (user_id, refusal) = match outcome {
        Outcome::User(id) => (Some(id.get()), None),
        Outcome::Refused(reason) => (None, Some(reason.clone())),
    };
    let (code_digest, expires_at) = (Set(Some(code_digest.to_owned())), Set(expires_at));
    let row = ActiveModel { code_digest, user_id: Set(user_id), refusal: Set(refusal), expires_at, ..Default::default() };
    Entity::update_many().set(row).filter(Column::Id.eq(id)).exec(database.connection()).await?;
    Ok(())
}

/// The sign-in of this code with its outcome, once.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn pending_sign_in_redeem(
    database: &Database,
    code_digest: &str,
    now: DateTime<Utc>,
) -> Result<Option<(PendingSignIn, Outcome)>, Error> {
    let query = Entity::find().filter(Column::CodeDigest.eq(code_digest)).filter(Column::ExpiresAt.gt(now));
    let Some(row) = query.one(database.connection()).await? else { return Ok(None) };
    let (id, (pending, outcome)) = (row.id, from_row(row));
    // Of several with the same code one deletes it.
    let is_mine = Entity::delete_by_id(id).exec(database.connection()).await?.rows_affected == 1;
    let outcome = outcome.ok_or_else(|| Error::Corrupt(format!("pending_sign_ins {id} has a code and no outcome")))?;
    Ok(is_mine.then_some((pending, outcome)))
}

/// Removes at most `limit` sign-ins that expired before `before`; returns how many.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn pending_sign_in_delete_expired(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    let expired = Entity::find().select_only().column(Column::Id).filter(Column::ExpiresAt.lt(before)).limit(limit);
    let ids: Vec<Uuid> = expired.into_tuple().all(database.connection()).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(Entity::delete_many().filter(Column::Id.is_in(ids)).exec(database.connection()).await?.rows_affected)
}

fn from_row(row: Model) -> (PendingSignIn, Option<Outcome>) {
    let Model { id, state_digest, browser_digest, return_to, code_challenge, created_at, expires_at, user_id, refusal, .. } = row;
    let outcome = user_id.map(|id| Outcome::User(id.into())).or_else(|| refusal.map(Outcome::Refused));
    (PendingSignIn { id, state_digest, browser_digest, return_to, code_challenge, created_at, expires_at }, outcome)
}
