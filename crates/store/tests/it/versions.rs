use store::{
    Error,
    jobs::{JobRow, NewJob, job_confirm_dispatched_in_txn, job_load, job_undispatch_in_txn, job_update_at_once, job_update_many_in_txn},
};

use crate::{
    case::Case,
    fixtures::{at, change, commit, insert, new_job, row},
};

both!(
    a_write_increments_the_version,
    an_outdated_row_is_refused_in_a_transaction,
    an_outdated_row_is_refused_in_one_statement_with_all_beside_it,
    steps_to_the_broker_outdate_a_row,
    a_lazy_transaction_reads_what_it_wrote,
    a_lazy_transaction_that_never_began_commits,
);

async fn loaded(db: &Case, count: u32) -> Vec<JobRow> {
    let jobs: Vec<NewJob> = (1..=count).map(new_job).collect();
    insert(db, &jobs).await;
    job_load(&db.begin_lazily(), &jobs.iter().map(|job| job.id).collect::<Vec<_>>()).await.unwrap()
}

async fn a_write_increments_the_version(db: Case) {
    let rows = loaded(&db, 1).await;
    assert_eq!((rows[0].clone(), rows[0].version), (new_job(1).row(), 0));
    job_update_at_once(&db, &[&rows[0]]).await.unwrap();
    assert_eq!(row(&db, rows[0].job.id).await.version, 1);
}

async fn an_outdated_row_is_refused_in_a_transaction(db: Case) {
    let mut rows = loaded(&db, 3).await;
    change(&db, rows[1].job.id, |row| row.log_lines = 7).await;
    rows.iter_mut().for_each(|row| row.log_lines = 1);
    let refused = commit(&db, async |txn| job_update_many_in_txn(txn, &rows.iter().collect::<Vec<_>>()).await).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert_eq!(log_lines(&db, &rows).await, [0, 7, 0]);
}

async fn an_outdated_row_is_refused_in_one_statement_with_all_beside_it(db: Case) {
    let mut rows = loaded(&db, 3).await;
    change(&db, rows[1].job.id, |row| row.log_lines = 7).await;
    rows.iter_mut().for_each(|row| row.log_lines = 1);
    let refused = job_update_at_once(&db, &rows.iter().collect::<Vec<_>>()).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
    assert_eq!(log_lines(&db, &rows).await, [0, 7, 0]);
    job_update_at_once(&db, &[&rows[0], &rows[2]]).await.unwrap();
    assert_eq!(log_lines(&db, &rows).await, [1, 7, 1]);
}

async fn log_lines(db: &Case, rows: &[JobRow]) -> Vec<i64> {
    let mut found = Vec::new();
    for known in rows {
        found.push(row(db, known.job.id).await.log_lines);
    }
    found
}

async fn steps_to_the_broker_outdate_a_row(db: Case) {
    let rows = loaded(&db, 1).await;
    let id = rows[0].job.id;
    change(&db, id, |row| row.dispatch_started_at = Some(at(1))).await;
    let chosen = row(&db, id).await;
    commit(&db, async |txn| job_confirm_dispatched_in_txn(txn, &[id], at(2)).await).await.unwrap();
    assert!(matches!(job_update_at_once(&db, &[&chosen]).await, Err(Error::Conflict(_))));
    let confirmed = row(&db, id).await;
    commit(&db, async |txn| job_undispatch_in_txn(txn, &[id]).await).await.unwrap();
    assert!(matches!(job_update_at_once(&db, &[&confirmed]).await, Err(Error::Conflict(_))));
}

async fn a_lazy_transaction_reads_what_it_wrote(db: Case) {
    let mut rows = loaded(&db, 1).await;
    rows[0].log_lines = 5;
    let txn = db.begin_lazily();
    assert!(!txn.has_begun());
    job_update_many_in_txn(txn.get().await.unwrap(), &[&rows[0]]).await.unwrap();
    assert_eq!(job_load(&txn, &[rows[0].job.id]).await.unwrap()[0].log_lines, 5);
    txn.commit().await.unwrap();
    assert_eq!(row(&db, rows[0].job.id).await.log_lines, 5);
}

async fn a_lazy_transaction_that_never_began_commits(db: Case) {
    db.begin_lazily().commit().await.unwrap();
}
