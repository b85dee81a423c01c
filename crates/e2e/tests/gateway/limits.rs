//! How many requests a caller may make: counted in one place, by who shows a credential, else by address.

use api_types::{LoginResponse, WORKER_KEY_HEADER};
use e2e::{Answer, Delivery, Options, Shape, World};
use reqwest::Method;
use runtime::Settings;
use serde_json::json;
use test_support::eventually;
use tokio::sync::oneshot;

use crate::{edge::Edge, fake::Fake};

const ME: &str = "/api/v1/auth/me";
const LOGIN: &str = "/api/v1/auth/login";

/// What the answer says is left, and the seconds to wait.
fn standing(answer: &Answer) -> (u64, u64) {
    let number = |name: &str| answer.headers[name].to_str().unwrap().parse().unwrap();
    (number("ratelimit-remaining"), number("ratelimit-reset"))
}

async fn edge(fake: &Fake, change: impl FnOnce(&mut Settings)) -> Edge {
    Edge::with(&[fake], change).await
}

async fn stranger(edge: &Edge) -> Answer {
    edge.client.send(edge.client.bare(Method::GET, ME)).await
}

async fn sign_in(edge: &Edge, body: serde_json::Value) -> Answer {
    edge.client.send(edge.client.bare(Method::POST, LOGIN).json(&body)).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_of_an_address_have_one_quota_and_who_is_signed_in_another() {
    let edge = edge(&Fake::fine().await, |settings| settings.edge.anonymous_per_minute = 5).await;
    for left in (0..5).rev() {
        let answer = stranger(&edge).await;
        assert_eq!((answer.problem(401).code.as_str(), standing(&answer).0), ("unauthorized", left));
        assert_eq!(
            (&answer.headers["ratelimit-limit"], &answer.headers["ratelimit-policy"]),
            (&"5".parse().unwrap(), &"5;w=60".parse().unwrap())
        );
    }
    let refused = stranger(&edge).await;
    assert_eq!(refused.problem(429).code, "too_many_requests");
    assert_eq!(standing(&refused), (0, 12), "seconds to wait");
    assert_eq!(refused.headers["retry-after"], refused.headers["ratelimit-reset"]);
    let bad = edge.client.send(edge.client.bare(Method::GET, "/api/v1/jobs").bearer_auth("nobody")).await;
    assert_eq!(bad.problem(429).code, "too_many_requests", "a credential that is none");
    for path in ["/health/live", "/health/ready"] {
        let _probe = edge.client.send(edge.client.bare(Method::GET, path)).await.expect(200);
    }
    let _signed_in = edge.client.get(ME).await.expect(200);
    edge.pass(12);
    let _again = stranger(&edge).await.expect(401);
    let _refused = stranger(&edge).await.expect(429);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_has_one_quota_wherever_they_come_from() {
    let fake = Fake::fine().await;
    let edge = edge(&fake, |settings| settings.edge.person_per_minute = 3).await;
    let from =
        async |address: &str| edge.client.send(edge.client.request(Method::GET, "/api/v1/jobs").header("X-Forwarded-For", address)).await;
    for (address, left) in [("192.0.2.1", 2), ("192.0.2.2", 1), ("2001:db8::1", 0)] {
        assert_eq!(standing(&from(address).await.expect(200)).0, left);
    }
    assert_eq!((from("192.0.2.3").await.expect(429).headers["retry-after"].to_str().unwrap(), fake.hits()), ("20", 3));
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sign_ins_of_an_address_are_few_and_a_known_device_still_gets_in() {
    let edge = edge(&Fake::fine().await, |settings| settings.edge.sign_ins_per_minute = 3).await;
    let mut right = json!({"username": "admin", "password": "admin-password-of-a-test"});
    let before = sign_in(&edge, right.clone()).await.expect(200);
    assert_eq!(standing(&before).0, 2);
    let before: LoginResponse = before.json();
    for _ in 0..2 {
        let _wrong = sign_in(&edge, json!({"username": "nobody", "password": "x"})).await.expect(401);
    }
    let refused = sign_in(&edge, json!({"username": "somebody", "password": "x"})).await;
    assert_eq!((refused.problem(429).code.as_str(), standing(&refused)), ("too_many_requests", (0, 20)));
    right["refresh_token"] = json!(before.refresh_token);
    let _known = sign_in(&edge, right).await.expect(200);
    let _others_go_on = stranger(&edge).await.expect(401);
    edge.pass(20);
    let _wrong = sign_in(&edge, json!({"username": "somebody", "password": "x"})).await.expect(401);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn robots_are_not_counted_by_the_minute() {
    let fake = Fake::fine().await;
    let edge = edge(&fake, |settings| {
        (settings.edge.anonymous_per_minute, settings.edge.key_per_minute, settings.edge.person_per_minute) = (1, 1, 1);
    })
    .await;
    for _ in 0..50 {
        let answer = edge.client.send(edge.client.worker(Method::POST, "/jobs/0195d6f0-0000-7000-8000-000000000000/log").body("{}")).await;
        assert!(!answer.expect(200).headers.contains_key("ratelimit-limit"));
    }
    assert_eq!(fake.hits(), 50);
    edge.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn so_many_requests_of_robots_are_served_at_once() {
    let (free, freed) = oneshot::channel::<()>();
    let freed = std::sync::Arc::new(tokio::sync::Mutex::new(Some(freed)));
    let fake = Fake::start(move |hit| {
        let freed = freed.clone();
        async move {
            if let Some(freed) = freed.lock().await.take() {
                let _sent = freed.await;
            }
            hit.answer("200 OK", "ok").await
        }
    })
    .await;
    let edge = edge(&fake, |settings| settings.edge.worker_requests = 1).await;
    let poll = || edge.client.send(edge.client.worker(Method::GET, "/jobs/0195d6f0-0000-7000-8000-000000000000/status"));
    let test = async {
        eventually("the first is at the service", async || (fake.hits() == 1).then_some(())).await;
        let refused = poll().await;
        assert_eq!((refused.problem(503).code.as_str(), refused.headers["retry-after"].to_str().unwrap()), ("overloaded", "2"));
        let _person = edge.client.get(ME).await.expect(200);
        free.send(()).unwrap();
    };
    let (first, ()) = tokio::join!(poll(), test);
    let _served = first.expect(200);
    let _served = poll().await.expect(200);
    edge.end().await;
}

/// How many of a person's requests around the gateway, four to each replica of a service, are admitted after three through the gateway.
async fn around(change: impl FnOnce(&mut Settings) + Send + 'static) -> usize {
    let settings = |settings: &mut Settings| {
        settings.edge.person_per_minute = 3;
        change(settings);
    };
    let options = Options {
        settings: Some(Box::new(settings)),
        only: Some(Shape::Apart.only("it asks a service around the gateway")),
        ..Options::default()
    };
    let world = World::start_with(Delivery::Pull, options).await;
    // Each gateway has a quota of its own.
    let client = world.client_of_door().await;
    for _ in 0..3 {
        let _admitted = client.get("/api/v1/jobs").await.expect(200);
    }
    let _refused = client.get("/api/v1/jobs").await.expect(429);
    let token = world.door().access_token().await.unwrap();
    let mut admitted = 0;
    for hub in world.peers.iter().chain([&world.hub]) {
        for _ in 0..4 {
            let request = reqwest::Client::new().get(format!("{}/api/v1/jobs", hub.url())).bearer_auth(&token);
            let status = request.send().await.unwrap().status().as_u16();
            assert!(matches!(status, 200 | 429), "{status}");
            admitted += usize::from(status == 200);
        }
    }
    world.end().await;
    admitted
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_gateway_passes_on_is_counted_once_and_a_way_around_it_is_counted_too() {
    assert_eq!(around(|_| {}).await, 8, "a trusted proxy has counted");
    // Without trust each of two replicas admits three, and the three that came from the gateway are among them.
    assert_eq!(around(|settings| settings.http.trusted_proxies.clear()).await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_worker_key_elsewhere_is_a_machine_with_a_quota() {
    let edge = edge(&Fake::fine().await, |settings| settings.edge.key_per_minute = 1).await;
    let me = edge.client.worker(Method::GET, "/x");
    let key = me.build().unwrap().headers()[WORKER_KEY_HEADER].clone();
    let ask = || edge.client.send(edge.client.bare(Method::GET, ME).header(WORKER_KEY_HEADER, key.clone()));
    let _admitted = ask().await.expect(200);
    let _refused = ask().await.expect(429);
    edge.end().await;
}
