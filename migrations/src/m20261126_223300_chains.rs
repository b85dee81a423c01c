use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [chains(), inputs(), marks(), runs()] {
            manager.create_table(table).await?;
        }
        let name = Index::create().name("ux_chains_name").table("chains").col("automation_id").col("name").unique().to_owned();
        manager.create_index(name).await?;
        let index = |name: &str, table: &'static str| Index::create().name(name).table(table).to_owned();
        manager.create_index(index("ix_chain_inputs_automation", "chain_inputs").col("automation_id").to_owned()).await?;
        manager.create_index(index("ix_chain_marks_ended", "chain_marks").col("ended_at").to_owned()).await?;
        manager.create_index(index("ix_chain_runs_created", "chain_runs").col("created_at").to_owned()).await?;
        let waiting = index("ix_chain_runs_waiting", "chain_runs").col("due_at").to_owned();
        manager.create_index(waiting.to_owned().cond_where(Expr::cust("state = 'waiting'")).to_owned()).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["chain_runs", "chain_marks", "chain_inputs", "chains"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn chains() -> TableCreateStatement {
    Table::create()
        .table("chains")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(integer("automation_id"))
        .col(text("name"))
        .col(boolean("enabled"))
        .col(json_binary("inputs"))
        .col(text("join_mode"))
        .col(integer_null("not_before_s"))
        .col(text("timezone"))
        .col(json_binary("parameters"))
        .col(json_binary("parameters_from"))
        .col(timestamp_with_time_zone("since_at"))
        .col(big_integer("revision"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .col(text_null("updated_by"))
        .to_owned()
}

/// The edges of the graph; the rest of an input is in its chain.
fn inputs() -> TableCreateStatement {
    Table::create()
        .table("chain_inputs")
        .col(uuid("chain_id"))
        .col(integer("automation_id"))
        .primary_key(Index::create().col("chain_id").col("automation_id"))
        .foreign_key(&mut of_chain("chain_inputs"))
        .to_owned()
}

fn marks() -> TableCreateStatement {
    Table::create()
        .table("chain_marks")
        .col(uuid("chain_id"))
        .col(text("key"))
        .col(integer("automation_id"))
        .col(uuid("job_id"))
        .col(timestamp_with_time_zone("ended_at"))
        .primary_key(Index::create().col("chain_id").col("key").col("automation_id"))
        .foreign_key(&mut of_chain("chain_marks"))
        .to_owned()
}

fn runs() -> TableCreateStatement {
    Table::create()
        .table("chain_runs")
        .col(uuid("chain_id"))
        .col(text("key"))
        .col(integer("automation_id"))
        .col(uuid("root_id"))
        .col(uuid("after_job_id"))
        .col(json_binary_null("parameters"))
        .col(timestamp_with_time_zone("due_at"))
        .col(text("state"))
        .col(text_null("reason"))
        .col(text_null("detail"))
        .col(uuid_null("job_id"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("decided_at"))
        .primary_key(Index::create().col("chain_id").col("key"))
        .foreign_key(&mut of_chain("chain_runs"))
        .to_owned()
}

fn of_chain(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_chain"))
        .from(table, "chain_id")
        .to("chains", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
