use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("secrets")
            .col(text("purpose"))
            .col(text("id"))
            .col(text("master_key_id"))
            .col(blob("wrapped_key"))
            .col(blob("ciphertext"))
            .col(timestamp_with_time_zone("created_at"))
            .primary_key(Index::create().name("pk_secrets").col("purpose").col("id"))
            .to_owned();
        manager.create_table(table).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("secrets").to_owned()).await
    }
}
