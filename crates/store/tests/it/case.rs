use std::{
    future::poll_fn,
    ops::Deref,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    task::Poll,
};

use sea_orm::{ConnectOptions, ConnectionTrait, DatabaseConnection, Statement};
use store::{Database, Settings};
use test_support::{Backend, TestDatabase};

/// An empty database with the schema up to date, and how to reach it once more.
#[derive(Clone)]
pub(crate) struct Case {
    pub(crate) database: Database,
    pub(crate) settings: Settings,
    pub(crate) backend: Backend,
}

impl Deref for Case {
    type Target = Database;

    fn deref(&self) -> &Database {
        &self.database
    }
}

/// Runs `test` on a database of its own, which is gone afterwards, however the test ends.
pub(crate) async fn run(backend: Backend, test: impl AsyncFnOnce(Case)) {
    let home = TestDatabase::create(backend).await.unwrap();
    let database = home.open().await.unwrap();
    let case = Case { database: database.clone(), settings: home.settings().clone(), backend };
    let mut future = Box::pin(test(case));
    let outcome = poll_fn(|context| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
        Ok(Poll::Pending) => Poll::Pending,
        Ok(Poll::Ready(())) => Poll::Ready(Ok(())),
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await;
    drop(future);
    database.close().await.unwrap();
    home.close().await.unwrap();
    if let Err(panic) = outcome {
        resume_unwind(panic);
    }
}

impl Case {
    pub(crate) fn is_postgres(&self) -> bool {
        self.backend == Backend::Postgres
    }

    /// A second pool, as another hub has it.
    pub(crate) async fn other_hub(&self) -> Database {
        Database::connect(&self.settings).await.unwrap()
    }

    /// One connection past the store, for what only a test wants to do.
    pub(crate) async fn raw(&self) -> DatabaseConnection {
        let mut options = ConnectOptions::new(&self.settings.url);
        options.max_connections(1).sqlx_logging(false);
        if let Some(schema) = &self.settings.schema {
            options.set_schema_search_path(schema);
        }
        sea_orm::Database::connect(options).await.unwrap()
    }

    /// Rows of a table.
    pub(crate) async fn rows(&self, table: &str) -> i64 {
        let raw = self.raw().await;
        let count = number(&raw, &format!("SELECT count(*) FROM {table}")).await;
        raw.close().await.unwrap();
        count
    }
}

/// The one number that `sql` selects.
pub(crate) async fn number(raw: &DatabaseConnection, sql: &str) -> i64 {
    let row = raw.query_one_raw(Statement::from_string(raw.get_database_backend(), sql)).await.unwrap().unwrap();
    row.try_get_by_index(0).unwrap()
}
