//! Signing in, and the mode without.

use std::time::Duration;

use api_types::{LoginResponse, Problem};
use e2e::{Answer, Delivery, Options, World, on_both};
use regente::{Hub, HubOptions};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{calm, fields, with};

on_both!(a_right_password_gives_a_token_that_works, a_wrong_name_or_password_is_refused_alike);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_of_the_hub_itself_is_the_administrators() {
    let world = with(Delivery::Pull, |settings| "operadora".clone_into(&mut settings.admin.username)).await;
    let made = crate::support::automation(&world, "a").await;
    let path = format!("/api/v1/automations/{}/pause", made.id);
    let paused: api_types::Automation = world.client.post(&path, &json!({})).await.expect(200).json();
    assert_eq!(paused.paused_by.as_deref(), Some("operadora"));
    world.end().await;
}

/// Sign-ins last as long as they do by default.
fn usual(settings: &mut runtime::Settings) {
    settings.auth = runtime::Settings::load(None).unwrap().auth;
}

async fn login(world: &World, body: &Value) -> Answer {
    world.client.send(world.client.bare(Method::POST, "/api/v1/auth/login").json(body)).await
}

async fn jobs_with(world: &World, token: &str) -> Answer {
    world.client.send(world.client.bare(Method::GET, "/api/v1/jobs").header("authorization", token)).await
}

async fn a_right_password_gives_a_token_that_works(delivery: Delivery) {
    let world = with(delivery, usual).await;
    let answer = login(&world, &json!({"username": "admin", "password": "admin-password-of-a-test"})).await.expect(200);
    let given: LoginResponse = answer.json();
    assert_eq!((given.token_type.as_str(), given.expires_in, given.refresh_expires_in), ("bearer", 900, Some(7 * 86_400)));
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let _jobs = jobs_with(&world, &format!("{scheme} {}", given.access_token)).await.expect(200);
    }
    let world = world.restart().await;
    let _jobs = jobs_with(&world, &format!("Bearer {}", given.access_token)).await.expect(200);
    world.end().await;
}

async fn a_wrong_name_or_password_is_refused_alike(delivery: Delivery) {
    let world = calm(delivery).await;
    let table =
        [("admin", "wrong"), ("admin", ""), ("nobody", "admin-password-of-a-test"), ("", ""), ("ADMIN\u{0}", "x"), ("admin", "a\u{0}")];
    let mut answers = Vec::new();
    for (username, password) in table {
        let answer = login(&world, &json!({"username": username, "password": password})).await;
        let problem = answer.problem(401);
        assert_eq!(problem.code, "unauthorized", "{username:?}");
        answers.push(Problem { request_id: None, trace_id: None, ..problem });
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "the answer does not reveal which of the two was wrong");
    assert_eq!(fields(&login(&world, &json!({"username": "admin", "password": 7})).await.problem(422)), ["password"]);
    assert_eq!(fields(&login(&world, &json!({"username": "admin"})).await.problem(422)), ["password"]);
    assert_eq!(fields(&login(&world, &json!({"password": "x"})).await.problem(422)), ["username"]);
    assert_eq!(fields(&login(&world, &json!({"username": "a", "email": "b", "password": "x"})).await.problem(422)), ["email"]);
    let broken = world.client.send(world.client.bare(Method::POST, "/api/v1/auth/login").body("{")).await;
    assert_eq!(broken.problem(400).code, "bad_request");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_ends_and_garbage_is_none() {
    let world = with(Delivery::Pull, |settings| settings.auth.token_lifetime = Duration::from_secs(1)).await;
    let given: LoginResponse =
        login(&world, &json!({"username": "admin", "password": "admin-password-of-a-test"})).await.expect(200).json();
    assert_eq!(given.expires_in, 1);
    let short = format!("Bearer {}", given.access_token);
    test_support::eventually("the token ends", async || (jobs_with(&world, &short).await.status == 401).then_some(())).await;
    let other = calm(Delivery::Pull).await;
    let foreign = other.door().access_token().await.unwrap();
    other.end().await;
    for token in ["", "x", "a.b.c", &foreign] {
        for header in [format!("Bearer {token}"), format!("Basic {token}"), token.to_owned()] {
            let answer = jobs_with(&world, &header).await;
            assert_eq!(answer.problem(401).code, "unauthorized", "{header}");
            assert_eq!(answer.headers["www-authenticate"], "Bearer");
        }
    }
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn insecure_dev_opens_everything_and_serves_only_this_machine() {
    let hub = HubOptions { insecure_dev: true, ..HubOptions::default() };
    let world = World::start_with(Delivery::Pull, Options { hub, ..Options::default() }).await;
    let bare = |method, path: &str| world.client.bare(method, path);
    let _jobs = world.client.send(bare(Method::GET, "/api/v1/jobs")).await.expect(200);
    let body = json!({"name": "w", "queues": ["q"], "slots": 1});
    let _worker = world.client.send(bare(Method::POST, "/api/v1/worker/register").json(&body)).await.expect(200);
    let wrong = bare(Method::POST, "/api/v1/worker/register").header("X-Worker-API-Key", "wrong").json(&body);
    let _worker = world.client.send(wrong).await.expect(200);
    for bind in ["0.0.0.0:0", "[::]:0"] {
        let mut settings = world.settings.clone();
        settings.http.bind = bind.to_owned();
        let refused = Hub::start(settings, HubOptions { insecure_dev: true, ..HubOptions::default() }).await.err().unwrap();
        assert!(refused.to_string().contains("--insecure-dev") && refused.to_string().contains(bind), "{refused}");
    }
    world.end().await;
}
