use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("grants")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(text("grantee_kind"))
            .col(uuid("grantee_id"))
            .col(text("granted"))
            .col(text("where_kind"))
            // Empty where there is no value, so that the index below is unique.
            .col(text("where_value"))
            .col(text("granted_by"))
            .col(timestamp_with_time_zone("granted_at"))
            .to_owned();
        manager.create_table(table).await?;
        let mut once = Index::create();
        once.name("ux_grants").table("grants").unique();
        for column in ["grantee_kind", "grantee_id", "granted", "where_kind", "where_value"] {
            once.col(column);
        }
        manager.create_index(once).await?;
        // Whoever could sign in before could do everything.
        let admins = "INSERT INTO grants (id, grantee_kind, grantee_id, granted, where_kind, where_value, granted_by, granted_at) \
                      SELECT id, 'user', id, 'admin', 'everywhere', '', 'regente', created_at FROM users";
        manager.get_connection().execute_unprepared(admins).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("grants").to_owned()).await
    }
}
