use domain::Scope;
use serde_json::json;
use store::{
    Error,
    dead_letters::{
        DeadLetter, Filter, Replay, dead_letter_count, dead_letter_delete, dead_letter_get, dead_letter_insert, dead_letter_list,
        dead_letter_list_open, dead_letter_mark_recorded, dead_letter_mark_replayed_in_txn,
    },
};
use uuid::Uuid;

use crate::{
    case::Case,
    fixtures::{at, commit, id_at},
};

both!(
    letters_round_trip_newest_first,
    an_id_is_taken_once,
    filters_and_pages_select_dead_letters,
    a_letter_is_replayed_once,
    a_replay_that_is_rolled_back_leaves_no_mark,
    a_deleted_letter_is_gone,
);

pub(crate) fn letter(nth: u32) -> DeadLetter {
    DeadLetter {
        id: id_at(i64::from(nth), nth),
        queue_name: "invoices".into(),
        job_id: nth.is_multiple_of(2).then(|| id_at(0, nth)),
        reason: "rejected".into(),
        body: "{\"job_id\": \"\u{fffd}\u{fffd}\"}\n— not JSON".into(),
        body_is_whole: nth != 3,
        headers: Some(json!({"traceparent": "00-é"})),
        received_at: at(i64::from(nth)),
        replay: None,
    }
}

async fn fill(db: &Case, letters: &[DeadLetter]) {
    for letter in letters {
        dead_letter_insert(db, letter).await.unwrap();
    }
}

fn page(limit: u64) -> Filter {
    Filter { limit, ..Filter::default() }
}

async fn letters_round_trip_newest_first(db: Case) {
    let replay = Some(Replay { at: at(9), by: "admin".into(), new_job_id: Some(id_at(1, 1)) });
    let second = DeadLetter { headers: None, replay, ..letter(2) };
    fill(&db, &[second.clone(), letter(1), letter(3)]).await;
    assert_eq!(dead_letter_list(&db, &Scope::All, &page(10)).await.unwrap(), [letter(3), second.clone(), letter(1)]);
    assert_eq!(dead_letter_list(&db, &Scope::All, &page(2)).await.unwrap(), [letter(3), second.clone()]);
    assert_eq!(dead_letter_get(&db, &Scope::All, second.id).await.unwrap(), Some(second));
    assert_eq!(dead_letter_get(&db, &Scope::All, Uuid::nil().into()).await.unwrap(), None);
}

async fn an_id_is_taken_once(db: Case) {
    dead_letter_insert(&db, &letter(1)).await.unwrap();
    assert!(matches!(dead_letter_insert(&db, &letter(1)).await, Err(Error::Duplicate(_))));
}

async fn filters_and_pages_select_dead_letters(db: Case) {
    let other = DeadLetter { queue_name: "other".into(), ..letter(4) };
    fill(&db, &[letter(1), letter(2), letter(3), other.clone()]).await;
    let of = |filter: Filter| Filter { limit: 10, ..filter };
    let queue = || of(Filter { queue: Some("invoices".into()), ..Filter::default() });
    assert_eq!(dead_letter_list(&db, &Scope::All, &queue()).await.unwrap(), [letter(3), letter(2), letter(1)]);
    assert_eq!(dead_letter_count(&db, &Scope::All, &queue()).await.unwrap(), 3);
    assert_eq!(dead_letter_list(&db, &Scope::All, &Filter { after: Some(letter(3).id), ..queue() }).await.unwrap(), [letter(2), letter(1)]);
    assert_eq!(dead_letter_list(&db, &Scope::All, &of(Filter { job_id: Some(id_at(0, 4)), ..Filter::default() })).await.unwrap(), [other]);
    let replay = Replay { at: at(9), by: "admin".into(), new_job_id: None };
    assert!(dead_letter_mark_recorded(&db, letter(1).id, &replay).await.unwrap());
    assert_eq!(dead_letter_list_open(&db, &Scope::All, &queue()).await.unwrap(), [letter(2), letter(3)], "oldest first");
    assert_eq!(dead_letter_list_open(&db, &Scope::All, &Filter { after: Some(letter(2).id), ..queue() }).await.unwrap(), [letter(3)]);
    let replayed = dead_letter_list(&db, &Scope::All, &Filter { replayed: Some(true), ..queue() }).await.unwrap();
    assert_eq!(replayed, [DeadLetter { replay: Some(replay), ..letter(1) }]);
}

async fn a_letter_is_replayed_once(db: Case) {
    fill(&db, &[letter(1)]).await;
    let marks = (0..4).map(|nth| {
        let (database, replay) = (db.database.clone(), Replay { at: at(nth), by: "admin".into(), new_job_id: None });
        tokio::spawn(async move { dead_letter_mark_recorded(&database, letter(1).id, &replay).await.unwrap() })
    });
    let mut won = 0;
    for mark in marks.collect::<Vec<_>>() {
        won += u32::from(mark.await.unwrap());
    }
    assert_eq!(won, 1);
}

async fn a_replay_that_is_rolled_back_leaves_no_mark(db: Case) {
    fill(&db, &[letter(1)]).await;
    let replay = Replay { at: at(9), by: "admin".into(), new_job_id: None };
    let txn = db.begin().await.unwrap();
    assert!(dead_letter_mark_replayed_in_txn(&txn, &test_support::change(), letter(1).id, &replay).await.unwrap());
    drop(txn);
    assert_eq!(dead_letter_get(&db, &Scope::All, letter(1).id).await.unwrap().unwrap().replay, None);
    assert!(
        commit(&db, async |txn| dead_letter_mark_replayed_in_txn(txn, &test_support::change(), letter(1).id, &replay).await).await.unwrap()
    );
    assert_eq!(dead_letter_get(&db, &Scope::All, letter(1).id).await.unwrap().unwrap().replay, Some(replay));
}

async fn a_deleted_letter_is_gone(db: Case) {
    fill(&db, &[letter(1), letter(2)]).await;
    assert!(dead_letter_delete(&db, &test_support::change(), letter(1).id, at(9)).await.unwrap());
    assert!(!dead_letter_delete(&db, &test_support::change(), letter(1).id, at(9)).await.unwrap());
    assert_eq!(dead_letter_list(&db, &Scope::All, &page(10)).await.unwrap(), [letter(2)]);
}
