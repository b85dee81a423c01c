use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

const RUNS: &str = "ix_jobs_automation_ended";

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [slas(), states(), ends(), monitor_state()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_index(Index::drop().name(RUNS).table("jobs").to_owned()).await?;
        for table in ["sla_monitor_state", "sla_ends", "sla_states", "slas"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn slas() -> TableCreateStatement {
    let targets = "(CASE WHEN automation_id IS NULL THEN 0 ELSE 1 END) + (CASE WHEN queue_name IS NULL THEN 0 ELSE 1 END) \
                   + (CASE WHEN domain_id IS NULL THEN 0 ELSE 1 END) <= 1";
    Table::create()
        .table("slas")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(text("name"))
        .col(integer_null("automation_id"))
        .col(text_null("queue_name"))
        .col(uuid_null("domain_id"))
        .col(json_binary("expect"))
        .col(uuid_null("calendar_id"))
        .col(text("timezone"))
        .col(json_binary("terms"))
        .col(boolean("enabled"))
        .col(timestamp_with_time_zone("since_at"))
        .col(timestamp_with_time_zone_null("wake_at"))
        .col(boolean("follows"))
        .col(big_integer("revision"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .col(text_null("updated_by"))
        .check(Expr::cust(targets))
        .to_owned()
}

/// What is remembered of each expectation of each subject.
fn states() -> TableCreateStatement {
    Table::create()
        .table("sla_states")
        .col(uuid("sla_id"))
        .col(text("alert_type"))
        .col(text("subject_kind"))
        .col(text("subject_name"))
        .col(integer_null("automation_id"))
        .col(text("standing"))
        .col(timestamp_with_time_zone_null("breached_at"))
        .col(timestamp_with_time_zone_null("told_at"))
        .col(timestamp_with_time_zone_null("fine_since"))
        .col(timestamp_with_time_zone_null("due_at"))
        .col(boolean("is_until_due"))
        .col(timestamp_with_time_zone_null("since_at"))
        .col(timestamp_with_time_zone_null("breach_of"))
        .primary_key(Index::create().col("sla_id").col("alert_type").col("subject_kind").col("subject_name"))
        .foreign_key(&mut of_sla("sla_states"))
        .to_owned()
}

/// Automations of which a run ended that a rule has not looked at yet.
fn ends() -> TableCreateStatement {
    Table::create()
        .table("sla_ends")
        .col(uuid("sla_id"))
        .col(integer("automation_id"))
        .primary_key(Index::create().col("sla_id").col("automation_id"))
        .foreign_key(&mut of_sla("sla_ends"))
        .to_owned()
}

/// What the monitors of an installation know together: one row a name.
fn monitor_state() -> TableCreateStatement {
    Table::create().table("sla_monitor_state").col(ColumnDef::new("name").text().not_null().primary_key()).col(text("value")).to_owned()
}

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &str, table: &'static str| Index::create().name(name).table(table).to_owned();
    let is_set = |column: &'static str| Expr::col(column).is_not_null();
    vec![
        index("ux_slas_name", "slas").col("name").unique().to_owned(),
        // Rules that nothing is to be looked at for are not in it.
        index("ix_slas_wake", "slas").col("wake_at").cond_where(is_set("wake_at")).to_owned(),
        index("ix_slas_automation", "slas").col("automation_id").cond_where(is_set("automation_id")).to_owned(),
        index("ix_slas_wide", "slas").col("id").cond_where(Expr::col("automation_id").is_null()).to_owned(),
        index("ix_slas_calendar", "slas").col("calendar_id").cond_where(is_set("calendar_id")).to_owned(),
        index("ix_sla_states_automation", "sla_states").col("automation_id").cond_where(is_set("automation_id")).to_owned(),
        // The last runs of an automation, without the others.
        index(RUNS, "jobs").col("automation_id").col("completed_at").col("status").cond_where(is_set("completed_at")).to_owned(),
    ]
}

fn of_sla(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_sla"))
        .from(table, "sla_id")
        .to("slas", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
