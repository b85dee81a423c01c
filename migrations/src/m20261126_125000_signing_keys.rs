use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("signing_keys")
            .col(ColumnDef::new("id").text().not_null().primary_key())
            .col(blob("public_key"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone_null("retired_at"))
            .to_owned();
        manager.create_table(table).await?;
        // Keys, users and sessions: who caches who somebody is looks here.
        let mut counter = Query::insert().into_table("change_counters").columns(["subject", "count"]).to_owned();
        counter.values_panic(["identities".into(), 0.into()]);
        manager.execute(counter).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let counter = Query::delete().from_table("change_counters").and_where(Expr::col("subject").eq("identities")).to_owned();
        manager.execute(counter).await?;
        manager.drop_table(Table::drop().table("signing_keys").to_owned()).await
    }
}
