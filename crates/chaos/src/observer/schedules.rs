//! Schedules as the database has them.

use std::{collections::HashMap, time::Duration};

use anyhow::Result;
use domain::ids::{JobId, ScheduleId};
use tokio::time::Instant;
use uuid::Uuid;

use super::Observer;

/// A schedule at the end. Times are seconds of UTC.
#[derive(Clone, Debug)]
pub(crate) struct ScheduleRow {
    pub(crate) created_at: i64,
    pub(crate) updated_at: i64,
    pub(crate) expression: Option<String>,
    pub(crate) state: String,
    /// It has no slot left, and every one is decided.
    pub(crate) is_over: bool,
}

/// What became of a slot, or of several in a row. Times are seconds of UTC.
#[derive(Clone, Debug)]
pub(crate) struct Fire {
    pub(crate) schedule_id: ScheduleId,
    pub(crate) slot: i64,
    pub(crate) last_slot: i64,
    pub(crate) slots: usize,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) job_id: Option<JobId>,
}

/// A row of the fires, with its columns in this order.
type FireColumns = (Uuid, i64, i64, i64, String, Option<String>, Option<Uuid>);

/// A pause of a schedule: slots from the first second on, and before the second one.
#[derive(Clone, Debug)]
pub(crate) struct Pause {
    pub(crate) schedule_id: ScheduleId,
    pub(crate) from: i64,
    pub(crate) until: i64,
}

impl Observer {
    pub(crate) async fn schedules(&self) -> Result<HashMap<ScheduleId, ScheduleRow>> {
        let statement = "SELECT id, floor(extract(epoch FROM created_at))::bigint, floor(extract(epoch FROM updated_at))::bigint,
            cron_expression, state, state = 'ended' AND wake_at IS NULL FROM schedules";
        let rows: Vec<(Uuid, i64, i64, Option<String>, String, bool)> = sqlx::query_as(statement).fetch_all(&self.pool).await?;
        let row = |(id, created_at, updated_at, expression, state, is_over): (Uuid, _, _, _, _, _)| {
            (id.into(), ScheduleRow { created_at, updated_at, expression, state, is_over })
        };
        Ok(rows.into_iter().map(row).collect())
    }

    pub(crate) async fn fires(&self) -> Result<Vec<Fire>> {
        let statement = "SELECT schedule_id, extract(epoch FROM slot_at)::bigint, extract(epoch FROM last_slot_at)::bigint, slots, state,
            reason, job_id FROM schedule_fires ORDER BY schedule_id, slot_at";
        let rows: Vec<FireColumns> = sqlx::query_as(statement).fetch_all(&self.pool).await?;
        let fire = |(id, slot, last_slot, slots, state, reason, job): FireColumns| Fire {
            schedule_id: id.into(),
            slot,
            last_slot,
            slots: slots.try_into().unwrap_or_default(),
            state,
            reason,
            job_id: job.map(Into::into),
        };
        Ok(rows.into_iter().map(fire).collect())
    }

    /// Every pause as it was last set.
    pub(crate) async fn pauses(&self) -> Result<Vec<Pause>> {
        let statement = "SELECT DISTINCT ON (schedule_id, from_at) schedule_id, ceil(extract(epoch FROM from_at))::bigint,
            ceil(extract(epoch FROM until_at))::bigint FROM chaos_pauses ORDER BY schedule_id, from_at, seq DESC";
        let rows: Vec<(Uuid, i64, Option<i64>)> = sqlx::query_as(statement).fetch_all(&self.pool).await?;
        let pause = |(id, from, until): (Uuid, i64, Option<i64>)| Pause { schedule_id: id.into(), from, until: until.unwrap_or(i64::MAX) };
        Ok(rows.into_iter().map(pause).collect())
    }

    /// Schedules that a scheduler has still to look at, as (name, state, seconds until it must).
    pub(crate) async fn open_schedules(&self) -> Result<Vec<(String, String, f64)>> {
        let statement = "SELECT name, state, extract(epoch FROM wake_at - clock_timestamp())::float8 FROM schedules
            WHERE wake_at IS NOT NULL ORDER BY id";
        Ok(sqlx::query_as(statement).fetch_all(&self.pool).await?)
    }

    /// Waits until a slot of this schedule at or after `since`, in seconds of UTC, has a job, or none is left; returns the time of the
    /// observation.
    pub(crate) async fn fired(&self, schedule: ScheduleId, since: i64, limit: Duration) -> Result<Instant> {
        let statement = "SELECT EXISTS (SELECT FROM schedule_fires WHERE schedule_id = $1 AND state = 'created'
            AND slot_at >= to_timestamp($2::bigint)) OR NOT EXISTS (SELECT FROM schedules WHERE id = $1 AND wake_at IS NOT NULL)";
        self.until(limit, async || sqlx::query_scalar(statement).bind(schedule.get()).bind(since).fetch_one(&self.pool).await).await
    }
}
