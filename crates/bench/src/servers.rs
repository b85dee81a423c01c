use anyhow::{Context as _, Result};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_support::server_variable;

/// The servers of `scripts/with-servers`.
pub(crate) struct Servers {
    database_url: String,
    pub(crate) amqp_url: String,
    pub(crate) postgres_pid: u32,
    pub(crate) rabbitmq_pid: u32,
}

impl Servers {
    pub(crate) fn from_env() -> Result<Self> {
        Ok(Self {
            database_url: server_variable("TEST_DATABASE_URL")?,
            amqp_url: server_variable("TEST_AMQP_URL")?,
            postgres_pid: server_variable("TEST_POSTGRES_PID")?.parse()?,
            rabbitmq_pid: server_variable("TEST_RABBITMQ_PID")?.parse()?,
        })
    }

    /// Creates an empty database and returns its address.
    pub(crate) async fn database_create(&self, name: &str) -> Result<String> {
        let mut connection = PgConnection::connect(&self.database_url).await?;
        sqlx::query(AssertSqlSafe(format!("DROP DATABASE IF EXISTS bench_{name} WITH (FORCE)"))).execute(&mut connection).await?;
        sqlx::query(AssertSqlSafe(format!("CREATE DATABASE bench_{name}"))).execute(&mut connection).await?;
        self.address(name)
    }

    /// Does now what PostgreSQL would do at some later time, so that each round begins alike and none pays for another: vacuum, analyse,
    /// checkpoint.
    pub(crate) async fn settle(&self, database: &'static str) -> Result<()> {
        let mut connection = PgConnection::connect(&self.address(database)?).await?;
        sqlx::query("VACUUM (ANALYZE)").execute(&mut connection).await?;
        sqlx::query("CHECKPOINT").execute(&mut connection).await?;
        Ok(())
    }

    fn address(&self, database: &str) -> Result<String> {
        let (server, _) = self.database_url.rsplit_once('/').context("TEST_DATABASE_URL")?;
        Ok(format!("{server}/bench_{database}"))
    }

    pub(crate) async fn version(&self) -> Result<String> {
        let mut connection = PgConnection::connect(&self.database_url).await?;
        Ok(sqlx::query_scalar("SELECT current_setting('server_version')").fetch_one(&mut connection).await?)
    }

    /// What decides how much a commit costs.
    pub(crate) async fn durability(&self) -> Result<String> {
        let mut connection = PgConnection::connect(&self.database_url).await?;
        let statement = "SELECT 'fsync=' || current_setting('fsync') || ' synchronous_commit=' || current_setting('synchronous_commit')
            || ' full_page_writes=' || current_setting('full_page_writes')";
        Ok(sqlx::query_scalar(statement).fetch_one(&mut connection).await?)
    }
}
