use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // One statement a column: SQLite takes no more.
        for column in columns() {
            manager.alter_table(Table::alter().table("automations").add_column(column).to_owned()).await?;
        }
        let pauses = Table::create()
            .table("queue_pauses")
            .col(ColumnDef::new("queue_name").text().not_null().primary_key())
            .col(timestamp_with_time_zone("paused_at"))
            .col(timestamp_with_time_zone_null("paused_until"))
            .col(text_null("reason"))
            .col(text("paused_by"))
            .to_owned();
        manager.create_table(pauses).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("queue_pauses").to_owned()).await?;
        for column in columns().into_iter().rev() {
            manager.alter_table(Table::alter().table("automations").drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<ColumnDef> {
    vec![
        big_integer_null("queue_timeout_s"),
        big_integer_null("cancel_grace_s"),
        text_null("concurrency_key"),
        big_integer("concurrency_key_limit").default(1).take(),
        json_binary_null("rate_limit"),
        timestamp_with_time_zone_null("rate_limit_tat"),
        text("overlap").default("queue").take(),
        text_null("on_worker_lost"),
        json_binary("requires").default("[]").take(),
        boolean("display").default(false).take(),
        double_null("cpu_limit"),
        big_integer_null("memory_limit_bytes"),
        timestamp_with_time_zone_null("paused_at"),
        timestamp_with_time_zone_null("paused_until"),
        text_null("paused_reason"),
        text_null("paused_by"),
    ]
}
