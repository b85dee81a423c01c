use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "jobs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub automation_id: i32,
    pub queue_name: String,
    pub status: String,
    pub trigger: String,
    pub priority: i32,
    pub parameters: Json,
    pub result: Option<Json>,
    pub error_class: Option<String>,
    pub error_message: Option<String>,
    pub attempt: i32,
    pub retry_of: Option<Uuid>,
    pub worker_id: Option<Uuid>,
    pub lease_token: Option<Uuid>,
    pub lease_expires_at: Option<ChronoDateTimeUtc>,
    pub progress: Option<Json>,
    pub idempotency_key: Option<String>,
    pub request_digest: Option<String>,
    pub created_at: ChronoDateTimeUtc,
    pub not_before: Option<ChronoDateTimeUtc>,
    pub dispatch_started_at: Option<ChronoDateTimeUtc>,
    pub dispatched_at: Option<ChronoDateTimeUtc>,
    pub started_at: Option<ChronoDateTimeUtc>,
    pub completed_at: Option<ChronoDateTimeUtc>,
    pub last_heartbeat_at: Option<ChronoDateTimeUtc>,
    pub cancellation_requested_at: Option<ChronoDateTimeUtc>,
    pub log_lines: i64,
    pub log_bytes: i64,
    pub log_left_out: i64,
    pub log_offset: i64,
    pub version: i64,
    pub timeout_s: Option<i64>,
    pub queue_deadline_at: Option<ChronoDateTimeUtc>,
    pub max_attempts: Option<i32>,
    pub cancel_grace_s: Option<i64>,
    pub concurrency_key: Option<String>,
    pub requires: Option<String>,
    pub deadline_at: Option<ChronoDateTimeUtc>,
    pub paused_at: Option<ChronoDateTimeUtc>,
    pub paused_ms: i64,
    pub unstarted: i32,
    pub held_at: Option<ChronoDateTimeUtc>,
    pub refused_keys: i32,
    pub refused_key_at: Option<ChronoDateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
