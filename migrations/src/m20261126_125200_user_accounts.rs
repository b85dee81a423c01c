use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in [
            text_null("email"),
            text_null("display_name"),
            boolean("is_active").default(true).to_owned(),
            big_integer("generation").default(0).to_owned(),
        ] {
            manager.alter_table(Table::alter().table("users").add_column(column).to_owned()).await?;
        }
        let email = Index::create().name("ux_users_email").table("users").col("email").unique().to_owned();
        manager.create_index(email).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite does not drop a column that an index has.
        manager.drop_index(Index::drop().name("ux_users_email").table("users").to_owned()).await?;
        for column in ["generation", "is_active", "display_name", "email"] {
            manager.alter_table(Table::alter().table("users").drop_column(column).to_owned()).await?;
        }
        Ok(())
    }
}
