use sea_orm::entity::prelude::*;
use serde::Serialize;

#[derive(Clone, Debug, PartialEq, Serialize, DeriveEntityModel)]
#[sea_orm(table_name = "report_plans")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    #[serde(skip)]
    pub id: Uuid,
    pub name: String,
    pub period: String,
    pub weekday: Option<String>,
    pub at: String,
    pub timezone: String,
    pub domain_id: Option<Uuid>,
    pub channels: Json,
    pub enabled: bool,
    #[serde(skip)]
    pub due_at: Option<ChronoDateTimeUtc>,
    #[serde(skip)]
    pub last_sent_at: Option<ChronoDateTimeUtc>,
    #[serde(skip)]
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
