use std::sync::atomic::{AtomicU32, Ordering};

use sea_orm::ConnectionTrait;
use store::{
    Database, Error, Settings,
    jobs::{job_insert_many_in_txn, job_load_for_update_in_txn, job_update_many_in_txn},
};
use tokio::sync::Barrier;

use crate::{
    case::Case,
    fixtures::{at, commit, insert, new_job, row},
};

both!(
    dropping_leaves_nothing,
    others_see_nothing_before_the_commit,
    in_transaction_commits_what_worked,
    in_transaction_leaves_nothing_of_what_failed,
    in_transaction_tries_a_conflict_five_times,
);

suite!(deadlocks, Postgres, in_transaction_survives_a_deadlock);
suite!(busy_files, Sqlite, in_transaction_waits_for_a_busy_file_more_than_once);

async fn dropping_leaves_nothing(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let before = row(&db, new_job(1).id).await;
    let txn = db.begin().await.unwrap();
    job_insert_many_in_txn(&txn, &[&new_job(2)]).await.unwrap();
    let mut rows = job_load_for_update_in_txn(&txn, &[before.job.id]).await.unwrap();
    rows[0].log_lines = 9;
    job_update_many_in_txn(&txn, &[&rows[0]]).await.unwrap();
    drop(txn);
    assert_eq!(db.rows("jobs").await, 1);
    assert_eq!(row(&db, before.job.id).await, before);
    insert(&db, &[new_job(2)]).await;
}

async fn others_see_nothing_before_the_commit(db: Case) {
    let txn = db.begin().await.unwrap();
    job_insert_many_in_txn(&txn, &[&new_job(1)]).await.unwrap();
    assert_eq!(db.rows("jobs").await, 0);
    txn.commit().await.unwrap();
    assert_eq!(db.rows("jobs").await, 1);
}

async fn in_transaction_commits_what_worked(db: Case) {
    let work = db.in_transaction(async |txn| job_insert_many_in_txn(txn, &[&new_job(1)]).await.map(|()| 7));
    assert_eq!(work.await.unwrap(), 7);
    assert_eq!(db.rows("jobs").await, 1);
}

async fn in_transaction_leaves_nothing_of_what_failed(db: Case) {
    insert(&db, &[new_job(2)]).await;
    let attempts = AtomicU32::new(0);
    let outcome = db.in_transaction(async |txn| {
        attempts.fetch_add(1, Ordering::Relaxed);
        job_insert_many_in_txn(txn, &[&new_job(1)]).await?;
        job_insert_many_in_txn(txn, &[&new_job(2)]).await
    });
    assert!(matches!(outcome.await, Err(Error::Duplicate(_))));
    assert_eq!(attempts.into_inner(), 1);
    assert_eq!(db.rows("jobs").await, 1);
}

async fn in_transaction_tries_a_conflict_five_times(db: Case) {
    let attempts = AtomicU32::new(0);
    let outcome = db.in_transaction(async |txn| {
        job_insert_many_in_txn(txn, &[&new_job(attempts.fetch_add(1, Ordering::Relaxed))]).await?;
        Err::<(), _>(Error::Conflict("another".into()))
    });
    assert!(matches!(outcome.await, Err(Error::Conflict(_))));
    assert_eq!(attempts.into_inner(), 5);
    assert_eq!(db.rows("jobs").await, 0);
}

/// Two transactions lock two jobs in opposite order; the server ends one of them.
async fn in_transaction_survives_a_deadlock(db: Case) {
    insert(&db, &[new_job(1), new_job(2)]).await;
    let url = format!("{}?options=-c%20deadlock_timeout%3D20ms", db.settings.url);
    let hub = Database::connect(&Settings { url, ..db.settings.clone() }).await.unwrap();
    let (both_hold_one, attempts) = (Barrier::new(2), AtomicU32::new(0));
    let lock_both = async |first, second| {
        hub.in_transaction(async |txn| {
            let mut one = job_load_for_update_in_txn(txn, &[first]).await?.remove(0);
            if attempts.fetch_add(1, Ordering::SeqCst) < 2 {
                both_hold_one.wait().await;
            }
            let mut other = job_load_for_update_in_txn(txn, &[second]).await?.remove(0);
            one.log_lines += 1;
            other.log_lines += 1;
            job_update_many_in_txn(txn, &[&one, &other]).await
        })
        .await
    };
    let (one, two) = (new_job(1).id, new_job(2).id);
    let (left, right) = tokio::join!(lock_both(one, two), lock_both(two, one));
    left.unwrap();
    right.unwrap();
    assert_eq!(attempts.load(Ordering::SeqCst), 3);
    assert_eq!((row(&db, one).await.log_lines, row(&db, two).await.log_lines), (2, 2));
    hub.close().await.unwrap();
}

/// Somebody else holds the file's write lock until one attempt to begin has run out of patience.
async fn in_transaction_waits_for_a_busy_file_more_than_once(db: Case) {
    let raw = db.raw().await;
    raw.execute_unprepared("BEGIN IMMEDIATE").await.unwrap();
    let work = db.in_transaction(async |txn| job_insert_many_in_txn(txn, &[&new_job(1)]).await);
    let release = async {
        assert!(matches!(db.begin().await.map(drop), Err(Error::Conflict(_))));
        raw.execute_unprepared("ROLLBACK").await.unwrap();
    };
    let (outcome, ()) = tokio::join!(work, release);
    outcome.unwrap();
    commit(&db, async |txn| store::job_logs::chunk_insert_many_in_txn(txn, &[], at(1)).await).await.unwrap();
    assert_eq!(db.rows("jobs").await, 1);
}
