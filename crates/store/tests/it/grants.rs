use domain::{
    ids::{ApiKeyId, UserId},
    permission::{Grant, GrantSource, Grantee, Permission, Right, Role, Where},
};
use store::{
    changes::{Subject, change_count},
    grants::{Held, grant_delete_in_txn, grant_insert, grant_list_unscoped},
};
use test_support::change;
use uuid::Uuid;

use crate::{
    case::Case,
    fixtures::{at, id_at},
};

both!(grants_round_trip_in_order, a_grant_is_held_once, a_grant_is_taken_from_its_grantee_alone);

fn user(nth: u32) -> Grantee {
    Grantee::User(UserId::from(id_at::<Uuid>(7, nth)))
}

fn held(nth: u32, grantee: Grantee, grant: Grant) -> Held {
    Held { id: id_at(1, nth), grantee, grant, source: GrantSource::Manual, granted_by: "ana".to_owned(), granted_at: at(i64::from(nth)) }
}

async fn grants_round_trip_in_order(db: Case) {
    let places = [Where::Everywhere, Where::Domain(id_at(9, 1)), Where::Automation(7.into()), Where::Label("nfe".to_owned())];
    let right = |nth: usize| if nth.is_multiple_of(2) { Right::Role(Role::Operator) } else { Right::Permission(Permission::RunCancel) };
    let of = |grantee: Grantee, from: u32| {
        let grants = places.iter().enumerate().map(|(nth, place)| Grant { right: right(nth), place: place.clone() });
        (from..).zip(grants).map(|(nth, grant)| held(nth, grantee, grant)).collect::<Vec<_>>()
    };
    let (user, key) = (user(1), Grantee::ApiKey(ApiKeyId::from(user(1).id())));
    let all = [of(user, 1), of(key, 5)];
    for grant in all.iter().flatten().rev() {
        assert!(grant_insert(&db, &change(), grant).await.unwrap());
    }
    for (grantee, expected) in [user, key].into_iter().zip(all) {
        assert_eq!(grant_list_unscoped(&db, grantee).await.unwrap(), expected);
    }
}

async fn a_grant_is_held_once(db: Case) {
    let counted = change_count(&db, Subject::Identities).await.unwrap();
    let first = held(1, user(1), Grant::everywhere(Role::Viewer));
    assert!(grant_insert(&db, &change(), &first).await.unwrap());
    assert!(!grant_insert(&db, &change(), &Held { id: id_at(1, 2), granted_by: "bob".to_owned(), ..first.clone() }).await.unwrap());
    assert_eq!(grant_list_unscoped(&db, user(1)).await.unwrap(), [first]);
    assert_eq!(change_count(&db, Subject::Identities).await.unwrap(), counted + 1, "what changed nothing is not counted");
}

async fn a_grant_is_taken_from_its_grantee_alone(db: Case) {
    let grant = held(1, user(1), Grant::everywhere(Role::Viewer));
    grant_insert(&db, &change(), &grant).await.unwrap();
    let counted = change_count(&db, Subject::Identities).await.unwrap();
    for (grantee, expected) in [(user(2), false), (user(1), true), (user(1), false)] {
        let txn = db.begin().await.unwrap();
        assert_eq!(grant_delete_in_txn(&txn, &change(), grantee, grant.id, at(2)).await.unwrap(), expected);
        txn.commit().await.unwrap();
    }
    assert_eq!(grant_list_unscoped(&db, user(1)).await.unwrap(), []);
    assert_eq!(change_count(&db, Subject::Identities).await.unwrap(), counted + 1);
}
