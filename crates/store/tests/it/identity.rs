use chrono::TimeDelta;
use domain::{audit::Change, ids::UserId};
use sea_orm::ConnectionTrait;
use store::{
    Error,
    changes::{Subject, change_count},
    identity::{
        User, instance_setting_delete, instance_setting_find, user_find, user_find_by_email, user_get, user_insert_if_absent,
        user_set_password,
    },
    sessions::{
        Ending, Session, session_address_is_known, session_delete_over, session_end, session_find, session_insert, session_list_live,
        session_rotate,
    },
    signing_keys::{SigningKey, signing_key_list, signing_key_replace_in_txn},
    users::{Filter, NewPassword, Profile, user_insert, user_list, user_reset_password, user_set_active, user_update},
};

use crate::{
    case::Case,
    fixtures::{at, id_at},
};

both!(
    user_round_trips,
    concurrent_inserts_of_one_name_add_one_user,
    password_of_a_known_user_is_replaced,
    a_new_password_and_a_deactivation_end_sessions,
    somebody_may_always_manage_the_hub,
    users_are_listed_by_name,
    an_address_is_found_in_any_case_and_is_one_users,
    a_session_goes_on_by_one_number_at_a_time,
    sessions_are_listed_while_they_go_on_and_removed_long_after,
    a_signing_key_takes_the_place_of_the_last_one,
    a_setting_of_an_earlier_version_is_read_and_deleted,
);

async fn user_round_trips(db: Case) {
    assert!(user_find(&db, "admin").await.unwrap().is_none());
    assert!(user_insert_if_absent(&db, &test_support::change(), "admin", "$argon2id$…", at(1)).await.unwrap());
    let user = user_find(&db, "admin").await.unwrap().unwrap();
    assert_eq!((user.username.as_str(), user.password_hash.as_str()), ("admin", "$argon2id$…"));
}

async fn concurrent_inserts_of_one_name_add_one_user(db: Case) {
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let database = db.database.clone();
            tokio::spawn(async move {
                (nth, user_insert_if_absent(&database, &test_support::change(), "admin", &format!("hash {nth}"), at(1)).await.unwrap())
            })
        })
        .collect();
    let mut winners = Vec::new();
    for task in tasks {
        let (nth, added) = task.await.unwrap();
        winners.extend(added.then_some(nth));
    }
    assert_eq!(winners.len(), 1);
    assert_eq!(user_find(&db, "admin").await.unwrap().unwrap().password_hash, format!("hash {}", winners[0]));
}

async fn password_of_a_known_user_is_replaced(db: Case) {
    let (admin, other) = (user(&db, "admin").await, user(&db, "other").await);
    let before = change_count(&db, Subject::Identities).await.unwrap();
    assert!(user_set_password(&db, &test_support::change(), (admin.id, None), ("old", "new"), at(2)).await.unwrap());
    assert!(
        !user_set_password(&db, &test_support::change(), (admin.id, None), ("old", "newer"), at(2)).await.unwrap(),
        "somebody was faster"
    );
    assert!(!user_set_password(&db, &test_support::change(), (UserId::default(), None), ("old", "new"), at(2)).await.unwrap(), "nobody");
    let (admin, other) = (user_get(&db, admin.id).await.unwrap().unwrap(), user_get(&db, other.id).await.unwrap().unwrap());
    assert_eq!((admin.password_hash.as_str(), admin.generation), ("new", 1));
    assert_eq!((other.password_hash.as_str(), other.generation), ("old", 0));
    assert_eq!(change_count(&db, Subject::Identities).await.unwrap(), before + 1);
}

async fn a_new_password_and_a_deactivation_end_sessions(db: Case) {
    let (ana, bia) = (user(&db, "ana").await, user(&db, "bia").await);
    let (kept, ended, others) = (session(&db, &ana, 1).await, session(&db, &ana, 2).await, session(&db, &bia, 3).await);
    assert!(user_set_password(&db, &test_support::change(), (ana.id, Some(kept.id)), ("old", "new"), at(9)).await.unwrap());
    let reason = async |id| session_find(&db, id).await.unwrap().unwrap().end_reason;
    assert_eq!(reason(ended.id).await.as_deref(), Some("password_changed"));
    assert_eq!((reason(kept.id).await, reason(others.id).await), (None, None));
    for _ in 0..2 {
        assert!(!user_set_active(&db, ana.id, false, &Change::by_hub(), at(10)).await.unwrap().unwrap().is_active);
    }
    assert_eq!((reason(kept.id).await.as_deref(), reason(others.id).await), (Some("deactivated"), None));
    assert_eq!(reason(ended.id).await.as_deref(), Some("password_changed"), "the first reason stays");
    let ana = user_get(&db, ana.id).await.unwrap().unwrap();
    assert_eq!((ana.is_active, ana.generation), (false, 2));
    assert!(user_set_active(&db, ana.id, true, &Change::by_hub(), at(11)).await.unwrap().unwrap().is_active);
    let (last, new) = (session(&db, &ana, 12).await, NewPassword { hash: "newest".to_owned(), must_change: true });
    let ana = user_reset_password(&db, ana.id, new, &Change::by_hub(), at(13)).await.unwrap().unwrap();
    assert_eq!((ana.password_hash.as_str(), ana.must_change_password, ana.generation), ("newest", true, 4));
    assert_eq!(reason(last.id).await.as_deref(), Some("password_reset"));
    assert!(user_set_password(&db, &test_support::change(), (ana.id, None), ("newest", "own"), at(14)).await.unwrap());
    assert!(!user_get(&db, ana.id).await.unwrap().unwrap().must_change_password);
}

async fn somebody_may_always_manage_the_hub(db: Case) {
    let hubs = [db.database.clone(), db.other_hub().await];
    let (ana, bia) = (user(&db, "ana").await, user(&db, "bia").await);
    for round in 0..20 {
        let out = |nth: usize, id| {
            let hub = hubs[nth].clone();
            tokio::spawn(async move { user_set_active(&hub, id, false, &Change::by_hub(), at(round)).await })
        };
        let (one, two) = (out(0, ana.id), out(1, bia.id));
        let outcomes = [one.await.unwrap(), two.await.unwrap()];
        let refused = |outcome: &Result<_, Error>| matches!(outcome, Err(Error::LastAdministrator));
        assert_eq!(outcomes.iter().filter(|outcome| refused(outcome)).count(), 1, "{outcomes:?}");
        assert_eq!(outcomes.iter().filter(|outcome| outcome.is_ok()).count(), 1, "{outcomes:?}");
        for id in [ana.id, bia.id] {
            let _back = user_set_active(&db, id, true, &Change::by_hub(), at(round)).await.unwrap();
        }
    }
    hubs[1].close().await.unwrap();
}

async fn users_are_listed_by_name(db: Case) {
    let (ana, bia) = (user(&db, "ana").await, user(&db, "bia").await);
    let _out = user_set_active(&db, bia.id, false, &Change::by_hub(), at(2)).await.unwrap().unwrap();
    let names = async |filter: Filter| -> Vec<String> {
        user_list(&db, &Filter { limit: 9, ..filter }).await.unwrap().into_iter().map(|user| user.username).collect()
    };
    let profile = Profile { display_name: Some(Some("100% João".to_owned())), email: None };
    let _changed = user_update(&db, ana.id, &profile, &Change::by_hub(), at(2)).await.unwrap().unwrap();
    assert_eq!(names(Filter::default()).await, ["ana", "bia"]);
    assert_eq!(names(Filter { after: Some("ana".to_owned()), ..Filter::default() }).await, ["bia"]);
    assert_eq!(names(Filter { is_active: Some(true), ..Filter::default() }).await, ["ana"]);
    assert_eq!(names(Filter { search: Some("JO".to_owned()), ..Filter::default() }).await, ["ana"]);
    assert_eq!(names(Filter { search: Some("João".to_owned()), ..Filter::default() }).await, ["ana"]);
    assert_eq!(names(Filter { search: Some("_".to_owned()), ..Filter::default() }).await, [""; 0]);
    let again = user_insert(&db, &User { id: UserId::default(), ..ana.clone() }, &Change::by_hub()).await;
    assert!(matches!(&again, Err(Error::Duplicate(index)) if !index.contains("email")), "{again:?}");
    assert!(user_update(&db, UserId::default(), &profile, &Change::by_hub(), at(2)).await.unwrap().is_none());
}

async fn an_address_is_found_in_any_case_and_is_one_users(db: Case) {
    let (ana, bia) = (user(&db, "ana").await, user(&db, "bia").await);
    let profile = |email: &str| Profile { email: Some(Some(email.to_owned())), display_name: Some(Some("Ana".to_owned())) };
    let changed = user_update(&db, ana.id, &profile("Ana@Example.com"), &Change::by_hub(), at(2)).await.unwrap().unwrap();
    assert_eq!(changed.email.as_deref(), Some("ana@example.com"));
    let found = user_find_by_email(&db, "ANA@example.COM").await.unwrap().unwrap();
    assert_eq!((found.id, found.email.as_deref(), found.display_name.as_deref()), (ana.id, Some("ana@example.com"), Some("Ana")));
    let taken = user_update(&db, bia.id, &profile("ANA@example.com"), &Change::by_hub(), at(2)).await;
    assert!(matches!(&taken, Err(Error::Duplicate(index)) if index.contains("email")), "{taken:?}");
    assert!(user_find_by_email(&db, "").await.unwrap().is_none());
}

async fn a_session_goes_on_by_one_number_at_a_time(db: Case) {
    let ana = user(&db, "ana").await;
    let one = session(&db, &ana, 1).await;
    assert_eq!(session_find(&db, one.id).await.unwrap(), Some(one.clone()));
    let tasks: Vec<_> = (0..8)
        .map(|_| {
            let database = db.database.clone();
            tokio::spawn(async move { session_rotate(&database, one.id, 0, at(5), at(50_000)).await.unwrap() })
        })
        .collect();
    let mut won = 0;
    for task in tasks {
        won += u32::from(task.await.unwrap());
    }
    assert_eq!(won, 1);
    let two = session_find(&db, one.id).await.unwrap().unwrap();
    assert_eq!((two.number, two.rotated_at, two.last_used_at, two.expires_at), (1, Some(at(5)), at(5), at(50_000)));
    assert!(!session_rotate(&db, one.id, 1, at(50_000), at(90_000)).await.unwrap(), "it is over");
    assert!(
        !session_end(&db, &test_support::change(), (one.id, UserId::default()), Ending::Revoked, at(6)).await.unwrap(),
        "somebody else's"
    );
    assert!(session_end(&db, &test_support::change(), (one.id, ana.id), Ending::Revoked, at(6)).await.unwrap());
    assert!(!session_end(&db, &test_support::change(), (one.id, ana.id), Ending::Logout, at(7)).await.unwrap());
    assert!(!session_rotate(&db, one.id, 1, at(8), at(90_000)).await.unwrap());
}

async fn sessions_are_listed_while_they_go_on_and_removed_long_after(db: Case) {
    let (ana, bia) = (user(&db, "ana").await, user(&db, "bia").await);
    let (first, last) = (session(&db, &ana, 1).await, session(&db, &ana, 2).await);
    let _of_another = session(&db, &bia, 3).await;
    let ids = async |user, now, limit| -> Vec<_> {
        session_list_live(&db, user, now, (None, limit)).await.unwrap().into_iter().map(|session| session.id).collect()
    };
    assert_eq!(ids(ana.id, at(3), 9).await, [last.id, first.id]);
    assert_eq!(ids(ana.id, at(3), 1).await, [last.id]);
    assert_eq!(session_list_live(&db, ana.id, at(3), (Some(last.id), 9)).await.unwrap(), std::slice::from_ref(&first));
    assert!(session_end(&db, &test_support::change(), (last.id, ana.id), Ending::Revoked, at(4)).await.unwrap());
    assert_eq!(ids(ana.id, at(5), 9).await, [first.id]);
    assert!(ids(ana.id, first.expires_at, 9).await.is_empty());
    assert!(session_address_is_known(&db, ana.id, "192.0.2.2").await.unwrap());
    assert!(
        !session_address_is_known(&db, ana.id, "192.0.2.3").await.unwrap()
            && session_address_is_known(&db, bia.id, "192.0.2.3").await.unwrap()
    );
    assert_eq!(session_delete_over(&db, first.expires_at, 9).await.unwrap(), 0);
    assert_eq!(session_delete_over(&db, at(20_000), 2).await.unwrap(), 2);
    assert_eq!(session_delete_over(&db, at(20_000), 2).await.unwrap(), 1);
}

async fn a_signing_key_takes_the_place_of_the_last_one(db: Case) {
    let key = |nth: u8| SigningKey { id: format!("k{nth}"), public_key: vec![nth; 32], created_at: at(nth.into()), retired_at: None };
    let replace = async |nth, forget_before| {
        let txn = db.begin().await.unwrap();
        let replaced = signing_key_replace_in_txn(&txn, &test_support::change(), &key(nth), at(forget_before)).await.unwrap();
        txn.commit().await.unwrap();
        replaced
    };
    let before = change_count(&db, Subject::Identities).await.unwrap();
    assert!(replace(1, 0).await.is_empty());
    assert_eq!(replace(2, 0).await, ["k1"]);
    assert_eq!(replace(3, 3).await, ["k2"]);
    let kept = signing_key_list(&db).await.unwrap();
    assert_eq!(kept, [key(3), SigningKey { retired_at: Some(at(3)), ..key(2) }], "the first was retired before 3");
    assert_eq!(change_count(&db, Subject::Identities).await.unwrap(), before + 3);
}

async fn user(db: &Case, name: &str) -> User {
    assert!(user_insert_if_absent(db, &test_support::change(), name, "old", at(1)).await.unwrap());
    user_find(db, name).await.unwrap().unwrap()
}

/// A session from the address 192.0.2.`nth`, for ten seconds.
async fn session(db: &Case, user: &User, nth: u32) -> Session {
    let began = at(nth.into());
    let session = Session {
        id: id_at(nth.into(), nth),
        user_id: user.id,
        number: 0,
        created_at: began,
        rotated_at: None,
        last_used_at: began,
        expires_at: began + TimeDelta::seconds(10),
        ended_at: None,
        end_reason: None,
        address: Some(format!("192.0.2.{nth}")),
        device: Some("a test".to_owned()),
        provider: None,
    };
    session_insert(db, &test_support::change(), &session).await.unwrap();
    session
}

async fn a_setting_of_an_earlier_version_is_read_and_deleted(db: Case) {
    let raw = db.raw().await;
    raw.execute_unprepared("INSERT INTO instance_settings (key, value) VALUES ('a', '1'), ('b', '2')").await.unwrap();
    raw.close().await.unwrap();
    instance_setting_delete(&db, "a").await.unwrap();
    assert_eq!(
        (instance_setting_find(&db, "a").await.unwrap(), instance_setting_find(&db, "b").await.unwrap().unwrap()),
        (None, "2".into())
    );
}
