use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, what people set, and which of its secrets.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "channels")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub kind: String,
    pub settings: Json,
    pub language: String,
    pub routing: Json,
    pub quiet_hours: Option<Json>,
    pub group_wait_s: i32,
    pub templates: Json,
    pub enabled: bool,
    pub disabled_reason: Option<String>,
    pub secret_id: Option<Uuid>,
    pub secret_names: Json,
    pub old_secret_until: Option<ChronoDateTimeUtc>,
    pub revision: i64,
    #[serde(skip)]
    pub created_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub created_by: String,
    #[serde(skip)]
    pub updated_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub updated_by: String,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
