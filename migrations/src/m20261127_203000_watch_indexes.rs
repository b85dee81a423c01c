//! Indexes of what lists and loops of the SLA monitor look for.

use sea_orm_migration::prelude::*;

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

fn indexes() -> Vec<IndexCreateStatement> {
    let index = |name: &str, table: &'static str| Index::create().name(name).table(table).to_owned();
    vec![
        index("ix_slas_follows", "slas").col("id").cond_where(Expr::cust("follows")).to_owned(),
        index("ix_alerts_type", "alerts").col("alert_type").col("id").to_owned(),
        index("ix_alerts_severity", "alerts").col("severity").col("id").to_owned(),
        index("ix_alerts_source", "alerts").col("source").col("id").to_owned(),
        index("ix_notifications_unwell", "notifications").col("id").cond_where(Expr::cust("state IN ('failed', 'dropped')")).to_owned(),
    ]
}

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        for index in indexes() {
            manager.create_index(index).await?;
        }
        Ok(())
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let names = [
            ("ix_notifications_unwell", "notifications"),
            ("ix_alerts_source", "alerts"),
            ("ix_alerts_severity", "alerts"),
            ("ix_alerts_type", "alerts"),
            ("ix_slas_follows", "slas"),
        ];
        for (name, table) in names {
            manager.drop_index(Index::drop().name(name).table(table).to_owned()).await?;
        }
        Ok(())
    }
}
