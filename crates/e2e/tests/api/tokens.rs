//! Access tokens: whose word counts, and for how long.

use std::time::Duration;

use auth::{Claims, SigningKey, secrets::Place};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as BASE64};
use chrono::Utc;
use e2e::{Answer, Delivery, World, on_both};
use reqwest::Method;
use runtime::{Clocks, Secrets};
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use store::{identity::user_find, signing_keys::signing_key_list};
use uuid::Uuid;

use crate::support::{calm, replica, replica_of};

on_both!(
    a_token_that_nobody_here_made_is_refused,
    a_new_signing_key_signs_nobody_out_and_the_old_one_signs_no_more,
    a_service_s_token_is_good_for_services_of_its_live_replica,
);

const MINUTE: Duration = Duration::from_secs(60);

/// The keys of the hub, as somebody has them who may do everything.
async fn signing_key(world: &World) -> SigningKey {
    let database = world.hub.database().clone();
    // Of gateways that start together each may make a key, and one retires the others.
    let id = signing_key_list(&database).await.unwrap().into_iter().find(|key| key.retired_at.is_none()).unwrap().id;
    let secrets = Secrets::new(database, Clocks::default().now, Some(master_keys(world)));
    let private = secrets.find(Place { purpose: auth::secrets::SIGNING_KEY, id: &id }).await.unwrap().unwrap();
    SigningKey::new(&id, private.expose_secret()).unwrap()
}

fn master_keys(world: &World) -> auth::secrets::MasterKeys {
    let text = std::fs::read_to_string(&world.settings.secrets.key_file).unwrap();
    auth::secrets::MasterKeys::parse(&text.into()).unwrap()
}

async fn asks(client: &e2e::Client, token: &str) -> Answer {
    client.send(client.bare(Method::GET, "/api/v1/jobs").bearer_auth(token)).await
}

/// What the administrator's own token says.
async fn claims(world: &World) -> Claims {
    let token = world.door().access_token().await.unwrap();
    let header: Value = serde_json::from_slice(&BASE64.decode(token.split('.').next().unwrap()).unwrap()).unwrap();
    // Perhaps not the key that signs now: another gateway may have retired it since.
    let keys = signing_key_list(world.hub.database()).await.unwrap();
    let key = keys.into_iter().find(|key| header["kid"] == *key.id).unwrap();
    auth::VerifyingKey::new("", &key.public_key).unwrap().check(&token, Utc::now().timestamp()).unwrap()
}

async fn a_token_that_nobody_here_made_is_refused(delivery: Delivery) {
    let world = calm(delivery).await;
    let (key, good, now) = (signing_key(&world).await, claims(&world).await, Utc::now().timestamp());
    let user = user_find(world.hub.database(), "admin").await.unwrap().unwrap();
    assert_eq!((good.sub.clone(), good.name.as_str(), good.generation), (user.id.to_string(), "admin", 0));
    let genuine = key.sign(&good).unwrap();
    let _jobs = asks(&world.client, &genuine).await.expect(200);
    let foreign = SigningKey::new(key.id(), &[7; 32]).unwrap();
    let unknown = SigningKey::new("another", &[7; 32]).unwrap();
    let parts: Vec<&str> = genuine.split('.').collect();
    let other = Claims { sub: Uuid::new_v4().to_string(), ..good.clone() };
    let other_parts: Vec<String> = foreign.sign(&other).unwrap().split('.').map(str::to_owned).collect();
    // {"alg":"none"}
    let none = "eyJhbGciOiJub25lIn0";
    let mut refused = vec![
        ("foreign key", foreign.sign(&good).unwrap()),
        ("unknown key", unknown.sign(&good).unwrap()),
        ("no algorithm", format!("{none}.{}.", parts[1])),
        ("no algorithm, with the signature", format!("{none}.{}.{}", parts[1], parts[2])),
        ("public key as secret", hs256(&good, key.id(), &key.public())),
        ("public key as secret, in hexadecimal", hs256(&good, key.id(), hex(&key.public()).as_bytes())),
        ("changed payload", format!("{}.{}.{}", parts[0], other_parts[1], parts[2])),
        ("no signature", format!("{}.{}.", parts[0], parts[1])),
    ];
    for (what, claims) in [
        ("other audience", Claims { aud: "other".to_owned(), ..good.clone() }),
        ("other issuer", Claims { iss: "other".to_owned(), ..good.clone() }),
        ("ended", Claims { iat: now - 120, exp: now - 60, ..good.clone() }),
        ("not begun", Claims { iat: now + 120, ..good.clone() }),
        ("other user", other.clone()),
        ("no session", Claims { sid: None, ..good.clone() }),
        ("unknown session", Claims { sid: Some(Uuid::now_v7()), ..good.clone() }),
        ("earlier generation", Claims { generation: -1, ..good.clone() }),
        ("later generation", Claims { generation: 1, ..good.clone() }),
        ("service by the people's key", Claims::service("orchestrator", now, MINUTE)),
    ] {
        refused.push((what, key.sign(&claims).unwrap()));
    }
    for (what, token) in refused {
        // Twice: what is remembered of a token must not open.
        for _ in 0..2 {
            let answer = asks(&world.client, &token).await;
            assert_eq!(answer.problem(401).code, "unauthorized", "{what}");
        }
    }
    let _jobs = asks(&world.client, &genuine).await.expect(200);
    world.end().await;
}

fn hs256(claims: &Claims, key_id: &str, secret: &[u8]) -> String {
    use hmac::{Hmac, KeyInit as _, Mac as _};
    let header = json!({"alg": "HS256", "typ": "JWT", "kid": key_id}).to_string();
    let head = format!("{}.{}", BASE64.encode(header), BASE64.encode(serde_json::to_vec(claims).unwrap()));
    let mac = Hmac::<sha2::Sha256>::new_from_slice(secret).unwrap().chain_update(&head).finalize().into_bytes();
    format!("{head}.{}", BASE64.encode(mac))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

async fn a_new_signing_key_signs_nobody_out_and_the_old_one_signs_no_more(delivery: Delivery) {
    let world = calm(delivery).await;
    let (other, other_client) = replica(&world).await;
    let before = world.door().access_token().await.unwrap();
    let old = signing_key(&world).await;
    let secrets = Secrets::new(world.hub.database().clone(), Clocks::default().now, Some(master_keys(&world)));
    let id = api_gateway::rotate_signing_key(world.hub.database(), &secrets, &test_support::change(), Utc::now()).await.unwrap();
    let kid = |token: &str| auth::key_id(token).unwrap();
    for hub in [world.door(), &other] {
        let after = test_support::eventually("the new key signs", async || {
            Some(hub.access_token().await.unwrap()).filter(|token| kid(token) == id)
        })
        .await;
        for client in [&world.client, &other_client] {
            for token in [&before, &after] {
                let known = async || (asks(client, token).await.status == 200).then_some(());
                test_support::eventually("every replica knows both", known).await;
            }
        }
    }
    let place = Place { purpose: auth::secrets::SIGNING_KEY, id: old.id() };
    assert!(secrets.find(place).await.unwrap().is_none(), "nobody can sign with it any more");
    other.stop().await;
    world.end().await;
}

async fn a_service_s_token_is_good_for_services_of_its_live_replica(delivery: Delivery) {
    let world = calm(delivery).await;
    let replica = replica_of(&world, &["scheduler", "sla-monitor"]).await;
    let _jobs = asks(&world.client, &replica.token("scheduler")).await.expect(200);
    let _jobs = asks(&world.client, &replica.token("sla-monitor")).await.expect(200);
    let now = Utc::now().timestamp();
    let stranger = SigningKey::new(&format!("service:{}", Uuid::now_v7()), &[7; 32]).unwrap();
    let thief = SigningKey::new(replica.key.id(), &[7; 32]).unwrap();
    let own = claims(&world).await;
    for (what, token) in [
        ("a service that it does not run", replica.token("orchestrator")),
        ("a replica that nobody knows", stranger.sign(&Claims::service("scheduler", now, MINUTE)).unwrap()),
        ("another key", thief.sign(&Claims::service("scheduler", now, MINUTE)).unwrap()),
        ("longer than a minute", replica.key.sign(&Claims::service("scheduler", now, 2 * MINUTE)).unwrap()),
        ("a person, by a service's key", replica.key.sign(&own).unwrap()),
        ("ended", replica.key.sign(&Claims::service("scheduler", now - 120, MINUTE)).unwrap()),
    ] {
        assert_eq!(asks(&world.client, &token).await.problem(401).code, "unauthorized", "{what}");
    }
    // What was good ends with its replica.
    let dead = store::reconcilers::Replica { last_seen_at: Utc::now() - chrono::TimeDelta::minutes(1), ..replica.row.clone() };
    store::reconcilers::replica_beat(world.hub.database(), &dead, chrono::DateTime::UNIX_EPOCH).await.unwrap();
    let gone = replica_of(&world, &["scheduler"]).await;
    let _asked_anew = asks(&world.client, &gone.token("scheduler")).await;
    if delivery == Delivery::Queue {
        let refused = async || (asks(&world.client, &replica.token("scheduler")).await.status == 401).then_some(());
        test_support::eventually_within(Duration::from_secs(20), "the next beat shows that it is dead", refused).await;
    }
    let me: Value =
        world.client.send(world.client.bare(Method::GET, "/api/v1/auth/me").bearer_auth(gone.token("scheduler"))).await.expect(200).json();
    assert_eq!((&me["name"], &me["user"]), (&json!("service:scheduler"), &Value::Null));
    world.end().await;
}
