use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, what people change of it.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "users")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub username: String,
    pub password_hash: String,
    #[serde(skip)]
    pub created_at: ChronoDateTimeUtc,
    pub email: Option<String>,
    pub display_name: Option<String>,
    pub is_active: bool,
    #[serde(skip)]
    pub generation: i64,
    pub must_change_password: bool,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
