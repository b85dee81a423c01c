//! What really differs between the databases.

use chrono::{DateTime, Utc};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, Statement,
    sqlx::sqlite::{SqliteJournalMode, SqliteSynchronous},
};

use crate::Settings;

/// Whether it is the embedded one: a file, whose one writer at a time has it whole.
pub(crate) fn is_sqlite(backend: DbBackend) -> bool {
    backend == DbBackend::Sqlite
}

/// How to connect, beside what all connections have in common.
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

/// `url` of a database that is made when there is none (SQLite).
pub(crate) fn url_with_creation(url: &str) -> String {
    if url.starts_with("sqlite:") && !url.contains("mode=") {
        let separator = if url.contains('?') { '&' } else { '?' };
        return format!("{url}{separator}mode=rwc");
    }
    url.to_owned()
}

/// Whether a connection is kept for statements without a transaction around them: a pool asks one of PostgreSQL's for a sign of life each
/// time that it gets it back.
pub(crate) fn keeps_connection(backend: DbBackend) -> bool {
    !is_sqlite(backend)
}

/// Whether data can be changed within a WITH, so that one statement can both write and check what it wrote. Where it cannot, there are no
/// round trips to spare either.
pub(crate) fn changes_data_in_with(backend: DbBackend) -> bool {
    !is_sqlite(backend)
}

/// The clock of the server, if there is one.
pub(crate) async fn time(connection: &impl ConnectionTrait) -> Result<Option<DateTime<Utc>>, DbErr> {
    let backend = connection.get_database_backend();
    if is_sqlite(backend) {
        return Ok(None);
    }
    let row = connection.query_one_raw(Statement::from_string(backend, "SELECT clock_timestamp() AS now")).await?;
    row.map(|row| row.try_get("", "now")).transpose()
}

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
