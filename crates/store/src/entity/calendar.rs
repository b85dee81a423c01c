use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "calendars")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub id: Uuid,
    pub name: String,
    /// Hours of each day of the week, from Sunday.
    pub week: Json,
    pub holidays: Json,
    pub days: Json,
    pub blackouts: Json,
    /// For lists, which do not read the days.
    pub day_count: i32,
    pub blackout_count: i32,
    /// Counts the changes: a cached calendar with this revision is up to date.
    pub revision: i64,
    pub created_at: ChronoDateTimeUtc,
    pub updated_at: ChronoDateTimeUtc,
    pub updated_by: Option<String>,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
