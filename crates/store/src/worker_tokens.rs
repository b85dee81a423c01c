//! Worker tokens. Only their digests are stored, so that a copy of the database cannot be used to sign in.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Scope,
    audit::{Change, Target},
    ids::TokenId,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use crate::{
    Database, Error,
    audit::{NONE, audit_record_in_txn},
    entity::worker_token,
    scope,
};

/// A token, without its secret.
#[derive(Clone, Debug, PartialEq)]
pub struct WorkerToken {
    /// Id, UUID v7.
    pub id: TokenId,
    /// What or whom the token is for.
    pub name: String,
    /// The only worker that may use it; `None`: any worker.
    pub worker_name: Option<String>,
    /// The only queues that its bearer may take jobs from; `None`: every queue.
    pub queues: Option<Vec<String>>,
    /// SHA-256 of the token, as 64 hexadecimal digits.
    pub digest: String,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Who created it.
    pub created_by: String,
    /// When it expires.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Who revoked it.
    pub revoked_by: Option<String>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// Inserts a token.
///
/// # Errors
/// [`Error::Duplicate`] when the digest exists.
pub async fn worker_token_insert(database: &Database, change: &Change, token: &WorkerToken) -> Result<(), Error> {
    let row = worker_token::ActiveModel {
        id: Set(token.id.get()),
        name: Set(token.name.clone()),
        worker_name: Set(token.worker_name.clone()),
        queues: Set(token.queues.clone().map(Into::into)),
        digest: Set(token.digest.clone()),
        created_at: Set(token.created_at),
        created_by: Set(token.created_by.clone()),
        expires_at: Set(token.expires_at),
        revoked_at: Set(token.revoked_at),
        revoked_by: Set(token.revoked_by.clone()),
        last_used_at: Set(token.last_used_at),
    };
    let txn = database.begin().await?;
    let row = row.insert(&txn.0).await?;
    audit_record_in_txn(&txn, change, ("worker_token.create", target(token.id)), (NONE, Some(&row)), token.created_at).await?;
    txn.commit().await
}

/// The token with this digest, even if it is revoked or expired.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_token_find_unscoped(database: &Database, digest: &str) -> Result<Option<WorkerToken>, Error> {
    let row = worker_token::Entity::find().filter(worker_token::Column::Digest.eq(digest)).one(database.connection()).await?;
    row.map(from_row).transpose()
}

/// One token; `None` when an automation out of scope names one of its queues.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_token_get(database: &Database, scope: &Scope, id: TokenId) -> Result<Option<WorkerToken>, Error> {
    let token = worker_token::Entity::find_by_id(id.get()).one(database.connection()).await?.map(from_row).transpose()?;
    let reached = scope::queues_within(database, scope).await?;
    Ok(token.filter(|token| is_within(token, reached.as_ref())))
}

/// Tokens in order of creation, revoked ones included. Only tokens whose queues no automation out of scope names.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_token_list(database: &Database, scope: &Scope, after: Option<TokenId>, limit: u64) -> Result<Vec<WorkerToken>, Error> {
    let reached = scope::queues_within(database, scope).await?;
    let mut after = after.map(TokenId::get);
    let mut found = Vec::new();
    loop {
        let mut query = worker_token::Entity::find().order_by_asc(worker_token::Column::Id).limit(PAGE);
        if let Some(after) = after {
            query = query.filter(worker_token::Column::Id.gt(after));
        }
        let rows = query.all(database.connection()).await?;
        let is_last = (rows.len() as u64) < PAGE;
        after = rows.last().map(|row| row.id);
        for row in rows {
            let token = from_row(row)?;
            if is_within(&token, reached.as_ref()) {
                found.push(token);
            }
            if found.len() as u64 == limit {
                return Ok(found);
            }
        }
        if is_last {
            return Ok(found);
        }
    }
}

/// Rows read at a time: queues have no index.
const PAGE: u64 = 500;

/// Whether a token is only for these queues; `None`: any queue.
fn is_within(token: &WorkerToken, queues: Option<&BTreeSet<String>>) -> bool {
    queues.is_none_or(|queues| token.queues.as_ref().is_some_and(|own| own.iter().all(|queue| queues.contains(queue))))
}

/// Revokes a token; the first revocation counts. `false` when there is no such token.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_token_revoke(database: &Database, change: &Change, id: TokenId, now: DateTime<Utc>) -> Result<bool, Error> {
    use worker_token::Column as C;
    let by = change.author().actor.clone();
    let row = worker_token::ActiveModel { revoked_at: Set(Some(now)), revoked_by: Set(Some(by)), ..Default::default() };
    let txn = database.begin().await?;
    let update = worker_token::Entity::update_many().set(row).filter(C::Id.eq(id.get())).filter(C::RevokedAt.is_null());
    let revoked = update.exec(&txn.0).await?.rows_affected == 1;
    let Some(after) = worker_token::Entity::find_by_id(id.get()).one(&txn.0).await? else { return Ok(false) };
    if revoked {
        let before = worker_token::Model { revoked_at: None, revoked_by: None, ..after.clone() };
        audit_record_in_txn(&txn, change, ("worker_token.revoke", target(id)), (Some(&before), Some(&after)), now).await?;
    }
    txn.commit().await?;
    Ok(true)
}

fn target(id: TokenId) -> Target {
    Target::new("worker_token", id)
}

/// Records that a token was used, unless a use within the last `coarse` is recorded.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_token_note_use(database: &Database, id: TokenId, now: DateTime<Utc>, coarse: TimeDelta) -> Result<(), Error> {
    use worker_token::Column as C;
    let row = worker_token::ActiveModel { last_used_at: Set(Some(now)), ..Default::default() };
    let stale = Condition::any().add(C::LastUsedAt.is_null()).add(C::LastUsedAt.lte(now - coarse));
    worker_token::Entity::update_many().set(row).filter(C::Id.eq(id.get())).filter(stale).exec(database.connection()).await?;
    Ok(())
}

fn from_row(row: worker_token::Model) -> Result<WorkerToken, Error> {
    let corrupt = |_| Error::Corrupt(format!("worker_tokens.queues of {}", row.id));
    Ok(WorkerToken {
        id: row.id.into(),
        name: row.name,
        worker_name: row.worker_name,
        queues: row.queues.map(serde_json::from_value).transpose().map_err(corrupt)?,
        digest: row.digest,
        created_at: row.created_at,
        created_by: row.created_by,
        expires_at: row.expires_at,
        revoked_at: row.revoked_at,
        revoked_by: row.revoked_by,
        last_used_at: row.last_used_at,
    })
}
