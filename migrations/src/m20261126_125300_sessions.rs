use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("sessions")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(uuid("user_id"))
            .col(big_integer("number"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone_null("rotated_at"))
            .col(timestamp_with_time_zone("last_used_at"))
            .col(timestamp_with_time_zone("expires_at"))
            .col(timestamp_with_time_zone_null("ended_at"))
            .col(text_null("end_reason"))
            .col(text_null("address"))
            .col(text_null("device"))
            .foreign_key(
                ForeignKey::create()
                    .name("fk_sessions_user")
                    .from("sessions", "user_id")
                    .to("users", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        manager.create_index(Index::create().name("ix_sessions_user").table("sessions").col("user_id").col("id").to_owned()).await?;
        manager.create_index(Index::create().name("ix_sessions_expires").table("sessions").col("expires_at").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("sessions").to_owned()).await
    }
}
