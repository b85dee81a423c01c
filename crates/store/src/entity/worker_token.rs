use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, without the secret.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "worker_tokens")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub worker_name: Option<String>,
    pub queues: Option<Json>,
    #[serde(skip)]
    pub digest: String,
    pub created_at: ChronoDateTimeUtc,
    pub created_by: String,
    pub expires_at: Option<ChronoDateTimeUtc>,
    pub revoked_at: Option<ChronoDateTimeUtc>,
    pub revoked_by: Option<String>,
    #[serde(skip)]
    pub last_used_at: Option<ChronoDateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
