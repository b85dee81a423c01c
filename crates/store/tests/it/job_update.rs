use domain::{
    Scope,
    ids::{AutomationId, JobId},
    job::{ErrorClass, Failure, Lease, Status},
};
use serde_json::{Value, json};
use store::jobs::{JobRow, NewJob, job_get, job_insert_many_in_txn, job_load_for_update_in_txn, job_payloads, job_update_many_in_txn};

use crate::{
    case::Case,
    fixtures::{at, change, commit, id_at, insert, new_job, row},
};

both!(
    load_returns_rows_by_id_and_each_once,
    load_leaves_out_the_result,
    update_writes_every_changing_column,
    update_clears_to_null,
    update_keeps_the_columns_of_the_insert,
    result_stays_until_another_is_written,
    every_status_and_error_class_round_trips,
    any_number_of_rows_changes_only_these,
    an_unknown_row_is_refused,
    more_ids_than_one_statement_takes_are_loaded,
    no_rows_are_accepted,
);

async fn load(db: &Case, ids: &[JobId]) -> Vec<JobRow> {
    commit(db, async |txn| job_load_for_update_in_txn(txn, ids).await).await.unwrap()
}

async fn write(db: &Case, rows: &[&JobRow]) {
    commit(db, async |txn| job_update_many_in_txn(txn, rows).await).await.unwrap();
}

async fn load_returns_rows_by_id_and_each_once(db: Case) {
    let jobs: Vec<NewJob> = (0..20).map(new_job).collect();
    insert(&db, &jobs).await;
    for count in [0, 1, 2, 3, 5, 8, 13, 20] {
        let mut ids: Vec<JobId> = jobs[..count].iter().rev().map(|job| job.id).collect();
        ids.extend(ids.first().copied());
        ids.push(id_at(99, 99));
        let loaded: Vec<JobId> = load(&db, &ids).await.iter().map(|row| row.job.id).collect();
        assert_eq!(loaded, jobs[..count].iter().map(|job| job.id).collect::<Vec<_>>());
    }
    assert_eq!(load(&db, &[]).await, []);
}

async fn load_leaves_out_the_result(db: Case) {
    insert(&db, &[new_job(1)]).await;
    change(&db, new_job(1).id, |row| row.result = Some(json!({"large": true}))).await;
    let loaded = load(&db, &[new_job(1).id]).await;
    assert_eq!(loaded, [JobRow { result: None, ..row(&db, new_job(1).id).await }]);
}

fn changed_everywhere(row: JobRow) -> JobRow {
    let mut job = row.job.clone();
    job.status = Status::Paused;
    job.lease = Some(Lease { token: id_at(5, 1), worker_id: Some(id_at(5, 2)), expires_at: at(5_001) });
    job.failure = Some(Failure { class: ErrorClass::RobotError, message: "boleto não encontrado\n\u{1f4a5}".into() });
    job.cancellation_requested = true;
    JobRow {
        job,
        result: Some(json!({"total": 9_007_199_254_740_993_i64, "amount": 0.1})),
        progress: Some(json!({"percent": 12.5})),
        not_before: Some(at(5_002)),
        dispatch_started_at: Some(at(5_003)),
        dispatched_at: Some(at(5_004)),
        started_at: Some(at(5_005)),
        completed_at: Some(at(5_006)),
        last_heartbeat_at: Some(at(5_007)),
        cancellation_requested_at: Some(at(5_008)),
        log_lines: i64::MAX,
        log_bytes: i64::MAX - 1,
        log_left_out: 19,
        log_offset: 17,
        deadline_at: Some(at(5_009)),
        paused_at: Some(at(5_010)),
        paused_ms: 18,
        ..row
    }
}

async fn update_writes_every_changing_column(db: Case) {
    insert(&db, &[new_job(1), new_job(2)]).await;
    let other = row(&db, new_job(2).id).await;
    let wanted = changed_everywhere(row(&db, new_job(1).id).await);
    write(&db, &[&wanted]).await;
    assert_eq!(row(&db, new_job(1).id).await, JobRow { version: 1, ..wanted });
    assert_eq!(row(&db, new_job(2).id).await, other);
}

async fn update_clears_to_null(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let fresh = row(&db, new_job(1).id).await;
    let full = changed_everywhere(fresh.clone());
    write(&db, &[&full]).await;
    write(&db, &[&JobRow { version: 1, ..fresh.clone() }]).await;
    assert_eq!(row(&db, new_job(1).id).await, JobRow { result: full.result, version: 2, ..fresh });
}

async fn update_keeps_the_columns_of_the_insert(db: Case) {
    let new = NewJob { retry_of: Some(id_at(0, 1)), idempotency_key: Some("k".into()), attempt: 2, ..new_job(1) };
    insert(&db, std::slice::from_ref(&new)).await;
    let mut before = job_get(&db, &Scope::All, new.id).await.unwrap().unwrap();
    let forged = JobRow {
        automation_id: AutomationId::new(99),
        queue_name: "other".into(),
        priority: 0,
        attempt: 9,
        retry_of: None,
        created_at: at(9),
        ..before.row.clone()
    };
    write(&db, &[&forged]).await;
    before.row.version = 1;
    assert_eq!(job_get(&db, &Scope::All, new.id).await.unwrap(), Some(before));
}

async fn result_stays_until_another_is_written(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let id = new_job(1).id;
    for (written, read) in [
        (None, None),
        (Some(json!({"a": 1})), Some(json!({"a": 1}))),
        (None, Some(json!({"a": 1}))),
        (Some(json!([])), Some(json!([]))),
        (Some(json!(false)), Some(json!(false))),
        (Some(json!("text")), Some(json!("text"))),
        (Some(Value::Null), Some(Value::Null)),
        (None, Some(Value::Null)),
    ] {
        change(&db, id, |row| row.result.clone_from(&written)).await;
        assert_eq!(row(&db, id).await.result, read, "after {written:?}");
    }
}

async fn every_status_and_error_class_round_trips(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let id = new_job(1).id;
    for status in Status::ALL {
        change(&db, id, |row| row.job.status = status).await;
        assert_eq!(row(&db, id).await.job.status, status);
    }
    for class in ErrorClass::ALL {
        let failure = Some(Failure { class, message: String::new() });
        change(&db, id, |row| row.job.failure.clone_from(&failure)).await;
        assert_eq!(row(&db, id).await.job.failure, failure);
    }
    let foreign = Some(Lease { token: id_at(1, 1), worker_id: None, expires_at: at(1) });
    change(&db, id, |row| row.job.lease.clone_from(&foreign)).await;
    assert_eq!(row(&db, id).await.job.lease, foreign);
}

/// Statements are padded to a power of two with repeated rows.
async fn any_number_of_rows_changes_only_these(db: Case) {
    let jobs: Vec<NewJob> = (0..300).map(new_job).collect();
    insert(&db, &jobs).await;
    for (round, count) in (1..).zip([1, 2, 3, 5, 31, 127, 128, 129, 200, 257]) {
        let ids: Vec<JobId> = jobs[..count].iter().map(|job| job.id).collect();
        let mut rows = load(&db, &ids).await;
        for (nth, row) in (0..).zip(&mut rows) {
            row.log_lines = round * 1_000 + nth;
        }
        write(&db, &rows.iter().collect::<Vec<_>>()).await;
        let stored = load(&db, &jobs.iter().map(|job| job.id).collect::<Vec<_>>()).await;
        let lines: Vec<i64> = stored[..count].iter().map(|row| row.log_lines).collect();
        assert_eq!(lines, (0..).take(count).map(|nth| round * 1_000 + nth).collect::<Vec<i64>>());
        assert!(stored[count..].iter().all(|row| row.log_lines == 0), "{count} rows changed others");
    }
}

async fn an_unknown_row_is_refused(db: Case) {
    insert(&db, &[new_job(1)]).await;
    let mut unknown = row(&db, new_job(1).id).await;
    unknown.job.id = id_at(9, 9);
    let refused = commit(&db, async |txn| job_update_many_in_txn(txn, &[&unknown]).await).await;
    assert!(matches!(refused, Err(store::Error::Conflict(_))), "{refused:?}");
    assert_eq!(db.rows("jobs").await, 1);
}

async fn more_ids_than_one_statement_takes_are_loaded(db: Case) {
    let known = [0, 5_000, 19_999].map(new_job);
    insert(&db, &known).await;
    let ids: Vec<JobId> = (0..20_000).map(|nth| new_job(nth).id).rev().collect();
    let loaded: Vec<JobId> = load(&db, &ids).await.iter().map(|row| row.job.id).collect();
    assert_eq!(loaded, known.map(|job| job.id));
    let payloads = job_payloads(&db.begin_lazily(), &ids).await.unwrap();
    assert_eq!(payloads.len(), 3);
}

async fn no_rows_are_accepted(db: Case) {
    commit(&db, async |txn| {
        job_update_many_in_txn(txn, &[]).await?;
        job_insert_many_in_txn(txn, &[]).await
    })
    .await
    .unwrap();
}
