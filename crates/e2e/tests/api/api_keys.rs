//! API keys: what programs with one may do, for how long, and who manages them.

use api_types::{ApiKey, ApiKeyCreated, Automation, LoginResponse, Me, User, UserCreated};
use chrono::Utc;
use domain::{
    audit::Change,
    ids::UserId,
    permission::{Grant, GrantSource, Grantee, Where},
};
use e2e::{Answer, Client, Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use store::{
    api_keys::{api_key_get_unscoped, api_key_insert},
    audit::audit_list,
    grants::{Held, grant_delete_in_txn, grant_insert},
    users::user_set_active,
};
use test_support::eventually;
use uuid::Uuid;

use crate::support::{automation, body_of_any, calm, fields, replica};

on_both!(
    a_key_is_shown_once_and_does_what_it_was_granted,
    whatever_is_wrong_with_a_key_the_answer_is_the_same,
    what_is_no_key_costs_no_query,
    a_key_does_no_more_than_its_owner_may,
    a_key_ends_on_every_replica_with_its_revocation_and_its_owner,
    one_manages_ones_own_keys_and_administrators_all,
    what_a_key_cannot_be_is_named,
);

const PASSWORD: &str = "a password for tests";

async fn create(world: &World, body: &Value) -> ApiKeyCreated {
    world.client.post("/api/v1/api-keys", body).await.expect(201).json()
}

async fn get(client: &Client, key: &str, path: &str) -> Answer {
    client.send(client.bare(Method::GET, path).header("X-API-Key", key)).await
}

async fn as_user(client: &Client, token: &str, method: Method, path: &str, body: &Value) -> Answer {
    client.send(client.bare(method, path).bearer_auth(token).json(body)).await
}

/// Adds a user; returns it and their access token.
async fn add(world: &World, name: &str) -> (User, String) {
    let body = json!({"username": name, "password": PASSWORD, "must_change_password": false});
    let created: UserCreated = world.client.post("/api/v1/users", &body).await.expect(201).json();
    let login = json!({"username": name, "password": PASSWORD});
    let given = world.client.send(world.client.bare(Method::POST, "/api/v1/auth/login").json(&login)).await.expect(200);
    (created.user, given.json::<LoginResponse>().access_token)
}

async fn grant(world: &World, user: UserId, right: &str, place: Where) -> Held {
    let grant = Grant { right: right.parse().unwrap(), place };
    let held = Held {
        id: Uuid::now_v7().into(),
        grantee: Grantee::User(user),
        grant,
        source: GrantSource::Manual,
        granted_by: "a test".to_owned(),
        granted_at: Utc::now(),
    };
    assert!(grant_insert(world.hub.database(), &test_support::change(), &held).await.unwrap());
    held
}

async fn status_soon(client: &Client, key: &str, status: u16) {
    eventually("the replica hears of it", async || (get(client, key, "/api/v1/jobs").await.status == status).then_some(())).await;
}

async fn a_key_is_shown_once_and_does_what_it_was_granted(delivery: Delivery) {
    let world = calm(delivery).await;
    let made = create(&world, &json!({"name": "month end", "grants": [{"right": "viewer"}]})).await;
    let key = made.key.as_str();
    assert!(key.starts_with("rgk_") && key.starts_with(&made.kept.prefix) && made.kept.prefix.len() == 12, "{}", made.kept.prefix);
    for path in ["/api/v1/jobs", "/api/v1/automations", "/api/v1/workers"] {
        let _seen = get(&world.client, key, path).await.expect(200);
    }
    let bearer = world.client.send(world.client.bare(Method::GET, "/api/v1/jobs").bearer_auth(key)).await;
    assert_eq!(bearer.status, 200, "as a bearer token too");
    let me: Me = get(&world.client, key, "/api/v1/auth/me").await.expect(200).json();
    assert_eq!((me.name.as_str(), me.user), ("key:month end", None));
    let publish = json!({"name": "x", "queue_name": world.queue("x"), "script_path": "x.py"});
    let refused = world.client.send(world.client.bare(Method::POST, "/api/v1/automations").header("X-API-Key", key).json(&publish)).await;
    assert!(refused.problem(403).detail.contains("robot.publish"), "{refused:?}");
    for path in ["/api/v1/users", "/api/v1/api-keys", "/api/v1/auth/sessions"] {
        assert_eq!(get(&world.client, key, path).await.problem(403).code, "forbidden", "{path}");
    }
    // A wrong key is refused, whatever else is shown.
    let token = world.door().access_token().await.unwrap();
    let both = world.client.bare(Method::GET, "/api/v1/jobs").bearer_auth(&token).header("X-API-Key", "rgk_wrong");
    assert_eq!(world.client.send(both).await.status, 401);
    let listed = world.client.get("/api/v1/api-keys").await.expect(200);
    let one = world.client.get(&format!("/api/v1/api-keys/{}", made.kept.id)).await.expect(200);
    assert!(!listed.text.contains(key) && !one.text.contains(key) && !listed.text.contains("digest"), "{}", listed.text);
    eventually("its use is noted", async || {
        let kept: ApiKey = world.client.get(&format!("/api/v1/api-keys/{}", made.kept.id)).await.expect(200).json();
        kept.last_used_at
    })
    .await;
    let entries = audit_list(world.hub.database(), &store::audit::Filter::default(), None, 100).await.unwrap();
    let created = entries.iter().find(|(entry, _)| entry.action == "api_key.create").unwrap();
    let after = created.0.after.as_deref().unwrap();
    assert!(after.contains("month end") && !after.contains(&key[12..]) && !after.contains("digest"), "{after}");
    world.end().await;
}

async fn whatever_is_wrong_with_a_key_the_answer_is_the_same(delivery: Delivery) {
    let world = calm(delivery).await;
    let viewer = json!([{"right": "viewer"}]);
    let revoked = create(&world, &json!({"name": "revoked", "grants": viewer})).await;
    let _revoked =
        world.client.send(world.client.request(Method::DELETE, &format!("/api/v1/api-keys/{}", revoked.kept.id))).await.expect(204);
    let good = create(&world, &json!({"name": "good", "grants": viewer})).await;
    // Expired, as its row says.
    let secret = auth::api_key();
    let expired = secrecy::ExposeSecret::expose_secret(&secret).to_owned();
    let row = api_key_get_unscoped(world.hub.database(), good.kept.id).await.unwrap().unwrap();
    let (id, digest) = (Uuid::now_v7().into(), auth::TokenDigest::of(&secret).to_hex());
    let row = store::api_keys::ApiKey { id, digest, expires_at: Some(Utc::now() - chrono::TimeDelta::seconds(1)), ..row };
    api_key_insert(world.hub.database(), &row, &[], &Change::by_hub()).await.unwrap();
    let (ana, _) = add(&world, "ana").await;
    let of_ana = create(&world, &json!({"name": "ana's", "grants": viewer, "owner_id": ana.id})).await;
    let _out = world.client.post(&format!("/api/v1/users/{}/deactivate", ana.id), &json!({})).await.expect(200);
    let unknown = secrecy::ExposeSecret::expose_secret(&auth::api_key()).to_owned();
    let mut changed = good.key.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == '0' { '1' } else { '0' });
    let mut bodies = Vec::new();
    for key in [&unknown, &revoked.key, &expired, &of_ana.key, &changed, "rgk_", "", "x"] {
        let answer = get(&world.client, key, "/api/v1/jobs").await;
        assert_eq!(answer.problem(401).code, "unauthorized", "{key}");
        assert!(!answer.text.contains(&unknown));
        bodies.push(body_of_any(&answer));
    }
    bodies.dedup();
    assert_eq!(bodies.len(), 1, "{bodies:?}");
    let _good = get(&world.client, &good.key, "/api/v1/jobs").await.expect(200);
    world.end().await;
}

async fn what_is_no_key_costs_no_query(delivery: Delivery) {
    let world = calm(delivery).await;
    let made = create(&world, &json!({"name": "x", "grants": [{"right": "viewer"}]})).await;
    let unknown = secrecy::ExposeSecret::expose_secret(&auth::api_key()).to_owned();
    assert_eq!(get(&world.client, &unknown, "/api/v1/jobs").await.status, 401);
    // A database that is gone answers nobody.
    let door = world.client_of_door().await;
    world.door().database().close().await.unwrap();
    let mut changed = made.key.clone();
    changed.replace_range(10..11, if &changed[10..11] == "x" { "y" } else { "x" });
    for key in [changed.as_str(), "rgk_", &"rgk_x".repeat(1000)] {
        assert_eq!(get(&door, key, "/api/v1/jobs").await.problem(401).code, "unauthorized", "{key}");
    }
    assert_eq!(get(&door, &unknown, "/api/v1/jobs").await.status, 503, "this one has to be looked for");
    world.end().await;
}

async fn a_key_does_no_more_than_its_owner_may(delivery: Delivery) {
    let world = calm(delivery).await;
    let (mine, other) = (automation(&world, "mine").await, automation(&world, "other").await);
    let (ana, token) = add(&world, "ana").await;
    let held = grant(&world, ana.id, "operator", Where::Automation(mine.id)).await;
    let body = json!({"name": "all", "grants": [{"right": "admin"}, {"right": "maintainer"}]});
    let made: ApiKeyCreated = as_user(&world.client, &token, Method::POST, "/api/v1/api-keys", &body).await.expect(201).json();
    let seen: Vec<Automation> = get(&world.client, &made.key, "/api/v1/automations").await.expect(200).json();
    assert_eq!(seen.iter().map(|automation| automation.id).collect::<Vec<_>>(), [mine.id]);
    let execute = async |id| {
        let path = format!("/api/v1/automations/{id}/execute");
        world.client.send(world.client.bare(Method::POST, &path).header("X-API-Key", &made.key).json(&json!({}))).await
    };
    let _ran = execute(mine.id).await.expect(202);
    assert_eq!(execute(other.id).await.status, 404);
    assert!(get(&world.client, &made.key, "/api/v1/users").await.problem(403).detail.contains("admin.manage"));
    // Narrower than its owner, by its own grants.
    let narrow = json!({"name": "other", "grants": [{"right": "viewer", "automation_id": other.id}]});
    let narrow: ApiKeyCreated = as_user(&world.client, &token, Method::POST, "/api/v1/api-keys", &narrow).await.expect(201).json();
    let seen: Vec<Automation> = get(&world.client, &narrow.key, "/api/v1/automations").await.expect(200).json();
    assert_eq!(seen.len(), 0, "what is in both");
    let me: Me = get(&world.client, &narrow.key, "/api/v1/auth/me").await.expect(200).json();
    let places = me.reach.iter().map(|reach| reach.within.iter().flat_map(|places| places.automation_ids.clone()).collect::<Vec<_>>());
    assert_eq!(places.collect::<Vec<_>>(), [[other.id, mine.id]], "its own places, and its owner's");
    let txn = world.hub.database().begin().await.unwrap();
    assert!(grant_delete_in_txn(&txn, &test_support::change(), held.grantee, held.id, chrono::Utc::now()).await.unwrap());
    txn.commit().await.unwrap();
    eventually("the owner's loss is the key's", async || (execute(mine.id).await.status == 403).then_some(())).await;
    world.end().await;
}

async fn a_key_ends_on_every_replica_with_its_revocation_and_its_owner(delivery: Delivery) {
    let world = calm(delivery).await;
    let (other, other_client) = replica(&world).await;
    let (ana, _) = add(&world, "ana").await;
    let held = grant(&world, ana.id, "viewer", Where::Everywhere).await;
    let body = json!({"name": "x", "grants": [{"right": "viewer"}], "owner_id": ana.id});
    let (one, two) = (create(&world, &body).await, create(&world, &body).await);
    for client in [&world.client, &other_client] {
        for key in [&one.key, &two.key] {
            status_soon(client, key, 200).await;
        }
    }
    let revoke = async |id| world.client.send(world.client.request(Method::DELETE, &format!("/api/v1/api-keys/{id}"))).await;
    let _revoked = revoke(one.kept.id).await.expect(204);
    assert_eq!(get(&world.client, &one.key, "/api/v1/jobs").await.status, 401, "at once where it was revoked");
    status_soon(&other_client, &one.key, 401).await;
    let _again = revoke(one.kept.id).await.expect(204);
    let _out = world.client.post(&format!("/api/v1/users/{}/deactivate", ana.id), &json!({})).await.expect(200);
    assert_eq!(get(&world.client, &two.key, "/api/v1/jobs").await.status, 401, "at once where it was done");
    status_soon(&other_client, &two.key, 401).await;
    let _back = user_set_active(world.hub.database(), ana.id, true, &Change::by_hub(), Utc::now()).await.unwrap();
    status_soon(&other_client, &two.key, 200).await;
    let txn = world.hub.database().begin().await.unwrap();
    assert!(grant_delete_in_txn(&txn, &test_support::change(), held.grantee, held.id, chrono::Utc::now()).await.unwrap());
    txn.commit().await.unwrap();
    for client in [&world.client, &other_client] {
        status_soon(client, &two.key, 403).await;
    }
    other.stop().await;
    world.end().await;
}

async fn one_manages_ones_own_keys_and_administrators_all(delivery: Delivery) {
    let world = calm(delivery).await;
    let (ana, token) = add(&world, "ana").await;
    let of_admin = create(&world, &json!({"name": "admin's", "grants": [{"right": "viewer"}]})).await;
    let ask = async |method, path: &str, body: &Value| as_user(&world.client, &token, method, path, body).await;
    let body = json!({"name": "ana's", "grants": [{"right": "robot.read"}]});
    let of_ana: ApiKeyCreated = ask(Method::POST, "/api/v1/api-keys", &body).await.expect(201).json();
    let names = |answer: Answer| answer.expect(200).json::<Vec<ApiKey>>().into_iter().map(|key| key.name).collect::<Vec<_>>();
    assert_eq!(names(ask(Method::GET, "/api/v1/api-keys", &Value::Null).await), ["ana's"]);
    let mut for_others = body.clone();
    for_others["owner_id"] = json!(of_admin.kept.owner_id);
    for (method, path, body) in [
        (Method::GET, "/api/v1/api-keys?all=true".to_owned(), &Value::Null),
        (Method::GET, format!("/api/v1/api-keys?owner_id={}", of_admin.kept.owner_id), &Value::Null),
        (Method::POST, "/api/v1/api-keys".to_owned(), &for_others),
    ] {
        assert!(ask(method, &path, body).await.problem(403).detail.contains("admin.manage"), "{path}");
    }
    for method in [Method::GET, Method::DELETE] {
        let path = format!("/api/v1/api-keys/{}", of_admin.kept.id);
        assert_eq!(ask(method, &path, &Value::Null).await.problem(404).code, "not_found");
    }
    assert_eq!(names(world.client.get("/api/v1/api-keys").await), ["admin's"]);
    let all = world.client.get("/api/v1/api-keys?all=true").await;
    assert_eq!(all.json::<Vec<ApiKey>>().iter().map(|key| key.owner.as_str()).collect::<Vec<_>>(), ["admin", "ana"]);
    assert_eq!(names(all), ["admin's", "ana's"]);
    let page = world.client.get("/api/v1/api-keys?all=true&limit=1").await.expect(200);
    assert!(page.headers["link"].to_str().unwrap().contains(&format!("after={}", of_admin.kept.id)));
    assert_eq!(names(world.client.get(&format!("/api/v1/api-keys?owner_id={}", ana.id)).await), ["ana's"]);
    let path = format!("/api/v1/api-keys/{}", of_ana.kept.id);
    let _revoked = world.client.send(world.client.request(Method::DELETE, &path)).await.expect(204);
    let kept: ApiKey = ask(Method::GET, &path, &Value::Null).await.expect(200).json();
    assert_eq!(kept.revoked_by.as_deref(), Some("admin"));
    world.end().await;
}

async fn what_a_key_cannot_be_is_named(delivery: Delivery) {
    let world = calm(delivery).await;
    let viewer = json!({"right": "viewer"});
    for (body, named) in [
        (json!({"grants": [viewer]}), "name"),
        (json!({"name": " ", "grants": [viewer]}), "name"),
        (json!({"name": "x"}), "grants"),
        (json!({"name": "x", "grants": []}), "grants"),
        (json!({"name": "x", "grants": vec![viewer.clone(); 101]}), "grants"),
        (json!({"name": "x", "grants": [{"right": "root"}]}), "grants/0/right"),
        (json!({"name": "x", "grants": [viewer, {"right": "admin", "automation_id": 1}]}), "grants/1/right"),
        (json!({"name": "x", "grants": [{"right": "viewer", "label": "a b"}]}), "grants/0/label"),
        (json!({"name": "x", "grants": [{"right": "viewer", "label": "a", "automation_id": 1}]}), "grants/0/label"),
        (json!({"name": "x", "grants": [viewer], "expires_at": "2020-01-01T00:00:00Z"}), "expires_at"),
        (json!({"name": "x", "grants": [viewer], "owner_id": Uuid::nil()}), "owner_id"),
        (json!({"name": "x", "grants": [viewer], "colour": 1}), "colour"),
    ] {
        assert_eq!(fields(&world.client.post("/api/v1/api-keys", &body).await.problem(422)), [named], "{body}");
    }
    assert_eq!(world.client.get(&format!("/api/v1/api-keys/{}", Uuid::nil())).await.problem(404).code, "not_found");
    world.end().await;
}
