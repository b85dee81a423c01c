use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for column in columns() {
            manager.alter_table(Table::alter().table("jobs").add_column(column).to_owned()).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for name in ["ix_jobs_queue_deadline", "ix_jobs_concurrency_key", "ix_jobs_requires"] {
            manager.drop_index(Index::drop().name(name).table("jobs").to_owned()).await?;
        }
        for column in columns().into_iter().rev() {
            manager.alter_table(Table::alter().table("jobs").drop_column(column.get_column_name()).to_owned()).await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<ColumnDef> {
    vec![
        big_integer("version").default(0).to_owned(),
        // Terms: fixed when the job is accepted.
        big_integer_null("timeout_s"),
        timestamp_with_time_zone_null("queue_deadline_at"),
        integer_null("max_attempts"),
        big_integer_null("cancel_grace_s"),
        text_null("concurrency_key"),
        text_null("requires"),
        // Its time-out clock.
        timestamp_with_time_zone_null("deadline_at"),
        timestamp_with_time_zone_null("paused_at"),
        big_integer("paused_ms").default(0).to_owned(),
    ]
}

/// Like the first ones: partial, without the jobs that have ended.
fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &str| Index::create().name(name).table("jobs").to_owned();
    let pending = || Expr::cust("status = 'pending'");
    let active = || Expr::cust("status IN ('pending', 'running', 'paused')");
    vec![
        index("ix_jobs_queue_deadline")
            .col("queue_deadline_at")
            .cond_where(pending().and(Expr::col("queue_deadline_at").is_not_null()))
            .to_owned(),
        index("ix_jobs_concurrency_key")
            .col("concurrency_key")
            .cond_where(active().and(Expr::col("concurrency_key").is_not_null()))
            .to_owned(),
        index("ix_jobs_requires")
            .col("queue_name")
            .col("requires")
            .cond_where(pending().and(Expr::col("dispatch_started_at").is_null()).and(Expr::col("requires").is_not_null()))
            .to_owned(),
    ]
}
