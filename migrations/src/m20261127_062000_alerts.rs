use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [alerts(), events(), notices()] {
            manager.create_table(table).await?;
        }
        let index = |name: &str, table: &'static str| Index::create().name(name).table(table).to_owned();
        let not_null = |column: &'static str| Expr::col(column).is_not_null();
        let indexes = [
            index("ix_alerts_due", "alerts").col("due_at").cond_where(not_null("due_at")).to_owned(),
            index("ix_alerts_open", "alerts").col("id").cond_where(Expr::col("resolved_at").is_null()).to_owned(),
            index("ix_alerts_resolved", "alerts").col("resolved_at").cond_where(not_null("resolved_at")).to_owned(),
            index("ix_alerts_automation", "alerts").col("automation_id").col("id").to_owned(),
            index("ix_alerts_rule", "alerts").col("rule_id").col("id").to_owned(),
            index("ix_alert_events_alert", "alert_events").col("alert_id").col("id").to_owned(),
            index("ix_notices_waiting", "notices").col("id").cond_where(Expr::col("routed_at").is_null()).to_owned(),
            index("ix_notices_alert", "notices").col("alert_id").to_owned(),
        ];
        for index in indexes {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["notices", "alert_events", "alerts"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn alerts() -> TableCreateStatement {
    Table::create()
        .table("alerts")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(text("key"))
        // The key while a look at it concerns this alert; at most one alert has it.
        .col(ColumnDef::new("open_key").text().null().unique_key())
        .col(uuid_null("rule_id"))
        .col(text("source"))
        .col(text("alert_type"))
        .col(text("subject_kind"))
        .col(text("subject_name"))
        .col(integer_null("automation_id"))
        .col(text("severity"))
        .col(text("status"))
        .col(json_binary("terms"))
        .col(json_binary("facts"))
        .col(big_integer("count"))
        .col(timestamp_with_time_zone("opened_at"))
        .col(timestamp_with_time_zone("began_at"))
        .col(timestamp_with_time_zone("breach_at"))
        .col(timestamp_with_time_zone("last_seen_at"))
        .col(timestamp_with_time_zone_null("fine_since"))
        .col(timestamp_with_time_zone("told_at"))
        .col(timestamp_with_time_zone_null("acknowledged_at"))
        .col(text_null("acknowledged_by"))
        .col(timestamp_with_time_zone_null("resolved_at"))
        .col(text_null("resolved_by"))
        .col(text_null("resolution"))
        .col(timestamp_with_time_zone_null("muted_until"))
        // When it escalates, people are reminded, its silence ends, or it has been fine for long enough: whichever is first.
        .col(timestamp_with_time_zone_null("due_at"))
        .col(big_integer("revision"))
        .to_owned()
}

fn events() -> TableCreateStatement {
    Table::create()
        .table("alert_events")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(uuid("alert_id"))
        .col(timestamp_with_time_zone("at"))
        .col(text("what"))
        .col(text_null("actor"))
        .col(text_null("detail"))
        .foreign_key(&mut of_alert("alert_events"))
        .to_owned()
}

/// The outbox: what happened to alerts that people may be told of.
fn notices() -> TableCreateStatement {
    Table::create()
        .table("notices")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(uuid("alert_id"))
        .col(text("what"))
        .col(timestamp_with_time_zone("at"))
        .col(timestamp_with_time_zone_null("routed_at"))
        .foreign_key(&mut of_alert("notices"))
        .to_owned()
}

fn of_alert(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_alert"))
        .from(table, "alert_id")
        .to("alerts", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
