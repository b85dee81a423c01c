use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, what people set.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "schedules")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub automation_id: i32,
    pub name: String,
    pub cron_expression: Option<String>,
    pub interval_s: Option<i64>,
    pub anchor_at: Option<ChronoDateTimeUtc>,
    pub run_once_at: Option<ChronoDateTimeUtc>,
    pub timezone: String,
    pub calendar_id: Option<Uuid>,
    pub calendar_rule: Option<String>,
    pub business_day: Option<i32>,
    pub on_blackout: Option<String>,
    /// Second of the day.
    pub window_start_s: Option<i32>,
    /// Second of the day.
    pub window_end_s: Option<i32>,
    pub jitter_s: i64,
    pub start_at: Option<ChronoDateTimeUtc>,
    pub end_at: Option<ChronoDateTimeUtc>,
    pub enabled: bool,
    pub misfire_policy: String,
    pub misfire_limit: i32,
    pub misfire_grace_s: i64,
    pub parameters: Json,
    pub priority: Option<i32>,
    pub timeout_s: Option<i64>,
    pub queue_timeout_s: Option<i64>,
    pub max_attempts: Option<i32>,
    pub cancel_grace_s: Option<i64>,
    pub concurrency_key: Option<String>,
    pub overlap: Option<String>,
    pub max_concurrency: Option<i32>,
    pub retry_backoff_s: Option<i64>,
    pub version_id: Option<Uuid>,
    pub environment: Option<String>,
    /// The last decided slot, or when its times were saved.
    #[serde(skip)]
    pub cursor_at: ChronoDateTimeUtc,
    /// When a scheduler must look at it; while one does, when another may.
    #[serde(skip)]
    pub wake_at: Option<ChronoDateTimeUtc>,
    /// The last slot that became a job.
    #[serde(skip)]
    pub last_slot_at: Option<ChronoDateTimeUtc>,
    #[serde(skip)]
    pub state: String,
    #[serde(skip)]
    pub state_reason: Option<String>,
    #[serde(skip)]
    pub revision: i64,
    #[serde(skip)]
    pub created_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub updated_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub updated_by: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
