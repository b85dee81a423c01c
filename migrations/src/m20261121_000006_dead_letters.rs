use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("dead_letters")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(text("queue_name"))
            .col(uuid_null("job_id"))
            .col(text("reason"))
            .col(text("body"))
            .col(timestamp_with_time_zone("received_at"))
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("dead_letters").to_owned()).await
    }
}
