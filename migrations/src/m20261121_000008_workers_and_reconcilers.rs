use sea_orm_migration::{prelude::*, schema::*};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for (table, column) in columns() {
            manager.alter_table(Table::alter().table(table).add_column(column).to_owned()).await?;
        }
        for table in [worker_tokens(), reconcilers(), replicas()] {
            manager.create_table(table).await?;
        }
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        // SQLite does not drop a column that an index has.
        for (index, table) in INDEXES {
            manager.drop_index(Index::drop().name(index).table(table).to_owned()).await?;
        }
        for table in ["replicas", "reconcilers", "worker_tokens"] {
            manager.drop_table(Table::drop().table(table).to_owned()).await?;
        }
        for (table, column) in columns() {
            let name = column.get_column_name();
            manager.alter_table(Table::alter().table(table).drop_column(name).to_owned()).await?;
        }
        Ok(())
    }
}

fn columns() -> Vec<(&'static str, ColumnDef)> {
    vec![
        ("workers", json_binary_null("labels")),
        ("workers", integer("running_jobs").default(0).to_owned()),
        ("workers", double_null("cpu_percent")),
        ("workers", big_integer_null("memory_bytes")),
        ("workers", timestamp_with_time_zone_null("paused_at")),
        ("workers", text_null("paused_by")),
        ("workers", timestamp_with_time_zone_null("stopped_at")),
        ("dead_letters", json_binary_null("headers")),
        // What older hubs kept may have been cut.
        ("dead_letters", boolean("body_is_whole").default(false).to_owned()),
        ("dead_letters", timestamp_with_time_zone_null("replayed_at")),
        ("dead_letters", text_null("replayed_by")),
        ("dead_letters", uuid_null("new_job_id")),
    ]
}

fn worker_tokens() -> TableCreateStatement {
    Table::create()
        .table("worker_tokens")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(text("name"))
        .col(text_null("worker_name"))
        .col(json_binary_null("queues"))
        .col(text_uniq("digest"))
        .col(timestamp_with_time_zone("created_at"))
        .col(text("created_by"))
        .col(timestamp_with_time_zone_null("expires_at"))
        .col(timestamp_with_time_zone_null("revoked_at"))
        .col(timestamp_with_time_zone_null("last_used_at"))
        .to_owned()
}

fn reconcilers() -> TableCreateStatement {
    Table::create()
        .table("reconcilers")
        .col(ColumnDef::new("name").text().not_null().primary_key())
        .col(uuid_null("holder"))
        .col(timestamp_with_time_zone_null("held_until"))
        .col(timestamp_with_time_zone_null("last_started_at"))
        .col(timestamp_with_time_zone_null("last_finished_at"))
        .col(big_integer_null("last_duration_ms"))
        .col(json_binary_null("last_outcome"))
        .col(text_null("last_error"))
        .col(big_integer("runs").default(0))
        .to_owned()
}

fn replicas() -> TableCreateStatement {
    Table::create()
        .table("replicas")
        .col(ColumnDef::new("id").uuid().not_null().primary_key())
        .col(text("version"))
        .col(timestamp_with_time_zone("started_at"))
        .col(timestamp_with_time_zone("last_seen_at"))
        .to_owned()
}

const INDEXES: [(&str, &str); 3] =
    [("ix_dead_letters_queue", "dead_letters"), ("ix_dead_letters_job", "dead_letters"), ("ix_jobs_ended", "jobs")];

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &str, table: &str| Index::create().name(name).table(table.to_owned()).to_owned();
    vec![
        index("ix_dead_letters_queue", "dead_letters").col("queue_name").col("id").to_owned(),
        index("ix_dead_letters_job", "dead_letters").col("job_id").cond_where(Expr::col("job_id").is_not_null()).to_owned(),
        // What ended lately is counted without reading the rest.
        index("ix_jobs_ended", "jobs").col("completed_at").col("status").cond_where(Expr::col("completed_at").is_not_null()).to_owned(),
    ]
}
