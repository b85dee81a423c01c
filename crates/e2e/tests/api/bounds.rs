//! How large, deep, slow and many what is sent may be.

use std::time::Duration;

use api_types::Job;
use domain::{
    Scope,
    json::{MOST_DEPTH, MOST_VALUES},
};
use e2e::{Delivery, World, on_both};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{automation, calm, claim, fields, register, report, running, with};

on_both!(parameters_as_deep_as_may_be_reach_their_worker, a_schema_that_was_stored_before_it_was_bounded_stops_no_hub);

/// Objects inside each other.
fn nested(depth: usize) -> Value {
    (1..depth).fold(json!({}), |inner, _| json!({"a": inner}))
}

/// `$defs` each of which names the one before twice.
fn bomb() -> Value {
    let inner = |index: u32| json!({"$ref": format!("#/$defs/d{index}")});
    let mut defs = serde_json::Map::from_iter([("d0".to_owned(), json!({"type": "string"}))]);
    (1..24).for_each(|index| drop(defs.insert(format!("d{index}"), json!({"anyOf": [inner(index - 1), inner(index - 1)]}))));
    json!({"$defs": defs, "properties": {"a": inner(23)}})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schema_that_costs_too_much_is_refused_when_it_is_saved() {
    let world = calm(Delivery::Pull).await;
    let body = json!({"name": "b", "queue_name": world.queue("b"), "script_path": "x", "parameter_schema": bomb()});
    let problem = world.client.post("/api/v1/automations", &body).await.problem(422);
    assert_eq!(fields(&problem), ["parameter_schema"]);
    assert!(problem.detail.contains("takes more than"), "{}", problem.detail);
    let fine = automation(&world, "fine").await;
    let change = |schema: Value| {
        world.client.request(Method::PUT, &format!("/api/v1/automations/{}", fine.id)).json(&json!({"parameter_schema": schema}))
    };
    for (schema, field) in [
        (bomb(), "parameter_schema"),
        (json!({"properties": {"a": {"pattern": "(((x{1000}){1000}){1000})"}}}), "parameter_schema/properties/a/pattern"),
        (json!({"properties": {"a": {"$ref": "file:///etc/passwd"}}}), "parameter_schema/properties/a/$ref"),
    ] {
        assert_eq!(fields(&world.client.send(change(schema)).await.problem(422)), [field]);
    }
    world.end().await;
}

async fn a_schema_that_was_stored_before_it_was_bounded_stops_no_hub(delivery: Delivery) {
    let world = calm(delivery).await;
    let made = automation(&world, "old").await;
    let stored = store::automations::automation_get(world.hub.database(), &Scope::All, made.id).await.unwrap().unwrap();
    let draft = store::automations::Draft { parameter_schema: Some(bomb()), ..stored.draft };
    store::automations::automation_update(
        world.hub.database(),
        (&Scope::All, &test_support::change()),
        made.id,
        &draft,
        chrono::Utc::now(),
    )
    .await
    .unwrap();
    let world = world.restart().await;
    let problem = world.client.post(&format!("/api/v1/automations/{}/execute", made.id), &json!({"a": 1})).await.problem(409);
    assert_eq!(problem.code, "schema_unusable");
    let path = format!("/api/v1/automations/{}", made.id);
    let replaced = world.client.send(world.client.request(Method::PUT, &path).json(&json!({"parameter_schema": null}))).await;
    let _replaced = replaced.expect(200);
    let _job = world.client.execute(&made, &json!({"a": 1})).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_deep_is_refused_wherever_it_comes_in() {
    let world = calm(Delivery::Pull).await;
    let client = &world.client;
    let made = automation(&world, "deep").await;
    let job = running(&world).await;
    let ended = running(&world).await.id;
    let _ended = report(&world, ended, "finish", &json!({"status": "completed"})).await.expect(200);
    let deep = nested(MOST_DEPTH + 1);
    let execute = format!("/api/v1/automations/{}/execute", made.id);
    for (path, body, field) in [
        (execute.clone(), json!({"x": deep}), "x/a/a"),
        ("/api/v1/jobs".to_owned(), json!({"automation_id": made.id, "parameters": deep}), "parameters/a/a"),
        (format!("/api/v1/jobs/{ended}/retry"), json!({"parameters": deep}), "parameters/a/a"),
        ("/api/v1/automations".to_owned(), json!({"name": "d", "script_path": "x", "default_params": deep}), "default_params/a/a"),
        ("/api/v1/automations".to_owned(), json!({"name": "d", "script_path": "x", "parameter_schema": deep}), "parameter_schema/a/a"),
    ] {
        assert_eq!(fields(&client.post(&path, &body).await.problem(422)), [field], "{path}");
    }
    for (what, body, field) in [
        ("finish", json!({"status": "completed", "result": deep}), "result/a/a"),
        ("progress", json!({"percent": 1, "more": deep}), "more/a/a"),
        ("log", json!({"message": "x", "more": deep}), "more/a/a"),
    ] {
        assert_eq!(fields(&report(&world, job.id, what, &body).await.problem(422)), [field], "{what}");
    }
    let many = json!({"n": vec![0; MOST_VALUES]});
    assert!(fields(&client.post(&execute, &many).await.problem(422))[0].starts_with("n/"));
    let _ended = report(&world, job.id, "finish", &json!({"status": "completed"})).await.expect(200);
    world.end().await;
}

async fn parameters_as_deep_as_may_be_reach_their_worker(delivery: Delivery) {
    let world = calm(delivery).await;
    let made = automation(&world, "deepest").await;
    let deepest = nested(MOST_DEPTH);
    let job = world.client.execute(&made, &deepest).await;
    assert_eq!(json!(world.client.job(job.id).await.parameters), deepest);
    let listed: Vec<Job> = world.client.get("/api/v1/jobs").await.expect(200).json();
    assert_eq!(json!(listed[0].parameters), deepest);
    if delivery == Delivery::Pull {
        let worker = register(&world, "w", &[&made.queue_name]).await;
        let claimed = claim(&world, worker, &[&made.queue_name], json!({})).await;
        assert_eq!(json!(claimed[0].parameters), deepest);
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_are_no_text_or_no_json_say_why() {
    let world = calm(Delivery::Pull).await;
    let path = format!("/api/v1/automations/{}/execute", automation(&world, "t").await.id);
    let send =
        async |body: &'static [u8]| world.client.send(world.client.request(Method::POST, &path).body(body)).await.problem(400).detail;
    assert!(send(b"{\"a\": \"caf\xe9\"}").await.contains("not UTF-8"));
    assert!(send(br#"{"a": "\ud800"}"#).await.contains("half of a pair"));
    world.end().await;
}

/// A connection that has sent the head of a request and a part of its body.
async fn half_sent(world: &World, path: &str, credentials: &str, part: usize, whole: usize) -> TcpStream {
    let address = world.door().url().trim_start_matches("http://").to_owned();
    let mut stream = TcpStream::connect(&address).await.unwrap();
    let head = format!("POST {path} HTTP/1.1\r\nhost: {address}\r\n{credentials}content-length: {whole}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&vec![b' '; part]).await.unwrap();
    stream
}

/// Reads until the other side ends or nothing comes any more.
async fn answer(stream: &mut TcpStream) -> String {
    let mut text = Vec::new();
    let read = async {
        let mut buffer = [0; 4096];
        while !String::from_utf8_lossy(&text).contains("\"title\"") {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => break,
                Ok(count) => text.extend_from_slice(&buffer[..count]),
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read).await.unwrap();
    String::from_utf8_lossy(&text).into_owned()
}

async fn signed_in(world: &World) -> String {
    format!("authorization: Bearer {}\r\n", world.door().access_token().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_arrive_in_time_is_refused_and_one_without_sign_in_is_not_waited_for() {
    let world = with(Delivery::Pull, |settings| settings.http.body_timeout = Duration::from_secs(1)).await;
    let execute = format!("/api/v1/automations/{}/execute", automation(&world, "slow").await.id);
    for (path, credentials) in [(execute.as_str(), signed_in(&world).await), ("/api/v1/auth/login", String::new())] {
        let text = answer(&mut half_sent(&world, path, &credentials, 100, 1000).await).await;
        assert!(text.starts_with("HTTP/1.1 408") && text.contains("too_slow"), "{path}: {text}");
    }
    world.end().await;
    let world = with(Delivery::Pull, |settings| settings.http.body_timeout = Duration::from_secs(3600)).await;
    let text = answer(&mut half_sent(&world, &execute, "", 100, 1000).await).await;
    assert!(text.starts_with("HTTP/1.1 401"), "{text}");
    let text = answer(&mut half_sent(&world, "/api/v1/auth/login", "", 100, 1_000_000).await).await;
    assert!(text.starts_with("HTTP/1.1 413"), "{text}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_share_a_memory_and_one_beyond_it_can_be_retried() {
    let world = with(Delivery::Pull, |settings| {
        settings.http.body_timeout = Duration::from_secs(3600);
        settings.http.body_limit = 1 << 20;
        settings.http.body_memory = 2 << 20;
    })
    .await;
    let made = automation(&world, "many").await;
    let execute = format!("/api/v1/automations/{}/execute", made.id);
    let large = json!({"a": "x".repeat(1 << 10)});
    let held = tokio::sync::Mutex::new(Vec::new());
    // The refused body may be one that is still being read: there is always another.
    let refused = async || {
        held.lock().await.push(half_sent(&world, &execute, &signed_in(&world).await, (1 << 20) - 1, 1 << 20).await);
        Some(world.client.post(&execute, &large).await).filter(|answer| answer.status == 503)
    };
    let refused = test_support::eventually("the memory is used up", refused).await;
    assert_eq!((refused.problem(503).code.as_str(), refused.headers.contains_key("retry-after")), ("overloaded", true));
    drop(held);
    let room = async || Some(world.client.post(&execute, &large).await).filter(|answer| answer.status == 202);
    let _accepted = test_support::eventually("there is room again", room).await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_sign_ins_is_turned_away_and_nothing_else_is() {
    let world = calm(Delivery::Pull).await;
    let mut right = json!({"username": "admin", "password": "admin-password-of-a-test"});
    let sign_in = async |body: &Value| world.client.send(world.client.bare(Method::POST, "/api/v1/auth/login").json(body)).await;
    let before: api_types::LoginResponse = sign_in(&right).await.expect(200).json();
    let body = json!({"username": "admin", "password": "wrong"});
    let sign_ins = (0..200).map(|_| world.client.send(world.client.bare(Method::POST, "/api/v1/auth/login").json(&body)));
    let others = (0..20).map(|_| world.client.get("/api/v1/jobs"));
    let (sign_ins, others) = tokio::join!(join_all(sign_ins), join_all(others));
    assert!(others.iter().all(|answer| answer.status == 200));
    let away: Vec<_> = sign_ins.iter().filter(|answer| answer.status == 429).collect();
    assert!(!away.is_empty() && sign_ins.iter().all(|answer| answer.status == 429 || answer.status == 401));
    assert_eq!(away[0].problem(429).code, "too_many_requests");
    assert!(away[0].headers.contains_key("retry-after"));
    // Whoever shares the address with the flood is let in by the device that signed in before.
    right["refresh_token"] = json!(before.refresh_token);
    let _in = sign_in(&right).await.expect(200);
    world.end().await;
}
