use chrono::TimeDelta;
use domain::ids::UserId;
use store::{
    Error,
    changes::{Subject, change_count},
    identity::{
        User, instance_setting_get_or_insert, user_find, user_find_by_email, user_get, user_insert_if_absent, user_set_active,
        user_set_password, user_set_profile,
    },
    sessions::{
        Session, session_address_is_known, session_delete_over, session_end, session_find, session_insert, session_list_live,
        session_rotate,
    },
    signing_keys::{SigningKey, signing_key_list, signing_key_replace_in_txn},
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
    an_address_is_found_in_any_case_and_is_one_users,
    a_session_goes_on_by_one_number_at_a_time,
    sessions_are_listed_while_they_go_on_and_removed_long_after,
    a_signing_key_takes_the_place_of_the_last_one,
    concurrent_first_callers_get_the_same_setting,
    later_callers_get_the_first_value,
);

async fn user_round_trips(db: Case) {
    assert!(user_find(&db, "admin").await.unwrap().is_none());
    assert!(user_insert_if_absent(&db, "admin", "$argon2id$…", at(1)).await.unwrap());
    let user = user_find(&db, "admin").await.unwrap().unwrap();
    assert_eq!((user.username.as_str(), user.password_hash.as_str()), ("admin", "$argon2id$…"));
}

async fn concurrent_inserts_of_one_name_add_one_user(db: Case) {
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let database = db.database.clone();
            tokio::spawn(async move { (nth, user_insert_if_absent(&database, "admin", &format!("hash {nth}"), at(1)).await.unwrap()) })
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
    assert!(user_set_password(&db, admin.id, ("old", "new"), None, at(2)).await.unwrap());
    assert!(!user_set_password(&db, admin.id, ("old", "newer"), None, at(2)).await.unwrap(), "somebody was faster");
    assert!(!user_set_password(&db, UserId::default(), ("old", "new"), None, at(2)).await.unwrap(), "nobody");
    let (admin, other) = (user_get(&db, admin.id).await.unwrap().unwrap(), user_get(&db, other.id).await.unwrap().unwrap());
    assert_eq!((admin.password_hash.as_str(), admin.generation), ("new", 1));
    assert_eq!((other.password_hash.as_str(), other.generation), ("old", 0));
    assert_eq!(change_count(&db, Subject::Identities).await.unwrap(), before + 1);
}

async fn a_new_password_and_a_deactivation_end_sessions(db: Case) {
    let (ana, bia) = (user(&db, "ana").await, user(&db, "bia").await);
    let (kept, ended, others) = (session(&db, &ana, 1).await, session(&db, &ana, 2).await, session(&db, &bia, 3).await);
    assert!(user_set_password(&db, ana.id, ("old", "new"), Some(kept.id), at(9)).await.unwrap());
    let reason = async |id| session_find(&db, id).await.unwrap().unwrap().end_reason;
    assert_eq!(reason(ended.id).await.as_deref(), Some("password_changed"));
    assert_eq!((reason(kept.id).await, reason(others.id).await), (None, None));
    assert!(user_set_active(&db, ana.id, false, at(10)).await.unwrap());
    assert!(!user_set_active(&db, ana.id, false, at(10)).await.unwrap(), "it is so already");
    assert_eq!((reason(kept.id).await.as_deref(), reason(others.id).await), (Some("deactivated"), None));
    assert_eq!(reason(ended.id).await.as_deref(), Some("password_changed"), "the first reason stays");
    let ana = user_get(&db, ana.id).await.unwrap().unwrap();
    assert_eq!((ana.is_active, ana.generation), (false, 2));
    assert!(user_set_active(&db, ana.id, true, at(11)).await.unwrap());
}

async fn an_address_is_found_in_any_case_and_is_one_users(db: Case) {
    let (ana, bia) = (user(&db, "ana").await, user(&db, "bia").await);
    assert!(user_set_profile(&db, ana.id, Some("Ana@Example.com"), Some("Ana")).await.unwrap());
    let found = user_find_by_email(&db, "ANA@example.COM").await.unwrap().unwrap();
    assert_eq!((found.id, found.email.as_deref(), found.display_name.as_deref()), (ana.id, Some("ana@example.com"), Some("Ana")));
    let taken = user_set_profile(&db, bia.id, Some("ana@example.com"), None).await;
    assert!(matches!(taken, Err(Error::Duplicate(_))), "{taken:?}");
    assert!(user_find_by_email(&db, "").await.unwrap().is_none());
    assert!(!user_set_profile(&db, UserId::default(), None, None).await.unwrap());
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
    assert!(!session_end(&db, one.id, UserId::default(), at(6), "revoked").await.unwrap(), "somebody else's");
    assert!(session_end(&db, one.id, ana.id, at(6), "revoked").await.unwrap());
    assert!(!session_end(&db, one.id, ana.id, at(7), "logout").await.unwrap());
    assert!(!session_rotate(&db, one.id, 1, at(8), at(90_000)).await.unwrap());
}

async fn sessions_are_listed_while_they_go_on_and_removed_long_after(db: Case) {
    let (ana, bia) = (user(&db, "ana").await, user(&db, "bia").await);
    let (first, last) = (session(&db, &ana, 1).await, session(&db, &ana, 2).await);
    let _of_another = session(&db, &bia, 3).await;
    let ids = async |user, now, limit| -> Vec<_> {
        session_list_live(&db, user, now, limit).await.unwrap().into_iter().map(|session| session.id).collect()
    };
    assert_eq!(ids(ana.id, at(3), 9).await, [last.id, first.id]);
    assert_eq!(ids(ana.id, at(3), 1).await, [last.id]);
    assert!(session_end(&db, last.id, ana.id, at(4), "revoked").await.unwrap());
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
        let replaced = signing_key_replace_in_txn(&txn, &key(nth), at(forget_before)).await.unwrap();
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
    assert!(user_insert_if_absent(db, name, "old", at(1)).await.unwrap());
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
    };
    session_insert(db, &session).await.unwrap();
    session
}

async fn concurrent_first_callers_get_the_same_setting(db: Case) {
    let hubs = [db.database.clone(), db.other_hub().await];
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let database = hubs[nth % 2].clone();
            tokio::spawn(async move { instance_setting_get_or_insert(&database, "secret", &format!("value {nth}")).await.unwrap() })
        })
        .collect();
    let mut values = Vec::new();
    for task in tasks {
        values.push(task.await.unwrap());
    }
    values.dedup();
    assert_eq!(values.len(), 1, "{values:?}");
    hubs[1].close().await.unwrap();
}

async fn later_callers_get_the_first_value(db: Case) {
    assert_eq!(instance_setting_get_or_insert(&db, "a", "1").await.unwrap(), "1");
    assert_eq!(instance_setting_get_or_insert(&db, "a", "2").await.unwrap(), "1");
    assert_eq!(instance_setting_get_or_insert(&db, "b", "2").await.unwrap(), "2");
}
