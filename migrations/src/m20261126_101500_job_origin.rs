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

/// Who or what asked for the job, and what it runs where. Of jobs accepted before, nobody knows.
fn columns() -> Vec<ColumnDef> {
    vec![text_null("requested_by"), uuid_null("schedule_id"), uuid_null("version_id"), text_null("environment"), text_null("traceparent")]
}
