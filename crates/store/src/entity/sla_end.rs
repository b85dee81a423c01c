use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "sla_ends")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub sla_id: Uuid,
    #[sea_orm(primary_key, auto_increment = false)]
    pub automation_id: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
