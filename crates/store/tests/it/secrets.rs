use store::secrets::{
    Secret, secret_delete_in_txn, secret_find, secret_insert_if_absent, secret_list_wrapped_otherwise, secret_master_key_ids, secret_rewrap,
};

use crate::{case::Case, fixtures::at};

both!(
    a_secret_round_trips_and_its_place_has_one,
    those_to_wrap_anew_are_listed_behind_a_place,
    a_key_is_replaced_only_where_nobody_was_faster,
    a_removed_secret_is_gone,
);

fn secret(purpose: &str, id: &str, key: &str) -> Secret {
    let (wrapped_key, ciphertext) = (vec![0, 255, 39], (0..=255).collect());
    Secret { purpose: purpose.to_owned(), id: id.to_owned(), master_key_id: key.to_owned(), wrapped_key, ciphertext, created_at: at(1) }
}

async fn a_secret_round_trips_and_its_place_has_one(db: Case) {
    let one = secret("signing_key", "a", "k1");
    assert!(secret_insert_if_absent(&db, &one).await.unwrap());
    let other = Secret { ciphertext: vec![1], ..one.clone() };
    assert!(!secret_insert_if_absent(&db, &other).await.unwrap());
    assert_eq!(secret_find(&db, "signing_key", "a").await.unwrap(), Some(one));
    for (purpose, id) in [("signing_key", "b"), ("other", "a"), ("", "")] {
        assert_eq!(secret_find(&db, purpose, id).await.unwrap(), None);
    }
}

async fn those_to_wrap_anew_are_listed_behind_a_place(db: Case) {
    for (purpose, id, key) in [("b", "1", "k1"), ("a", "2", "k1"), ("a", "1", "k2"), ("b", "0", "k3"), ("c", "0", "k2")] {
        assert!(secret_insert_if_absent(&db, &secret(purpose, id, key)).await.unwrap());
    }
    assert_eq!(secret_master_key_ids(&db).await.unwrap(), ["k1", "k2", "k3"]);
    let places = async |after, limit| {
        let page = secret_list_wrapped_otherwise(&db, "k2", after, limit).await.unwrap();
        page.into_iter().map(|secret| secret.purpose + &secret.id).collect::<Vec<_>>()
    };
    assert_eq!(places(None, 9).await, ["a2", "b0", "b1"]);
    assert_eq!(places(None, 2).await, ["a2", "b0"]);
    assert_eq!(places(Some(("b", "0")), 9).await, ["b1"]);
    assert!(places(Some(("b", "1")), 9).await.is_empty());
}

async fn a_key_is_replaced_only_where_nobody_was_faster(db: Case) {
    let old = secret("a", "1", "k1");
    assert!(secret_insert_if_absent(&db, &old).await.unwrap());
    let new = Secret { master_key_id: "k2".to_owned(), wrapped_key: vec![7], ciphertext: vec![], ..old.clone() };
    assert!(secret_rewrap(&db, &old, &new).await.unwrap());
    let kept = Secret { ciphertext: old.ciphertext.clone(), ..new.clone() };
    assert_eq!(secret_find(&db, "a", "1").await.unwrap(), Some(kept));
    let late = Secret { wrapped_key: vec![8], ..new };
    assert!(!secret_rewrap(&db, &old, &late).await.unwrap(), "it has another key by now");
}

async fn a_removed_secret_is_gone(db: Case) {
    for id in ["1", "2"] {
        assert!(secret_insert_if_absent(&db, &secret("a", id, "k")).await.unwrap());
    }
    let txn = db.begin().await.unwrap();
    secret_delete_in_txn(&txn, "a", "1").await.unwrap();
    txn.commit().await.unwrap();
    assert_eq!(secret_find(&db, "a", "1").await.unwrap(), None);
    assert!(secret_find(&db, "a", "2").await.unwrap().is_some());
}
