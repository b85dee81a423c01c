//! Sign-in with an identity provider that really speaks HTTP.

mod flow;
mod hostile;
mod people;

use std::collections::HashMap;

use auth::code_challenge;
use e2e::{Answer, Client, Delivery, World};
use reqwest::Method;
use runtime::{Oidc, Settings};
use serde_json::json;
use test_support::{
    IdentityProvider,
    identity_provider::{CLIENT_ID, CLIENT_SECRET},
};

use crate::support::with;

/// Where browsers reach the hub, as the provider knows it.
const PUBLIC: &str = "http://127.0.0.1:9";
const CALLBACK: &str = "/api/v1/auth/oidc/callback";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const RETURN_TO: &str = "http://127.0.0.1:51234/done";

/// A provider.
fn provider() -> IdentityProvider {
    IdentityProvider::start(&format!("{PUBLIC}{CALLBACK}")).unwrap()
}

/// Everybody whom this provider signs in is a viewer.
fn signed_in_by(provider: &IdentityProvider) -> impl FnOnce(&mut Settings) + use<> {
    let issuer = provider.issuer().to_owned();
    move |settings: &mut Settings| {
        let oidc = &mut settings.oidc;
        oidc.issuer = issuer;
        oidc.name = "ACME".to_owned();
        oidc.client_id = CLIENT_ID.to_owned();
        oidc.client_secret = CLIENT_SECRET.to_owned().into();
        oidc.public_url = PUBLIC.to_owned();
        oidc.default_role = Some(domain::permission::Role::Viewer);
        settings.auth = Settings::load(None).unwrap().auth;
    }
}

/// A hub with this provider.
async fn hub(delivery: Delivery, provider: &IdentityProvider) -> World {
    hub_with(delivery, provider, |_| {}).await
}

async fn hub_with(delivery: Delivery, provider: &IdentityProvider, change: impl FnOnce(&mut Oidc) + Send + 'static) -> World {
    let usual = signed_in_by(provider);
    with(delivery, move |settings| {
        usual(settings);
        change(&mut settings.oidc);
    })
    .await
}

/// The same with a client of one gateway alone: what is read of a provider is remembered by each.
async fn hub_of_one_gateway(provider: &IdentityProvider) -> World {
    let mut world = hub(Delivery::Pull, provider).await;
    world.client = world.client_of_door().await;
    world
}

/// A browser: it keeps cookies and is led by the test.
#[derive(Clone, Default)]
struct Browser {
    cookies: HashMap<String, String>,
}

/// Where a browser is sent, and with what.
fn location(answer: &Answer) -> String {
    assert_eq!(answer.status.as_u16(), 302, "{}", answer.text);
    answer.headers["location"].to_str().unwrap().to_owned()
}

/// A parameter of an address.
fn parameter(address: &str, name: &str) -> Option<String> {
    let query = address.split_once('?')?.1;
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
}

impl Browser {
    async fn get(&mut self, client: &Client, path: &str) -> Answer {
        let shown: Vec<String> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let request = client.bare(Method::GET, path).header("cookie", shown.join("; "));
        let answer = client.send(request).await;
        for line in answer.headers.get_all("set-cookie") {
            let (name, value) = line.to_str().unwrap().split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
        answer
    }

    /// Goes to the hub, which sends it to the provider.
    async fn start(&mut self, client: &Client) -> Answer {
        let query = form_urlencoded::Serializer::new(String::new())
            .append_pair("return_to", RETURN_TO)
            .append_pair("code_challenge", &code_challenge(VERIFIER))
            .finish();
        self.get(client, &format!("/api/v1/auth/oidc/start?{query}")).await
    }

    /// Goes to the provider, which sends it back: the path at the hub.
    async fn visit(&self, address: &str) -> String {
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        let answer = http.get(address).send().await.unwrap();
        assert_eq!(answer.status().as_u16(), 302, "{}", answer.text().await.unwrap());
        let back = answer.headers()["location"].to_str().unwrap();
        back.strip_prefix(PUBLIC).unwrap().to_owned()
    }

    /// All the way to the code that the program gets.
    async fn code(&mut self, client: &Client) -> String {
        let there = location(&self.start(client).await);
        let back = self.visit(&there).await;
        let end = location(&self.get(client, &back).await);
        assert!(end.starts_with(RETURN_TO), "{end}");
        parameter(&end, "code").unwrap()
    }
}

/// Collects the outcome.
async fn collect(client: &Client, code: &str, verifier: &str) -> Answer {
    let body = json!({"code": code, "code_verifier": verifier});
    client.send(client.bare(Method::POST, "/api/v1/auth/oidc/token").json(&body)).await
}

/// A whole sign-in, with another browser each time.
async fn sign_in(client: &Client) -> Answer {
    let code = Browser::default().code(client).await;
    collect(client, &code, VERIFIER).await
}

/// A client of the same hub, signed in by the provider.
async fn signed_in(world: &World) -> Client {
    let given: api_types::LoginResponse = sign_in(&world.client).await.expect(200).json();
    Client::new(world.door().url(), given.access_token, String::new()).unwrap()
}
