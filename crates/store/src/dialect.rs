//! What really differs between the databases.

use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr};

/// Waits until no other hub migrates, and keeps others from it until the transaction ends. SQLite's transaction has the write lock already.
/// A migration takes the time it takes: the limit for statements is for requests.
pub(crate) async fn lock_migrations(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    if txn.get_database_backend() == DbBackend::Postgres {
        let sql = "SET LOCAL statement_timeout = 0; SELECT pg_advisory_xact_lock(hashtext('regente migrate ' || current_schema()))";
        txn.execute_unprepared(sql).await?;
    }
    Ok(())
}
