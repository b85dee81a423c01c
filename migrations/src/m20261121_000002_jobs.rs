use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // No foreign key to automations: they are archived, never deleted, and the check would cost each insert a row lock.
        let table = Table::create()
            .table("jobs")
            .col(ColumnDef::new("id").uuid().not_null().primary_key())
            .col(integer("automation_id"))
            .col(text("queue_name"))
            .col(text("status"))
            .col(text("trigger"))
            .col(integer("priority"))
            .col(json_binary("parameters"))
            .col(json_binary_null("result"))
            .col(text_null("error_class"))
            .col(text_null("error_message"))
            .col(integer("attempt"))
            .col(uuid_null("retry_of"))
            .col(uuid_null("worker_id"))
            .col(uuid_null("lease_token"))
            .col(timestamp_with_time_zone_null("lease_expires_at"))
            .col(json_binary_null("progress"))
            .col(text_null("idempotency_key"))
            .col(timestamp_with_time_zone("created_at"))
            .col(timestamp_with_time_zone_null("not_before"))
            .col(timestamp_with_time_zone_null("dispatch_started_at"))
            .col(timestamp_with_time_zone_null("dispatched_at"))
            .col(timestamp_with_time_zone_null("started_at"))
            .col(timestamp_with_time_zone_null("completed_at"))
            .col(timestamp_with_time_zone_null("last_heartbeat_at"))
            .col(timestamp_with_time_zone_null("cancellation_requested_at"))
            .col(big_integer("log_lines"))
            .col(big_integer("log_offset"))
            .to_owned();
        manager.create_table(table).await?;
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.drop_table(Table::drop().table("jobs").to_owned()).await
    }
}

/// The hot indexes are partial: they hold only the jobs that wait or run, so that they stay small however many jobs are kept. None has a
/// column that a heartbeat or a log line changes.
fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &str| Index::create().name(name).table("jobs").to_owned();
    let pending = || Expr::col("status").eq(Expr::cust("'pending'"));
    vec![
        index("ix_jobs_waiting")
            .col("queue_name")
            .col(("priority", IndexOrder::Desc))
            .col("id")
            .cond_where(pending().and(Expr::col("dispatch_started_at").is_null()))
            .to_owned(),
        index("ix_jobs_dispatched").col("id").cond_where(pending().and(Expr::col("dispatch_started_at").is_not_null())).to_owned(),
        index("ix_jobs_held").col("automation_id").cond_where(Expr::cust("status IN ('running', 'paused')")).to_owned(),
        index("ix_jobs_unwell")
            .col("status")
            .col("id")
            .cond_where(Expr::cust("status IN ('failed', 'canceled', 'completed_no_invoices')"))
            .to_owned(),
        index("ix_jobs_automation").col("automation_id").col("id").to_owned(),
        index("ux_jobs_idempotency")
            .col("automation_id")
            .col("idempotency_key")
            .unique()
            .cond_where(Expr::col("idempotency_key").is_not_null())
            .to_owned(),
        index("ix_jobs_retry_of").col("retry_of").cond_where(Expr::col("retry_of").is_not_null()).to_owned(),
    ]
}
