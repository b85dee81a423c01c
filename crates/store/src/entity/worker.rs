use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, without what heartbeats change.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "workers")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub queues: Json,
    pub slots: i32,
    pub version: String,
    pub hostname: String,
    pub uses_broker: bool,
    pub registered_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub last_seen_at: ChronoDateTimeUtc,
    pub labels: Option<Json>,
    #[serde(skip)]
    pub running_jobs: i32,
    #[serde(skip)]
    pub cpu_percent: Option<f64>,
    #[serde(skip)]
    pub memory_bytes: Option<i64>,
    pub paused_at: Option<ChronoDateTimeUtc>,
    pub paused_by: Option<String>,
    pub stopped_at: Option<ChronoDateTimeUtc>,
    pub instance_id: Option<Uuid>,
    pub pid: Option<i64>,
    pub credential: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
