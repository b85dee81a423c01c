use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use migrations::{Migrator, MigratorTrait};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, RuntimeErr, SqliteTransactionMode,
    Statement, TransactionOptions, TransactionTrait,
    sea_query::Values,
    sqlx::{self, AssertSqlSafe, Connection as _, PgConnection},
};
use sea_query_sqlx::SqlxValues;
use tokio::sync::OnceCell;

use crate::{Error, dialect, error::from_connect};

/// Maximum time to wait for SQLite's write lock before a migration. Another hub may migrate; a process that holds it for longer is
/// reported.
const MOST_PATIENCE: Duration = Duration::from_secs(20);

/// How often a transaction is tried that the database refuses because of another one.
pub(crate) const MOST_ATTEMPTS: u32 = 5;

/// Settings of the connection pool.
#[derive(Clone)]
pub struct Settings {
    /// `sqlite://PATH` or `postgres://…`.
    pub url: String,
    /// Maximum number of pooled connections; on PostgreSQL one more is reserved for statements without a transaction.
    pub max_connections: u32,
    /// Maximum time to wait for a free connection, and for SQLite's write lock.
    pub acquire_timeout: Duration,
    /// Time limit of a statement (PostgreSQL).
    pub statement_timeout: Duration,
    /// Schema to use (PostgreSQL); `None`: the server's default.
    pub schema: Option<String>,
    /// Whether every statement finds its rows by an index, as the writer's do: PostgreSQL then uses generic plans and never a sequential
    /// scan, even without statistics.
    pub by_index: bool,
}

impl Settings {
    /// Default settings for `url`.
    #[must_use]
    pub fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            max_connections: 10,
            acquire_timeout: Duration::from_secs(5),
            statement_timeout: Duration::from_secs(15),
            schema: None,
            by_index: false,
        }
    }
}

/// A pool of connections. Clones share it.
#[derive(Clone)]
pub struct Database {
    connection: DatabaseConnection,
    /// Reserved for statements without a transaction (PostgreSQL). Detached from the pool, which may open another in its place.
    kept: Arc<Mutex<Option<PgConnection>>>,
}

/// The connections of a pool at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PoolState {
    /// Open and unused.
    pub idle: usize,
    /// In use.
    pub used: usize,
    /// Maximum number of open ones.
    pub max: u32,
}

/// An open transaction; rolled back when dropped without a commit.
pub struct Transaction(pub(crate) DatabaseTransaction);

/// A transaction that begins when it is first needed. Rolled back like [`Transaction`].
pub struct LazyTransaction<'a> {
    database: &'a Database,
    begun: OnceCell<Transaction>,
}

/// The connection that a [`LazyTransaction`] reads from.
pub(crate) enum Reader<'a> {
    Database(&'a Database),
    Transaction(&'a Transaction),
}

impl LazyTransaction<'_> {
    /// The transaction; begins it if necessary.
    ///
    /// # Errors
    /// As [`Database::begin`].
    pub async fn get(&self) -> Result<&Transaction, Error> {
        self.begun.get_or_try_init(|| self.database.begin()).await
    }

    /// Whether it has begun.
    #[must_use]
    pub fn has_begun(&self) -> bool {
        self.begun.initialized()
    }

    /// The connection to read from: the transaction once it has begun.
    pub(crate) fn reader(&self) -> Reader<'_> {
        self.begun.get().map_or(Reader::Database(self.database), Reader::Transaction)
    }

    /// Commits, if it has begun.
    ///
    /// # Errors
    /// As [`Transaction::commit`].
    pub async fn commit(self) -> Result<(), Error> {
        match self.begun.into_inner() {
            Some(txn) => txn.commit().await,
            None => Ok(()),
        }
    }
}

impl Database {
    /// Opens the pool with one connection; a missing SQLite file is created.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the database is unreachable or its file cannot be opened, [`Error::Refused`] for an invalid URL.
    pub async fn connect(settings: &Settings) -> Result<Self, Error> {
        let mut options = ConnectOptions::new(dialect::url_with_creation(&settings.url));
        options
            .max_connections(settings.max_connections)
            .min_connections(1)
            .acquire_timeout(settings.acquire_timeout)
            .connect_timeout(settings.acquire_timeout)
            .idle_timeout(Duration::from_secs(300))
            .test_before_acquire(false)
            .sqlx_logging(false)
            .set_application_name("regente");
        dialect::set_options(&mut options, settings);
        options
            .map_sqlx_sqlite_pool_opts(|pool| pool.after_release(|connection, _| Box::pin(is_clean(connection))))
            .map_sqlx_postgres_pool_opts(|pool| pool.after_release(|connection, _| Box::pin(is_clean(connection))));
        let connection = sea_orm::Database::connect(options).await.map_err(from_connect)?;
        Ok(Self { connection, kept: Arc::default() })
    }

    /// Applies all pending migrations in one transaction. Several hubs may call it at the same time.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn migrate(&self) -> Result<(), Error> {
        let txn = self.begin_patiently().await?;
        if let Some(name) = dialect::missing_schema(&txn.0).await? {
            return Err(Error::Refused(format!("there is no schema {name}: create it (CREATE SCHEMA {name}) or change database.schema")));
        }
        dialect::lock_migrations(&txn.0).await?;
        Migrator::up(&txn.0, None).await?;
        txn.commit().await
    }

    /// Begins a transaction, and waits longer than a request for SQLite's write lock, which another hub may hold while it migrates.
    async fn begin_patiently(&self) -> Result<Transaction, Error> {
        let until = Instant::now() + MOST_PATIENCE;
        loop {
            match self.begin().await {
                Err(Error::Conflict(_)) if Instant::now() < until => tokio::time::sleep(Duration::from_millis(50)).await,
                begun => return begun,
            }
        }
    }

    /// Rolls every migration back: all data is lost. For tests.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn migrate_down(&self) -> Result<(), Error> {
        let txn = self.begin().await?;
        dialect::lock_migrations(&txn.0).await?;
        Migrator::down(&txn.0, None).await?;
        txn.commit().await
    }

    /// Checks that the database answers.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not.
    pub async fn ping(&self) -> Result<(), Error> {
        self.connection.execute_unprepared("SELECT 1").await?;
        Ok(())
    }

    /// The clock of PostgreSQL, which all its hubs share; `None` with SQLite, which has none.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when it does not answer.
    pub async fn time(&self) -> Result<Option<DateTime<Utc>>, Error> {
        Ok(dialect::time(&self.connection).await?)
    }

    /// The state of the pool; asks nobody.
    #[must_use]
    pub fn pool(&self) -> PoolState {
        let (idle, open, max) = if self.is_sqlite() {
            let pool = self.connection.get_sqlite_connection_pool();
            (pool.num_idle(), pool.size(), pool.options().get_max_connections())
        } else {
            let pool = self.connection.get_postgres_connection_pool();
            (pool.num_idle(), pool.size(), pool.options().get_max_connections())
        };
        PoolState { idle, used: (open as usize).saturating_sub(idle), max }
    }

    /// Begins a transaction; on SQLite it takes the write lock at once.
    ///
    /// # Errors
    /// [`Error::Unavailable`], or [`Error::Conflict`] when SQLite's write lock stays taken.
    pub async fn begin(&self) -> Result<Transaction, Error> {
        let options =
            TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..TransactionOptions::default() };
        let connection = self.connection.clone();
        // In its own task: a caller that is dropped during BEGIN would leave an open transaction on a pooled connection.
        let begun = tokio::spawn(async move { connection.begin_with_options(options).await }).await;
        Ok(Transaction(begun.map_err(|error| Error::Unavailable(error.to_string()))??))
    }

    /// A transaction that begins when it is first needed.
    #[must_use]
    pub const fn begin_lazily(&self) -> LazyTransaction<'_> {
        LazyTransaction { database: self, begun: OnceCell::const_new() }
    }

    /// Whether it is SQLite.
    #[must_use]
    pub fn is_sqlite(&self) -> bool {
        dialect::is_sqlite(self.backend())
    }

    pub(crate) fn backend(&self) -> DbBackend {
        self.connection.get_database_backend()
    }

    /// Runs `work` in a transaction; repeats it after a conflict, at most five times in all.
    ///
    /// # Errors
    /// The error of `work`, or any [`Error`] of the transaction.
    pub async fn in_transaction<T>(&self, work: impl AsyncFn(&Transaction) -> Result<T, Error>) -> Result<T, Error> {
        let mut attempt = 0;
        loop {
            attempt += 1;
            match self.attempt(&work).await {
                Err(Error::Conflict(_)) if attempt < MOST_ATTEMPTS => {}
                outcome => return outcome,
            }
        }
    }

    async fn attempt<T>(&self, work: &impl AsyncFn(&Transaction) -> Result<T, Error>) -> Result<T, Error> {
        let txn = self.begin().await?;
        let value = work(&txn).await?;
        txn.commit().await?;
        Ok(value)
    }

    /// Closes every connection; calls after it fail.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn close(&self) -> Result<(), Error> {
        let kept = self.kept().take();
        if let Some(kept) = kept {
            // A connection that cannot be closed in order is already broken.
            let _ = kept.close().await;
        }
        self.connection.clone().close().await.map_err(Error::from)
    }

    pub(crate) const fn connection(&self) -> &DatabaseConnection {
        &self.connection
    }

    /// Runs a statement as its own transaction and returns the number of rows that it wrote.
    pub(crate) async fn execute_alone(&self, statement: Statement) -> Result<u64, Error> {
        if !dialect::keeps_connection(self.backend()) {
            return Ok(self.connection.execute_raw(statement).await?.rows_affected());
        }
        let kept = self.kept().take();
        let mut connection = match kept {
            Some(connection) => connection,
            None => {
                let pool = self.connection.get_postgres_connection_pool();
                pool.acquire().await.map_err(|error| DbErr::Conn(RuntimeErr::SqlxError(error.into())))?.detach()
            }
        };
        let values = SqlxValues(statement.values.unwrap_or(Values(Vec::new())));
        let executed = sqlx::query_with(AssertSqlSafe(statement.sql), values).execute(&mut connection).await.map_err(executing);
        // A connection that may be broken is dropped, which closes it.
        if !executed.as_ref().is_err_and(Error::is_unavailable) {
            *self.kept() = Some(connection);
        }
        Ok(executed?.rows_affected())
    }

    fn kept(&self) -> MutexGuard<'_, Option<PgConnection>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn executing(error: sqlx::Error) -> Error {
    DbErr::Exec(RuntimeErr::SqlxError(error.into())).into()
}

impl Transaction {
    /// Commits.
    ///
    /// # Errors
    /// Any [`Error`]. After [`Error::Unavailable`] it is unknown whether the transaction is committed.
    pub async fn commit(self) -> Result<(), Error> {
        self.0.commit().await.map_err(Error::from)
    }
}

/// Whether a connection may be reused. A connection whose transaction could not be ended (the disk is full, or SQLite rolled it back by
/// itself) is closed: the next statements would belong to that transaction and be acknowledged without a commit.
async fn is_clean(connection: &mut impl sqlx::Connection) -> Result<bool, sqlx::Error> {
    if connection.is_in_transaction() {
        // A rollback may be in progress.
        connection.ping().await?;
    }
    let clean = !connection.is_in_transaction();
    if !clean {
        tracing::warn!("a transaction could not be ended; closing its connection");
    }
    Ok(clean)
}
