use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, without the message.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "dead_letters")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub queue_name: String,
    pub job_id: Option<Uuid>,
    pub reason: String,
    #[serde(skip)]
    pub body: String,
    pub received_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub headers: Option<Json>,
    pub body_is_whole: bool,
    pub replayed_at: Option<ChronoDateTimeUtc>,
    pub replayed_by: Option<String>,
    pub new_job_id: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
