//! Observes the database beside the hubs: a trigger records every change of a job as it is committed.

pub(crate) mod alerts;
mod schedules;

use std::{collections::HashMap, str::FromStr as _, time::Duration};

use anyhow::{Context as _, Result};
use domain::ids::{JobId, ScheduleId, WorkerId};
use sqlx::{
    PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::{Instant, sleep};
use uuid::Uuid;

pub(crate) use self::{
    alerts::{AlertRow, Alerts, Ended},
    schedules::{Fire, Pause, ScheduleRow},
};
use crate::load::CLIENT_KEY;

/// The trigger is deferred to the end of the transaction, so that the rows of `chaos_changes` are in a possible commit order. It skips
/// changes without meaning: heartbeats, log counts, progress.
const TRIGGER: &str = include_str!("../assets/trigger.sql");

/// How long the observer waits for an unavailable database.
const PATIENCE: Duration = Duration::from_secs(90);

/// Current state of a job.
#[derive(Clone, Debug)]
pub(crate) struct JobRow {
    pub(crate) id: JobId,
    pub(crate) automation_id: i32,
    pub(crate) status: String,
    pub(crate) trigger: String,
    pub(crate) attempt: i32,
    pub(crate) retry_of: Option<JobId>,
    pub(crate) error_class: Option<String>,
    pub(crate) idempotency_key: Option<String>,
    pub(crate) concurrency_key: Option<String>,
    pub(crate) schedule_id: Option<ScheduleId>,
    pub(crate) ended: bool,
    /// Its cancellation was accepted before it ended.
    pub(crate) cancel_accepted: bool,
}

/// A job that the operator may act on.
pub(crate) struct Target {
    pub(crate) id: JobId,
    pub(crate) status: String,
}

/// A change of a job.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    /// The transaction; a later one has a greater number, unless both ran at the same time.
    pub(crate) xid: i64,
    /// When, in seconds of [`crate::absence::uptime`].
    pub(crate) at: f64,
    pub(crate) job_id: JobId,
    pub(crate) automation_id: i32,
    /// `None`: the job was created.
    pub(crate) before: Option<String>,
    /// `None`: the row was deleted.
    pub(crate) after: Option<String>,
    pub(crate) lease: Option<Uuid>,
    pub(crate) worker: Option<WorkerId>,
}

/// Columns of [`JOBS`].
pub(crate) type JobColumns =
    (Uuid, i32, String, String, i32, Option<Uuid>, Option<String>, Option<String>, Option<String>, Option<Uuid>, bool, bool);
pub(crate) const JOBS: &str = "SELECT id, automation_id, status, trigger, attempt, retry_of, error_class, idempotency_key,
    concurrency_key, schedule_id, completed_at IS NOT NULL, cancellation_requested_at IS NOT NULL FROM jobs ORDER BY id";

impl From<JobColumns> for JobRow {
    fn from(row: JobColumns) -> Self {
        let (
            id,
            automation_id,
            status,
            trigger,
            attempt,
            retry_of,
            error_class,
            idempotency_key,
            concurrency_key,
            schedule_id,
            ended,
            cancel_accepted,
        ) = row;
        Self {
            id: id.into(),
            automation_id,
            status,
            trigger,
            attempt,
            retry_of: retry_of.map(JobId::from),
            error_class,
            idempotency_key,
            concurrency_key,
            schedule_id: schedule_id.map(ScheduleId::from),
            ended,
            cancel_accepted,
        }
    }
}

/// A row of the changes, with its columns in this order.
pub(crate) type ChangeColumns = (i64, f64, Uuid, i32, Option<String>, Option<String>, Option<Uuid>, Option<Uuid>);

impl From<ChangeColumns> for Change {
    fn from((xid, at, job_id, automation_id, before, after, lease, worker): ChangeColumns) -> Self {
        Self { xid, at, job_id: job_id.into(), automation_id, before, after, lease, worker: worker.map(WorkerId::from) }
    }
}

/// The database, observed from outside.
#[derive(Clone)]
pub(crate) struct Observer {
    pool: PgPool,
}

impl Observer {
    pub(crate) fn new(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?.application_name("chaos");
        let pool = PgPoolOptions::new().max_connections(6).acquire_timeout(Duration::from_secs(5)).connect_lazy_with(options);
        Ok(Self { pool })
    }

    /// Begins to record changes.
    pub(crate) async fn watch(&self) -> Result<()> {
        sqlx::raw_sql(TRIGGER).execute(&self.pool).await?;
        Ok(())
    }

    pub(crate) async fn jobs(&self) -> Result<Vec<JobRow>> {
        let rows: Vec<JobColumns> = sqlx::query_as(JOBS).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    pub(crate) async fn changes(&self) -> Result<Vec<Change>> {
        let statement = "SELECT xid, at, job_id, automation_id, before, after, lease, worker FROM chaos_changes ORDER BY seq";
        let rows: Vec<ChangeColumns> = sqlx::query_as(statement).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(Into::into).collect())
    }

    /// Names of the workers.
    pub(crate) async fn workers(&self) -> Result<HashMap<WorkerId, String>> {
        let rows: Vec<(Uuid, String)> = sqlx::query_as("SELECT id, name FROM workers").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(id, name)| (id.into(), name)).collect())
    }

    /// Dead letters that were kept, as (queue, job, reason).
    pub(crate) async fn dead_letters(&self) -> Result<Vec<(String, Option<JobId>, String)>> {
        let statement = "SELECT queue_name, job_id, reason FROM dead_letters";
        let rows: Vec<(String, Option<Uuid>, String)> = sqlx::query_as(statement).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(queue, job, reason)| (queue, job.map(JobId::from), reason)).collect())
    }

    /// Jobs that have not ended, as (id, status, queue, dispatched, lease has expired, age in seconds).
    pub(crate) async fn open_jobs(&self) -> Result<Vec<(JobId, String, String, bool, Option<bool>, f64)>> {
        let statement = "SELECT id, status, queue_name, dispatch_started_at IS NOT NULL, lease_expires_at < now(),
            extract(epoch FROM now() - created_at)::float8 FROM jobs WHERE status IN ('pending', 'running', 'paused') ORDER BY id";
        let rows: Vec<(Uuid, String, String, bool, Option<bool>, f64)> = sqlx::query_as(statement).fetch_all(&self.pool).await?;
        let open =
            |(id, status, queue, dispatched, expired, age): (Uuid, _, _, _, _, _)| (id.into(), status, queue, dispatched, expired, age);
        Ok(rows.into_iter().map(open).collect())
    }

    /// Jobs of clients that have not ended, except retries of these automations' jobs: jobs that measure recovery are excluded.
    pub(crate) async fn targets(&self, except: &[i32]) -> Result<Vec<Target>> {
        let statement = "SELECT id, status FROM jobs WHERE status IN ('pending', 'running', 'paused')
            AND (starts_with(idempotency_key, $1) OR automation_id <> ALL($2)) ORDER BY id";
        let rows: Vec<(Uuid, String)> = sqlx::query_as(statement).bind(CLIENT_KEY).bind(except).fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|(id, status)| Target { id: id.into(), status }).collect())
    }

    /// Jobs and automations that are paused, as the hubs' API calls them.
    pub(crate) async fn paused(&self) -> Result<Vec<String>> {
        let statement = "SELECT 'jobs/' || id FROM jobs WHERE status = 'paused'
            UNION ALL SELECT 'automations/' || id FROM automations WHERE paused_at IS NOT NULL";
        Ok(sqlx::query_scalar(statement).fetch_all(&self.pool).await?)
    }

    /// Waits until this many workers have registered.
    pub(crate) async fn registered(&self, workers: usize, limit: Duration) -> Result<Instant> {
        let workers = i64::try_from(workers)?;
        let statement = "SELECT count(*) FROM workers";
        self.until(limit, async || Ok(sqlx::query_scalar::<_, i64>(statement).fetch_one(&self.pool).await? >= workers)).await
    }

    /// Jobs that this worker holds. Waits for an unavailable database.
    pub(crate) async fn held_by(&self, worker: &str) -> Result<Vec<JobId>> {
        let statement = "SELECT jobs.id FROM jobs JOIN workers ON workers.id = jobs.worker_id
            WHERE workers.name = $1 AND status IN ('running', 'paused')";
        let held: Vec<Uuid> = self.patiently(async || sqlx::query_scalar(statement).bind(worker).fetch_all(&self.pool).await).await?;
        Ok(held.into_iter().map(JobId::from).collect())
    }

    /// Waits until none of these jobs is held any more; returns the time of the observation.
    pub(crate) async fn released(&self, jobs: &[JobId], limit: Duration) -> Result<Instant> {
        let statement = "SELECT count(*) FROM jobs WHERE id = ANY($1) AND status IN ('running', 'paused')";
        let jobs: Vec<Uuid> = jobs.iter().map(|job| job.get()).collect();
        self.until(limit, async || {
            let held: i64 = sqlx::query_scalar(statement).bind(&jobs).fetch_one(&self.pool).await?;
            Ok(held == 0)
        })
        .await
    }

    /// Waits until this job or a retry of it has completed; returns the time of the observation.
    pub(crate) async fn completed(&self, job: JobId, limit: Duration) -> Result<Instant> {
        let statement = "WITH RECURSIVE line AS (SELECT id, status FROM jobs WHERE id = $1
            UNION ALL SELECT jobs.id, jobs.status FROM jobs JOIN line ON jobs.retry_of = line.id)
            SELECT count(*) FROM line WHERE status = 'completed'";
        self.until(limit, async || {
            let completed: i64 = sqlx::query_scalar(statement).bind(job.get()).fetch_one(&self.pool).await?;
            Ok(completed > 0)
        })
        .await
    }

    /// Waits until this job has a retry.
    pub(crate) async fn retried(&self, job: JobId, limit: Duration) -> Result<Instant> {
        let statement = "SELECT count(*) FROM jobs WHERE retry_of = $1";
        self.until(limit, async || Ok(sqlx::query_scalar::<_, i64>(statement).bind(job.get()).fetch_one(&self.pool).await? > 0)).await
    }

    /// Number of recorded changes.
    pub(crate) async fn mark(&self) -> Result<i64> {
        let statement = "SELECT coalesce(max(seq), 0) FROM chaos_changes";
        self.patiently(async || sqlx::query_scalar(statement).fetch_one(&self.pool).await).await
    }

    /// Waits until a job of this worker completed after `mark`.
    pub(crate) async fn completed_by(&self, worker: &str, mark: i64, limit: Duration) -> Result<Instant> {
        let statement = "SELECT count(*) FROM chaos_changes JOIN workers ON workers.id = chaos_changes.worker
            WHERE workers.name = $1 AND seq > $2 AND after = 'completed'";
        self.until(limit, async || {
            let completed: i64 = sqlx::query_scalar(statement).bind(worker).bind(mark).fetch_one(&self.pool).await?;
            Ok(completed > 0)
        })
        .await
    }

    async fn until(&self, limit: Duration, ask: impl AsyncFn() -> sqlx::Result<bool>) -> Result<Instant> {
        let deadline = Instant::now() + limit;
        loop {
            // The database may be unavailable.
            if ask().await.unwrap_or(false) {
                return Ok(Instant::now());
            }
            anyhow::ensure!(Instant::now() < deadline, "not within {limit:?}");
            sleep(Duration::from_millis(25)).await;
        }
    }

    async fn patiently<T>(&self, ask: impl AsyncFn() -> sqlx::Result<T>) -> Result<T> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match ask().await {
                Ok(answer) => return Ok(answer),
                Err(error) if Instant::now() > deadline => return Err(error).context("the database does not answer"),
                Err(_) => sleep(Duration::from_millis(50)).await,
            }
        }
    }
}
