use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, what people set.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "slas")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    pub automation_id: Option<i32>,
    pub queue_name: Option<String>,
    pub domain_id: Option<Uuid>,
    pub expect: Json,
    pub calendar_id: Option<Uuid>,
    pub timezone: String,
    pub terms: Json,
    pub enabled: bool,
    /// What was before does not count.
    #[serde(skip)]
    pub since_at: ChronoDateTimeUtc,
    /// When a monitor must look at it; while one does, when another may.
    #[serde(skip)]
    pub wake_at: Option<ChronoDateTimeUtc>,
    /// Whether each run that ends is a reason to look at it.
    #[serde(skip)]
    pub follows: bool,
    #[serde(skip)]
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
