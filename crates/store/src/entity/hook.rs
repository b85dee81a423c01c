use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, what people set.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "hooks")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub automation_id: i32,
    pub name: String,
    pub token_prefix: String,
    #[serde(skip)]
    pub token_digest: String,
    #[serde(skip)]
    pub old_token_digest: Option<String>,
    pub old_token_until: Option<ChronoDateTimeUtc>,
    pub signature: Json,
    pub secret_id: Option<Uuid>,
    #[serde(skip)]
    pub old_secret_id: Option<Uuid>,
    pub old_secret_until: Option<ChronoDateTimeUtc>,
    pub parameters: Json,
    pub mapping: Json,
    pub filter: Json,
    pub dedup: Json,
    pub paused_at: Option<ChronoDateTimeUtc>,
    pub paused_by: Option<String>,
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
