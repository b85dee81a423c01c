use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("domains")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(text_uniq("slug"))
            .col(text("name"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone("updated_at"))
            .to_owned();
        manager.create_table(table).await?;
        for column in [uuid_null("domain_id"), json_binary_null("labels")] {
            manager.alter_table(Table::alter().table("automations").add_column(column).to_owned()).await?;
        }
        manager.create_index(Index::create().name("ix_automations_domain").table("automations").col("domain_id").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite does not drop a column that an index has.
        manager.drop_index(Index::drop().name("ix_automations_domain").table("automations").to_owned()).await?;
        for column in ["labels", "domain_id"] {
            manager.alter_table(Table::alter().table("automations").drop_column(column).to_owned()).await?;
        }
        manager.drop_table(Table::drop().table("domains").to_owned()).await
    }
}
