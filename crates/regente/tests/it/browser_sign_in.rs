//! Signing in with a browser at an identity provider.

use std::time::Duration;

use reqwest::{Client, Response, redirect::Policy};
use test_support::{
    IdentityProvider, eventually,
    identity_provider::{CLIENT_ID, CLIENT_SECRET},
};

use crate::{
    client::PASSWORD,
    hub_commands::{done, idle},
    process::{Place, Running},
};

/// Where the provider believes the hub to be.
const PUBLIC: &str = "http://127.0.0.1:9";

async fn hub(provider: &IdentityProvider) -> (Place, Running) {
    let place = Place::new()
        .with("REGENTE__ADMIN__PASSWORD", PASSWORD)
        .with("REGENTE__LOG__FILTER", "trace")
        .with("REGENTE__OIDC__ISSUER", provider.issuer())
        .with("REGENTE__OIDC__CLIENT_ID", CLIENT_ID)
        .with("REGENTE__OIDC__CLIENT_SECRET", CLIENT_SECRET)
        .with("REGENTE__OIDC__PUBLIC_URL", PUBLIC)
        .with("REGENTE__OIDC__GROUP_ROLES", r#"[{"group": "ops", "role": "operator"}]"#);
    let mut hub = place.start(&["up"]);
    let address = hub.address().await;
    (place.with("REGENTE_URL", &address), hub)
}

/// The address that the program asks to open, at the hub itself.
async fn asked(program: &Running, place: &Place) -> String {
    let start = eventually("an address is printed", async || {
        let said = program.err();
        let line = said.lines().find(|line| line.trim().starts_with("http"))?;
        said.contains("\n\n").then(|| line.trim().to_owned())
    })
    .await;
    start.replace(PUBLIC, place.variable("REGENTE_URL"))
}

fn location(answer: &Response) -> String {
    assert_eq!(answer.status().as_u16(), 302);
    answer.headers()["location"].to_str().unwrap().to_owned()
}

/// A browser that opens `start`, signs in, and comes back to the program. Gives what nobody else may see: its cookie, and the codes.
async fn browse(start: &str, place: &Place) -> Vec<String> {
    // Sets the implementation of TLS, which reqwest asks for whatever it connects to.
    let _client = ::client::Client::new(::client::Settings::new(start)).unwrap();
    let http = Client::builder().no_proxy().redirect(Policy::none()).build().unwrap();
    let get = async |address: &str, cookie: &str| http.get(address).header("cookie", cookie).send().await.unwrap();
    let began = get(start, "").await;
    let cookie = began.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned();
    let back = location(&get(&location(&began), "").await).replace(PUBLIC, place.variable("REGENTE_URL"));
    let end = location(&get(&back, &cookie).await);
    // Somebody else on this machine who found the port.
    let elsewhere = format!("{}/?code=x", end.rsplit_once('/').unwrap().0);
    assert_eq!(get(&elsewhere, "").await.status().as_u16(), 404);
    let page = get(&end, "").await;
    assert!(page.text().await.unwrap().contains("You can close this window"));
    let code = |address: &str| address.split("code=").nth(1).unwrap().split('&').next().unwrap().to_owned();
    vec![cookie.split_once('=').unwrap().1.to_owned(), code(&back), code(&end)]
}

#[tokio::test]
async fn a_browser_signs_a_terminal_in() {
    let provider = IdentityProvider::start(&format!("{PUBLIC}/api/v1/auth/oidc/callback")).unwrap();
    provider.signs_in("s-1", serde_json::json!({"preferred_username": "ana", "groups": ["ops"]}));
    let (place, hub) = hub(&provider).await;
    let login = place.start(&["login", "--sso", "--no-browser"]);
    let start = asked(&login, &place).await;
    let mut secrets = browse(&start, &place).await;
    secrets.extend([CLIENT_SECRET.to_owned(), provider.last_token().unwrap()]);
    let ended = login.ended(Duration::from_secs(30)).await;
    assert!(ended.status.success() && ended.out.contains(" as ana until 2"), "{ended:?}");
    done(&place, &["job", "list"]).await;
    done(&place, &["logout"]).await;
    // Who has no role is told so.
    provider.signs_in("s-2", serde_json::json!({"preferred_username": "bob", "groups": []}));
    let login = place.start(&["login", "--sso", "--no-browser"]);
    let start = asked(&login, &place).await;
    browse(&start, &place).await;
    let refused = login.ended(Duration::from_secs(30)).await;
    assert!(refused.status.code() == Some(77) && refused.err.contains("nothing gives you a role"), "{refused:?}");
    let hub = hub.stop().await;
    assert!(hub.err.contains("the identity provider signed somebody in"), "{}", hub.err);
    for secret in secrets {
        let line = hub.err.lines().chain(hub.out.lines()).find(|line| line.contains(&secret));
        assert_eq!(line, None, "the log has {secret}");
    }
}

#[tokio::test]
async fn without_an_identity_provider_a_terminal_is_told_so() {
    let (place, hub) = idle().await;
    let refused = place.run(&["login", "--sso"]).await;
    assert!(refused.status.code() == Some(65) && refused.err.contains("has no identity provider"), "{refused:?}");
    hub.stop().await;
}
