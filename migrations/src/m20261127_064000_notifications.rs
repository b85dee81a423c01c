use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in [notifications(), items(), attempts(), lanes()] {
            manager.create_table(table).await?;
        }
        let index = |name: &str, table: &'static str| Index::create().name(name).table(table).to_owned();
        let pending = || Expr::cust("state in ('waiting', 'sending')");
        let indexes = [
            index("ix_notifications_pending", "notifications").col("channel_id").col("due_at").col("id").cond_where(pending()).to_owned(),
            index("ix_notifications_channel", "notifications").col("channel_id").col("id").to_owned(),
            index("ix_notification_items_message", "notification_items").col("notification_id").to_owned(),
            index("ix_notification_items_alert", "notification_items").col("alert_id").col("notification_id").to_owned(),
            index("ix_notification_items_incident", "notification_items").col("channel_id").col("alert_key").to_owned(),
            index("ix_notification_attempts_message", "notification_attempts").col("notification_id").col("id").to_owned(),
            index("ix_notification_lanes_next", "notification_lanes").col("next_at").to_owned(),
        ];
        for index in indexes {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for table in ["notification_lanes", "notification_attempts", "notification_items", "notifications"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        Ok(())
    }
}

fn notifications() -> TableCreateStatement {
    Table::create()
        .table("notifications")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(uuid("channel_id"))
        .col(text("kind"))
        // What its notices have in common; none: it takes no other.
        .col(text_null("group_key"))
        .col(text("state"))
        .col(text_null("reason"))
        .col(timestamp_with_time_zone("due_at"))
        .col(integer("attempts"))
        .col(timestamp_with_time_zone_null("give_up_at"))
        .col(integer("notices"))
        .col(text_null("title"))
        // As it is sent at each attempt, from the first on.
        .col(json_binary_null("message"))
        .col(integer_null("status"))
        .col(text_null("answer"))
        .col(text_null("reference"))
        .col(timestamp_with_time_zone("created_at"))
        .col(timestamp_with_time_zone_null("ended_at"))
        .to_owned()
}

/// The notices that a message tells. A channel is told of each once.
fn items() -> TableCreateStatement {
    Table::create()
        .table("notification_items")
        .col(uuid("channel_id"))
        .col(uuid("notice_id"))
        .col(uuid("notification_id"))
        .col(uuid("alert_id"))
        .col(text("alert_key"))
        .col(text("kind"))
        .col(timestamp_with_time_zone("at"))
        .primary_key(Index::create().col("channel_id").col("notice_id"))
        .foreign_key(&mut of_message("notification_items"))
        .to_owned()
}

fn attempts() -> TableCreateStatement {
    Table::create()
        .table("notification_attempts")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(uuid("notification_id"))
        .col(timestamp_with_time_zone("at"))
        // None: it is under way, or the process ended meanwhile.
        .col(boolean_null("is_taken"))
        .col(big_integer_null("took_ms"))
        .col(integer_null("status"))
        .col(text_null("answer"))
        .foreign_key(&mut of_message("notification_attempts"))
        .to_owned()
}

/// One row a channel: who sends to it now, and when there is something to send next.
fn lanes() -> TableCreateStatement {
    Table::create()
        .table("notification_lanes")
        .col(ColumnDef::new("channel_id").uuid().not_null().primary_key())
        .col(timestamp_with_time_zone_null("next_at"))
        .col(timestamp_with_time_zone_null("claimed_until"))
        .col(big_integer("fence"))
        .col(timestamp_with_time_zone_null("rate_tat"))
        .to_owned()
}

fn of_message(table: &'static str) -> ForeignKeyCreateStatement {
    ForeignKey::create()
        .name(format!("fk_{table}_message"))
        .from(table, "notification_id")
        .to("notifications", "id")
        .on_delete(ForeignKeyAction::Cascade)
        .to_owned()
}
