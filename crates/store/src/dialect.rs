//! What really differs between the databases.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement};

/// Waits until no other hub migrates, and keeps others from it until the transaction ends. A migration takes the time it takes: the limit for
/// statements is for requests.
pub(crate) async fn lock_migrations(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    if txn.get_database_backend() == DbBackend::Postgres {
        txn.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
    }
    lock(txn, "regente migrate").await
}

/// The schema that was asked for, when there is none of this name (PostgreSQL).
pub(crate) async fn missing_schema(txn: &DatabaseTransaction) -> Result<Option<String>, DbErr> {
    if txn.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let question = "SELECT current_setting('search_path') AS name WHERE current_schema() IS NULL";
    let row = txn.query_one_raw(Statement::from_string(DbBackend::Postgres, question)).await?;
    row.map(|row| row.try_get("", "name")).transpose()
}

/// Waits until no other transaction holds the lock `name` in this schema, and holds it until this one ends. SQLite's transaction has the
/// write lock already. `name` is ours, never anybody's input.
pub(crate) async fn lock(txn: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
    if txn.get_database_backend() == DbBackend::Postgres {
        txn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock(hashtext('{name} ' || current_schema()))")).await?;
    }
    Ok(())
}
