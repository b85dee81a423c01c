use domain::Scope;
use std::time::Duration;

use sea_orm::{ConnectionTrait, Statement};
use store::{
    Database, Settings,
    automations::{automation_get, automation_insert},
};
use test_support::TestDatabase;

use crate::{
    case::Case,
    fixtures::{at, draft, insert, new_job},
};

both!(up_down_up_leaves_the_same_schema, up_twice_changes_nothing, hubs_that_start_together_migrate_once);
suite!(locked_file, Sqlite, a_hub_waits_for_another_that_migrates_for_long);

/// What the schema consists of, as lines.
async fn schema(db: &Case) -> Vec<String> {
    let sql = if db.is_postgres() {
        "SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) FROM information_schema.columns \
         WHERE table_schema = current_schema() \
         UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = current_schema() ORDER BY 1"
    } else {
        "SELECT coalesce(sql, name) FROM sqlite_master WHERE name NOT LIKE 'sqlite_stat%' AND name <> 'sqlite_sequence' ORDER BY 1"
    };
    let raw = db.raw().await;
    let rows = raw.query_all_raw(Statement::from_string(raw.get_database_backend(), sql)).await.unwrap();
    raw.close().await.unwrap();
    rows.into_iter().map(|row| row.try_get_by_index(0).unwrap()).collect()
}

async fn up_down_up_leaves_the_same_schema(db: Case) {
    let up = schema(&db).await;
    assert!(up.iter().any(|line| line.contains("ix_jobs_waiting")), "{up:#?}");
    automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap();
    db.migrate_down().await.unwrap();
    let down = schema(&db).await;
    assert!(down.iter().all(|line| line.contains("seaql_migrations")), "{down:#?}");
    db.migrate().await.unwrap();
    assert_eq!(schema(&db).await, up);
    insert(&db, &[new_job(1)]).await;
    assert_eq!(automation_get(&db, &Scope::All, 1.into()).await.unwrap(), None);
}

async fn up_twice_changes_nothing(db: Case) {
    let id = automation_insert(&db, &Scope::All, &test_support::change(), &draft("a"), at(1)).await.unwrap().id;
    let up = schema(&db).await;
    db.migrate().await.unwrap();
    assert_eq!(schema(&db).await, up);
    assert!(automation_get(&db, &Scope::All, id).await.unwrap().is_some());
}

async fn hubs_that_start_together_migrate_once(db: Case) {
    let home = TestDatabase::empty(db.backend).await.unwrap();
    let hubs = tokio::join!(home.open(), home.open(), home.open(), home.open());
    for hub in [hubs.0, hubs.1, hubs.2, hubs.3] {
        let hub = hub.unwrap();
        insert(&hub, &[]).await;
        hub.close().await.unwrap();
    }
    home.close().await.unwrap();
}

async fn a_hub_waits_for_another_that_migrates_for_long(db: Case) {
    let hub = Database::connect(&Settings { acquire_timeout: Duration::from_millis(50), ..db.settings.clone() }).await.unwrap();
    let migrates = db.begin().await.unwrap();
    let waits = tokio::spawn(async move {
        hub.migrate().await.unwrap();
        hub.close().await.unwrap();
    });
    // Longer than it would wait for a write of its own.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!waits.is_finished());
    migrates.commit().await.unwrap();
    waits.await.unwrap();
}
