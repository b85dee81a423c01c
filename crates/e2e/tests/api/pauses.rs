//! Pausing and resuming automations and queues.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use api_types::{Automation, Queue};
use chrono::{DateTime, TimeDelta, Utc};
use e2e::{Delivery, Options, World, on_both};
use regente::HubOptions;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{automation, calm, fields};

on_both!(
    an_automation_is_paused_and_resumed,
    a_queue_is_paused_and_resumed,
    a_pause_ends_by_itself,
    queues_are_listed_with_what_is_in_them,
);

fn in_an_hour() -> DateTime<Utc> {
    DateTime::from_timestamp(Utc::now().timestamp() + 3600, 0).unwrap()
}

async fn an_automation_is_paused_and_resumed(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let before = automation(&world, "a").await;
    let path = format!("/api/v1/automations/{}", before.id);
    let until = in_an_hour();
    let body = json!({"until": until, "reason": "  portal fora do ar "});
    let paused: Automation = client.post(&format!("{path}/pause"), &body).await.expect(200).json();
    assert_eq!(
        (paused.paused_until, paused.paused_reason.as_deref(), paused.paused_by.as_deref()),
        (Some(until), Some("portal fora do ar"), Some("admin"))
    );
    assert!(paused.paused_at.is_some_and(|at| at >= before.created_at && at < until));
    assert_eq!(client.get(&path).await.expect(200).json::<Automation>(), paused);
    let _accepted = client.execute(&paused, &json!({})).await;

    let changed = client.send(client.request(Method::POST, &format!("{path}/pause"))).await.expect(200).json::<Automation>();
    assert_eq!((changed.paused_until, changed.paused_reason.clone()), (None, None), "a pause that lasts is changed");
    assert_eq!(changed.paused_at, paused.paused_at, "it began when it began");

    let resumed = client.send(client.request(Method::POST, &format!("{path}/resume"))).await.expect(200).json::<Automation>();
    assert!(resumed.updated_at > before.updated_at, "{resumed:?}");
    assert_eq!(resumed.updated_by.as_deref(), Some("admin"));
    assert_eq!(Automation { updated_at: before.updated_at, ..resumed }, before, "as if nothing had been");
    let refused = client.send(client.request(Method::POST, &format!("{path}/resume"))).await.problem(409);
    assert_eq!(refused.code, "wrong_state");
    assert!(refused.detail.contains("is active"), "{}", refused.detail);
    world.end().await;
}

async fn a_queue_is_paused_and_resumed(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let name = world.queue("fila/ção 1?");
    let _automation = client.automation(&json!({"name": "a", "queue_name": name, "script_path": "x"})).await;
    let path = |what: &str| {
        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        format!("/api/v1/queues/{encoded}/{what}")
    };
    let body = json!({"until": in_an_hour(), "reason": "manutenção"});
    let paused: Queue = client.post(&path("pause"), &body).await.expect(200).json();
    assert_eq!(
        (paused.name.as_str(), paused.paused_reason.as_deref(), paused.paused_by.as_deref()),
        (name.as_str(), Some("manutenção"), Some("admin"))
    );
    assert_eq!(client.get("/api/v1/queues").await.expect(200).json::<Vec<Queue>>(), std::slice::from_ref(&paused));
    let changed = client.send(client.request(Method::POST, &path("pause"))).await.expect(200).json::<Queue>();
    assert_eq!((changed.paused_at, changed.paused_until, changed.paused_reason), (paused.paused_at, None, None));

    let resumed = client.send(client.request(Method::POST, &path("resume"))).await.expect(200).json::<Queue>();
    assert_eq!((resumed.paused_at, resumed.paused_by), (None, None));
    let refused = client.send(client.request(Method::POST, &path("resume"))).await.problem(409);
    assert_eq!(refused.code, "wrong_state");
    assert!(refused.detail.contains("is active"), "{}", refused.detail);
    world.end().await;
}

/// A hub whose clock can be put forward, in seconds.
async fn with_clock(delivery: Delivery) -> (World, Arc<AtomicI64>) {
    let ahead = Arc::new(AtomicI64::new(0));
    let (real, put_forward) = (HubOptions::default().clock, ahead.clone());
    let clock = Arc::new(move || real() + TimeDelta::seconds(put_forward.load(Ordering::SeqCst)));
    let options = Options { hub: HubOptions { clock, ..HubOptions::default() }, ..Options::default() };
    (World::start_with(delivery, options).await, ahead)
}

async fn a_pause_ends_by_itself(delivery: Delivery) {
    let (world, ahead) = with_clock(delivery).await;
    let client = &world.client;
    let automation = automation(&world, "a").await;
    let path = format!("/api/v1/automations/{}", automation.id);
    let queue = format!("/api/v1/queues/{}", automation.queue_name);
    let until = in_an_hour();
    for path in [&path, &queue] {
        let paused: Value = client.post(&format!("{path}/pause"), &json!({"until": until})).await.expect(200).json();
        assert!(paused["paused_at"].is_string(), "{paused}");
    }
    ahead.store(3600, Ordering::SeqCst);
    assert_eq!(client.get(&path).await.expect(200).json::<Automation>(), automation);
    let queues: Vec<Queue> = client.get("/api/v1/queues").await.expect(200).json();
    assert_eq!((queues[0].paused_at, queues[0].paused_until, queues[0].paused_by.as_deref()), (None, None, None));
    for path in [&path, &queue] {
        let refused = client.send(client.request(Method::POST, &format!("{path}/resume"))).await.problem(409);
        assert_eq!(refused.code, "wrong_state");
        let again: Value = client.post(&format!("{path}/pause"), &json!({})).await.expect(200).json();
        let began: DateTime<Utc> = serde_json::from_value(again["paused_at"].clone()).unwrap();
        assert!(began >= until, "a new pause, not the old one");
    }
    world.end().await;
}

async fn queues_are_listed_with_what_is_in_them(delivery: Delivery) {
    let world = calm(delivery).await;
    let client = &world.client;
    let (a, b) = (automation(&world, "a b&c").await, automation(&world, "b").await);
    let (_waiting, running) = (client.execute(&a, &json!({})).await, client.execute(&a, &json!({})).await);
    let _started = crate::support::start(&world, running.id).await;
    let all: Vec<Queue> = client.get("/api/v1/queues").await.expect(200).json();
    let counted: Vec<_> = all.iter().map(|queue| (queue.name.as_str(), queue.waiting, queue.running)).collect();
    assert_eq!(counted, [(a.queue_name.as_str(), 1, 1), (b.queue_name.as_str(), 0, 0)]);

    let first = client.get("/api/v1/queues?limit=1").await.expect(200);
    assert_eq!(first.json::<Vec<Queue>>(), all[..1]);
    let link = first.headers["link"].to_str().unwrap().to_owned();
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
    assert_eq!(client.get(next).await.expect(200).json::<Vec<Queue>>(), all[1..]);
    for query in ["limit=0", "limit=x", "page=2"] {
        let problem = client.get(&format!("/api/v1/queues?{query}")).await.problem(400);
        assert_eq!(fields(&problem), [query.split('=').next().unwrap()], "{query}");
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_paused_says_why() {
    let world = calm(Delivery::Pull).await;
    let client = &world.client;
    let automation = automation(&world, "a").await;
    let (path, queue) = (format!("/api/v1/automations/{}", automation.id), format!("/api/v1/queues/{}", automation.queue_name));
    let hour_ago = Utc::now() - TimeDelta::hours(1);
    let table = [
        (json!({"until": hour_ago}), vec!["until"]),
        (json!({"until": "2999-01-01T00:00:00Z"}), vec!["until"]),
        (json!({"until": "tomorrow"}), vec!["until"]),
        (json!({"until": 5}), vec!["until"]),
        (json!({"reason": "a\u{0}b"}), vec!["reason"]),
        (json!({"reason": "x".repeat(501)}), vec!["reason"]),
        (json!({"reason": "x".repeat(501), "until": hour_ago}), vec!["until", "reason"]),
        (json!({"reason": 5}), vec!["reason"]),
        (json!({"for_s": 5}), vec!["for_s"]),
    ];
    for (body, named) in table {
        for path in [&path, &queue] {
            let problem = client.post(&format!("{path}/pause"), &body).await.problem(422);
            assert_eq!(fields(&problem), named, "{body}: {problem:?}");
        }
    }
    assert_eq!(client.get(&path).await.expect(200).json::<Automation>().paused_at, None, "nothing is half done");
    for what in ["pause", "resume"] {
        for path in ["/api/v1/automations/999999", "/api/v1/queues/nothing", "/api/v1/queues/amq.x"] {
            let problem = client.send(client.request(Method::POST, &format!("{path}/{what}"))).await.problem(404);
            assert_eq!(problem.code, "not_found", "{path}");
        }
        let bad = client.send(client.request(Method::POST, &format!("/api/v1/automations/x/{what}"))).await.problem(400);
        assert_eq!(fields(&bad), ["id"]);
    }
    let _gone = client.send(client.request(Method::DELETE, &path)).await.expect(200);
    let archived = client.send(client.request(Method::POST, &format!("{path}/pause"))).await.problem(409);
    assert_eq!(archived.code, "automation_archived");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pause_outlives_the_hub() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "a").await;
    let (path, queue) = (format!("/api/v1/automations/{}", automation.id), format!("/api/v1/queues/{}", automation.queue_name));
    for path in [&path, &queue] {
        let _paused = world.client.post(&format!("{path}/pause"), &json!({"reason": "r"})).await.expect(200);
    }
    let world = world.restart().await;
    assert_eq!(world.client.get(&path).await.expect(200).json::<Automation>().paused_reason.as_deref(), Some("r"));
    let queues: Vec<Queue> = world.client.get("/api/v1/queues").await.expect(200).json();
    assert_eq!(queues[0].paused_reason.as_deref(), Some("r"));
    world.end().await;
}
