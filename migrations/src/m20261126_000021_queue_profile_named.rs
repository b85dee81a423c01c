use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    /// Until now every automation had a profile. That of the default says nothing about what its robots declare; any other was chosen.
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let column = boolean("queue_profile_named").default(false).to_owned();
        manager.alter_table(Table::alter().table("automations").add_column(column).to_owned()).await?;
        let named = Query::update()
            .table("automations")
            .value("queue_profile_named", true)
            .and_where(Expr::col("queue_profile").ne("regente"))
            .to_owned();
        manager.execute(named).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("automations").drop_column("queue_profile_named").to_owned()).await
    }
}
