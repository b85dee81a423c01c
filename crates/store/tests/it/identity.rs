use store::identity::{instance_setting_get_or_insert, user_find, user_insert_if_absent, user_set_password};

use crate::{case::Case, fixtures::at};

both!(
    user_round_trips,
    concurrent_inserts_of_one_name_add_one_user,
    password_of_a_known_user_is_replaced,
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
    user_insert_if_absent(&db, "admin", "old", at(1)).await.unwrap();
    user_insert_if_absent(&db, "other", "old", at(1)).await.unwrap();
    assert!(user_set_password(&db, "admin", "new").await.unwrap());
    assert!(!user_set_password(&db, "nobody", "new").await.unwrap());
    assert_eq!(user_find(&db, "admin").await.unwrap().unwrap().password_hash, "new");
    assert_eq!(user_find(&db, "other").await.unwrap().unwrap().password_hash, "old");
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
