use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let plans = Table::create()
            .table("report_plans")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(text_uniq("name"))
            .col(text("period"))
            .col(text_null("weekday"))
            .col(text("at"))
            .col(text("timezone"))
            .col(uuid_null("domain_id"))
            .col(json_binary("channels"))
            .col(boolean("enabled"))
            // When it is sent next; none: it is off.
            .col(timestamp_with_time_zone_null("due_at"))
            .col(timestamp_with_time_zone_null("last_sent_at"))
            .col(big_integer("revision"))
            .col(timestamp_with_time_zone("created_at"))
            .col(text("created_by"))
            .col(timestamp_with_time_zone("updated_at"))
            .col(text("updated_by"))
            .foreign_key(ForeignKey::create().name("fk_report_plans_domain").from("report_plans", "domain_id").to("domains", "id"))
            .to_owned();
        manager.create_table(plans).await?;
        manager.create_index(Index::create().name("ix_report_plans_due").table("report_plans").col("due_at").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("report_plans").to_owned()).await
    }
}
