use chrono::TimeDelta;
use domain::Scope;
use store::{
    Error,
    worker_tokens::{
        WorkerToken, worker_token_find_unscoped, worker_token_insert, worker_token_list, worker_token_note_use, worker_token_revoke,
    },
};
use uuid::Uuid;

use crate::{
    case::Case,
    fixtures::{at, id_at},
};

both!(
    tokens_round_trip_in_the_order_they_were_made,
    a_digest_is_taken_once,
    the_first_revocation_of_a_token_counts,
    use_is_recorded_at_most_once_per_period,
);

pub(crate) fn token(nth: u32) -> WorkerToken {
    WorkerToken {
        id: id_at(i64::from(nth), nth),
        name: format!("token {nth}"),
        worker_name: nth.is_multiple_of(2).then(|| "robô 1".into()),
        queues: nth.is_multiple_of(2).then(|| vec!["invoices".into()]),
        digest: format!("{nth:064x}"),
        created_at: at(i64::from(nth)),
        created_by: "admin".into(),
        expires_at: nth.is_multiple_of(2).then(|| at(1_000)),
        revoked_at: None,
        revoked_by: None,
        last_used_at: None,
    }
}

async fn tokens_round_trip_in_the_order_they_were_made(db: Case) {
    for nth in [2, 1, 3] {
        worker_token_insert(&db, &test_support::change(), &token(nth)).await.unwrap();
    }
    assert_eq!(worker_token_list(&db, &Scope::All, None, 10).await.unwrap(), [token(1), token(2), token(3)]);
    assert_eq!(worker_token_list(&db, &Scope::All, Some(token(1).id), 1).await.unwrap(), [token(2)]);
    assert_eq!(worker_token_find_unscoped(&db, &token(2).digest).await.unwrap(), Some(token(2)));
    assert_eq!(worker_token_find_unscoped(&db, &token(4).digest).await.unwrap(), None);
}

async fn a_digest_is_taken_once(db: Case) {
    worker_token_insert(&db, &test_support::change(), &token(1)).await.unwrap();
    let same = WorkerToken { digest: token(1).digest, ..token(2) };
    assert!(matches!(worker_token_insert(&db, &test_support::change(), &same).await, Err(Error::Duplicate(_))));
}

async fn the_first_revocation_of_a_token_counts(db: Case) {
    worker_token_insert(&db, &test_support::change(), &token(1)).await.unwrap();
    assert!(worker_token_revoke(&db, &test_support::change(), token(1).id, at(5)).await.unwrap());
    assert!(worker_token_revoke(&db, &test_support::change(), token(1).id, at(6)).await.unwrap());
    assert_eq!(worker_token_find_unscoped(&db, &token(1).digest).await.unwrap().unwrap().revoked_at, Some(at(5)));
    assert!(!worker_token_revoke(&db, &test_support::change(), Uuid::nil().into(), at(6)).await.unwrap());
}

async fn use_is_recorded_at_most_once_per_period(db: Case) {
    worker_token_insert(&db, &test_support::change(), &token(1)).await.unwrap();
    let mut noted = Vec::new();
    for now in [100, 159, 160, 161] {
        worker_token_note_use(&db, token(1).id, at(now), TimeDelta::milliseconds(60)).await.unwrap();
        noted.push(worker_token_find_unscoped(&db, &token(1).digest).await.unwrap().unwrap().last_used_at.unwrap());
    }
    assert_eq!(noted, [100, 100, 160, 160].map(at));
}
