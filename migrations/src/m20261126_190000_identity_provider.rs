use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(identities()).await?;
        manager.create_index(Index::create().name("ix_user_identities_user").table("user_identities").col("user_id").to_owned()).await?;
        manager.create_table(pending()).await?;
        let expiry = Index::create().name("ix_pending_sign_ins_expires").table("pending_sign_ins").col("expires_at").to_owned();
        manager.create_index(expiry).await?;
        let source = text("source").default("manual").to_owned();
        manager.alter_table(Table::alter().table("grants").add_column(source).to_owned()).await?;
        manager.alter_table(Table::alter().table("sessions").add_column(text_null("provider")).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.alter_table(Table::alter().table("sessions").drop_column("provider").to_owned()).await?;
        // Without the column nobody would take them away.
        let given = Query::delete().from_table("grants").and_where(Expr::col("source").ne("manual")).to_owned();
        manager.execute(given).await?;
        manager.alter_table(Table::alter().table("grants").drop_column("source").to_owned()).await?;
        for table in ["pending_sign_ins", "user_identities"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn identities() -> TableCreateStatement {
    let user = ForeignKey::create()
        .name("fk_user_identities_user")
        .from("user_identities", "user_id")
        .to("users", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned();
    Table::create()
        .table("user_identities")
        .col(text("issuer"))
        .col(text("subject"))
        .col(uuid("user_id"))
        .col(timestamp_with_time_zone("linked_at"))
        .primary_key(Index::create().col("issuer").col("subject"))
        .foreign_key(&mut user.to_owned())
        .to_owned()
}

fn pending() -> TableCreateStatement {
    Table::create()
        .table("pending_sign_ins")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(text_uniq("state_digest"))
        .col(text("browser_digest"))
        .col(text("return_to"))
        .col(text("code_challenge"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("expires_at"))
        .col(timestamp_with_time_zone_null("used_at"))
        .col(ColumnDef::new("code_digest").text().null().unique_key())
        .col(uuid_null("user_id"))
        .col(text_null("refusal"))
        .to_owned()
}
