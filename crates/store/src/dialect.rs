//! Every difference between SQLite and PostgreSQL. The repositories have no branches: a difference that is needed belongs here.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use crate::Settings;

/// Whether it is SQLite: a file that one writer at a time locks as a whole.
pub(crate) fn is_sqlite(backend: DbBackend) -> bool {
    backend == DbBackend::Sqlite
}

/// Sets the connection options of this database.
pub(crate) fn set_options(options: &mut ConnectOptions, settings: &Settings) {
    if settings.url.starts_with("postgres") {
        options.statement_timeout(settings.statement_timeout);
    }
    if let Some(schema) = &settings.schema {
        options.set_schema_search_path(schema);
    }
    if settings.by_index {
        options.map_sqlx_postgres_opts(|postgres| {
            let plans = ["enable_seqscan", "enable_hashjoin", "enable_mergejoin", "enable_bitmapscan", "jit"];
            postgres.options(plans.map(|plan| (plan, "off"))).options([("plan_cache_mode", "force_generic_plan")])
        });
    }
    let write_lock_timeout = settings.acquire_timeout;
    options.map_sqlx_sqlite_opts(move |sqlite| {
        sqlite.journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full).busy_timeout(write_lock_timeout).foreign_keys(true)
    });
}

/// `url` with the option to create a missing file (SQLite).
pub(crate) fn url_with_creation(url: &str) -> String {
    if url.starts_with("sqlite:") && !url.contains("mode=") {
        let separator = if url.contains('?') { '&' } else { '?' };
        return format!("{url}{separator}mode=rwc");
    }
    url.to_owned()
}

/// Whether a connection is reserved for statements without a transaction: the pool pings a connection of PostgreSQL each time it is
/// returned.
pub(crate) fn keeps_connection(backend: DbBackend) -> bool {
    !is_sqlite(backend)
}

/// Whether WITH supports data-modifying statements, so that one statement can write and check what it wrote. SQLite does not, but has no
/// round trips to save either.
pub(crate) fn changes_data_in_with(backend: DbBackend) -> bool {
    !is_sqlite(backend)
}

/// The server's clock, if there is a server.
pub(crate) async fn time(connection: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    let backend = connection.get_database_backend();
    if is_sqlite(backend) {
        return Ok(None);
    }
    let row = connection.query_one_raw(Statement::from_string(backend, "SELECT clock_timestamp() AS now")).await?;
    row.map(|row| row.try_get("", "now")).transpose()
}

/// Locks migrations until the transaction ends; waits for another hub that migrates. Lifts the statement time-out, which is meant for
/// requests.
pub(crate) async fn lock_migrations(txn: &DatabaseTransaction) -> Result<(), DbErr> {
    if txn.get_database_backend() == DbBackend::Postgres {
        txn.execute_unprepared("SET LOCAL statement_timeout = 0").await?;
    }
    lock(txn, "regente migrate").await
}

/// The name of the configured schema if it does not exist (PostgreSQL).
pub(crate) async fn missing_schema(txn: &DatabaseTransaction) -> Result<Option<String>, DbErr> {
    if txn.get_database_backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let question = "SELECT current_setting('search_path') AS name WHERE current_schema() IS NULL";
    let row = txn.query_one_raw(Statement::from_string(DbBackend::Postgres, question)).await?;
    row.map(|row| row.try_get("", "name")).transpose()
}

/// Takes the lock `name` of this schema until the transaction ends. On SQLite the transaction has the write lock already. `name` must be a
/// constant, never input.
pub(crate) async fn lock(txn: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
    if txn.get_database_backend() == DbBackend::Postgres {
        txn.execute_unprepared(&format!("SELECT pg_advisory_xact_lock(hashtext('{name} ' || current_schema()))")).await?;
    }
    Ok(())
}
