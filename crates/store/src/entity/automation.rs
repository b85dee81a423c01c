use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "automations")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub name: String,
    pub description: String,
    pub queue_name: String,
    pub queue_profile: String,
    pub entrypoint_type: String,
    pub script_path: String,
    pub parameter_schema: Option<Json>,
    pub default_params: Json,
    pub timeout_s: Option<i64>,
    pub max_concurrency: Option<i64>,
    pub priority: i32,
    pub retry_policy: Json,
    pub archived_at: Option<ChronoDateTimeUtc>,
    pub created_at: ChronoDateTimeUtc,
    pub updated_at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
