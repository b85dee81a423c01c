use std::path::PathBuf;

use store::{Database, Error, Settings};
use tempfile::TempDir;
use uuid::Uuid;

/// The two databases that Regente runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file of its own for each test.
    Sqlite,
    /// A schema of its own for each test, on the server of `TEST_DATABASE_URL`.
    Postgres,
}

/// A database for one test, gone when dropped (SQLite) or [closed](TestDatabase::close) (PostgreSQL; the private server goes as a whole).
pub struct TestDatabase {
    settings: Settings,
    folder: Option<TempDir>,
}

impl TestDatabase {
    /// Makes an empty one.
    ///
    /// # Errors
    /// When the server cannot be reached, or `TEST_DATABASE_URL` is not set.
    pub async fn create(backend: Backend) -> anyhow::Result<Self> {
        match backend {
            Backend::Sqlite => {
                let folder = tempfile::tempdir()?;
                let settings = Settings::new(&format!("sqlite://{}", folder.path().join("test.db").display()));
                Ok(Self { settings, folder: Some(folder) })
            }
            Backend::Postgres => {
                let schema = format!("test_{}", Uuid::new_v4().simple());
                let settings = Settings::new(&crate::server_variable("TEST_DATABASE_URL")?);
                let admin = Database::connect(&Settings { max_connections: 1, ..settings.clone() }).await?;
                admin.schema_create(&schema).await?;
                admin.close().await?;
                Ok(Self { settings: Settings { schema: Some(schema), max_connections: 5, ..settings }, folder: None })
            }
        }
    }

    /// How to reach it.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Opens it with the schema up to date.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn open(&self) -> Result<Database, Error> {
        let database = Database::connect(&self.settings).await?;
        database.migrate().await?;
        Ok(database)
    }

    /// Path of the SQLite file.
    #[must_use]
    pub fn file(&self) -> Option<PathBuf> {
        self.folder.as_ref().map(|folder| folder.path().join("test.db"))
    }

    /// Drops it.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn close(self) -> Result<(), Error> {
        if let Some(schema) = &self.settings.schema {
            let admin = Database::connect(&Settings { max_connections: 1, schema: None, ..self.settings.clone() }).await?;
            admin.schema_drop(schema).await?;
            admin.close().await?;
        }
        Ok(())
    }
}
