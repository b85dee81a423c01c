//! How people manage hooks.

use std::time::Duration;

use api_types::{EventFilter, Hook};
use client::LiveEvent;
use e2e::Shape;
use futures_util::StreamExt as _;
use store::audit::audit_list;
use test_support::eventually;
use tokio::sync::Mutex;

use super::*;
use crate::support::with_only;

on_both!(
    token_and_secret_are_in_one_answer_and_nowhere_else,
    what_a_hook_cannot_be_is_named,
    what_a_rotation_replaces_counts_for_a_while,
    another_scheme_has_another_secret,
    what_was_refused_is_handled_again_by_the_rules_of_now,
    what_comes_to_a_hook_is_an_event,
);

const JSON: [(&str, &str); 1] = [("content-type", "application/json")];

async fn put(world: &World, id: HookId, body: Value) -> Answer {
    world.client.send(world.client.request(Method::PUT, &format!("/api/v1/hooks/{id}")).json(&body)).await
}

async fn rotate(world: &World, id: HookId, body: Value) -> Answer {
    world.client.post(&format!("/api/v1/hooks/{id}/rotate"), &body).await
}

async fn token_and_secret_are_in_one_answer_and_nowhere_else(delivery: Delivery) {
    let world = calm(delivery).await;
    let (automation, made) = hook(&world, "kept", json!({"signature": {"scheme": "github"}})).await;
    let (token, secret) = (made.token.clone().unwrap(), made.secret.clone().unwrap());
    assert!(auth::is_hook_token(&token) && token.starts_with(&made.hook.token_prefix) && secret.len() == 43);
    let id = made.hook.id;
    let changed = put(&world, id, json!({"name": "renamed"})).await.expect(200);
    let shown = changed.json::<HookShown>();
    assert_eq!((shown.token, shown.secret, shown.hook.name.as_str()), (None, None, "renamed"));
    let listed = world.client.get(&format!("/api/v1/hooks?automation_id={}", automation.id)).await.expect(200);
    assert_eq!(listed.json::<Vec<Hook>>().iter().map(|hook| hook.id).collect::<Vec<_>>(), [id]);
    for (name, expected) in [("renamed", vec![id]), ("kept", vec![])] {
        let named = world.client.get(&format!("/api/v1/hooks?automation_id={}&name={name}", automation.id)).await.expect(200);
        assert_eq!(named.json::<Vec<Hook>>().iter().map(|hook| hook.id).collect::<Vec<_>>(), expected, "{name}");
    }
    let one = world.client.get(&format!("/api/v1/hooks/{id}")).await.expect(200);
    let signature = format!("sha256={}", hex(&mac(secret.as_bytes(), "{}")));
    let _sent = handled(send(&world.client, &made, &[JSON[0], ("x-hub-signature-256", &signature)], "{}").await, 202);
    let kept = world.client.get(&format!("/api/v1/hooks/{id}/deliveries")).await.expect(200);
    let trail = audit_list(world.hub.database(), &store::audit::Filter::default(), None, 100).await.unwrap();
    let trail = format!("{trail:?}");
    assert!(trail.contains("hook.create") && trail.contains("hook.update"), "{trail}");
    let token_digest = auth::TokenDigest::of_text(&token).to_hex();
    for said in [&changed.text, &listed.text, &one.text, &kept.text, &trail] {
        for hidden in [&token[12..], secret.as_str(), &token_digest, &signature] {
            assert!(!said.contains(hidden), "{hidden} in {said}");
        }
    }
    world.end().await;
}

async fn what_a_hook_cannot_be_is_named(delivery: Delivery) {
    let world = calm(delivery).await;
    let (automation, made) = hook(&world, "faults", json!({"signature": {"scheme": "github"}, "secret": SECRET})).await;
    let create = async |body: Value| {
        let mut whole = json!({"automation_id": automation.id, "name": "x"});
        whole.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
        world.client.post("/api/v1/hooks", &whole).await
    };
    for (body, expected) in [
        (json!({"name": " "}), &["name"][..]),
        (json!({"name": 1}), &["name"]),
        (json!({"secret": SECRET}), &["secret"]),
        (json!({"signature": {"scheme": "github"}, "secret": "short"}), &["secret"]),
        (json!({"signature": {"scheme": "standard_webhooks"}, "secret": SECRET}), &["secret"]),
        (json!({"signature": {"scheme": "sha1"}}), &["signature/scheme"]),
        (json!({"signature": {"scheme": "hmac"}}), &["signature/header"]),
        (json!({"signature": {"scheme": "stripe", "prefix": "x"}}), &["signature/prefix"]),
        (json!({"mapping": {"a": {}}}), &["mapping/a/pointer"]),
        (json!({"mapping": {"a": {"pointer": "x.y"}, "b": {"header": "Authorization"}}}), &["mapping/a/pointer", "mapping/b/header"]),
        (json!({"filter": [{"pointer": "/a", "operator": "like", "value": 1}]}), &["filter/0/operator"]),
        (json!({"filter": [{"pointer": "/a", "operator": "in", "value": 1}]}), &["filter/0/value"]),
        (json!({"dedup": {"header": "X-Hub-Signature-256"}}), &["dedup/header"]),
        (json!({"dedup": {"body": true}}), &["dedup/body"]),
        (json!({"enabled": true}), &["enabled"]),
    ] {
        let problem = create(body.clone()).await.problem(422);
        assert_eq!(fields(&problem), expected, "{body}: {problem:?}");
    }
    assert_eq!(create(json!({"automation_id": 999_999})).await.status, 404);
    let id = made.hook.id;
    assert_eq!(fields(&put(&world, id, json!({"secret": SECRET})).await.problem(422)), ["secret"]);
    assert_eq!(fields(&rotate(&world, id, json!({"keep_old_s": 604_801})).await.problem(422)), ["keep_old_s"]);
    assert_eq!(fields(&rotate(&world, id, json!({"secret": SECRET})).await.problem(422)), ["secret"]);
    let plain = of_automation(&world, &automation, json!({})).await;
    assert_eq!(fields(&rotate(&world, plain.hook.id, json!({"what": "secret"})).await.problem(422)), ["what"]);
    assert_eq!(world.client.get("/api/v1/hooks/rgh_x").await.status, 400);
    world.end().await;
}

async fn what_a_rotation_replaces_counts_for_a_while(delivery: Delivery) {
    let world = calm(delivery).await;
    let (_, first) = hook(&world, "rotates", json!({"signature": {"scheme": "bearer"}, "secret": SECRET})).await;
    let id = first.hook.id;
    let statuses = async |pairs: &[(&HookShown, &str)]| {
        let mut found = Vec::new();
        for (hook, secret) in pairs {
            let bearer = format!("Bearer {secret}");
            found.push(send(&world.client, hook, &[JSON[0], ("authorization", &bearer)], "{}").await.status.as_u16());
        }
        found
    };
    let second: HookShown = rotate(&world, id, json!({"what": "both"})).await.expect(200).json();
    let new = second.secret.clone().unwrap();
    assert!(second.token != first.token && second.hook.old_token_until.is_some() && second.hook.old_secret_until.is_some());
    assert_eq!(statuses(&[(&first, SECRET), (&second, SECRET), (&first, &new), (&second, &new)]).await, [202, 202, 202, 202]);
    // The next rotation ends what the first one left.
    let third: HookShown = rotate(&world, id, Value::Null).await.expect(200).json();
    assert_eq!(
        (third.secret.as_deref(), statuses(&[(&first, &new), (&second, &new), (&third, &new), (&third, SECRET)]).await),
        (None, vec![404, 202, 202, 202])
    );
    let fourth: HookShown =
        rotate(&world, id, json!({"what": "both", "keep_old_s": 0, "secret": "another-s3cret-of-a-sender"})).await.expect(200).json();
    assert_eq!((fourth.hook.old_token_until, fourth.hook.old_secret_until), (None, None));
    let last = "another-s3cret-of-a-sender";
    assert_eq!(statuses(&[(&third, last), (&fourth, &new), (&fourth, SECRET), (&fourth, last)]).await, [404, 401, 401, 202]);
    world.end().await;
}

async fn another_scheme_has_another_secret(delivery: Delivery) {
    let world = calm(delivery).await;
    let (_, made) = hook(&world, "changes", json!({"signature": {"scheme": "bearer"}, "secret": SECRET})).await;
    let id = made.hook.id;
    // The same scheme elsewhere keeps it.
    let moved: HookShown = put(&world, id, json!({"signature": {"scheme": "bearer", "header": "X-Gitlab-Token"}})).await.expect(200).json();
    assert_eq!(moved.secret, None);
    let _accepted = handled(send(&world.client, &made, &[JSON[0], ("x-gitlab-token", SECRET)], "{}").await, 202);
    let signed: HookShown = put(&world, id, json!({"signature": {"scheme": "github"}})).await.expect(200).json();
    let secret = signed.secret.unwrap();
    let sign = |key: &str| format!("sha256={}", hex(&mac(key.as_bytes(), "{}")));
    assert_eq!(send(&world.client, &made, &[JSON[0], ("x-hub-signature-256", &sign(SECRET))], "{}").await.status, 401);
    let _accepted = handled(send(&world.client, &made, &[JSON[0], ("x-hub-signature-256", &sign(&secret))], "{}").await, 202);
    let open: HookShown = put(&world, id, json!({"signature": {"scheme": "none"}})).await.expect(200).json();
    assert_eq!((open.secret, handled(send(&world.client, &made, &JSON, "{}").await, 202).outcome), (None, Outcome::Accepted));
    world.end().await;
}

async fn what_was_refused_is_handled_again_by_the_rules_of_now(delivery: Delivery) {
    let world = calm(delivery).await;
    let fields_of = json!({"mapping": {"a": {"pointer": "/wrong", "required": true}}, "dedup": {"pointers": ["/id"]}});
    let (automation, hook) = hook(&world, "repaired", fields_of).await;
    assert_eq!(send(&world.client, &hook, &JSON, r#"{"id": "e1", "right": 7}"#).await.status, 422);
    let refused = deliveries(&world, hook.hook.id).await.remove(0);
    let again = format!("/api/v1/hooks/{}/deliveries/{}/redeliver", hook.hook.id, refused.id);
    assert_eq!(fields(&world.client.post(&again, &json!({})).await.problem(422)), ["body/wrong"]);
    let _repaired = put(&world, hook.hook.id, json!({"mapping": {"a": {"pointer": "/right", "required": true}}})).await.expect(200);
    let accepted = handled(world.client.post(&again, &json!({})).await, 202);
    let job = job_of(&world, &accepted).await;
    assert_eq!((job.parameters["a"].clone(), job.requested_by.as_deref()), (json!(7), Some("admin")));
    assert_eq!(handled(world.client.post(&again, &json!({})).await, 202).job_id, accepted.job_id);
    assert_eq!(handled(send(&world.client, &hook, &JSON, r#"{"id": "e1", "right": 8}"#).await, 202).job_id, accepted.job_id);
    let newest = deliveries(&world, hook.hook.id).await;
    assert_eq!((newest[1].redelivery_of, newest[0].redelivery_of, jobs(&world, &automation).await), (Some(refused.id), None, 1));
    world.end().await;
}

async fn what_comes_to_a_hook_is_an_event(delivery: Delivery) {
    let only = Shape::Together.only("live events of other processes need a broker, which one of the shapes apart has not");
    let world = with_only(only, delivery, |_| {}).await;
    let (automation, hook) = hook(&world, "events", json!({"signature": {"scheme": "bearer"}, "secret": SECRET})).await;
    let filter = EventFilter { kinds: vec!["hook.*".to_owned()], ..EventFilter::default() };
    let heard = Mutex::new(world.client.hub().events(&filter));
    // The stream is open once something that was sent after it arrives.
    let arrives = async |secret: &str, kind: &str| {
        let bearer = format!("Bearer {secret}");
        eventually(kind, async || {
            let _sent = send(&world.client, &hook, &[JSON[0], ("authorization", &bearer)], "{}").await;
            let mut heard = heard.lock().await;
            let next = tokio::time::timeout(Duration::from_millis(500), heard.next()).await.ok()?;
            match next.unwrap().unwrap() {
                LiveEvent::Happened(event) if event.kind == kind => Some(event),
                _ => None,
            }
        })
        .await
    };
    let delivered = arrives(SECRET, "hook.delivered").await;
    assert_eq!(delivered.subject, format!("hooks/{}", hook.hook.id));
    assert_eq!((&delivered.data["automation_id"], &delivered.data["outcome"]), (&json!(automation.id), &json!("accepted")));
    let refused = arrives("wrong", "hook.refused").await;
    assert_eq!((&refused.data["outcome"], &refused.data["job_id"]), (&json!("refused"), &json!("")));
    world.end().await;
}
