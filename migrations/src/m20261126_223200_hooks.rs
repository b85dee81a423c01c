use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(hooks()).await?;
        manager.create_index(Index::create().name("ix_hooks_automation").table("hooks").col("automation_id").col("id").to_owned()).await?;
        manager.create_table(deliveries()).await?;
        let page = Index::create().name("ix_hook_deliveries_hook").table("hook_deliveries").col("hook_id").col("id").to_owned();
        manager.create_index(page).await?;
        let claim =
            Index::create().name("ux_hook_deliveries_claim").table("hook_deliveries").col("hook_id").col("claim").unique().to_owned();
        manager.create_index(claim).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sealed = Query::delete().from_table("secrets").and_where(Expr::col("purpose").eq("hook_secret")).to_owned();
        manager.execute(sealed).await?;
        for table in ["hook_deliveries", "hooks"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn hooks() -> TableCreateStatement {
    Table::create()
        .table("hooks")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(integer("automation_id"))
        .col(text("name"))
        .col(text("token_prefix"))
        .col(text_uniq("token_digest"))
        .col(ColumnDef::new("old_token_digest").text().null().unique_key())
        .col(timestamp_with_time_zone_null("old_token_until"))
        .col(json_binary("signature"))
        .col(uuid_null("secret_id"))
        .col(uuid_null("old_secret_id"))
        .col(timestamp_with_time_zone_null("old_secret_until"))
        .col(json_binary("parameters"))
        .col(json_binary("mapping"))
        .col(json_binary("filter"))
        .col(json_binary("dedup"))
        .col(timestamp_with_time_zone_null("paused_at"))
        .col(text_null("paused_by"))
        .col(timestamp_with_time_zone("created_at"))
        .col(text("created_by"))
        .col(timestamp_with_time_zone("updated_at"))
        .col(text("updated_by"))
        .foreign_key(ForeignKey::create().name("fk_hooks_automation").from("hooks", "automation_id").to("automations", "id"))
        .to_owned()
}

fn deliveries() -> TableCreateStatement {
    Table::create()
        .table("hook_deliveries")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(uuid("hook_id"))
        .col(timestamp_with_time_zone("received_at"))
        .col(text("outcome"))
        .col(integer("status"))
        .col(text_null("reason"))
        .col(text_null("dedup_key"))
        // The key, while this delivery is the one whose job counts for it.
        .col(text_null("claim"))
        // As they were asked for, byte for byte: a repeated request must be the same one.
        .col(text_null("parameters"))
        .col(uuid_null("job_id"))
        .col(text_null("address"))
        .col(text_null("request_id"))
        .col(json_binary("headers"))
        .col(binary_null("body"))
        .col(big_integer("body_bytes"))
        .col(uuid_null("redelivery_of"))
        .foreign_key(
            ForeignKey::create()
                .name("fk_hook_deliveries_hook")
                .from("hook_deliveries", "hook_id")
                .to("hooks", "id")
                .on_delete(ForeignKeyAction::Cascade),
        )
        .to_owned()
}
