//! The way of a browser, from the hub to the provider and back.

use api_types::{LoginResponse, Me, Session, SignInWays};
use e2e::{Delivery, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::identity_provider::Lie;

use super::{Browser, RETURN_TO, VERIFIER, collect, hub, hub_with, location, parameter, provider, sign_in, signed_in};
use crate::support::{calm, fields, replica};

on_both!(
    a_browser_that_comes_back_signs_a_program_in,
    any_replica_goes_on_with_a_sign_in,
    a_state_and_a_code_are_good_once,
    only_the_browser_that_began_may_come_back,
);

async fn a_browser_that_comes_back_signs_a_program_in(delivery: Delivery) {
    let provider = provider();
    let world = hub(delivery, &provider).await;
    let ways: SignInWays = world.client.get("/api/v1/auth/providers").await.expect(200).json();
    let oidc = ways.oidc.unwrap();
    assert_eq!((oidc.name.as_str(), oidc.start.as_str()), ("ACME", "http://127.0.0.1:9/api/v1/auth/oidc/start"));
    assert!(ways.password && !ways.anonymous);
    assert_eq!(provider.hits("/.well-known/openid-configuration"), 0, "nobody has asked for it yet");

    provider.signs_in("subject-1", json!({"preferred_username": "Ana.Lima@example.com", "name": "Ana Lima"}));
    let mut browser = Browser::default();
    let start = browser.start(&world.client).await;
    let cookie = start.headers["set-cookie"].to_str().unwrap().to_owned();
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=600"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let there = location(&start);
    for (name, value) in [("response_type", "code"), ("scope", "openid profile email"), ("code_challenge_method", "S256")] {
        assert_eq!(parameter(&there, name).as_deref(), Some(value), "{there}");
    }
    let back = browser.visit(&there).await;
    let done = browser.get(&world.client, &back).await;
    let end = location(&done);
    assert!(done.headers["set-cookie"].to_str().unwrap().contains("Max-Age=0"), "the cookie has done its work");
    assert!(!end.contains("ey") && end.starts_with(RETURN_TO), "no token is in an address: {end}");

    let given: LoginResponse = collect(&world.client, &parameter(&end, "code").unwrap(), VERIFIER).await.expect(200).json();
    let ana = e2e::Client::new(world.door().url(), given.access_token, String::new()).unwrap();
    let me: Me = ana.get("/api/v1/auth/me").await.expect(200).json();
    let user = me.user.unwrap();
    assert_eq!((user.username.as_str(), user.display_name.as_deref()), ("ana.lima", Some("Ana Lima")));
    let _answer = ana.get("/api/v1/jobs").await.expect(200);
    let sessions: Vec<Session> = ana.get("/api/v1/auth/sessions").await.expect(200).json();
    assert_eq!(sessions[0].provider.as_deref(), Some(provider.issuer()));
    assert!(sessions[0].expires_at - sessions[0].created_at <= chrono::TimeDelta::hours(12));
    let refreshed = json!({"refresh_token": given.refresh_token});
    let _answer = world.client.send(world.client.bare(Method::POST, "/api/v1/auth/refresh").json(&refreshed)).await.expect(200);
    world.end().await;
}

async fn any_replica_goes_on_with_a_sign_in(delivery: Delivery) {
    if delivery == Delivery::Pull {
        // A file of SQLite is one process's.
        return;
    }
    let provider = provider();
    let world = hub(delivery, &provider).await;
    let (other, there) = replica(&world).await;
    let mut browser = Browser::default();
    let address = location(&browser.start(&world.client).await);
    let back = browser.visit(&address).await;
    let end = location(&browser.get(&there, &back).await);
    let _answer = collect(&world.client, &parameter(&end, "code").unwrap(), VERIFIER).await.expect(200);
    other.stop().await;
    world.end().await;
}

async fn a_state_and_a_code_are_good_once(delivery: Delivery) {
    let provider = provider();
    let world = hub(delivery, &provider).await;
    let mut browser = Browser::default();
    let there = location(&browser.start(&world.client).await);
    let cookies = browser.clone();
    let back = browser.visit(&there).await;
    let end = location(&browser.get(&world.client, &back).await);
    let again = cookies.clone().get(&world.client, &back).await;
    assert!(again.problem(400).detail.contains("begin again"), "{}", again.text);
    let code = parameter(&end, "code").unwrap();
    let _answer = collect(&world.client, &code, VERIFIER).await.expect(200);
    let twice = collect(&world.client, &code, VERIFIER).await.problem(401);
    assert!(twice.detail.contains("used before"), "{}", twice.detail);
    // Whoever does not have the verifier has seen somebody's code.
    let code = browser.code(&world.client).await;
    let _answer = collect(&world.client, &code, "another verifier, which is not the one that was begun with").await.expect(401);
    let _answer = collect(&world.client, &code, VERIFIER).await.expect(401);
    assert_eq!(provider.hits("/token"), 2);
    world.end().await;
}

async fn only_the_browser_that_began_may_come_back(delivery: Delivery) {
    let provider = provider();
    let world = hub(delivery, &provider).await;
    // Somebody signs in at the provider as themselves and sends the address to somebody else.
    let mut attacker = Browser::default();
    let there = location(&attacker.start(&world.client).await);
    let back = attacker.visit(&there).await;
    let mut victim = Browser::default();
    let _answer = victim.get(&world.client, &back).await.expect(400);
    // The same in the midst of a sign-in of their own.
    victim.start(&world.client).await;
    let _answer = victim.get(&world.client, &back).await.expect(400);
    // With a value of the attacker's, which no page of theirs can set.
    let name = attacker.cookies.keys().next().unwrap().clone();
    victim.cookies.insert(name, "a".repeat(43));
    let _answer = victim.get(&world.client, &back).await.expect(400);
    assert_eq!(provider.hits("/token"), 0, "the provider's code was not used");
    location(&attacker.get(&world.client, &back).await);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_provider_there_is_nothing() {
    let world = calm(Delivery::Pull).await;
    let ways: Value = world.client.get("/api/v1/auth/providers").await.expect(200).json();
    assert_eq!(ways, json!({"password": true, "anonymous": false, "oidc": null}));
    let mut browser = Browser::default();
    let _answer = browser.start(&world.client).await.expect(404);
    let _answer = browser.get(&world.client, "/api/v1/auth/oidc/callback?state=a&code=b").await.expect(404);
    let _answer = collect(&world.client, "a", "b").await.expect(404);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_is_sent_nowhere_else() {
    let provider = provider();
    let world = hub(Delivery::Pull, &provider).await;
    let challenge = auth::code_challenge(VERIFIER);
    let start = async |return_to: &str, challenge: &str| {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", return_to)
            .append_pair("code_challenge", challenge)
            .finish();
        world.client.send(world.client.bare(Method::GET, &format!("/api/v1/auth/oidc/start?{query}"))).await
    };
    for elsewhere in ["https://evil.example/", "//evil.example", "/\\evil.example", "http://localhost:1/", "http://127.0.0.1@evil.example/"]
    {
        assert_eq!(fields(&start(elsewhere, &challenge).await.problem(400)), ["return_to"], "{elsewhere}");
    }
    assert_eq!(fields(&start("/", "short").await.problem(400)), ["code_challenge"]);
    location(&start("/done?x=y", &challenge).await);
    assert_eq!(fields(&world.client.get("/api/v1/auth/oidc/start").await.problem(400)), ["code_challenge"]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_way_back_to_a_page_is_absolute_and_its_cookie_is_for_this_host_alone() {
    let provider = provider();
    let public = "https://hub.example";
    let world = hub_with(Delivery::Pull, &provider, move |oidc| oidc.public_url = public.to_owned()).await;
    let challenge = auth::code_challenge(VERIFIER);
    let start = world.client.get(&format!("/api/v1/auth/oidc/start?return_to=/in&code_challenge={challenge}")).await;
    let cookie = start.headers["set-cookie"].to_str().unwrap().to_owned();
    assert!(cookie.starts_with("__Host-regente-oidc-") && cookie.contains("; Secure"), "{cookie}");
    let state = parameter(&location(&start), "state").unwrap();
    let mut browser = Browser::default();
    let (name, value) = cookie.split(';').next().unwrap().split_once('=').unwrap();
    browser.cookies.insert(name.to_owned(), value.to_owned());
    let declined = format!("/api/v1/auth/oidc/callback?state={state}&error=access_denied&iss={}", provider.issuer());
    let end = location(&browser.get(&world.client, &declined).await);
    assert!(end.starts_with("https://hub.example/in?code="), "{end}");
    let problem = collect(&world.client, &parameter(&end, "code").unwrap(), VERIFIER).await.problem(403);
    assert_eq!(problem.code, "sign_in_declined");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_away_costs_its_own_sign_ins_alone() {
    let provider = provider();
    provider.lies(Lie::Away);
    let world = super::hub_of_one_gateway(&provider).await;
    let away = Browser::default().start(&world.client).await;
    let problem = away.problem(503);
    assert_eq!((problem.code.as_str(), away.headers["retry-after"].to_str().unwrap()), ("provider_unavailable", "5"));
    assert!(problem.detail.contains("ACME"), "{}", problem.detail);
    let _answer = world.client.get("/health/ready").await.expect(200);
    let asked = provider.hits("/.well-known/openid-configuration");
    let _answer = Browser::default().start(&world.client).await.expect(503);
    assert_eq!(provider.hits("/.well-known/openid-configuration"), asked, "it is left alone for a moment");
    let password = json!({"username": "admin", "password": "admin-password-of-a-test"});
    let _answer = world.client.send(world.client.bare(Method::POST, "/api/v1/auth/login").json(&password)).await.expect(200);
    provider.lies(None);
    test_support::eventually("the provider is asked again", async || {
        let status = Browser::default().start(&world.client).await.status.as_u16();
        (status == 302).then_some(())
    })
    .await;
    // Away in the midst of a sign-in.
    let mut browser = Browser::default();
    let there = location(&browser.start(&world.client).await);
    let back = browser.visit(&there).await;
    provider.lies(Lie::Away);
    let end = location(&browser.get(&world.client, &back).await);
    let late = collect(&world.client, &parameter(&end, "code").unwrap(), VERIFIER).await;
    assert_eq!(late.problem(503).code, "provider_unavailable");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_keys_of_the_provider_are_read_when_they_are_used() {
    let provider = provider();
    let world = super::hub_of_one_gateway(&provider).await;
    signed_in(&world).await;
    let read = provider.hits("/jwks");
    signed_in(&world).await;
    assert_eq!(provider.hits("/jwks"), read, "keys are kept");
    provider.rotate_to_rsa().unwrap();
    let _answer = sign_in(&world.client).await.expect(200);
    assert_eq!(provider.hits("/jwks"), read + 1);
    // Not for each token with a key of its own.
    provider.rotate().unwrap();
    assert_eq!(sign_in(&world.client).await.problem(403).code, "id_token_invalid");
    assert_eq!(provider.hits("/jwks"), read + 1);
    world.end().await;
}
