use sea_orm::entity::prelude::*;
use serde::Serialize;

/// As JSON, what people change.
#[derive(Clone, Debug, PartialEq, DeriveEntityModel, Serialize)]
#[sea_orm(table_name = "alerts")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    #[serde(skip)]
    pub id: Uuid,
    #[serde(skip)]
    pub key: String,
    #[serde(skip)]
    pub open_key: Option<String>,
    #[serde(skip)]
    pub rule_id: Option<Uuid>,
    #[serde(skip)]
    pub source: String,
    #[serde(skip)]
    pub alert_type: String,
    #[serde(skip)]
    pub subject_kind: String,
    #[serde(skip)]
    pub subject_name: String,
    #[serde(skip)]
    pub automation_id: Option<i32>,
    #[serde(skip)]
    pub severity: String,
    pub status: String,
    #[serde(skip)]
    pub terms: Json,
    #[serde(skip)]
    pub facts: Json,
    #[serde(skip)]
    pub count: i64,
    #[serde(skip)]
    pub opened_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub began_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub breach_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub last_seen_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub fine_since: Option<ChronoDateTimeUtc>,
    #[serde(skip)]
    pub told_at: ChronoDateTimeUtc,
    #[serde(skip)]
    pub acknowledged_at: Option<ChronoDateTimeUtc>,
    #[serde(skip)]
    pub acknowledged_by: Option<String>,
    #[serde(skip)]
    pub resolved_at: Option<ChronoDateTimeUtc>,
    #[serde(skip)]
    pub resolved_by: Option<String>,
    #[serde(skip)]
    pub resolution: Option<String>,
    pub muted_until: Option<ChronoDateTimeUtc>,
    #[serde(skip)]
    pub due_at: Option<ChronoDateTimeUtc>,
    #[serde(skip)]
    pub revision: i64,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
