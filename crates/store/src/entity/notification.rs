use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "notifications")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub channel_id: Uuid,
    pub kind: String,
    pub group_key: Option<String>,
    pub state: String,
    pub reason: Option<String>,
    pub due_at: ChronoDateTimeUtc,
    pub attempts: i32,
    pub give_up_at: Option<ChronoDateTimeUtc>,
    pub notices: i32,
    pub title: Option<String>,
    pub message: Option<Json>,
    pub status: Option<i32>,
    pub answer: Option<String>,
    pub reference: Option<String>,
    pub created_at: ChronoDateTimeUtc,
    pub ended_at: Option<ChronoDateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
