use domain::ids::JobId;
use serde_json::{Value, json};
use store::{
    Error,
    job_events::{JobEvent, job_event_insert_many_in_txn, job_event_list},
};

use crate::{
    case::Case,
    fixtures::{at, commit, id_at},
};

both!(events_of_one_job_come_oldest_first, no_events_are_accepted, an_event_is_stored_once);

fn event(nth: u32, job_id: JobId, detail: Value) -> JobEvent {
    JobEvent {
        id: id_at(i64::from(nth), nth),
        job_id,
        kind: "job.finished_late".into(),
        actor: Some("ana".into()),
        detail,
        created_at: at(i64::from(nth)),
    }
}

async fn events_of_one_job_come_oldest_first(db: Case) {
    let (job, other) = (id_at(1, 1), id_at(1, 2));
    let details = [json!({"result": {"total": 12_345_678_901_234_567_i64}}), Value::Null, json!(["text", 0.1])];
    let events: Vec<JobEvent> = (1..).zip(details).map(|(nth, detail)| event(nth, job, detail)).collect();
    let shuffled = [events[2].clone(), event(4, other, json!({})), events[0].clone(), events[1].clone()];
    commit(&db, async |txn| job_event_insert_many_in_txn(txn, &shuffled).await).await.unwrap();
    assert_eq!(job_event_list(&db, job, None, 10).await.unwrap(), events);
    assert_eq!(job_event_list(&db, job, None, 2).await.unwrap(), events[..2]);
    assert_eq!(job_event_list(&db, job, Some(events[1].id), 2).await.unwrap(), events[2..]);
    assert_eq!(job_event_list(&db, id_at(9, 9), None, 10).await.unwrap(), []);
}

async fn no_events_are_accepted(db: Case) {
    commit(&db, async |txn| job_event_insert_many_in_txn(txn, &[]).await).await.unwrap();
}

async fn an_event_is_stored_once(db: Case) {
    let same = [event(1, id_at(1, 1), json!({})), event(1, id_at(1, 1), json!({}))];
    let twice = commit(&db, async |txn| job_event_insert_many_in_txn(txn, &same).await).await;
    assert!(matches!(twice, Err(Error::Duplicate(_))), "{twice:?}");
    assert_eq!(db.rows("job_events").await, 0);
}
