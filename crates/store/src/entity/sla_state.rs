use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sla_states")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sla_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub alert_type: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_kind: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub subject_name: String,
    pub automation_id: Option<i32>,
    pub standing: String,
    pub breached_at: Option<ChronoDateTimeUtc>,
    pub told_at: Option<ChronoDateTimeUtc>,
    pub fine_since: Option<ChronoDateTimeUtc>,
    pub due_at: Option<ChronoDateTimeUtc>,
    pub is_until_due: bool,
    pub since_at: Option<ChronoDateTimeUtc>,
    pub breach_of: Option<ChronoDateTimeUtc>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
