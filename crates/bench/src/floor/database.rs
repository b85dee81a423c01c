use std::str::FromStr as _;

use anyhow::Result;
use domain::ids::JobId;
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// Every statement is its own transaction: PostgreSQL commits it before it answers. Statements are prepared once per connection.
#[derive(Clone)]
pub(super) struct Database(PgPool);

const SCHEMA: [&str; 2] = [
    "CREATE TABLE floor_jobs (
        id uuid PRIMARY KEY, automation_id integer NOT NULL, status text NOT NULL, parameters jsonb NOT NULL,
        created_at timestamptz NOT NULL, started_at timestamptz, completed_at timestamptz)",
    "CREATE TABLE floor_logs (
        id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, job_id uuid NOT NULL, level text NOT NULL, message text NOT NULL,
        created_at timestamptz NOT NULL)",
];

impl Database {
    pub(super) async fn open(url: &str, most_connections: usize) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?;
        let most = u32::try_from(most_connections)?;
        let pool =
            PgPoolOptions::new().max_connections(most).min_connections(most).test_before_acquire(false).connect_with(options).await?;
        for statement in SCHEMA {
            sqlx::query(statement).execute(&pool).await?;
        }
        Ok(Self(pool))
    }

    pub(super) async fn job_insert(&self, id: JobId, automation_id: i32, parameters: &serde_json::Value) -> Result<()> {
        let statement = "INSERT INTO floor_jobs (id, automation_id, status, parameters, created_at) VALUES ($1, $2, 'pending', $3, now())";
        sqlx::query(statement).bind(id.get()).bind(automation_id).bind(parameters).execute(&self.0).await?;
        Ok(())
    }

    pub(super) async fn job_start(&self, id: JobId) -> Result<()> {
        sqlx::query("UPDATE floor_jobs SET status = 'running', started_at = now() WHERE id = $1").bind(id.get()).execute(&self.0).await?;
        Ok(())
    }

    pub(super) async fn log_insert(&self, job_id: JobId, message: &str) -> Result<()> {
        let statement = "INSERT INTO floor_logs (job_id, level, message, created_at) VALUES ($1, 'INFO', $2, now())";
        sqlx::query(statement).bind(job_id.get()).bind(message).execute(&self.0).await?;
        Ok(())
    }

    pub(super) async fn job_finish(&self, id: JobId) -> Result<()> {
        sqlx::query("UPDATE floor_jobs SET status = 'completed', completed_at = now() WHERE id = $1")
            .bind(id.get())
            .execute(&self.0)
            .await?;
        Ok(())
    }
}
