use domain::Scope;
use sea_orm::ConnectionTrait;
use serde_json::json;
use store::{
    Database, Error, Settings,
    automations::automation_get,
    dead_letters::dead_letter_insert,
    job_logs::{LinePart, line_list},
    jobs::{NewJob, job_get, job_insert_many_in_txn, job_load_for_update_in_txn},
    workers::{Seen, worker_note_seen},
};

use crate::{
    case::Case,
    fixtures::{at, commit, id_at, insert, new_job, object},
};

both!(an_invalid_value_is_corrupt_and_named);
suite!(
    refusals,
    Postgres,
    text_with_nul_is_refused_and_nothing_is_half_written,
    lock_timeout_is_a_conflict,
    statement_timeout_is_unavailable
);
suite!(locked_file, Sqlite, writes_are_conflicts_and_reads_go_on, text_with_nul_round_trips);

async fn an_invalid_value_is_corrupt_and_named(db: Case) {
    let raw = db.raw().await;
    insert(&db, &[new_job(1), new_job(2)]).await;
    let sql = "UPDATE jobs SET status = 'lost' WHERE priority = 5";
    raw.execute_unprepared(sql).await.unwrap();
    let error = job_get(&db, &Scope::All, new_job(1).id).await.unwrap_err();
    assert!(matches!(&error, Error::Corrupt(what) if *what == format!("jobs.status of {}", new_job(1).id)), "{error}");
    raw.execute_unprepared("UPDATE jobs SET status = 'failed', parameters = '[1]'").await.unwrap();
    assert!(matches!(job_get(&db, &Scope::All, new_job(1).id).await, Err(Error::Corrupt(what)) if what.contains("jobs.parameters")));
    raw.execute_unprepared("UPDATE jobs SET parameters = '{}', trigger = 'WHIM'").await.unwrap();
    let loaded = commit(&db, async |txn| job_load_for_update_in_txn(txn, &[new_job(1).id]).await).await;
    assert!(matches!(loaded, Err(Error::Corrupt(what)) if what.contains("jobs.trigger")));
    store::automations::automation_insert(&db, &Scope::All, &test_support::change(), &crate::fixtures::draft("a"), at(1)).await.unwrap();
    raw.execute_unprepared("UPDATE automations SET queue_profile = 'odd'").await.unwrap();
    assert!(
        matches!(automation_get(&db, &Scope::All, 1.into()).await, Err(Error::Corrupt(what)) if what.contains("automations.queue_profile of 1"))
    );
    let line = store::job_logs::Line { timestamp: at(1), level: domain::log::Level::Info, message: String::new(), actionable: false };
    let chunk = store::job_logs::Chunk { job_id: id_at(1, 1), first_line: 1, lines: &[line] };
    commit(&db, async |txn| store::job_logs::chunk_insert_many_in_txn(txn, &[chunk], at(1)).await).await.unwrap();
    raw.execute_unprepared("UPDATE job_log_chunks SET lines = '[[1]]'").await.unwrap();
    assert!(
        matches!(line_list(&db, id_at(1, 1), &[LinePart { after: 0, last: 9, bytes: 1 }]).await, Err(Error::Corrupt(what)) if what.contains("job_log_chunks.lines"))
    );
    raw.close().await.unwrap();
}

fn with_nul() -> [NewJob; 2] {
    [NewJob { queue_name: "in\0voices".into(), ..new_job(200) }, NewJob { parameters: object(json!({"a": "\0"})), ..new_job(200) }]
}

async fn text_with_nul_is_refused_and_nothing_is_half_written(db: Case) {
    for bad in with_nul() {
        let mut jobs: Vec<NewJob> = (0..200).map(new_job).collect();
        jobs.push(bad);
        let outcome = commit(&db, async |txn| job_insert_many_in_txn(txn, &jobs.iter().collect::<Vec<_>>()).await).await;
        assert!(matches!(outcome, Err(Error::Refused(_))), "{outcome:?}");
        assert_eq!(db.rows("jobs").await, 0);
    }
    insert(&db, &[new_job(1)]).await;
}

async fn text_with_nul_round_trips(db: Case) {
    for bad in with_nul() {
        let new = NewJob { id: id_at(1, 1), ..bad };
        insert(&db, std::slice::from_ref(&new)).await;
        let read = job_get(&db, &Scope::All, new.id).await.unwrap().unwrap();
        assert_eq!((read.row.queue_name, read.parameters), (new.queue_name, new.parameters));
        db.raw().await.execute_unprepared("DELETE FROM jobs").await.unwrap();
    }
}

/// A hub that has `setting` in each of its sessions.
async fn hub_with(db: &Case, setting: &str) -> Database {
    let url = format!("{}?options=-c%20{}", db.settings.url, setting.replace('=', "%3D"));
    Database::connect(&Settings { url, ..db.settings.clone() }).await.unwrap()
}

async fn lock_timeout_is_a_conflict(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let holder = db.begin().await.unwrap();
    job_load_for_update_in_txn(&holder, &[new_job(1).id]).await.unwrap();
    let hub = hub_with(&db, "lock_timeout=50ms").await;
    let outcome = commit(&hub, async |txn| job_load_for_update_in_txn(txn, &[new_job(1).id]).await).await;
    assert!(matches!(outcome, Err(Error::Conflict(_))), "{outcome:?}");
    hub.close().await.unwrap();
}

async fn statement_timeout_is_unavailable(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let holder = db.begin().await.unwrap();
    job_load_for_update_in_txn(&holder, &[new_job(1).id]).await.unwrap();
    let settings = Settings { statement_timeout: std::time::Duration::from_millis(50), ..db.settings.clone() };
    let hub = Database::connect(&settings).await.unwrap();
    let outcome = commit(&hub, async |txn| job_load_for_update_in_txn(txn, &[new_job(1).id]).await).await;
    assert!(matches!(outcome, Err(Error::Unavailable(_))), "{outcome:?}");
    hub.close().await.unwrap();
}

/// Takes as long as the store waits for a busy file.
async fn writes_are_conflicts_and_reads_go_on(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let raw = db.raw().await;
    raw.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    assert!(job_get(&db, &Scope::All, new_job(1).id).await.unwrap().is_some());
    let letter = store::dead_letters::DeadLetter {
        id: id_at(1, 1),
        queue_name: String::new(),
        job_id: None,
        reason: String::new(),
        body: String::new(),
        body_is_whole: true,
        headers: None,
        replay: None,
        received_at: at(1),
    };
    let seen = [Seen { id: id_at(1, 1), at: at(1), vitals: None, revives: true }];
    let (begun, inserted, touched) =
        tokio::join!(async { db.begin().await.map(drop) }, dead_letter_insert(&db, &letter), worker_note_seen(&db, &seen));
    assert!(matches!(begun, Err(Error::Conflict(_))), "{begun:?}");
    assert!(matches!(inserted, Err(Error::Conflict(_))), "{inserted:?}");
    assert!(matches!(touched, Err(Error::Conflict(_))), "{touched:?}");
    raw.execute_unprepared("ROLLBACK").await.unwrap();
    dead_letter_insert(&db, &letter).await.unwrap();
    assert_eq!(db.rows("dead_letters").await, 1);
}
