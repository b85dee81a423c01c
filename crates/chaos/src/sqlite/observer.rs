//! Observes the hub's SQLite file beside the hub.

use std::{collections::HashMap, path::Path, time::Duration};

use anyhow::Result;
use domain::ids::{JobId, WorkerId};
use sqlx::{
    Connection as _, SqliteConnection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};
use uuid::Uuid;

use crate::{
    absence::started_at,
    observer::{Change, ChangeColumns, JOBS, JobColumns, JobRow},
};

/// As for PostgreSQL. There is one writer at a time, so the rows are in commit order.
const TRIGGER: &str = include_str!("../../assets/trigger-sqlite.sql");

pub(super) struct Observer {
    options: SqliteConnectOptions,
    pool: SqlitePool,
}

impl Observer {
    pub(super) fn new(file: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(file).busy_timeout(Duration::from_secs(5));
        let pool = SqlitePoolOptions::new().max_connections(2).connect_lazy_with(options.clone());
        Self { options, pool }
    }

    /// Begins to record changes.
    pub(super) async fn watch(&self) -> Result<()> {
        sqlx::raw_sql(TRIGGER).execute(&self.pool).await?;
        Ok(())
    }

    pub(super) async fn jobs(&self) -> Result<Vec<JobRow>> {
        let rows: Vec<JobColumns> = sqlx::query_as(JOBS).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    pub(super) async fn changes(&self) -> Result<Vec<Change>> {
        let statement = "SELECT seq, at, job_id, automation_id, before, after, lease, worker FROM chaos_changes ORDER BY seq";
        let rows: Vec<ChangeColumns> = sqlx::query_as(statement).fetch_all(&self.pool).await?;
        let started_at = started_at();
        Ok(rows.into_iter().map(Change::from).map(|change| Change { at: change.at - started_at, ..change }).collect())
    }

    pub(super) async fn workers(&self) -> Result<HashMap<WorkerId, String>> {
        let rows: Vec<(Uuid, String)> = sqlx::query_as("SELECT id, name FROM workers").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(id, name)| (id.into(), name)).collect())
    }

    /// Jobs that have not ended.
    pub(super) async fn open_jobs(&self) -> Result<i64> {
        let statement = "SELECT count(*) FROM jobs WHERE status IN ('pending', 'running', 'paused')";
        Ok(sqlx::query_scalar(statement).fetch_one(&self.pool).await?)
    }

    /// Whether this job or a retry of it has completed.
    pub(super) async fn completed(&self, job: JobId) -> Result<bool> {
        let statement = "WITH RECURSIVE line AS (SELECT id, status FROM jobs WHERE id = $1
            UNION ALL SELECT jobs.id, jobs.status FROM jobs JOIN line ON jobs.retry_of = line.id)
            SELECT count(*) FROM line WHERE status = 'completed'";
        Ok(sqlx::query_scalar::<_, i64>(statement).bind(job.get()).fetch_one(&self.pool).await? > 0)
    }

    /// Takes the write lock and releases it.
    ///
    /// # Errors
    /// When the lock is not available within `limit`.
    pub(super) async fn lock(&self, limit: Duration) -> Result<()> {
        let mut connection = SqliteConnection::connect_with(&self.options.clone().busy_timeout(limit)).await?;
        sqlx::raw_sql("BEGIN IMMEDIATE; ROLLBACK").execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}
