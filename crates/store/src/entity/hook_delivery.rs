use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "hook_deliveries")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub hook_id: Uuid,
    pub received_at: ChronoDateTimeUtc,
    pub outcome: String,
    pub status: i32,
    pub reason: Option<String>,
    pub dedup_key: Option<String>,
    pub claim: Option<String>,
    pub parameters: Option<String>,
    pub job_id: Option<Uuid>,
    pub address: Option<String>,
    pub request_id: Option<String>,
    pub headers: Json,
    pub body: Option<Vec<u8>>,
    pub body_bytes: i64,
    pub redelivery_of: Option<Uuid>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
