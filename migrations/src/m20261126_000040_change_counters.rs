use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("change_counters")
            .col(ColumnDef::new("subject").text().not_null().primary_key())
            .col(big_integer("count"))
            .to_owned();
        manager.create_table(table).await?;
        let mut rows = Query::insert().into_table("change_counters").columns(["subject", "count"]).to_owned();
        for subject in ["automations", "workers"] {
            rows.values_panic([subject.into(), 0.into()]);
        }
        manager.execute(rows).await?;
        // The counter of automations when the row was last written.
        let column = big_integer("change").default(0).to_owned();
        manager.alter_table(Table::alter().table("automations").add_column(column).to_owned()).await?;
        manager.create_index(Index::create().name("ix_automations_change").table("automations").col("change").to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite does not drop a column that an index has.
        manager.drop_index(Index::drop().name("ix_automations_change").table("automations").to_owned()).await?;
        manager.alter_table(Table::alter().table("automations").drop_column("change").to_owned()).await?;
        manager.drop_table(Table::drop().table("change_counters").to_owned()).await
    }
}
