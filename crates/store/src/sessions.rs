//! Sessions: somebody signed in on one device, with the number of the refresh token that counts. Each change that ends one is counted, so that
//! every replica hears of it.

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    ids::{SessionId, UserId},
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr};

use serde_json::json;

use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_insert_in_txn, audit_record_in_txn},
    changes::{Subject, change_add_in_txn},
    entity::session::{ActiveModel, Column, Entity, Model},
};

/// A session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Id, UUID v7.
    pub id: SessionId,
    /// Whose.
    pub user_id: UserId,
    /// Number of the refresh token that counts.
    pub number: i64,
    /// When its user signed in.
    pub created_at: DateTime<Utc>,
    /// Since when the number counts; `None` before the first refresh.
    pub rotated_at: Option<DateTime<Utc>>,
    /// When an access token was last made for it.
    pub last_used_at: DateTime<Utc>,
    /// It ends then, unless it is refreshed.
    pub expires_at: DateTime<Utc>,
    /// When it was ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Why, as a word for programs.
    pub end_reason: Option<String>,
    /// Address that its user signed in from.
    pub address: Option<String>,
    /// Program that its user signed in with.
    pub device: Option<String>,
    /// Issuer of the identity provider that said who its user is; `None`: a password did.
    pub provider: Option<String>,
}

impl Session {
    /// Whether it is good at `now`.
    #[must_use]
    pub fn is_live(&self, now: DateTime<Utc>) -> bool {
        self.ended_at.is_none() && now < self.expires_at
    }
}

/// Why a session ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Its user signed out.
    Logout,
    /// It was revoked.
    Revoked,
    /// A refresh token of it was used twice.
    RefreshReuse,
}

impl Ending {
    /// As the row has it, for programs.
    const fn reason(self) -> &'static str {
        match self {
            Self::Logout => "logout",
            Self::Revoked => "revoked",
            Self::RefreshReuse => "refresh_reuse",
        }
    }

    /// As the audit trail has it.
    const fn action(self) -> &'static str {
        match self {
            Self::Logout => "session.logout",
            Self::Revoked => "session.revoke",
            Self::RefreshReuse => "session.refresh_reuse",
        }
    }
}

/// Adds a session.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn session_insert(database: &Database, change: &Change, session: &Session) -> Result<(), Error> {
    let row = ActiveModel {
        id: Set(session.id.get()),
        user_id: Set(session.user_id.get()),
        number: Set(session.number),
        created_at: Set(session.created_at),
        rotated_at: Set(session.rotated_at),
        last_used_at: Set(session.last_used_at),
        expires_at: Set(session.expires_at),
        ended_at: Set(session.ended_at),
        end_reason: Set(session.end_reason.clone()),
        address: Set(session.address.clone()),
        device: Set(session.device.clone()),
        provider: Set(session.provider.clone()),
    };
    let txn = database.begin().await?;
    let row = row.insert(&txn.0).await?;
    audit_record_in_txn(&txn, change, ("session.login", target(session.id)), (NONE, Some(&row)), session.created_at).await?;
    txn.commit().await
}

fn target(id: SessionId) -> Target {
    Target::new("session", id)
}

/// The session with this id, also one that has ended.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn session_find(database: &Database, id: SessionId) -> Result<Option<Session>, Error> {
    Ok(Entity::find_by_id(id.get()).one(database.connection()).await?.map(from_row))
}

/// Sessions of a user that are good at `now`, the last one first, from before `after` on.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn session_list_live(
    database: &Database,
    user: UserId,
    now: DateTime<Utc>,
    (after, limit): (Option<SessionId>, u64),
) -> Result<Vec<Session>, Error> {
    let mut query =
        Entity::find().filter(Column::UserId.eq(user.get())).filter(Column::EndedAt.is_null()).filter(Column::ExpiresAt.gt(now));
    if let Some(after) = after {
        query = query.filter(Column::Id.lt(after.get()));
    }
    let rows = query.order_by_desc(Column::Id).limit(limit).all(database.connection()).await?;
    Ok(rows.into_iter().map(from_row).collect())
}

/// Whether this user signed in from this address before, as far as sessions are kept.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn session_address_is_known(database: &Database, user: UserId, address: &str) -> Result<bool, Error> {
    let query = Entity::find().filter(Column::UserId.eq(user.get())).filter(Column::Address.eq(address));
    let found: Option<i32> = query.select_only().expr(Expr::value(1)).limit(1).into_tuple().one(database.connection()).await?;
    Ok(found.is_some())
}

/// Makes the number after `number` the one that counts; `false` when somebody else did, or the session is over.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn session_rotate(
    database: &Database,
    id: SessionId,
    number: i64,
    now: DateTime<Utc>,
    expires_at: DateTime<Utc>,
) -> Result<bool, Error> {
    let row = ActiveModel {
        number: Set(number.saturating_add(1)),
        rotated_at: Set(Some(now)),
        last_used_at: Set(now),
        expires_at: Set(expires_at),
        ..Default::default()
    };
    let update = Entity::update_many().set(row).filter(Column::Id.eq(id.get())).filter(Column::Number.eq(number));
    let update = update.filter(Column::EndedAt.is_null()).filter(Column::ExpiresAt.gt(now));
    Ok(update.exec(database.connection()).await?.rows_affected == 1)
}

/// Ends a session of this user; `false` when there is none that goes on.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn session_end(
    database: &Database,
    change: &Change,
    (id, user): (SessionId, UserId),
    ending: Ending,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let txn = database.begin().await?;
    let update = ended(now, ending.reason()).filter(Column::Id.eq(id.get())).filter(Column::UserId.eq(user.get()));
    let was_live = update.exec(&txn.0).await?.rows_affected == 1;
    if was_live {
        let (before, after) = (json!({"ended_at": null}), json!({"ended_at": now, "user_id": user}));
        audit_insert_in_txn(&txn, &change.entry(ending.action(), target(id), Some(before), Some(after)), now).await?;
        change_add_in_txn(&txn, Subject::Identities).await?;
    }
    txn.commit().await?;
    Ok(was_live)
}

/// Ends the sessions of this user but one. Whoever calls it counts the change.
pub(crate) async fn session_end_all_in_txn(
    txn: &Transaction,
    user: UserId,
    but: Option<SessionId>,
    now: DateTime<Utc>,
    reason: &str,
) -> Result<(), Error> {
    let mut update = ended(now, reason).filter(Column::UserId.eq(user.get()));
    if let Some(but) = but {
        update = update.filter(Column::Id.ne(but.get()));
    }
    update.exec(&txn.0).await?;
    Ok(())
}

/// Removes at most `limit` sessions that were over before `before`; returns how many.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn session_delete_over(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    let over = Entity::find().select_only().column(Column::Id).filter(Column::ExpiresAt.lt(before)).limit(limit);
    let ids: Vec<uuid::Uuid> = over.into_tuple().all(database.connection()).await?;
    if ids.is_empty() {
        return Ok(0);
    }
    Ok(Entity::delete_many().filter(Column::Id.is_in(ids)).exec(database.connection()).await?.rows_affected)
}

/// Ends those that go on.
fn ended(now: DateTime<Utc>, reason: &str) -> sea_orm::UpdateMany<Entity> {
    let row = ActiveModel { ended_at: Set(Some(now)), end_reason: Set(Some(reason.to_owned())), ..Default::default() };
    Entity::update_many().set(row).filter(Column::EndedAt.is_null())
}

fn from_row(row: Model) -> Session {
    Session {
        id: row.id.into(),
        user_id: row.user_id.into(),
        number: row.number,
        created_at: row.created_at,
        rotated_at: row.rotated_at,
        last_used_at: row.last_used_at,
        expires_at: row.expires_at,
        ended_at: row.ended_at,
        end_reason: row.end_reason,
        address: row.address,
        device: row.device,
        provider: row.provider,
    }
}
