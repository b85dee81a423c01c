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

/// What a schedule says of its jobs. The limit has no index: jobs are counted by automation, which has one.
fn columns() -> Vec<ColumnDef> {
    vec![big_integer_null("retry_backoff_s"), integer_null("max_concurrency")]
}
