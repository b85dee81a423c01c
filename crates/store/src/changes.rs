//! Change counters: a cache compares them to learn whether, and which, rows it must read again.

use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QuerySelect,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    Database, Error, Transaction,
    entity::change_counter::{Column, Entity},
};

/// What a counter is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Subject {
    /// Automations with their limits and pauses.
    Automations,
    /// Workers' identities and pauses; not their heartbeats.
    Workers,
    /// Who may come in, and what they may do: users, grants, sessions, keys that sign access tokens.
    Identities,
}

impl Subject {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Automations => "automations",
            Self::Workers => "workers",
            Self::Identities => "identities",
        }
    }
}

/// The number of changes of `subject`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn change_count(database: &Database, subject: Subject) -> Result<i64, Error> {
    count(database.connection(), subject).await
}

/// Counts a committed change and returns the new count.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn change_add(database: &Database, subject: Subject) -> Result<i64, Error> {
    let txn = database.begin().await?;
    let count = change_add_in_txn(&txn, subject).await?;
    txn.commit().await?;
    Ok(count)
}

/// Counts a change in the transaction that makes it, and blocks other changes until that commits: a reader that has seen this count has
/// seen every change with a lower one.
pub(crate) async fn change_add_in_txn(txn: &Transaction, subject: Subject) -> Result<i64, Error> {
    let update = Entity::update_many().col_expr(Column::Count, Expr::col(Column::Count).add(1));
    update.filter(Column::Subject.eq(subject.as_str())).exec(&txn.0).await?;
    count(&txn.0, subject).await
}

async fn count(connection: &impl ConnectionTrait, subject: Subject) -> Result<i64, Error> {
    let query = Entity::find_by_id(subject.as_str()).select_only().column(Column::Count).into_tuple();
    let count: Option<i64> = query.one(connection).await?;
    count.ok_or_else(|| Error::Corrupt(format!("change_counters has no {}", subject.as_str())))
}
