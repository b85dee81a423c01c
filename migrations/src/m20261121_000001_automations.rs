use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("automations")
            .col(pk_auto("id"))
            .col(text("name"))
            .col(text("description"))
            .col(text("queue_name"))
            .col(text("queue_profile"))
            .col(text("entrypoint_type"))
            .col(text("script_path"))
            .col(json_binary_null("parameter_schema"))
            .col(json_binary("default_params"))
            .col(big_integer_null("timeout_s"))
            .col(big_integer_null("max_concurrency"))
            .col(integer("priority"))
            .col(json_binary("retry_policy"))
            .col(timestamp_with_time_zone_null("archived_at"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("updated_at"))
            .to_owned();
        manager.create_table(table).await?;
        let live_name = Index::create()
            .name("ux_automations_live_name")
            .table("automations")
            .col("name")
            .unique()
            .cond_where(Expr::col("archived_at").is_null())
            .to_owned();
        manager.create_index(live_name).await?;
        manager.create_index(Index::create().name("ix_automations_queue").table("automations").col("queue_name").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("automations").to_owned()).await
    }
}
