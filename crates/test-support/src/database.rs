//! A database for each test.
//!
//! To apply the migrations costs more than most tests do. So a migrated database is made once and copied: on SQLite by each test program, on
//! PostgreSQL for all programs with the same schema, whose template stays on the server.

use std::path::PathBuf;

use store::{Database, Error, Settings};
use tempfile::TempDir;
use tokio::sync::OnceCell;
use uuid::Uuid;

/// Every database has its tables in a schema, as an installation that shares its database has.
const SCHEMA: &str = "hub";
const TEMPLATE: &str = concat!("regente_template_", env!("SCHEMA_DIGEST"));

/// The two databases that Regente runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// A file of its own for each test.
    Sqlite,
    /// A database of its own for each test, on the server of `TEST_DATABASE_URL`.
    Postgres,
}

/// A database for one test, gone when dropped (SQLite) or [closed](TestDatabase::close) (PostgreSQL; the private server goes as a whole).
pub struct TestDatabase {
    settings: Settings,
    home: Home,
}

enum Home {
    Folder(TempDir),
    Server { name: String },
}

impl TestDatabase {
    /// Makes one without rows, with the schema up to date.
    ///
    /// # Errors
    /// When the server cannot be reached, or `TEST_DATABASE_URL` is not set.
    pub async fn create(backend: Backend) -> anyhow::Result<Self> {
        match backend {
            Backend::Sqlite => {
                static MIGRATED: OnceCell<Vec<u8>> = OnceCell::const_new();
                let content = MIGRATED.get_or_try_init(migrated_file).await?;
                let database = Self::in_folder()?;
                database.file().map_or(Ok(()), |file| std::fs::write(file, content))?;
                Ok(database)
            }
            Backend::Postgres => {
                static MADE: OnceCell<()> = OnceCell::const_new();
                MADE.get_or_try_init(make_template).await?;
                Self::on_server(Some(TEMPLATE)).await
            }
        }
    }

    /// Makes one without a schema: for what migrates it itself.
    ///
    /// # Errors
    /// As [`TestDatabase::create`].
    pub async fn empty(backend: Backend) -> anyhow::Result<Self> {
        match backend {
            Backend::Sqlite => Self::in_folder(),
            Backend::Postgres => {
                let database = Self::on_server(None).await?;
                let inside = Database::connect(&Settings { max_connections: 1, schema: None, ..database.settings.clone() }).await?;
                inside.schema_create(SCHEMA).await?;
                inside.close().await?;
                Ok(database)
            }
        }
    }

    fn in_folder() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let settings = Settings::new(&format!("sqlite://{}", file_in(&folder).display()));
        Ok(Self { settings, home: Home::Folder(folder) })
    }

    async fn on_server(template: Option<&str>) -> anyhow::Result<Self> {
        let name = format!("regente_test_{}", Uuid::new_v4().simple());
        let admin = admin().await?;
        admin.database_create(&name, template).await?;
        admin.close().await?;
        let settings = Settings::new(&url_of(&name)?);
        Ok(Self { settings: Settings { schema: Some(SCHEMA.to_owned()), max_connections: 5, ..settings }, home: Home::Server { name } })
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
        match &self.home {
            Home::Folder(folder) => Some(file_in(folder)),
            Home::Server { .. } => None,
        }
    }

    /// Drops it.
    ///
    /// # Errors
    /// When the server cannot be reached.
    pub async fn close(self) -> anyhow::Result<()> {
        if let Home::Server { name } = &self.home {
            let admin = admin().await?;
            admin.database_drop(name).await?;
            admin.close().await?;
        }
        Ok(())
    }
}

fn file_in(folder: &TempDir) -> PathBuf {
    folder.path().join("test.db")
}

/// The content of a migrated file.
async fn migrated_file() -> anyhow::Result<Vec<u8>> {
    let database = TestDatabase::in_folder()?;
    database.open().await?.close().await?;
    Ok(std::fs::read(database.settings.url.trim_start_matches("sqlite://"))?)
}

/// Makes the template, unless a program with the same schema did. Nobody may be connected to it, so it gets its name when it is done.
async fn make_template() -> anyhow::Result<()> {
    let admin = admin().await?;
    if !admin.database_exists(TEMPLATE).await? {
        let made = TestDatabase::empty(Backend::Postgres).await?;
        made.open().await?.close().await?;
        if let Home::Server { name } = &made.home
            && let Err(error) = admin.database_rename(name, TEMPLATE).await
        {
            made.close().await?;
            // Another program was faster.
            if !admin.database_exists(TEMPLATE).await? {
                return Err(error.into());
            }
        }
    }
    Ok(admin.close().await?)
}

async fn admin() -> anyhow::Result<Database> {
    Ok(Database::connect(&Settings { max_connections: 1, ..Settings::new(&crate::server_variable("TEST_DATABASE_URL")?) }).await?)
}

/// `TEST_DATABASE_URL` with another database.
fn url_of(database: &str) -> anyhow::Result<String> {
    let url = crate::server_variable("TEST_DATABASE_URL")?;
    let (server, rest) = url.rsplit_once('/').ok_or_else(|| anyhow::anyhow!("TEST_DATABASE_URL names no database"))?;
    let options = rest.find('?').map_or("", |at| &rest[at..]);
    Ok(format!("{server}/{database}{options}"))
}
