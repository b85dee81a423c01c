use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, what people set.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "automations")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub name: String,
    pub description: String,
    pub queue_name: String,
    pub queue_profile: String,
    pub queue_profile_named: bool,
    pub entrypoint_type: String,
    pub script_path: String,
    pub parameter_schema: Option<Json>,
    pub default_params: Json,
    pub timeout_s: Option<i64>,
    pub max_concurrency: Option<i64>,
    pub priority: i32,
    pub retry_policy: Json,
    pub queue_timeout_s: Option<i64>,
    pub cancel_grace_s: Option<i64>,
    pub concurrency_key: Option<String>,
    pub concurrency_key_limit: i64,
    pub rate_limit: Option<Json>,
    #[serde(skip)]
    pub rate_limit_tat: Option<ChronoDateTimeUtc>,
    pub overlap: String,
    pub on_worker_lost: Option<String>,
    pub requires: Json,
    pub display: bool,
    pub cpu_limit: Option<f64>,
    pub memory_limit_bytes: Option<i64>,
    pub paused_at: Option<ChronoDateTimeUtc>,
    pub paused_until: Option<ChronoDateTimeUtc>,
    pub paused_reason: Option<String>,
    pub paused_by: Option<String>,
    pub archived_at: Option<ChronoDateTimeUtc>,
    #[serde(skip)]
    pub created_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub updated_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub updated_by: Option<String>,
    #[serde(skip)]
    pub change: i64,
    pub domain_id: Option<Uuid>,
    pub labels: Option<Json>,
    pub manual_minutes: Option<i64>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
