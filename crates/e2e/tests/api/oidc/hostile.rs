//! What a provider, or somebody in its place, may send.

use std::time::Duration;

use e2e::Delivery;
use serde_json::{Value, json};
use test_support::{IdentityProvider, identity_provider::Lie};

use super::{Browser, VERIFIER, collect, hub, hub_with, location, parameter, provider, sign_in};

fn now() -> i64 {
    chrono::Utc::now().timestamp()
}

fn claim(name: &'static str, value: impl Into<Value>) -> Lie {
    Lie::Claims(vec![(name, value.into())])
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_does_not_prove_who_somebody_is_signs_nobody_in() {
    let provider = provider();
    let world = hub(Delivery::Pull, &provider).await;
    let _answer = sign_in(&world.client).await.expect(200);
    let lies = [
        claim("nonce", "another"),
        claim("nonce", Value::Null),
        claim("aud", "another client"),
        claim("aud", json!(["regente", "a project"])),
        claim("aud", Value::Null),
        claim("azp", "another client"),
        claim("iss", "https://other.example"),
        claim("exp", now() - 60),
        claim("exp", Value::Null),
        claim("iat", now() - 3600),
        claim("iat", now() + 3600),
        claim("nbf", now() + 3600),
        claim("sub", ""),
        claim("sub", "a".repeat(256)),
        claim("sub", "a\0"),
        Lie::ForeignKey,
        Lie::Unsigned,
        Lie::PublicKeyAsSecret,
        Lie::ClientSecret,
        Lie::NoIdToken,
    ];
    for key in ["ES256", "RS256"] {
        for lie in &lies {
            provider.lies(lie.clone());
            let problem = sign_in(&world.client).await.problem(403);
            // A token that is none at all cannot even be read.
            let expected: &[&str] = match lie {
                Lie::Claims(claims) if claims[0].1.is_null() && claims[0].0 != "nonce" => &["id_token_invalid", "provider_refused"],
                Lie::Unsigned => &["id_token_invalid", "provider_refused"],
                _ => &["id_token_invalid"],
            };
            assert!(expected.contains(&problem.code.as_str()), "{key}, {lie:?}: {} {}", problem.code, problem.detail);
        }
        provider.lies(None);
        provider.rotate_to_rsa().unwrap();
    }
    // What was refused left nobody behind.
    let users: Vec<api_types::User> = world.client.get("/api/v1/users").await.expect(200).json();
    assert_eq!(users.len(), 2, "{users:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_may_differ_a_little_and_audiences_that_are_trusted_may_be_there() {
    let provider = provider();
    let world = hub_with(Delivery::Pull, &provider, |oidc| oidc.trusted_audiences = vec!["a project".to_owned()]).await;
    for lie in [
        claim("aud", json!(["regente", "a project"])),
        Lie::Claims(vec![("iat", (now() + 20).into()), ("nbf", (now() + 20).into())]),
        claim("exp", now() - 5),
        claim("azp", "regente"),
    ] {
        provider.lies(lie.clone());
        let answer = sign_in(&world.client).await;
        assert_eq!(answer.status.as_u16(), 200, "{lie:?}: {}", answer.text);
    }
    provider.lies(claim("aud", json!(["regente", "another project"])));
    assert_eq!(sign_in(&world.client).await.problem(403).code, "id_token_invalid");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_of_another_issuer_is_not_looked_at() {
    let provider = provider();
    let world = hub(Delivery::Pull, &provider).await;
    provider.lies(Lie::Issuer("https://other.example".to_owned()));
    assert_eq!(sign_in(&world.client).await.problem(403).code, "id_token_invalid");
    // This provider says that it always names itself.
    provider.lies(None);
    let mut browser = Browser::default();
    let there = location(&browser.start(&world.client).await);
    let back = browser.visit(&there).await;
    let (path, query) = back.split_once('?').unwrap();
    let pairs = form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name != "iss");
    let anonymous = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    let end = location(&browser.get(&world.client, &format!("{path}?{anonymous}")).await);
    let answer = collect(&world.client, &parameter(&end, "code").unwrap(), VERIFIER).await;
    assert_eq!(answer.problem(403).code, "id_token_invalid");
    assert_eq!(provider.hits("/token"), 0, "the code was not shown to anybody");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_provider_refuses_is_told() {
    let provider = provider();
    let world = hub(Delivery::Pull, &provider).await;
    for (lie, code) in [
        (Lie::Error("access_denied"), "sign_in_declined"),
        (Lie::Error("server_error"), "provider_refused"),
        (Lie::RefusesCode, "provider_refused"),
        (Lie::Nonsense, "provider_refused"),
    ] {
        provider.lies(lie.clone());
        assert_eq!(sign_in(&world.client).await.problem(403).code, code, "{lie:?}");
    }
    // Neither a code nor an error.
    provider.lies(None);
    let mut browser = Browser::default();
    let state = parameter(&location(&browser.start(&world.client).await), "state").unwrap();
    let path = format!("/api/v1/auth/oidc/callback?state={state}&iss={}", provider.issuer());
    let end = location(&browser.get(&world.client, &path).await);
    let answer = collect(&world.client, &parameter(&end, "code").unwrap(), VERIFIER).await;
    assert_eq!(answer.problem(403).code, "provider_refused");
    assert_eq!(browser.get(&world.client, "/api/v1/auth/oidc/callback?code=a").await.status.as_u16(), 400);
    world.end().await;
}

/// A hub that waits 300 ms, of a provider that does this from the start.
async fn refused_at_the_start(lie: Lie, provider: &IdentityProvider) {
    provider.lies(lie.clone());
    let world = hub_with(Delivery::Pull, provider, |oidc| oidc.timeout = Duration::from_millis(300)).await;
    let answer = Browser::default().start(&world.client).await;
    assert_eq!(answer.problem(503).code, "provider_unavailable", "{lie:?}");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_takes_neither_time_nor_memory() {
    let provider = provider();
    for lie in [Lie::Silent, Lie::Huge] {
        refused_at_the_start(lie, &provider).await;
    }
    // In the midst of a sign-in, an answer without end is read to its limit.
    provider.lies(None);
    let world = super::hub_of_one_gateway(&provider).await;
    let mut browser = Browser::default();
    let there = location(&browser.start(&world.client).await);
    let back = browser.visit(&there).await;
    provider.lies(Lie::Huge);
    let end = location(&browser.get(&world.client, &back).await);
    let answer = collect(&world.client, &parameter(&end, "code").unwrap(), VERIFIER).await;
    assert_eq!(answer.problem(403).code, "provider_refused");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_provider_that_is_another_or_sends_elsewhere_is_not_followed() {
    let (here, elsewhere) = (provider(), provider());
    refused_at_the_start(Lie::Describes("https://other.example".to_owned()), &here).await;
    refused_at_the_start(Lie::Redirects(elsewhere.issuer().to_owned()), &here).await;
    assert_eq!(elsewhere.hits("/.well-known/openid-configuration"), 0);
}
