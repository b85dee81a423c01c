use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [schedules(), pauses(), fires(), state()] {
            manager.create_table(table).await?;
        }
        let name = Index::create().name("ux_schedules_name").table("schedules").col("automation_id").col("name").unique().to_owned();
        manager.create_index(name).await?;
        // Schedules that never fire again are not in it.
        let wake = Index::create().name("ix_schedules_wake").table("schedules").col("wake_at").to_owned();
        manager.create_index(wake.to_owned().cond_where(Expr::col("wake_at").is_not_null()).to_owned()).await?;
        let calendar = Index::create().name("ix_schedules_calendar").table("schedules").col("calendar_id").to_owned();
        manager.create_index(calendar.to_owned().cond_where(Expr::col("calendar_id").is_not_null()).to_owned()).await?;
        let slot = Index::create().name("ix_schedule_fires_slot").table("schedule_fires").col("slot_at").col("schedule_id").to_owned();
        manager.create_index(slot).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["scheduler_state", "schedule_fires", "schedule_pauses", "schedules"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn schedules() -> TableCreateStatement {
    let specs = "(CASE WHEN cron_expression IS NULL THEN 0 ELSE 1 END) + (CASE WHEN interval_s IS NULL THEN 0 ELSE 1 END) \
                 + (CASE WHEN run_once_at IS NULL THEN 0 ELSE 1 END) = 1";
    let anchored = "(interval_s IS NULL) = (anchor_at IS NULL)";
    Table::create()
        .table("schedules")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(integer("automation_id"))
        .col(text("name"))
        .col(text_null("cron_expression"))
        .col(big_integer_null("interval_s"))
        .col(timestamp_with_time_zone_null("anchor_at"))
        .col(timestamp_with_time_zone_null("run_once_at"))
        .col(text("timezone"))
        .col(uuid_null("calendar_id"))
        .col(text_null("calendar_rule"))
        .col(integer_null("business_day"))
        .col(text_null("on_blackout"))
        .col(integer_null("window_start_s"))
        .col(integer_null("window_end_s"))
        .col(big_integer("jitter_s"))
        .col(timestamp_with_time_zone_null("start_at"))
        .col(timestamp_with_time_zone_null("end_at"))
        .col(boolean("enabled"))
        .col(text("misfire_policy"))
        .col(integer("misfire_limit"))
        .col(big_integer("misfire_grace_s"))
        .col(json_binary("parameters"))
        .col(integer_null("priority"))
        .col(big_integer_null("timeout_s"))
        .col(big_integer_null("queue_timeout_s"))
        .col(integer_null("max_attempts"))
        .col(big_integer_null("cancel_grace_s"))
        .col(text_null("concurrency_key"))
        .col(text_null("overlap"))
        .col(integer_null("max_concurrency"))
        .col(big_integer_null("retry_backoff_s"))
        .col(uuid_null("version_id"))
        .col(text_null("environment"))
        .col(timestamp_with_time_zone("cursor_at"))
        .col(timestamp_with_time_zone_null("wake_at"))
        .col(timestamp_with_time_zone_null("last_slot_at"))
        .col(text("state"))
        .col(text_null("state_reason"))
        .col(big_integer("revision"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone("updated_at"))
        .col(text_null("updated_by"))
        .check(Expr::cust(specs))
        .check(Expr::cust(anchored))
        .to_owned()
}

fn pauses() -> TableCreateStatement {
    Table::create()
        .table("schedule_pauses")
        .col(uuid("schedule_id"))
        .col(timestamp_with_time_zone("from_at"))
        .col(timestamp_with_time_zone_null("until_at"))
        .col(text_null("reason"))
        .col(text("paused_by"))
        .primary_key(Index::create().col("schedule_id").col("from_at"))
        .foreign_key(&mut of_schedule("schedule_pauses"))
        .to_owned()
}

/// No foreign key: a fire of a schedule that is just being deleted must not undo those of others.
fn fires() -> TableCreateStatement {
    Table::create()
        .table("schedule_fires")
        .col(uuid("schedule_id"))
        .col(timestamp_with_time_zone("slot_at"))
        .col(timestamp_with_time_zone("last_slot_at"))
        .col(big_integer("slots"))
        .col(boolean("more"))
        .col(timestamp_with_time_zone_null("run_at"))
        .col(text("state"))
        .col(text_null("reason"))
        .col(text_null("detail"))
        .col(uuid_null("job_id"))
        .col(timestamp_with_time_zone("decided_at"))
        .primary_key(Index::create().col("schedule_id").col("slot_at"))
        .to_owned()
}

/// What the schedulers of an installation know together: one row a name.
fn state() -> TableCreateStatement {
    Table::create().table("scheduler_state").col(ColumnDef::new("name").text().not_null().primary_key()).col(text("value")).to_owned()
}

fn of_schedule(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_schedule"))
        .from(table, "schedule_id")
        .to("schedules", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
