//! Live events: server-sent events and WebSockets, what they carry, how a client goes on after a break, and when they end.

mod leaving;
mod reading;
mod rules;
mod source;

use std::time::Duration;

use api_gateway::Settings as GatewaySettings;
use api_types::{Calendar, EventFilter, LoginResponse, WorkerTokenCreated};
use client::LiveEvent;
use e2e::{Delivery, Options, Shape, World, on_both};
use futures_util::StreamExt as _;
use reqwest::Method;
use runtime::Settings;
use serde_json::{Value, json};
use test_support::Proxy;

use self::{
    reading::{Close, Read, Sse, Ws},
    source::Source,
};
use crate::support::{fields, register};

on_both!(
    both_ways_carry_the_same_events_with_the_same_ids,
    a_reader_receives_what_it_asked_for,
    a_client_that_comes_back_gets_exactly_what_it_missed,
    after_an_unknown_or_old_id_comes_a_reset_then_what_happens,
    a_websocket_asks_for_other_events_by_a_message,
    a_sign_out_ends_streams_before_the_next_event,
    a_token_that_ends_ends_its_streams,
    only_so_many_streams_are_open,
    credentials_without_anything_to_see_are_refused,
    a_reader_that_does_not_read_is_disconnected_with_the_reason,
    a_stop_says_goodbye,
    who_watches_hears_of_a_worker_that_falls_silent_and_is_back,
);

/// A hub with a service that publishes what the test wants.
async fn hub(delivery: Delivery, change: impl FnOnce(&mut Settings, &mut GatewaySettings) + Send + 'static) -> (World, Source) {
    let source = Source::default();
    let settings = move |settings: &mut Settings| {
        let mut gateway = (*settings.section::<GatewaySettings>().unwrap()).clone();
        change(settings, &mut gateway);
        settings.change_section(|section: &mut GatewaySettings| *section = gateway).unwrap();
    };
    let services: Vec<Box<dyn runtime::Service>> = vec![Box::new(source.clone())];
    let mut world =
        World::start_with(delivery.with_events(), Options { settings: Some(Box::new(settings)), services, ..Options::default() }).await;
    // Each gateway has a window and ids of its own; a balancer in front of several keeps a client at one.
    world.client = world.client_of_door().await;
    source.reaches(&world.client).await;
    (world, source)
}

async fn plain(delivery: Delivery) -> (World, Source) {
    hub(delivery, |_, _| {}).await
}

/// Somebody who signs in, beside the test's own client.
async fn sign_in(world: &World) -> LoginResponse {
    let body = json!({"username": "admin", "password": "admin-password-of-a-test"});
    world.client.send(world.client.bare(Method::POST, "/api/v1/auth/login").json(&body)).await.expect(200).json()
}

async fn both_ways_carry_the_same_events_with_the_same_ids(delivery: Delivery) {
    let (world, _source) = plain(delivery).await;
    let kinds = "?kinds=automation.*,calendar.*,job.*,queue.*,worker.*";
    let (mut sse, mut ws) = (Sse::open(&world, kinds).await, Ws::open(&world, kinds).await);
    let queue = world.queue("live");
    let automation = world.client.automation(&json!({"name": "live", "queue_name": queue, "script_path": "x"})).await;
    let job = world.client.execute(&automation, &json!({})).await;
    let worker = register(&world, "w", &[&queue]).await;
    let calendar: Calendar = world.client.post("/api/v1/calendars", &json!({"name": "live"})).await.expect(201).json();
    let _paused = world.client.post(&format!("/api/v1/queues/{queue}/pause"), &json!({})).await.expect(200);
    let _canceled = world.client.post(&format!("/api/v1/jobs/{}/cancel", job.id), &json!({})).await.expect(200);
    let mut expected = vec![
        ("automation.created".to_owned(), format!("automations/{}", automation.id)),
        ("calendar.changed".to_owned(), format!("calendars/{}", calendar.id)),
        ("job.canceled".to_owned(), format!("jobs/{}", job.id)),
        ("job.created".to_owned(), format!("jobs/{}", job.id)),
        ("queue.paused".to_owned(), format!("queues/{queue}")),
        ("worker.registered".to_owned(), format!("workers/{worker}")),
    ];
    expected.sort();
    let (here, there) = (sse.events(6).await, ws.events(6).await);
    assert_eq!(here, there);
    let mut kinds: Vec<_> = here.iter().map(|(_, event)| (event.kind.clone(), event.subject.clone())).collect();
    kinds.sort();
    assert_eq!(kinds, expected);
    drop((sse, ws));
    world.end().await;
}

async fn a_reader_receives_what_it_asked_for(delivery: Delivery) {
    let (world, _source) = plain(delivery).await;
    let queue = world.queue("live");
    let automation = world.client.automation(&json!({"name": "live", "queue_name": queue, "script_path": "x"})).await;
    let (mine, other) = (world.client.execute(&automation, &json!({})).await, world.client.execute(&automation, &json!({})).await);
    let mut by_job = Sse::open(&world, &format!("?jobs={}", mine.id)).await;
    let mut by_kind = Sse::open(&world, "?kinds=queue.*&kinds=job.canceled").await;
    let mut by_automation = Sse::open(&world, &format!("?automations={}&kinds=queue.*,job.canceled", automation.id)).await;
    let _paused = world.client.post(&format!("/api/v1/queues/{queue}/pause"), &json!({})).await.expect(200);
    for job in [&other, &mine] {
        let _canceled = world.client.post(&format!("/api/v1/jobs/{}/cancel", job.id), &json!({})).await.expect(200);
    }
    // The last one is for everybody who asked for the automation or the kind.
    assert_eq!(by_job.subjects(1).await, [format!("jobs/{}", mine.id)]);
    for reader in [&mut by_kind, &mut by_automation] {
        let mut subjects = reader.subjects(3).await;
        subjects.sort();
        let mut expected = [format!("jobs/{}", mine.id), format!("jobs/{}", other.id), format!("queues/{queue}")];
        expected.sort();
        assert_eq!(subjects, expected);
    }
    for (query, field) in
        [("kinds=x", "kinds"), ("kinds=*", "kinds"), ("jobs=x", "jobs"), ("automations=a", "automations"), ("kind=a", "kind")]
    {
        let problem = world.client.get(&format!("/api/v1/events?{query}")).await.problem(400);
        assert_eq!(fields(&problem), [field], "{query}");
    }
    world.end().await;
}

async fn a_client_that_comes_back_gets_exactly_what_it_missed(delivery: Delivery) {
    let (world, source) = hub(delivery, |_, gateway| gateway.event_window = 1_000).await;
    let mut first = Sse::open(&world, "?kinds=job.made").await;
    let ids = source.publish_to(&mut first, 1..=1_001).await;
    drop(first);
    let after = async |nth: usize, by_header: bool| {
        let mut reader = if by_header {
            Sse::open_after(&world, "", &ids[nth - 1]).await
        } else {
            Sse::open(&world, &format!("?last_event_id={}", ids[nth - 1])).await
        };
        reader.numbers(1_001 - nth).await
    };
    assert_eq!(after(1_000, true).await, [1_001]);
    assert_eq!(after(1, true).await, (2..=1_001).collect::<Vec<_>>(), "the window has 1000");
    assert_eq!(after(999, false).await, [1_000, 1_001]);
    let mut ws = Ws::open(&world, &format!("?kinds=job.made&last_event_id={}", ids[998])).await;
    assert_eq!(ws.numbers(2).await, [1_000, 1_001]);
    let mut none = Sse::open_after(&world, "?kinds=job.made", &ids[1_000]).await;
    let _next = source.publish_to(&mut none, 1_002..=1_002).await;
    world.end().await;
}

async fn after_an_unknown_or_old_id_comes_a_reset_then_what_happens(delivery: Delivery) {
    let (world, source) = hub(delivery, |_, gateway| gateway.event_window = 10).await;
    let mut first = Sse::open(&world, "?kinds=job.made").await;
    let ids = source.publish_to(&mut first, 1..=20).await;
    let of_another = format!("{}-1", uuid::Uuid::now_v7());
    let ahead = ids[19].replace("-", "x");
    for id in [ids[8].as_str(), "abc", "", "-", &of_another, &ahead] {
        let mut reader = Sse::open_after(&world, "?kinds=job.made", id).await;
        assert_eq!(reader.first.event, "reset", "{id}");
        let mut ws = Ws::open(&world, &format!("?kinds=job.made&last_event_id={id}x")).await;
        assert_eq!(ws.first["type"], "reset", "{id}");
        let made = source.publish_to(&mut reader, 21..=21).await;
        assert_eq!(ws.events(1).await[0].0, made[0]);
        // The reset has an id to go on from.
        let mut again = Sse::open_after(&world, "?kinds=job.made", reader.first.id.as_ref().unwrap()).await;
        assert_eq!(again.events(1).await[0].0, made[0]);
    }
    let mut kept = Sse::open_after(&world, "?kinds=job.made", &ids[19]).await;
    assert_eq!(kept.numbers(6).await, [21; 6]);
    world.end().await;
}

async fn a_websocket_asks_for_other_events_by_a_message(delivery: Delivery) {
    let (world, source) = plain(delivery).await;
    let mut ws = Ws::open(&world, "?kinds=job.made").await;
    let ids = source.publish_to(&mut ws, 1..=3).await;
    ws.say(&json!({"kinds": ["job.other"]})).await;
    assert_eq!(ws.next().await["type"], "open");
    source.publish("job.made", 4);
    source.publish("job.other", 5);
    assert_eq!(ws.numbers(1).await, [5]);
    ws.say(&json!({"kinds": "job.made,job.other", "last_event_id": ids[1]})).await;
    assert_eq!(ws.next().await["id"], ids[1].as_str());
    assert_eq!(ws.numbers(3).await, [3, 4, 5]);
    for bad in ["{}x", r#"{"kinds": ["no kind"]}"#, r#"{"jobs": [1]}"#, r#"{"unknown": 1}"#] {
        let mut ws = Ws::open(&world, "").await;
        ws.say_text(bad).await;
        let close = ws.closed().await;
        assert_eq!(close.code, 4400, "{bad}");
        assert!(!close.reason.is_empty(), "{bad}");
    }
    let mut ws = Ws::open(&world, "").await;
    ws.say_text(&"x".repeat(20_000)).await;
    assert_eq!(ws.closed().await.code, 4400, "too large");
    world.end().await;
}

async fn a_sign_out_ends_streams_before_the_next_event(delivery: Delivery) {
    let (world, source) = plain(delivery).await;
    let session = sign_in(&world).await;
    let mut sse = Sse::open_as(&world, "?kinds=job.made", &session.access_token).await;
    // A browser's way, too.
    let mut ws = Ws::open_by_protocol(&world, "?kinds=job.made", &session.access_token).await;
    let _before = source.publish_to(&mut sse, 1..=1).await;
    assert_eq!(ws.numbers(1).await, [1]);
    let sign_out = world.client.bare(Method::POST, "/api/v1/auth/logout").bearer_auth(&session.access_token).json(&json!({}));
    assert!(world.client.send(sign_out).await.status.is_success());
    source.publish("job.made", 2);
    assert_eq!(sse.end().await, "unauthorized", "no event comes before the end");
    assert_eq!(ws.closed().await.code, 4401);
    let refused = world.client.bare(Method::GET, "/api/v1/events").bearer_auth(&session.access_token);
    let _problem = world.client.send(refused).await.problem(401);
    world.end().await;
}

async fn a_token_that_ends_ends_its_streams(delivery: Delivery) {
    let (world, _source) = hub(delivery, |settings, _| settings.auth.token_lifetime = Duration::from_secs(5)).await;
    let token = sign_in(&world).await.access_token;
    let (mut sse, mut ws) = (Sse::open_as(&world, "?kinds=job.made", &token).await, Ws::open_as(&world, "?kinds=job.made", &token).await);
    assert_eq!(sse.end().await, "unauthorized");
    assert_eq!(ws.closed().await.code, 4401);
    world.end().await;
}

async fn only_so_many_streams_are_open(delivery: Delivery) {
    let (world, _source) = hub(delivery, |_, gateway| (gateway.event_streams, gateway.event_streams_per_caller) = (3, 2)).await;
    // The hub notices that a client is gone a little later.
    let open = async || test_support::eventually("a stream is free", async || Sse::try_open(&world, "").await).await;
    let (first, _second) = (open().await, open().await);
    let answer = world.client.get("/api/v1/events").await;
    assert!(answer.headers.contains_key("retry-after"));
    let problem = answer.problem(429);
    assert!(problem.detail.contains("too many streams"), "{problem:?}");
    drop(first);
    let _again = open().await;
    world.end().await;
}

async fn credentials_without_anything_to_see_are_refused(delivery: Delivery) {
    let (world, _source) = plain(delivery).await;
    for path in ["/api/v1/events", "/api/v1/ws"] {
        let _nobody = world.client.send(world.client.bare(Method::GET, path)).await.problem(401);
        let token = world.client.post("/api/v1/worker-tokens", &json!({"name": path})).await.expect(201);
        let token = token.json::<WorkerTokenCreated>().token;
        let _worker = world.client.send(world.client.bare(Method::GET, path).bearer_auth(token)).await.problem(403);
        let in_protocol = world.client.bare(Method::GET, path).header("sec-websocket-protocol", "bearer.x");
        let _plain = world.client.send(in_protocol).await.problem(401);
    }
    let _no_handshake = world.client.get("/api/v1/ws").await.problem(400);
    let bad = Ws::refused(&world, &[("sec-websocket-protocol", "regente.events.v1, bearer.not-a-token")]).await;
    assert_eq!(bad, 401);
    world.end().await;
}

async fn a_reader_that_does_not_read_is_disconnected_with_the_reason(delivery: Delivery) {
    let (world, source) = hub(delivery, |_, gateway| gateway.event_window = 50).await;
    let mut quick = Sse::open(&world, "?kinds=job.small").await;
    let (mut sse, mut ws) = (Sse::open(&world, "?kinds=job.large").await, Ws::open(&world, "?kinds=job.large").await);
    // More than the sockets of a connection hold.
    for nth in 0..400 {
        source.publish_large("job.large", nth, 100_000).await;
    }
    source.publish("job.small", 1);
    // Both at once: each is given some time to take what it was sent.
    let ((mut last, end), close) = tokio::join!(sse.read_to_end(), ws.read_to_close());
    assert_eq!(quick.numbers(1).await, [1], "others go on");
    assert_eq!(end, "slow");
    assert_eq!(close.code, 4408);
    assert!(close.reason.contains("fast enough"), "{}", close.reason);
    // It can go on where it was, or learns that it cannot.
    let id = last.take().unwrap();
    assert_eq!(Sse::open_after(&world, "?kinds=job.large", &id).await.first.event, "reset");
    world.end().await;
}

async fn who_watches_hears_of_a_worker_that_falls_silent_and_is_back(delivery: Delivery) {
    let (world, _source) = hub(delivery, |settings, _| settings.lease.agent = Duration::from_secs(1)).await;
    let mut watcher = Sse::open(&world, "?kinds=worker.*").await;
    // Who is lost before it is watched is not told of.
    let _learned = world.hub.reconcile("lost_workers").await.unwrap();
    let queue = world.queue("live");
    let worker = register(&world, "w", &[&queue]).await;
    let mut told = async |kind: &str| {
        let (_, event) = watcher.events(1).await.remove(0);
        assert_eq!((event.kind.as_str(), event.subject), (kind, format!("workers/{worker}")));
        assert_eq!((&event.data["name"], &event.data["queues"]), (&json!("w"), &json!([queue])));
    };
    told("worker.registered").await;
    told("worker.lost").await;
    let lives = async {
        loop {
            let _lives = world.client.report("/heartbeat", None, &json!({"worker_id": worker, "jobs": []})).await.expect(200);
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::select! {
        () = told("worker.returned") => {}
        () = lives => {}
    }
    told("worker.lost").await;
    world.end().await;
}

async fn a_stop_says_goodbye(delivery: Delivery) {
    let (world, _source) = plain(delivery).await;
    let (mut sse, mut ws) = (Sse::open(&world, "?kinds=job.made").await, Ws::open(&world, "?kinds=job.made").await);
    world.end().await;
    assert_eq!(sse.end().await, "stopping");
    assert_eq!(ws.closed().await, Close { code: 1001, reason: "the gateway stops; reconnect with the last event's id".to_owned() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_gateway_has_the_events_of_all_and_no_other_s_ids() {
    let (world, source) = plain(Delivery::Queue).await;
    let (other, there) = world.replica().await;
    let mut here = Sse::open(&world, "?kinds=job.made").await;
    source.reaches(&there).await;
    let mut far = Sse::open_at(&there, "?kinds=job.made", None).await;
    let ids = source.publish_to(&mut here, 1..=3).await;
    let far_ids: Vec<String> = far.events(3).await.into_iter().map(|(id, _)| id).collect();
    assert!(far_ids.iter().all(|id| !ids.contains(id)));
    assert_eq!(Sse::open_at(&there, "?kinds=job.made", Some(&ids[0])).await.first.event, "reset");
    assert_eq!(Sse::open_at(&there, "?kinds=job.made", Some(&far_ids[1])).await.numbers(1).await, [3]);
    // A change made at one ends streams at the other before the next event.
    let session = sign_in(&world).await;
    let mut signed_in = Sse::open_with(&there, "?kinds=job.made", None, Some(&session.access_token)).await;
    let sign_out = world.client.bare(Method::POST, "/api/v1/auth/logout").bearer_auth(&session.access_token).json(&json!({}));
    assert!(world.client.send(sign_out).await.status.is_success());
    source.publish("job.made", 4);
    assert_eq!(signed_in.end().await, "unauthorized");
    assert_eq!(far.numbers(1).await, [4]);
    other.stop().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_apart_says_so_when_no_events_can_reach_it() {
    let world = World::start_with(
        Delivery::Pull,
        Options { only: Some(Shape::Apart.only("in one process events need no broker")), ..Options::default() },
    )
    .await;
    let answer = world.client.get("/api/v1/events").await;
    assert!(answer.headers.contains_key("retry-after"));
    assert_eq!(answer.problem(503).code, "broker_unavailable");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_stream_says_that_it_lives_and_up_to_where() {
    let change = |_: &mut Settings, gateway: &mut GatewaySettings| gateway.event_heartbeat = Duration::from_millis(200);
    let (world, source) = hub(Delivery::Pull, change).await;
    let (mut sse, mut ws) = (Sse::open(&world, "?kinds=job.made").await, Ws::open(&world, "?kinds=job.made").await);
    source.publish("job.other", 1);
    let moved = test_support::eventually("the position moves past what it did not ask for", async || {
        let alive = sse.alive().await;
        (alive != *sse.first.id.as_ref().unwrap()).then_some(alive)
    })
    .await;
    source.publish("job.made", 2);
    assert_eq!(Sse::open_after(&world, "", &moved).await.numbers(1).await, [2]);
    let alive: Value = ws.alive().await;
    assert!(alive["id"].is_string(), "{alive}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_typed_client_goes_on_after_a_break() {
    let (world, source) = plain(Delivery::Pull).await;
    let proxy = Proxy::start(world.client.hub().url().trim_start_matches("http://").trim_end_matches('/').to_owned()).await.unwrap();
    let token = sign_in(&world).await.access_token;
    let client = client::Client::new(client::Settings::new(format!("http://{}", proxy.address()))).unwrap();
    let client = client.with_token(&token.into()).unwrap();
    let filter = EventFilter { kinds: vec!["job.made".to_owned()], ..EventFilter::default() };
    let mut events = client.events(&filter);
    // It is open when the first event comes.
    let speak = async {
        loop {
            source.publish("job.made", 0);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let first = tokio::select! { () = speak => unreachable!(), first = events.next() => first };
    assert!(matches!(first, Some(Ok(LiveEvent::Happened(_)))), "{first:?}");
    proxy.cut().await;
    (1..=3).for_each(|number| source.publish("job.made", number));
    let (mut heard, mut breaks) = (Vec::new(), 0);
    proxy.restore();
    while heard.len() < 3 {
        match tokio::time::timeout(Duration::from_secs(60), events.next()).await.unwrap().unwrap().unwrap() {
            LiveEvent::Happened(event) if event.data["number"] == 0 => {}
            LiveEvent::Happened(event) => heard.push(event.data["number"].as_u64().unwrap()),
            LiveEvent::Interrupted(_) => breaks += 1,
            LiveEvent::Missed => panic!("nothing is missed"),
        }
    }
    assert_eq!((heard, breaks), (vec![1, 2, 3], 1));
    world.end().await;
}
