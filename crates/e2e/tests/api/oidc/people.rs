//! Whom a provider means, and what their groups give them.

use api_types::{AuditEntry, Grant, Me, User};
use domain::{permission::Role, single_sign_on::GroupRole};
use e2e::{Client, Delivery, World, on_both};
use reqwest::Method;
use runtime::{MissingGroups, NewUsers, Oidc};
use serde_json::{Value, json};
use test_support::{IdentityProvider, eventually};

use super::{hub, hub_with, provider, sign_in, signed_in};
use crate::support::fields;

on_both!(
    groups_give_roles_and_what_people_give_stays,
    groups_that_are_not_told_change_nothing_and_sign_nobody_in,
    whoever_is_deactivated_is_not_signed_in,
    a_sign_in_is_in_the_audit_trail_without_its_secrets,
);

fn rule(group: &str, role: Role) -> GroupRole {
    GroupRole { group: group.to_owned(), role, domain: None, label: None }
}

/// Operators, and maintainers of what is labelled `nfe`; nobody has a role by default.
fn by_groups(oidc: &mut Oidc) {
    oidc.default_role = None;
    oidc.group_roles = vec![
        rule("ops", Role::Operator),
        GroupRole { label: Some("nfe".to_owned()), ..rule("nfe", Role::Maintainer) },
        GroupRole { domain: Some("nowhere".to_owned()), ..rule("ops", Role::Viewer) },
        rule("it", Role::Admin),
    ];
}

fn of_groups(provider: &IdentityProvider, groups: &[&str]) {
    provider.signs_in("subject-1", json!({"preferred_username": "ana", "groups": groups}));
}

async fn user(world: &World, name: &str) -> Option<User> {
    let found: Vec<User> = world.client.get(&format!("/api/v1/users?username={name}")).await.expect(200).json();
    found.into_iter().next()
}

/// Right and source of each grant.
async fn grants(world: &World, user: &User) -> Vec<String> {
    let held: Vec<Grant> = world.client.get(&format!("/api/v1/users/{}/grants", user.id)).await.expect(200).json();
    let mut shown: Vec<String> = held.into_iter().map(|grant| format!("{} {}", grant.right, grant.source)).collect();
    shown.sort_unstable();
    shown
}

async fn permissions(client: &Client) -> Vec<String> {
    client.get("/api/v1/auth/me").await.expect(200).json::<Me>().permissions
}

async fn groups_give_roles_and_what_people_give_stays(delivery: Delivery) {
    let provider = provider();
    let world = hub_with(delivery, &provider, by_groups).await;
    of_groups(&provider, &["ops", "nfe", "unknown"]);
    let client = signed_in(&world).await;
    let ana = user(&world, "ana").await.unwrap();
    assert!(!ana.has_password);
    assert_eq!(grants(&world, &ana).await, ["maintainer oidc", "operator oidc"]);
    let path = format!("/api/v1/users/{}/grants", ana.id);
    let _answer = world.client.post(&path, &json!({"right": "viewer"})).await.expect(201);
    assert!(permissions(&client).await.contains(&"robot.run".to_owned()));
    // The sessions that go on have what the last sign-in gave.
    of_groups(&provider, &[]);
    signed_in(&world).await;
    assert_eq!(grants(&world, &ana).await, ["viewer manual"]);
    let is_taken = async || (!permissions(&client).await.contains(&"robot.run".to_owned())).then_some(());
    eventually("every gateway knows what the last sign-in took", is_taken).await;
    // An administrator by a group does everything, and is not the last one.
    of_groups(&provider, &["it"]);
    let client = signed_in(&world).await;
    let admin = user(&world, "admin").await.unwrap();
    let refused = client.post(&format!("/api/v1/users/{}/deactivate", admin.id), &json!({})).await;
    assert_eq!(refused.problem(409).code, "last_administrator");
    world.end().await;
}

async fn groups_that_are_not_told_change_nothing_and_sign_nobody_in(delivery: Delivery) {
    let provider = provider();
    let world = hub_with(delivery, &provider, by_groups).await;
    of_groups(&provider, &["ops"]);
    let client = signed_in(&world).await;
    let ana = user(&world, "ana").await.unwrap();
    let source = json!({"src1": {"endpoint": format!("{}/claims", provider.issuer())}});
    for (claims, code) in [
        (json!({"_claim_names": {"groups": "src1"}, "_claim_sources": source}), "groups_overage"),
        (json!({"hasgroups": true}), "groups_overage"),
        (json!({}), "groups_missing"),
        (json!({"groups": {"ops": true}}), "groups_unreadable"),
    ] {
        provider.signs_in("subject-1", claims.clone());
        assert_eq!(sign_in(&world.client).await.problem(403).code, code, "{claims}");
        assert_eq!(grants(&world, &ana).await, ["operator oidc"], "{claims}");
    }
    assert_eq!(provider.hits("/claims"), 0, "nobody goes where a token says");
    assert!(permissions(&client).await.contains(&"robot.run".to_owned()));
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_that_is_not_there_means_no_group_where_the_settings_say_so() {
    let provider = provider();
    let change = |oidc: &mut Oidc| {
        by_groups(oidc);
        oidc.missing_groups = MissingGroups::Empty;
    };
    let world = hub_with(Delivery::Pull, &provider, change).await;
    of_groups(&provider, &["ops"]);
    signed_in(&world).await;
    let ana = user(&world, "ana").await.unwrap();
    provider.signs_in("subject-1", json!({}));
    signed_in(&world).await;
    assert_eq!(grants(&world, &ana).await, [""; 0]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_is_made_for_whom_the_settings_say() {
    for (new_users, with_role, without) in
        [(NewUsers::Granted, true, false), (NewUsers::Anyone, true, true), (NewUsers::Nobody, false, false)]
    {
        let provider = provider();
        let change = move |oidc: &mut Oidc| {
            by_groups(oidc);
            oidc.new_users = new_users;
        };
        let world = hub_with(Delivery::Pull, &provider, change).await;
        for (name, groups, is_made) in [("ana", vec!["ops"], with_role), ("bob", vec![], without)] {
            provider.signs_in(name, json!({"preferred_username": name, "groups": groups}));
            let answer = sign_in(&world.client).await;
            if is_made {
                let _answer = answer.expect(200);
            } else {
                assert_eq!(answer.problem(403).code, "no_user", "{new_users:?} {name}");
            }
            assert_eq!(user(&world, name).await.is_some(), is_made, "{new_users:?} {name}");
        }
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn names_and_addresses_give_nobody_another_s_account() {
    let provider = provider();
    let world = hub(Delivery::Pull, &provider).await;
    let bob = json!({"username": "bob", "email": "bob@example.com", "password": "a password of bob, long"});
    let bob: Value = world.client.post("/api/v1/users", &bob).await.expect(201).json();
    let claims = |name: &str| json!({"preferred_username": name, "email": "bob@example.com", "email_verified": true});
    for (subject, name, expected) in [("s-1", "admin", "admin-2"), ("s-2", "bob", "bob-2"), ("s-3", "Service:x", "servicex")] {
        provider.signs_in(subject, claims(name));
        let me: Me = signed_in(&world).await.get("/api/v1/auth/me").await.expect(200).json();
        let user = me.user.unwrap();
        assert_eq!((user.username.as_str(), user.email), (expected, None));
        assert_ne!(Some(user.id.to_string().as_str()), bob["id"].as_str());
    }
    world.end().await;
    // Where the settings trust the provider for it, a verified address links, and only such a one.
    let provider = super::provider();
    let world = hub_with(Delivery::Pull, &provider, |oidc| oidc.link_verified_email = true).await;
    let ana = json!({"username": "ana", "email": "ana@example.com", "password": "a password of ana, long"});
    let ana: User = world.client.post("/api/v1/users", &ana).await.expect(201).json();
    for (subject, verified, is_ana) in
        [("s-1", json!(false), false), ("s-2", json!("false"), false), ("s-3", json!("true"), true), ("s-4", json!(true), true)]
    {
        provider.signs_in(subject, json!({"preferred_username": "x", "email": "Ana@Example.com", "email_verified": verified}));
        let me: Me = signed_in(&world).await.get("/api/v1/auth/me").await.expect(200).json();
        assert_eq!(me.user.unwrap().id == ana.id.get(), is_ana, "{subject}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_no_password_signs_in_with_none_until_they_are_given_one() {
    let provider = provider();
    let world = hub(Delivery::Pull, &provider).await;
    provider.signs_in("s-1", json!({"preferred_username": "ana", "email": "ana@example.com", "email_verified": true}));
    let client = signed_in(&world).await;
    let login = async |password: &str| {
        let body = json!({"username": "ana", "password": password});
        world.client.send(world.client.bare(Method::POST, "/api/v1/auth/login").json(&body)).await
    };
    let unknown = json!({"username": "nobody", "password": ""});
    let unknown = world.client.send(world.client.bare(Method::POST, "/api/v1/auth/login").json(&unknown)).await.problem(401);
    for password in ["", "a password", "*"] {
        assert_eq!(login(password).await.problem(401).detail, unknown.detail, "{password:?}");
    }
    let change = json!({"current_password": "", "new_password": "correct horse battery"});
    assert_eq!(client.post("/api/v1/auth/change-password", &change).await.problem(409).code, "no_password");
    let ana = user(&world, "ana").await.unwrap();
    let given = json!({"password": "correct horse battery", "must_change_password": false});
    let _answer = world.client.post(&format!("/api/v1/users/{}/reset-password", ana.id), &given).await.expect(200);
    let _answer = login("correct horse battery").await.expect(200);
    let _answer = sign_in(&world.client).await.expect(200);
    let bad = json!({"current_password": "correct horse battery", "new_password": "short"});
    assert_eq!(fields(&signed_in(&world).await.post("/api/v1/auth/change-password", &bad).await.problem(422)), ["new_password"]);
    world.end().await;
}

async fn whoever_is_deactivated_is_not_signed_in(delivery: Delivery) {
    let provider = provider();
    let world = hub(delivery, &provider).await;
    provider.signs_in("s-1", json!({"preferred_username": "ana"}));
    let client = signed_in(&world).await;
    let ana = user(&world, "ana").await.unwrap();
    // Deactivated between the way back and the collection, and before the way.
    let code = super::Browser::default().code(&world.client).await;
    let _answer = world.client.post(&format!("/api/v1/users/{}/deactivate", ana.id), &json!({})).await.expect(200);
    let late = super::collect(&world.client, &code, super::VERIFIER).await;
    assert_eq!(late.problem(403).code, "deactivated");
    let _answer = client.get("/api/v1/auth/me").await.expect(401);
    assert_eq!(sign_in(&world.client).await.problem(403).code, "deactivated");
    let _answer = world.client.post(&format!("/api/v1/users/{}/reactivate", ana.id), &json!({})).await.expect(200);
    let _answer = sign_in(&world.client).await.expect(200);
    world.end().await;
}

async fn a_sign_in_is_in_the_audit_trail_without_its_secrets(delivery: Delivery) {
    let provider = provider();
    let world = hub_with(delivery, &provider, by_groups).await;
    of_groups(&provider, &["ops"]);
    signed_in(&world).await;
    of_groups(&provider, &["nfe"]);
    signed_in(&world).await;
    let trail: Vec<AuditEntry> = world.client.get("/api/v1/audit?actor=ana&limit=1000").await.expect(200).json();
    let count = |action: &str| trail.iter().filter(|entry| entry.action == action).count();
    let counts = ["user.create", "user.link_identity", "grant.create", "grant.delete", "session.login"].map(count);
    assert_eq!(counts, [1, 1, 2, 1, 2], "{trail:#?}");
    let login = trail.iter().find(|entry| entry.action == "session.login").unwrap();
    assert_eq!(login.after.as_ref().unwrap()["provider"], provider.issuer());
    let token = provider.last_token().unwrap();
    let text = serde_json::to_string(&trail).unwrap();
    for secret in [token.as_str(), token.rsplit('.').next().unwrap(), test_support::identity_provider::CLIENT_SECRET] {
        assert!(!text.contains(secret));
    }
    // A refused one is there too.
    provider.signs_in("stranger", json!({"groups": []}));
    let _answer = sign_in(&world.client).await.expect(403);
    let refused: Vec<AuditEntry> = world.client.get("/api/v1/audit?action=session.login_failed").await.expect(200).json();
    assert_eq!(refused.len(), 1, "{refused:#?}");
    world.end().await;
}
