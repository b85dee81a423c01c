use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("api_keys")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(uuid("owner_id"))
            .col(text("name"))
            .col(text("prefix"))
            .col(text_uniq("digest"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone_null("expires_at"))
            .col(timestamp_with_time_zone_null("revoked_at"))
            .col(text_null("revoked_by"))
            .col(timestamp_with_time_zone_null("last_used_at"))
            .foreign_key(
                ForeignKey::create()
                    .name("fk_api_keys_owner")
                    .from("api_keys", "owner_id")
                    .to("users", "id")
                    .on_delete(ForeignKeyAction::Cascade),
            )
            .to_owned();
        manager.create_table(table).await?;
        manager.create_index(Index::create().name("ix_api_keys_owner").table("api_keys").col("owner_id").col("id").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let grants = Query::delete().from_table("grants").and_where(Expr::col("grantee_kind").eq("api_key")).to_owned();
        manager.execute(grants).await?;
        manager.drop_table(Table::drop().table("api_keys").to_owned()).await
    }
}
