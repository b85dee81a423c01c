//! The audit trail. Entries are inserted in the transaction of the change that they are about; the database refuses to change or remove one.
//!
//! Functions that change something take the [`Change`] and call [`audit_record_in_txn`] with the row as it was and is, or
//! [`audit_insert_in_txn`] with an entry of their own. The hash chain is made afterwards ([`audit_seal`]), so that changes do not wait for each
//! other.

mod chain;
mod list;

use chrono::{DateTime, SubsecRound as _, Utc};
use domain::{
    audit::{ActorKind, Change, Entry, Recorded, Target},
    ids::AuditId,
};
use sea_orm::{ConnectionTrait, IdenStatic, Iterable, StatementBuilder, Value, sea_query::InsertStatement};
use serde::Serialize;
use uuid::{NoContext, Timestamp, Uuid};

pub use domain::audit::Filter;

pub use self::{
    chain::{Link, Sealed, audit_chain_page, audit_head, audit_list_unsealed, audit_seal},
    list::{audit_list, audit_list_sealed},
};
use crate::{
    Database, Error, Transaction,
    entity::audit_entry::{Column, Entity, Model},
    jobs::in_few_lengths,
    statement_text::{StatementTexts, insert_statement},
};

/// Inserts an entry about a change of this transaction, made at `now`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn audit_insert_in_txn(txn: &Transaction, entry: &Entry, now: DateTime<Utc>) -> Result<(), Error> {
    audit_insert_many_in_txn(txn, std::slice::from_ref(entry), now).await
}

/// [`audit_insert_in_txn`] for several entries, with one statement.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn audit_insert_many_in_txn(txn: &Transaction, entries: &[Entry], now: DateTime<Utc>) -> Result<(), Error> {
    for entries in in_few_lengths(entries) {
        let rows: Vec<_> = entries.iter().map(|entry| cells(entry, now)).collect();
        txn.0.execute_raw(INSERT.statement(txn.0.get_database_backend(), rows.into_iter())).await?;
    }
    Ok(())
}

/// Inserts an entry about something that changed no row, such as a refused sign-in.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn audit_insert(database: &Database, entry: &Entry, now: DateTime<Utc>) -> Result<(), Error> {
    database.execute_alone(INSERT.statement(database.backend(), std::iter::once(cells(entry, now)))).await?;
    Ok(())
}

/// Inserts an entry about a row as it was before and is after the change; `None`: it did not exist, or does not any more. Columns that only the
/// hub uses must be left out by the row's `Serialize`; secrets are masked.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn audit_record_in_txn(
    txn: &Transaction,
    change: &Change,
    (action, target): (&'static str, Target),
    (before, after): (Option<&impl Serialize>, Option<&impl Serialize>),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let entry = change.entry(action, target, before.map(json).transpose()?, after.map(json).transpose()?);
    audit_insert_in_txn(txn, &entry, now).await
}

/// No row: for [`audit_record_in_txn`] about what began or ended to exist.
pub const NONE: Option<&()> = None;

fn json(row: &impl Serialize) -> Result<serde_json::Value, Error> {
    serde_json::to_value(row).map_err(|error| Error::Refused(error.to_string()))
}

/// An INSERT of this many entries; its parameters are their [`cells`].
pub(crate) fn insert_entries(rows: usize) -> InsertStatement {
    insert_statement::<Entity>(Column::iter().map(|column| column.as_str()), rows)
}

static INSERT: StatementTexts = StatementTexts::new(|backend, rows| StatementBuilder::build(&insert_entries(rows), &backend).sql);

/// The cells of a new row, in the order of the columns.
pub(crate) fn cells(entry: &Entry, now: DateTime<Utc>) -> Vec<Value> {
    let at = now.trunc_subsecs(6);
    let Recorded { id, at, actor, actor_kind, credential, address, request_id, action, target_kind, target_id, before, after } =
        entry.recorded(id_of(at), at);
    vec![
        id.get().into(),
        at.into(),
        actor.into(),
        actor_kind.as_str().into(),
        credential.into(),
        address.into(),
        request_id.into(),
        action.into(),
        target_kind.into(),
        target_id.into(),
        before.into(),
        after.into(),
    ]
}

/// A new id of this moment, so that ids sort as moments do.
fn id_of(at: DateTime<Utc>) -> AuditId {
    let seconds = u64::try_from(at.timestamp()).unwrap_or_default();
    Uuid::new_v7(Timestamp::from_unix(NoContext, seconds, at.timestamp_subsec_nanos())).into()
}

fn from_row(row: Model) -> Result<Recorded, Error> {
    let Model { id, at, actor, actor_kind, credential, address, request_id, action, target_kind, target_id, before, after } = row;
    let corrupt = || Error::Corrupt(format!("audit_entries.actor_kind of {id}"));
    let actor_kind = ActorKind::parse(&actor_kind).ok_or_else(corrupt)?;
    let id = id.into();
    Ok(Recorded { id, at, actor, actor_kind, credential, address, request_id, action, target_kind, target_id, before, after })
}
