//! Whole databases of a PostgreSQL server, for tests: each has one. Names are constants of the tests, never input.

use sea_orm::{ConnectionTrait, Statement};

use crate::{Database, Error};

impl Database {
    /// Creates a database, as a copy of `template` if there is one; nobody may be connected to it.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn database_create(&self, name: &str, template: Option<&str>) -> Result<(), Error> {
        let copied = template.map(|template| format!(" TEMPLATE \"{template}\"")).unwrap_or_default();
        self.run(&format!("CREATE DATABASE \"{name}\"{copied}")).await
    }

    /// Whether the server has a database of this name.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn database_exists(&self, name: &str) -> Result<bool, Error> {
        let backend = self.connection().get_database_backend();
        let question = Statement::from_string(backend, format!("SELECT 1 FROM pg_database WHERE datname = '{name}'"));
        Ok(self.connection().query_one_raw(question).await?.is_some())
    }

    /// Renames a database that nobody is connected to.
    ///
    /// # Errors
    /// Any [`Error`], also when another has the name.
    pub async fn database_rename(&self, from: &str, to: &str) -> Result<(), Error> {
        self.run(&format!("ALTER DATABASE \"{from}\" RENAME TO \"{to}\"")).await
    }

    /// Drops a database if it exists, and ends its connections.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn database_drop(&self, name: &str) -> Result<(), Error> {
        self.run(&format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)")).await
    }

    /// Creates a schema in this database.
    ///
    /// # Errors
    /// Any [`Error`].
    pub async fn schema_create(&self, name: &str) -> Result<(), Error> {
        self.run(&format!("CREATE SCHEMA \"{name}\"")).await
    }

    async fn run(&self, sql: &str) -> Result<(), Error> {
        self.connection().execute_unprepared(sql).await?;
        Ok(())
    }
}
