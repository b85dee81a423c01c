use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "chain_runs")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub chain_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub automation_id: i32,
    pub root_id: Uuid,
    pub after_job_id: Uuid,
    pub parameters: Option<Json>,
    pub due_at: ChronoDateTimeUtc,
    pub state: String,
    pub reason: Option<String>,
    pub detail: Option<String>,
    pub job_id: Option<Uuid>,
    pub created_at: ChronoDateTimeUtc,
    pub decided_at: Option<ChronoDateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
