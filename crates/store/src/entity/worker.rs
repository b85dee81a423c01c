use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
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
    pub last_seen_at: ChronoDateTimeUtc,
    pub labels: Option<Json>,
    pub running_jobs: i32,
    pub cpu_percent: Option<f64>,
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
