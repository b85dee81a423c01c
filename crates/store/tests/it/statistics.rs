//! What PostgreSQL counts about the use of a table: which indexes a statement really went through.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait, DatabaseConnection, Statement};
use store::{Database, Settings, automations::automation_lock_limits_in_txn};
use test_support::eventually;

use crate::case::{Case, number};

/// Runs `work` in one session with `settings` (`-c name=value …`), and returns how often it went through each index of `table`, or
/// through the whole table. What was done before must have been done [`apart`]: a session that stays hands in its counts up to ten seconds late.
pub(crate) async fn scans(db: &Case, table: &str, settings: &str, work: impl AsyncFnOnce(&Database)) -> BTreeMap<String, i64> {
    let raw = db.raw().await;
    let before = counted(&raw, table).await;
    apart(db, settings, work).await;
    let after = counted(&raw, table).await;
    raw.close().await.unwrap();
    let used = after.into_iter().map(|(name, scans)| (scans - before.get(&name).copied().unwrap_or(0), name));
    used.filter(|(scans, _)| *scans > 0).map(|(scans, name)| (name, scans)).collect()
}

/// Runs `work` as [`scans`] does, and returns how many rows and entries of indexes it read of each of these tables.
pub(crate) async fn reads(db: &Case, tables: &[&str], settings: &str, work: impl AsyncFnOnce(&Database)) -> BTreeMap<String, i64> {
    let raw = db.raw().await;
    let before = read(&raw, tables).await;
    apart(db, settings, work).await;
    let after = read(&raw, tables).await;
    raw.close().await.unwrap();
    after.into_iter().map(|(name, read)| (name.clone(), read - before.get(&name).copied().unwrap_or(0))).collect()
}

/// Runs `work` in one session with `settings`, which has ended and handed in its counts when this returns.
pub(crate) async fn apart(db: &Case, settings: &str, work: impl AsyncFnOnce(&Database)) {
    let raw = db.raw().await;
    let url = format!("{}?options={}", db.settings.url, settings.replace(' ', "%20").replace('=', "%3D"));
    let hub = Database::connect(&Settings { url, max_connections: 1, ..db.settings.clone() }).await.unwrap();
    let first = session_of(&hub, &raw).await;
    work(&hub).await;
    // The first one may have left the pool, for statements without a transaction.
    let last = session_of(&hub, &raw).await;
    hub.close().await.unwrap();
    ended(&raw, &[first, last]).await;
    raw.close().await.unwrap();
}

/// Runs statements in a session of their own, which has ended and handed in its counts when this returns.
pub(crate) async fn execute_apart(db: &Case, statements: &str) {
    let session = db.raw().await;
    let pid = number(&session, "SELECT pg_backend_pid()::bigint").await;
    session.execute_unprepared(statements).await.unwrap();
    session.close().await.unwrap();
    let raw = db.raw().await;
    ended(&raw, &[pid]).await;
    raw.close().await.unwrap();
}

/// Waits until these sessions have ended. What they counted has been handed in before.
async fn ended(raw: &DatabaseConnection, pids: &[i64]) {
    let pids: Vec<_> = pids.iter().map(i64::to_string).collect();
    let gone = format!("SELECT count(*) FROM pg_stat_activity WHERE pid IN ({})", pids.join(", "));
    eventually("the sessions ended", async || (number(raw, &gone).await == 0).then_some(())).await;
}

async fn counted(raw: &DatabaseConnection, table: &str) -> BTreeMap<String, i64> {
    let of_table = format!("WHERE schemaname = current_schema() AND relname = '{table}'");
    let scans = format!(
        "SELECT indexrelname::text, idx_scan FROM pg_stat_user_indexes {of_table} \
         UNION ALL SELECT 'sequential', seq_scan FROM pg_stat_user_tables {of_table}"
    );
    let rows = raw.query_all_raw(Statement::from_string(raw.get_database_backend(), scans)).await.unwrap();
    rows.into_iter().map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())).collect()
}

async fn read(raw: &DatabaseConnection, tables: &[&str]) -> BTreeMap<String, i64> {
    let names: Vec<_> = tables.iter().map(|table| format!("'{table}'")).collect();
    let by_index =
        "SELECT coalesce(sum(idx_tup_read), 0)::bigint FROM pg_stat_user_indexes AS of WHERE of.relid = pg_stat_user_tables.relid";
    let read = format!(
        "SELECT relname::text, seq_tup_read + ({by_index}) FROM pg_stat_user_tables \
         WHERE schemaname = current_schema() AND relname IN ({})",
        names.join(", ")
    );
    let rows = raw.query_all_raw(Statement::from_string(raw.get_database_backend(), read)).await.unwrap();
    rows.into_iter().map(|row| (row.try_get_by_index(0).unwrap(), row.try_get_by_index(1).unwrap())).collect()
}

/// Process of the only session in the pool of `hub`, known by a lock that it holds.
async fn session_of(hub: &Database, raw: &DatabaseConnection) -> i64 {
    let txn = hub.begin().await.unwrap();
    automation_lock_limits_in_txn(&txn, &[0.into()]).await.unwrap();
    let pid =
        number(raw, "SELECT max(pid)::bigint FROM pg_locks WHERE relation = 'automations'::regclass AND pid <> pg_backend_pid()").await;
    txn.commit().await.unwrap();
    pid
}
