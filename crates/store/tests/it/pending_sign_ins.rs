use store::pending_sign_ins::{
    Outcome, PendingSignIn, pending_sign_in_delete_expired, pending_sign_in_finish, pending_sign_in_insert, pending_sign_in_redeem,
    pending_sign_in_take,
};

use crate::{
    case::Case,
    fixtures::{at, id_at},
};

both!(
    a_state_is_taken_once_by_its_browser,
    one_of_many_takes_a_state,
    an_outcome_is_collected_once_and_in_time,
    one_of_many_collects_an_outcome,
    so_many_are_under_way_at_once,
    what_has_expired_is_removed,
);

fn pending(nth: u32) -> PendingSignIn {
    PendingSignIn {
        id: id_at(1, nth),
        state_digest: format!("state {nth}"),
        browser_digest: "browser".to_owned(),
        return_to: "/".to_owned(),
        code_challenge: "challenge".to_owned(),
        created_at: at(1),
        expires_at: at(10),
    }
}

async fn add(db: &Case, nth: u32) -> PendingSignIn {
    assert!(pending_sign_in_insert(db, &pending(nth), 100, at(1)).await.unwrap());
    pending(nth)
}

async fn a_state_is_taken_once_by_its_browser(db: Case) {
    let sign_in = add(&db, 1).await;
    for (state, browser, now) in [("state 2", "browser", 2), ("state 1", "another", 2), ("state 1", "browser", 10)] {
        assert_eq!(pending_sign_in_take(&db, (state, browser), at(now)).await.unwrap(), None, "{state} {browser} {now}");
    }
    assert_eq!(pending_sign_in_take(&db, ("state 1", "browser"), at(9)).await.unwrap(), Some(sign_in));
    assert_eq!(pending_sign_in_take(&db, ("state 1", "browser"), at(9)).await.unwrap(), None);
}

async fn one_of_many_takes_a_state(db: Case) {
    add(&db, 1).await;
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let database = db.database.clone();
            tokio::spawn(async move { pending_sign_in_take(&database, ("state 1", "browser"), at(2)).await.unwrap().is_some() })
        })
        .collect();
    let mut taken = 0;
    for task in tasks {
        taken += usize::from(task.await.unwrap());
    }
    assert_eq!(taken, 1);
}

async fn an_outcome_is_collected_once_and_in_time(db: Case) {
    let outcomes = [Outcome::User(id_at(1, 7)), Outcome::Refused("groups_overage".to_owned())];
    for (nth, outcome) in (1..).zip(&outcomes) {
        let sign_in = add(&db, nth).await;
        let code = format!("code {nth}");
        pending_sign_in_finish(&db, sign_in.id, &code, outcome, at(20)).await.unwrap();
        assert_eq!(pending_sign_in_redeem(&db, &code, at(20)).await.unwrap(), None, "too late");
        let expected = PendingSignIn { expires_at: at(20), ..sign_in };
        assert_eq!(pending_sign_in_redeem(&db, &code, at(19)).await.unwrap(), Some((expected, outcome.clone())));
        assert_eq!(pending_sign_in_redeem(&db, &code, at(19)).await.unwrap(), None, "twice");
    }
}

async fn one_of_many_collects_an_outcome(db: Case) {
    let sign_in = add(&db, 1).await;
    pending_sign_in_finish(&db, sign_in.id, "code", &Outcome::User(id_at(1, 7)), at(20)).await.unwrap();
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let database = db.database.clone();
            tokio::spawn(async move { pending_sign_in_redeem(&database, "code", at(2)).await.unwrap().is_some() })
        })
        .collect();
    let mut collected = 0;
    for task in tasks {
        collected += usize::from(task.await.unwrap());
    }
    assert_eq!(collected, 1);
}

async fn so_many_are_under_way_at_once(db: Case) {
    for nth in [1, 2] {
        assert!(pending_sign_in_insert(&db, &pending(nth), 2, at(1)).await.unwrap());
    }
    assert!(!pending_sign_in_insert(&db, &pending(3), 2, at(9)).await.unwrap());
    assert!(pending_sign_in_insert(&db, &pending(3), 2, at(10)).await.unwrap(), "those before have expired");
}

async fn what_has_expired_is_removed(db: Case) {
    for nth in 1..=3 {
        add(&db, nth).await;
    }
    assert_eq!(pending_sign_in_delete_expired(&db, at(10), 5).await.unwrap(), 0);
    assert_eq!(pending_sign_in_delete_expired(&db, at(11), 2).await.unwrap(), 2);
    assert_eq!(pending_sign_in_delete_expired(&db, at(11), 2).await.unwrap(), 1);
}
