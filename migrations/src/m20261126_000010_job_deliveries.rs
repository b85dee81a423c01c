use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in columns() {
            manager.alter_table(Table::alter().table("jobs").add_column(column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in columns().into_iter().rev() {
            manager.alter_table(Table::alter().table("jobs").drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}

/// What became of its messages while it waits.
fn columns() -> Vec<ColumnDef> {
    vec![
        integer("unstarted").default(0).to_owned(),
        timestamp_with_time_zone_null("held_at"),
        integer("refused_keys").default(0).to_owned(),
        timestamp_with_time_zone_null("refused_key_at"),
    ]
}
