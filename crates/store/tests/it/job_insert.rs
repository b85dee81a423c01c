use domain::{
    Scope,
    ids::AutomationId,
    job::{Job, Status, Trigger},
};
use serde_json::json;
use store::{
    Error,
    jobs::{
        FullJob, JobRow, KeySpan, NewJob, Origin, Terms, job_find_idempotent_unscoped, job_get, job_insert_many_in_txn,
        job_list_keyed_unscoped, job_payloads,
    },
};

use crate::{
    case::Case,
    fixtures::{at, commit, id_at, insert, list, new_job, object, sorted},
};

both!(
    job_round_trips_as_pending,
    any_number_of_jobs_is_inserted_completely,
    no_jobs_are_accepted,
    one_existing_id_refuses_all,
    idempotency_key_is_unique_within_an_automation,
    find_idempotent_matches_pairs,
    jobs_are_found_by_spans_of_their_keys,
    payloads_are_the_parameters,
    parameters_keep_numbers_exact,
);

async fn job_round_trips_as_pending(db: Case) {
    let new = NewJob {
        automation_id: AutomationId::new(7),
        queue_name: "ação".into(),
        trigger: Trigger::Retry,
        priority: 9,
        parameters: object(json!({"text": "a\n\u{1f916}", "none": null})),
        attempt: 3,
        retry_of: Some(id_at(0, 1)),
        idempotency_key: Some("key".into()),
        not_before: Some(at(50)),
        dispatch_started_at: Some(at(40)),
        origin: Origin {
            requested_by: Some("ana".into()),
            schedule_id: Some(id_at(0, 8)),
            traceparent: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01".into()),
        },
        terms: Terms {
            timeout_s: Some(1),
            queue_deadline_at: Some(at(60)),
            max_attempts: Some(2),
            cancel_grace_s: Some(3),
            concurrency_key: Some("portal:São Paulo".into()),
            retry_backoff_s: Some(86_400),
            max_concurrency: Some(10_000),
            requires: vec!["sap".into(), "windows".into()],
            version_id: Some(id_at(0, 7)),
            environment: Some("PROD".into()),
        },
        ..new_job(1)
    };
    insert(&db, std::slice::from_ref(&new)).await;
    let row = JobRow {
        job: Job::pending(new.id),
        automation_id: AutomationId::new(7),
        queue_name: "ação".into(),
        priority: 9,
        trigger: Trigger::Retry,
        attempt: 3,
        retry_of: Some(id_at(0, 1)),
        result: None,
        progress: None,
        created_at: at(1),
        not_before: Some(at(50)),
        dispatch_started_at: Some(at(40)),
        dispatched_at: None,
        started_at: None,
        completed_at: None,
        last_heartbeat_at: None,
        cancellation_requested_at: None,
        log_lines: 0,
        log_bytes: 0,
        log_left_out: 0,
        log_offset: 0,
        deadline_at: None,
        paused_at: None,
        paused_ms: 0,
        origin: new.origin.clone(),
        terms: new.terms.clone(),
        version: 0,
    };
    assert_eq!(job_get(&db, &Scope::All, new.id).await.unwrap(), Some(FullJob { row, parameters: new.parameters }));
    assert_eq!(job_get(&db, &Scope::All, id_at(1, 2)).await.unwrap(), None);
}

async fn any_number_of_jobs_is_inserted_completely(db: Case) {
    let jobs: Vec<NewJob> = (0..300).map(new_job).collect();
    let raw = db.raw().await;
    for count in (1..300).step_by(2) {
        let added = commit(&db, async |txn| job_insert_many_in_txn(txn, &jobs[..count].iter().collect::<Vec<_>>()).await).await;
        added.unwrap();
        assert_eq!(crate::case::number(&raw, "SELECT count(*) FROM jobs").await, i64::try_from(count).unwrap());
        sea_orm::ConnectionTrait::execute_unprepared(&raw, "DELETE FROM jobs").await.unwrap();
    }
    raw.close().await.unwrap();
    insert(&db, &jobs).await;
    let listed = list(&db, &store::jobs::Filter { limit: 1_000, ..Default::default() }).await;
    let wanted: Vec<_> = jobs.iter().rev().map(|new| (new.id, new.parameters.clone())).collect();
    assert_eq!(listed.into_iter().map(|job| (job.row.job.id, job.parameters)).collect::<Vec<_>>(), wanted);
}

async fn no_jobs_are_accepted(db: Case) {
    insert(&db, &[]).await;
    assert_eq!(db.rows("jobs").await, 0);
}

async fn one_existing_id_refuses_all(db: Case) {
    insert(&db, &[new_job(130)]).await;
    let jobs: Vec<NewJob> = (0..131).map(new_job).collect();
    let outcome = commit(&db, async |txn| job_insert_many_in_txn(txn, &jobs.iter().collect::<Vec<_>>()).await).await;
    assert!(matches!(outcome, Err(Error::Duplicate(_))), "{outcome:?}");
    assert_eq!(db.rows("jobs").await, 1);
}

fn keyed(nth: u32, automation_id: i32, key: Option<&str>) -> NewJob {
    NewJob {
        automation_id: automation_id.into(),
        idempotency_key: key.map(Into::into),
        request_digest: key.map(|key| format!("digest of {key}")),
        ..new_job(nth)
    }
}

async fn idempotency_key_is_unique_within_an_automation(db: Case) {
    insert(&db, &[keyed(1, 1, Some("k")), keyed(2, 2, Some("k")), keyed(3, 1, None), keyed(4, 1, None), keyed(5, 1, Some("K"))]).await;
    let again = keyed(6, 1, Some("k"));
    let outcome = commit(&db, async |txn| job_insert_many_in_txn(txn, &[&again]).await).await;
    assert!(matches!(outcome, Err(Error::Duplicate(_))), "{outcome:?}");
    assert_eq!(db.rows("jobs").await, 5);
}

async fn find_idempotent_matches_pairs(db: Case) {
    insert(&db, &[keyed(1, 1, Some("a")), keyed(2, 2, Some("a")), keyed(3, 1, Some("b")), keyed(4, 3, Some("c"))]).await;
    let keys = [(1, "a"), (2, "b"), (3, "c"), (3, "c"), (4, "a")].map(|(id, key)| (AutomationId::new(id), key.to_owned()));
    let found = job_find_idempotent_unscoped(&db.begin_lazily(), &keys).await.unwrap();
    let found =
        found.into_iter().map(|known| (known.automation_id.get(), known.key, known.job_id, known.request_digest.unwrap())).collect();
    let known = |automation_id, key: &str, nth| (automation_id, key.to_owned(), new_job(nth).id, format!("digest of {key}"));
    assert_eq!(sorted(found), [known(1, "a", 1), known(3, "c", 4)]);
    assert_eq!(job_find_idempotent_unscoped(&db.begin_lazily(), &[]).await.unwrap(), []);
}

async fn jobs_are_found_by_spans_of_their_keys(db: Case) {
    let key = |schedule: u32, minute: u32| format!("schedule/{schedule:08x}/2026-11-26T09:{minute:02}:00Z");
    let keys = [(1, 1, key(1, 0)), (2, 1, key(1, 5)), (3, 1, key(1, 9)), (4, 1, key(2, 5)), (5, 2, key(1, 6)), (6, 1, key(1, 10))];
    insert(&db, &keys.iter().map(|(nth, automation, key)| keyed(*nth, *automation, Some(key))).collect::<Vec<_>>()).await;
    let run_now = format!("schedule/{:08x}/run/9", 1);
    insert(&db, &[keyed(7, 1, Some(&run_now)), keyed(8, 1, None)]).await;
    let span = |automation: i32, schedule, first, last| KeySpan {
        automation_id: automation.into(),
        first: key(schedule, first),
        last: key(schedule, last),
    };
    let find = async |spans: &[KeySpan]| {
        let found = job_list_keyed_unscoped(&db, spans).await.unwrap();
        sorted(found.into_iter().map(|known| (known.key, known.job_id)).collect())
    };
    let is = |nths: &[u32]| sorted(nths.iter().map(|nth| (keys[*nth as usize - 1].2.clone(), new_job(*nth).id)).collect::<Vec<_>>());
    assert_eq!(find(&[span(1, 1, 1, 9)]).await, is(&[2, 3]));
    assert_eq!(find(&[span(1, 1, 0, 0), span(1, 2, 0, 59), span(2, 1, 0, 59)]).await, is(&[1, 4, 5]));
    assert_eq!(find(&[span(1, 1, 11, 59)]).await, []);
    assert_eq!(find(&[]).await, []);
}

async fn payloads_are_the_parameters(db: Case) {
    let jobs: Vec<NewJob> = (0..5).map(new_job).collect();
    insert(&db, &jobs).await;
    let ids = [jobs[3].id, jobs[0].id, id_at(9, 9)];
    let payloads = job_payloads(&db.begin_lazily(), &ids).await.unwrap();
    let mut found: Vec<_> = payloads.into_iter().map(|(id, parameters)| (id, parameters["nth"].as_i64())).collect();
    found.sort_unstable();
    assert_eq!(found, [(jobs[0].id, Some(0)), (jobs[3].id, Some(3))]);
    assert_eq!(job_payloads(&db.begin_lazily(), &[]).await.unwrap(), []);
}

async fn parameters_keep_numbers_exact(db: Case) {
    let numbers = json!({"key": [35_230_112_345_678_901_u64, -9_007_199_254_740_993_i64], "amount": [0.1, 1e-7, 123_456_789.123_456_78]});
    let new = NewJob { parameters: object(numbers), ..new_job(1) };
    insert(&db, std::slice::from_ref(&new)).await;
    let read = job_get(&db, &Scope::All, new.id).await.unwrap().unwrap();
    assert_eq!((read.row.job.status, read.parameters), (Status::Pending, new.parameters));
}
