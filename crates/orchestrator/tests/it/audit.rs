//! What the audit trail costs.

use std::collections::HashSet;

use futures_util::future::join_all;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};
use test_support::Backend;

use crate::app::TestApp;

/// Counts what each statement inserts into the audit trail.
const TRIGGER: &str = "CREATE TABLE recorded (entries bigint, txn text); \
     CREATE FUNCTION record() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN \
     INSERT INTO recorded SELECT count(*), pg_current_xact_id()::text FROM added; RETURN NULL; END $$; \
     CREATE TRIGGER recorded AFTER INSERT ON audit_entries REFERENCING NEW TABLE AS added FOR EACH STATEMENT EXECUTE FUNCTION record()";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_that_share_a_transaction_are_recorded_by_one_statement() {
    const JOBS: usize = 12;
    let app = TestApp::spawn(Backend::Postgres).await;
    let automation = app.automation(json!({})).await;
    let jobs = join_all((0..JOBS).map(|_| app.execute(automation))).await;
    let mut past = past_the_hub(&app).await;
    sqlx::raw_sql(TRIGGER).execute(&mut past).await.unwrap();

    // While the rows are locked, the writer waits, and what comes in gathers.
    let lock = app.database.begin().await.unwrap();
    store::jobs::job_load_for_update_in_txn(&lock, &jobs).await.unwrap();
    let release = async {
        // With one worker of the server, an answer to this says that it has seen what was sent before.
        app.get("/api/v1/queues").await.ok::<Value>(200);
        lock.commit().await.unwrap();
    };
    let paths: Vec<String> = jobs.iter().map(|id| format!("/api/v1/jobs/{id}/cancel")).collect();
    let nothing = json!({});
    let (answers, ()) = tokio::join!(join_all(paths.iter().map(|path| app.post(path, &nothing))), release);
    for answer in answers {
        answer.ok::<Value>(200);
    }

    let recorded: Vec<(i64, String)> = sqlx::query_as("SELECT entries, txn FROM recorded").fetch_all(&mut past).await.unwrap();
    let transactions: HashSet<&str> = recorded.iter().map(|(_, txn)| txn.as_str()).collect();
    assert_eq!(recorded.iter().map(|(entries, _)| entries).sum::<i64>(), 12, "each change is recorded: {recorded:?}");
    assert_eq!(recorded.len(), transactions.len(), "one statement each: {recorded:?}");
    assert!(recorded.len() < JOBS, "some share a transaction: {recorded:?}");
    past.close().await.unwrap();
    app.end().await;
}

/// A connection past the hub.
async fn past_the_hub(app: &TestApp) -> PgConnection {
    let settings = app.settings();
    let mut past = PgConnection::connect(&settings.url).await.unwrap();
    let schema = settings.schema.as_deref().unwrap();
    sqlx::raw_sql(AssertSqlSafe(format!("SET search_path TO {schema}"))).execute(&mut past).await.unwrap();
    past
}
