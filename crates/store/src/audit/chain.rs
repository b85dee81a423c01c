//! The hash chain over the entries. One transaction at a time extends it, so that it cannot fork; which entries wait to be sealed is kept by
//! the database itself as they are inserted.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{audit::Recorded, ids::AuditId};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, ConnectionTrait, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, RelationTrait,
    sea_query::{Expr, ExprTrait},
};
use uuid::Uuid;

use super::from_row;
use crate::{
    Database, Error, Transaction, dialect,
    entity::{
        audit_chain::{self, ActiveModel, Column, Model},
        audit_entry, audit_unsealed,
    },
};

/// The place of an entry in the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Its number, from 1, without gaps.
    pub seq: i64,
    /// The entry.
    pub entry_id: AuditId,
    /// Hash of the link before; of the first one, [`audit_seal`]'s `first`.
    pub prev_hash: String,
    /// Hash over the link before and the entry.
    pub hash: String,
}

/// A link with its entry; `None`: the entry is gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    /// The link.
    pub link: Link,
    /// The entry.
    pub entry: Option<Recorded>,
}

impl From<Model> for Link {
    fn from(Model { seq, entry_id, prev_hash, hash }: Model) -> Self {
        Self { seq, entry_id: entry_id.into(), prev_hash, hash }
    }
}

/// Appends at most `limit` entries to the chain, oldest first; returns how many. `hash` makes a link's hash of the hash before, which is
/// `first` for the first link, and the entry.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn audit_seal(database: &Database, limit: u64, first: &str, hash: fn(&str, &Recorded) -> String) -> Result<u64, Error> {
    let waiting = audit_unsealed::Entity::find().limit(1).one(database.connection()).await?;
    if waiting.is_none() {
        return Ok(0);
    }
    let txn = database.begin().await?;
    let sealed = seal(&txn, limit, first, hash).await?;
    txn.commit().await?;
    Ok(sealed)
}

async fn seal(txn: &Transaction, limit: u64, first: &str, hash: fn(&str, &Recorded) -> String) -> Result<u64, Error> {
    dialect::lock(&txn.0, "regente audit chain").await?;
    let waiting = audit_unsealed::Entity::find().order_by_asc(audit_unsealed::Column::EntryId).limit(limit);
    let ids: Vec<Uuid> = waiting.all(&txn.0).await?.into_iter().map(|row| row.entry_id).collect();
    if ids.is_empty() {
        return Ok(0);
    }
    let head = head(&txn.0).await?;
    let (mut seq, mut prev) = head.map_or_else(|| (0, first.to_owned()), |head| (head.seq, head.hash));
    let entries = audit_entry::Entity::find().filter(audit_entry::Column::Id.is_in(ids.iter().copied()));
    let mut links = Vec::with_capacity(ids.len());
    for row in entries.order_by_asc(audit_entry::Column::Id).all(&txn.0).await? {
        let entry = from_row(row)?;
        seq += 1;
        let hash = hash(&prev, &entry);
        let prev_hash = std::mem::replace(&mut prev, hash.clone());
        links.push(ActiveModel { seq: Set(seq), entry_id: Set(entry.id.get()), prev_hash: Set(prev_hash), hash: Set(hash) });
    }
    let sealed = links.len() as u64;
    if !links.is_empty() {
        audit_chain::Entity::insert_many(links).exec_without_returning(&txn.0).await?;
    }
    audit_unsealed::Entity::delete_many().filter(audit_unsealed::Column::EntryId.is_in(ids)).exec(&txn.0).await?;
    Ok(sealed)
}

/// The last link.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn audit_head(database: &Database) -> Result<Option<Link>, Error> {
    Ok(head(database.connection()).await?.map(Link::from))
}

async fn head(connection: &impl ConnectionTrait) -> Result<Option<Model>, Error> {
    Ok(audit_chain::Entity::find().order_by_desc(Column::Seq).limit(1).one(connection).await?)
}

/// Links after `after`, in order, with their entries.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn audit_chain_page(database: &Database, after: i64, limit: u64) -> Result<Vec<Sealed>, Error> {
    let links = audit_chain::Entity::find().filter(Column::Seq.gt(after)).order_by_asc(Column::Seq).limit(limit);
    let links = links.all(database.connection()).await?;
    let ids = links.iter().map(|link| link.entry_id);
    let entries = audit_entry::Entity::find().filter(audit_entry::Column::Id.is_in(ids)).all(database.connection()).await?;
    let mut entries: HashMap<Uuid, audit_entry::Model> = entries.into_iter().map(|row| (row.id, row)).collect();
    let sealed = links.into_iter().map(|link| {
        let entry = entries.remove(&link.entry_id).map(from_row).transpose()?;
        Ok(Sealed { link: link.into(), entry })
    });
    sealed.collect()
}

/// Entries of before `before` that are not part of the chain, whatever the database says of which wait; oldest first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn audit_list_unsealed(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<Vec<Recorded>, Error> {
    let query = audit_entry::Entity::find()
        .join(JoinType::LeftJoin, audit_entry::Relation::Chain.def())
        .filter(Expr::col((audit_chain::Entity, Column::Seq)).is_null())
        .filter(audit_entry::Column::At.lt(before))
        .order_by_asc(audit_entry::Column::Id)
        .limit(limit);
    query.all(database.connection()).await?.into_iter().map(from_row).collect()
}
