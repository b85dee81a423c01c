use domain::{
    ids::UserId,
    permission::{Grant, GrantSource, Grantee, Right, Role, Where},
};
use store::{
    Error,
    audit::{Filter, audit_list},
    changes::{Subject, change_count},
    grants::{Held, grant_delete_in_txn, grant_insert, grant_list_unscoped},
    identity::{User, user_find, user_get},
    user_identities::{Found, NewUser, SignIn, user_sign_in},
    users::{administrator_check_in_txn, user_insert, user_set_active},
};
use test_support::change;
use uuid::Uuid;

use crate::{case::Case, fixtures::at};

both!(
    a_subject_is_made_a_user_once_and_found_again,
    many_first_sign_ins_at_once_make_one_user,
    nobody_is_made_a_user_where_that_is_not_wanted,
    a_name_that_is_taken_gets_a_number_and_an_address_that_is_taken_is_left_out,
    a_verified_address_links_to_its_user,
    whoever_is_deactivated_is_told_so_and_nothing_changes,
    what_groups_give_is_replaced_and_what_people_give_stays,
    what_is_given_by_hand_outlives_the_group,
    an_administrator_by_a_group_is_not_the_last_one,
);

fn role(role: Role) -> Grant {
    Grant::everywhere(role)
}

fn sign_in(subject: &str) -> SignIn {
    let (username, email) = (subject.to_owned(), Some(format!("{subject}@Example.com")));
    SignIn {
        issuer: "https://id.example".to_owned(),
        subject: subject.to_owned(),
        link_email: None,
        new_user: Some(NewUser { username, email, display_name: Some("Ana".to_owned()) }),
        grants: Vec::new(),
    }
}

async fn enter(db: &Case, sign_in: &SignIn) -> Found {
    user_sign_in(db, sign_in, |_| change(), at(5)).await.unwrap()
}

async fn entered(db: &Case, sign_in: &SignIn) -> User {
    match enter(db, sign_in).await {
        Found::User(user) => user,
        other => panic!("{other:?}"),
    }
}

async fn by_hand(db: &Case, name: &str, email: Option<&str>) -> User {
    let user = User {
        id: Uuid::now_v7().into(),
        username: name.to_owned(),
        email: email.map(str::to_owned),
        display_name: None,
        password_hash: "a hash".to_owned(),
        is_active: true,
        generation: 0,
        must_change_password: false,
        created_at: at(1),
    };
    user_insert(db, &user, &change()).await.unwrap();
    user
}

async fn held(db: &Case, user: UserId) -> Vec<(Grant, GrantSource)> {
    let grants = grant_list_unscoped(db, Grantee::User(user)).await.unwrap();
    let mut held: Vec<_> = grants.into_iter().map(|held| (held.grant, held.source)).collect();
    held.sort();
    held
}

async fn give(db: &Case, user: UserId, grant: Grant) -> Held {
    let (id, grantee) = (Uuid::now_v7().into(), Grantee::User(user));
    let held = Held { id, grantee, grant, source: GrantSource::Manual, granted_by: "ana".to_owned(), granted_at: at(2) };
    assert!(grant_insert(db, &change(), &held).await.unwrap());
    held
}

/// Actions of the audit trail, by name: those of one instant have no order.
async fn actions(db: &Case) -> Vec<String> {
    let entries = audit_list(db, &Filter::default(), None, 100).await.unwrap();
    let mut actions: Vec<String> = entries.into_iter().map(|(entry, _)| entry.action).collect();
    actions.sort_unstable();
    actions
}

async fn a_subject_is_made_a_user_once_and_found_again(db: Case) {
    let granted = SignIn { grants: vec![role(Role::Viewer)], ..sign_in("ana") };
    let made = entered(&db, &granted).await;
    assert_eq!((made.username.as_str(), made.email.as_deref()), ("ana", Some("ana@example.com")));
    assert!(!made.has_password() && made.is_active);
    let trail = ["grant.create", "user.create", "user.link_identity"];
    assert_eq!(actions(&db).await, trail);
    let counted = change_count(&db, Subject::Identities).await.unwrap();
    let renamed = NewUser { username: "maria".to_owned(), email: None, display_name: None };
    let again = entered(&db, &SignIn { new_user: Some(renamed), ..granted.clone() }).await;
    assert_eq!((again.id, again.username.as_str()), (made.id, "ana"));
    assert_eq!(actions(&db).await, trail, "the same again changes nothing");
    assert_eq!(change_count(&db, Subject::Identities).await.unwrap(), counted);
    let elsewhere = entered(&db, &SignIn { issuer: "https://other.example".to_owned(), ..granted }).await;
    assert_ne!(elsewhere.id, made.id, "a subject is its issuer's");
}

async fn many_first_sign_ins_at_once_make_one_user(db: Case) {
    let hubs = [db.database.clone(), db.other_hub().await];
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let database = hubs[nth % 2].clone();
            let sign_in = SignIn { grants: vec![role(Role::Viewer)], ..sign_in("ana") };
            tokio::spawn(async move { user_sign_in(&database, &sign_in, |_| change(), at(5)).await })
        })
        .collect();
    let mut users = Vec::new();
    for task in tasks {
        match task.await.unwrap().unwrap() {
            Found::User(user) => users.push(user.id),
            other => panic!("{other:?}"),
        }
    }
    users.dedup();
    assert_eq!(users.len(), 1, "{users:?}");
    assert_eq!(actions(&db).await.len(), 3);
    hubs[1].close().await.unwrap();
}

async fn nobody_is_made_a_user_where_that_is_not_wanted(db: Case) {
    let found = enter(&db, &SignIn { new_user: None, grants: vec![role(Role::Admin)], ..sign_in("ana") }).await;
    assert!(matches!(found, Found::Nobody), "{found:?}");
    assert!(user_find(&db, "ana").await.unwrap().is_none() && actions(&db).await.is_empty());
}

async fn a_name_that_is_taken_gets_a_number_and_an_address_that_is_taken_is_left_out(db: Case) {
    by_hand(&db, "ana", Some("ana@example.com")).await;
    by_hand(&db, "ana-2", None).await;
    let made = entered(&db, &sign_in("ana")).await;
    assert_eq!((made.username.as_str(), made.email), ("ana-3", None));
    assert_eq!(held(&db, made.id).await, [], "a name gives nothing");
}

async fn a_verified_address_links_to_its_user(db: Case) {
    let ana = by_hand(&db, "ana", Some("ana@example.com")).await;
    give(&db, ana.id, role(Role::Operator)).await;
    let linking = SignIn { link_email: Some("ANA@example.com".to_owned()), ..sign_in("s-1") };
    assert_eq!(entered(&db, &linking).await.id, ana.id);
    let later = SignIn { link_email: Some("other@example.com".to_owned()), ..sign_in("s-1") };
    assert_eq!(entered(&db, &later).await.id, ana.id, "the subject counts once it is linked");
    assert_eq!(held(&db, ana.id).await, [(role(Role::Operator), GrantSource::Manual)]);
    assert!(user_get(&db, ana.id).await.unwrap().unwrap().has_password());
    assert_eq!(actions(&db).await, ["grant.create", "user.create", "user.link_identity"]);
}

async fn whoever_is_deactivated_is_told_so_and_nothing_changes(db: Case) {
    let admin = by_hand(&db, "admin", None).await;
    give(&db, admin.id, role(Role::Admin)).await;
    let ana = entered(&db, &SignIn { grants: vec![role(Role::Viewer)], ..sign_in("ana") }).await;
    let bob = by_hand(&db, "bob", Some("bob@example.com")).await;
    for user in [ana.id, bob.id] {
        user_set_active(&db, user, false, &change(), at(3)).await.unwrap();
    }
    let trail = actions(&db).await;
    let more = vec![role(Role::Operator)];
    for sign_in in [
        SignIn { grants: more.clone(), ..sign_in("ana") },
        SignIn { grants: more.clone(), link_email: Some("bob@example.com".to_owned()), ..sign_in("s-2") },
    ] {
        let found = enter(&db, &sign_in).await;
        assert!(matches!(found, Found::Deactivated(_)), "{found:?}");
    }
    assert_eq!(held(&db, ana.id).await, [(role(Role::Viewer), GrantSource::Oidc)]);
    assert_eq!(actions(&db).await, trail);
}

async fn what_groups_give_is_replaced_and_what_people_give_stays(db: Case) {
    let narrow = |label: &str| Grant { right: Right::Role(Role::Operator), place: Where::Label(label.to_owned()) };
    let ana = entered(&db, &SignIn { grants: vec![role(Role::Viewer), narrow("nfe")], ..sign_in("ana") }).await;
    give(&db, ana.id, narrow("tax")).await;
    let counted = change_count(&db, Subject::Identities).await.unwrap();
    entered(&db, &SignIn { grants: vec![narrow("nfe"), role(Role::Maintainer)], ..sign_in("ana") }).await;
    let expected = [(role(Role::Maintainer), GrantSource::Oidc), (narrow("nfe"), GrantSource::Oidc), (narrow("tax"), GrantSource::Manual)];
    let mut now = held(&db, ana.id).await;
    now.sort_by_key(|(grant, _)| expected.iter().position(|(other, _)| other == grant));
    assert_eq!(now, expected);
    assert!(change_count(&db, Subject::Identities).await.unwrap() > counted, "replicas hear of it");
    let trail = actions(&db).await;
    let count = |action: &str| trail.iter().filter(|one| *one == action).count();
    assert_eq!((count("grant.create"), count("grant.delete")), (4, 1), "{trail:?}");
    entered(&db, &sign_in("ana")).await;
    assert_eq!(held(&db, ana.id).await, [(narrow("tax"), GrantSource::Manual)]);
}

async fn what_is_given_by_hand_outlives_the_group(db: Case) {
    let ana = entered(&db, &SignIn { grants: vec![role(Role::Viewer)], ..sign_in("ana") }).await;
    let given = give(&db, ana.id, role(Role::Viewer)).await;
    assert_eq!(held(&db, ana.id).await, [(role(Role::Viewer), GrantSource::Manual)]);
    entered(&db, &SignIn { grants: vec![role(Role::Viewer)], ..sign_in("ana") }).await;
    entered(&db, &sign_in("ana")).await;
    assert_eq!(held(&db, ana.id).await, [(role(Role::Viewer), GrantSource::Manual)]);
    let txn = db.begin().await.unwrap();
    assert!(grant_delete_in_txn(&txn, &change(), Grantee::User(ana.id), given.id, at(6)).await.unwrap());
    txn.commit().await.unwrap();
    entered(&db, &SignIn { grants: vec![role(Role::Viewer)], ..sign_in("ana") }).await;
    assert_eq!(held(&db, ana.id).await, [(role(Role::Viewer), GrantSource::Oidc)], "the group gives it again");
}

async fn an_administrator_by_a_group_is_not_the_last_one(db: Case) {
    let admin = by_hand(&db, "admin", None).await;
    let given = give(&db, admin.id, role(Role::Admin)).await;
    entered(&db, &SignIn { grants: vec![role(Role::Admin)], ..sign_in("ana") }).await;
    let txn = db.begin().await.unwrap();
    assert!(grant_delete_in_txn(&txn, &change(), Grantee::User(admin.id), given.id, at(6)).await.unwrap());
    assert!(matches!(administrator_check_in_txn(&txn).await, Err(Error::LastAdministrator)));
}
