use chrono::{DateTime, Utc};
use domain::{Scope, ids::JobId, job::Status, log::Level};
use serde_json::json;
use store::{
    dead_letters::{DeadLetter, dead_letter_insert},
    job_events::{JobEvent, job_event_insert_many_in_txn, job_event_list},
    job_logs::{Chunk, Line, chunk_insert_many_in_txn},
    jobs::job_get,
    retention::{retention_dead_letters, retention_job_events, retention_jobs, retention_log_chunks},
};

use crate::{
    case::Case,
    fixtures::{at, change, commit, id_at, insert, new_job, read_lines},
};

both!(
    old_ended_jobs_are_deleted_with_lines_and_events_in_batches,
    a_job_that_has_not_ended_is_never_deleted,
    old_lines_are_deleted_in_batches_and_late_lines_kept,
    old_events_are_deleted_in_batches,
    old_dead_letters_are_deleted_in_batches,
);

/// The `nth` job, accepted `nth` milliseconds after the start of 2026, which ended at `ended`, with a line and an event.
async fn ended_job(db: &Case, nth: u32, ended: Option<DateTime<Utc>>) -> JobId {
    let job = new_job(nth);
    insert(db, std::slice::from_ref(&job)).await;
    change(db, job.id, |row| {
        row.job.status = if ended.is_some() { Status::Completed } else { Status::Running };
        row.completed_at = ended;
    })
    .await;
    add_line(db, job.id, 1, at(i64::from(nth))).await;
    let event =
        JobEvent { id: id_at(i64::from(nth), nth), job_id: job.id, kind: "x".into(), actor: None, detail: json!({}), created_at: at(1) };
    commit(db, async |txn| job_event_insert_many_in_txn(txn, &[event]).await).await.unwrap();
    job.id
}

async fn add_line(db: &Case, job_id: JobId, first_line: i64, now: DateTime<Utc>) {
    let lines = [Line { timestamp: now, level: Level::Info, message: "m".into(), actionable: false }];
    commit(db, async |txn| chunk_insert_many_in_txn(txn, &[Chunk { job_id, first_line, lines: &lines }], now).await).await.unwrap();
}

async fn lines(db: &Case, id: JobId) -> usize {
    read_lines(db, id, 0, 100).await.len()
}

async fn old_ended_jobs_are_deleted_with_lines_and_events_in_batches(db: Case) {
    let mut ids = Vec::new();
    for nth in 1..=6 {
        ids.push(ended_job(&db, nth, Some(at(i64::from(nth) + 2))).await);
    }
    for (before, limit, expected) in [(at(6), 2, 2), (at(6), 2, 1), (at(6), 2, 0)] {
        assert_eq!(retention_jobs(&db, before, limit).await.unwrap(), expected);
    }
    for (nth, id) in (1..).zip(&ids) {
        let gone = nth < 4;
        assert_eq!(job_get(&db, &Scope::All, *id).await.unwrap().is_none(), gone, "{nth}");
        assert_eq!(
            (lines(&db, *id).await, job_event_list(&db, *id, None, 10).await.unwrap().len()),
            if gone { (0, 0) } else { (1, 1) },
            "{nth}"
        );
    }
}

async fn a_job_that_has_not_ended_is_never_deleted(db: Case) {
    let running = ended_job(&db, 1, None).await;
    let late = ended_job(&db, 2, Some(at(900))).await;
    let old = ended_job(&db, 3, Some(at(4))).await;
    assert_eq!(retention_jobs(&db, at(500), 10).await.unwrap(), 1);
    assert!(job_get(&db, &Scope::All, running).await.unwrap().is_some() && job_get(&db, &Scope::All, late).await.unwrap().is_some());
    assert_eq!((job_get(&db, &Scope::All, old).await.unwrap(), lines(&db, running).await), (None, 1));
}

async fn old_lines_are_deleted_in_batches_and_late_lines_kept(db: Case) {
    let mut ids = Vec::new();
    for nth in 1..=3 {
        ids.push(ended_job(&db, nth, None).await);
        add_line(&db, ids[nth as usize - 1], 2, at(i64::from(nth))).await;
    }
    add_line(&db, ids[0], 3, at(900)).await;
    for (limit, expected) in [(3, 3), (3, 1), (3, 0)] {
        assert_eq!(retention_log_chunks(&db, at(3), limit).await.unwrap(), expected);
    }
    assert_eq!((lines(&db, ids[0]).await, lines(&db, ids[1]).await, lines(&db, ids[2]).await), (1, 0, 2));
    assert!(job_get(&db, &Scope::All, ids[1]).await.unwrap().is_some(), "the job stays");
}

async fn old_events_are_deleted_in_batches(db: Case) {
    let mut ids = Vec::new();
    for nth in 1..=4 {
        ids.push(ended_job(&db, nth, None).await);
    }
    for (limit, expected) in [(2, 2), (2, 1), (2, 0)] {
        assert_eq!(retention_job_events(&db, at(4), limit).await.unwrap(), expected);
    }
    assert_eq!(
        (job_event_list(&db, ids[2], None, 10).await.unwrap().len(), job_event_list(&db, ids[3], None, 10).await.unwrap().len()),
        (0, 1)
    );
}

async fn old_dead_letters_are_deleted_in_batches(db: Case) {
    for nth in 1..=4 {
        let letter = DeadLetter {
            id: id_at(i64::from(nth), nth),
            queue_name: "q".into(),
            job_id: None,
            reason: "rejected".into(),
            body: String::new(),
            body_is_whole: true,
            headers: None,
            received_at: at(i64::from(nth)),
            replay: None,
        };
        dead_letter_insert(&db, &letter).await.unwrap();
    }
    for (limit, expected) in [(2, 2), (2, 1), (2, 0)] {
        assert_eq!(retention_dead_letters(&db, at(4), limit).await.unwrap(), expected);
    }
    assert_eq!(db.rows("dead_letters").await, 1);
}
