use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let users = Table::create()
            .table("users")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(text_uniq("username"))
            .col(text("password_hash"))
            .col(timestamp_with_time_zone("created_at"))
            .to_owned();
        manager.create_table(users).await?;
        let instance = Table::create()
            .table("instance_settings")
            .col(ColumnDef::new("key").text().not_null().primary_key())
            .col(text("value"))
            .to_owned();
        manager.create_table(instance).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("instance_settings").to_owned()).await?;
        manager.drop_table(Table::drop().table("users").to_owned()).await
    }
}
