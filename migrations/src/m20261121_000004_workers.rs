use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("workers")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(text_uniq("name"))
            .col(json_binary("queues"))
            .col(integer("slots"))
            .col(text("version"))
            .col(text("hostname"))
            .col(boolean("uses_broker"))
            .col(timestamp_with_time_zone("registered_at"))
            .col(timestamp_with_time_zone("last_seen_at"))
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("workers").to_owned()).await
    }
}
