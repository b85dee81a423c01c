use store::{
    Error,
    dead_letters::{DeadLetter, dead_letter_insert, dead_letter_list},
};

use crate::{
    case::Case,
    fixtures::{at, id_at},
};

both!(letters_round_trip_newest_first, an_id_is_taken_once);

fn letter(nth: u32) -> DeadLetter {
    DeadLetter {
        id: id_at(i64::from(nth), nth),
        queue_name: "invoices".into(),
        job_id: nth.is_multiple_of(2).then(|| id_at(0, nth)),
        reason: "rejected".into(),
        body: "{\"job_id\": \"\u{fffd}\u{fffd}\"}\n— not JSON".into(),
        received_at: at(i64::from(nth)),
    }
}

async fn letters_round_trip_newest_first(db: Case) {
    for nth in [2, 1, 3] {
        dead_letter_insert(&db, &letter(nth)).await.unwrap();
    }
    assert_eq!(dead_letter_list(&db, 10).await.unwrap(), [letter(3), letter(2), letter(1)]);
    assert_eq!(dead_letter_list(&db, 2).await.unwrap(), [letter(3), letter(2)]);
}

async fn an_id_is_taken_once(db: Case) {
    dead_letter_insert(&db, &letter(1)).await.unwrap();
    assert!(matches!(dead_letter_insert(&db, &letter(1)).await, Err(Error::Duplicate(_))));
}
