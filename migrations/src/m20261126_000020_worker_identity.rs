use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in columns() {
            manager.alter_table(Table::alter().table("workers").add_column(column).to_owned()).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in columns() {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table("workers").drop_column(name).to_owned()).await?;
        }
        Ok(())
    }
}

/// Absent for workers that registered before, and for those that say nothing of it.
fn columns() -> [ColumnDef; 3] {
    [uuid_null("instance_id"), big_integer_null("pid"), text_null("credential")]
}
