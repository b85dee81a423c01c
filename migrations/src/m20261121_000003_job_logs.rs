use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // A row is a batch of consecutive lines as it arrived, not one line: tens of thousands of lines a second cost a few rows.
        let chunks = Table::create()
            .table("job_log_chunks")
            .col(uuid("job_id"))
            .col(big_integer("last_line"))
            .col(big_integer("first_line"))
            .col(small_integer("max_level"))
            .col(text("lines"))
            .col(timestamp_with_time_zone("created_at"))
            .primary_key(Index::create().col("job_id").col("last_line"))
            .to_owned();
        manager.create_table(chunks).await?;
        let events = Table::create()
            .table("job_events")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(uuid("job_id"))
            .col(text("kind"))
            .col(json_binary("detail"))
            .col(timestamp_with_time_zone("created_at"))
            .to_owned();
        manager.create_table(events).await?;
        manager.create_index(Index::create().name("ix_job_events_job").table("job_events").col("job_id").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("job_events").to_owned()).await?;
        manager.drop_table(Table::drop().table("job_log_chunks").to_owned()).await
    }
}
