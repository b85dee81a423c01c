use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, what people set.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "chains")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub automation_id: i32,
    pub name: String,
    pub enabled: bool,
    pub inputs: Json,
    pub join_mode: String,
    pub not_before_s: Option<i32>,
    pub timezone: String,
    pub parameters: Json,
    pub parameters_from: Json,
    #[serde(skip)]
    pub since_at: ChronoDateTimeUtc,
    pub revision: i64,
    #[serde(skip)]
    pub created_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub updated_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub updated_by: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
