use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let channels = Table::create()
            .table("channels")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(text_uniq("name"))
            .col(text("kind"))
            .col(json_binary("settings"))
            .col(text("language"))
            .col(json_binary("routing"))
            .col(json_binary_null("quiet_hours"))
            .col(integer("group_wait_s"))
            .col(json_binary("templates"))
            .col(boolean("enabled"))
            .col(text_null("disabled_reason"))
            .col(uuid_null("secret_id"))
            .col(json_binary("secret_names"))
            .col(timestamp_with_time_zone_null("old_secret_until"))
            .col(big_integer("revision"))
            .col(timestamp_with_time_zone("created_at"))
            .col(text("created_by"))
            .col(timestamp_with_time_zone("updated_at"))
            .col(text("updated_by"))
            .to_owned();
        manager.create_table(channels).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sealed = Query::delete().from_table("secrets").and_where(Expr::col("purpose").eq("channel")).to_owned();
        manager.execute(sealed).await?;
        manager.drop_table(Table::drop().table("channels").to_owned()).await
    }
}
