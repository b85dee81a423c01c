use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "schedule_fires")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub schedule_id: Uuid,
    /// The slot, or the first of several that were skipped.
    #[sea_orm(primary_key, auto_increment = false)]
    pub slot_at: ChronoDateTimeUtc,
    pub last_slot_at: ChronoDateTimeUtc,
    pub slots: i64,
    pub more: bool,
    pub run_at: Option<ChronoDateTimeUtc>,
    pub state: String,
    pub reason: Option<String>,
    pub detail: Option<String>,
    pub job_id: Option<Uuid>,
    pub decided_at: ChronoDateTimeUtc,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
