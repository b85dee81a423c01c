use std::{sync::Arc, time::Duration};

use api_types::LoginResponse;
use reqwest::{Method, RequestBuilder, Url, header::AUTHORIZATION};
use secrecy::SecretString;
use serde::Serialize;

use crate::{
    Call, Error, List, Renew,
    call::Repeat,
    renew::{InMemory, Token, header},
};

/// A stream that is silent for longer is broken: the hub sends a keep-alive every 15 s.
const SILENCE: Duration = Duration::from_secs(45);
const CONNECT: Duration = Duration::from_secs(10);

/// Address of the hub, and time limits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the hub, without the API's path: `http://127.0.0.1:8080`.
    pub url: String,
    /// Time limit of an attempt; a log stream has none as long as the hub sends keep-alives.
    pub timeout: Duration,
    /// How long a request is repeated, after `Retry-After` or with backoff, when the hub is overloaded or its answer was lost. Repeated are
    /// reads, idempotent changes, requests for jobs with an idempotency key, and requests that the hub certainly did not carry out
    /// ([`Error::is_undone`]). A hub that is unreachable at the first attempt is an error at once. Zero: one attempt.
    pub patience: Duration,
    /// How long the client tries to resume an interrupted log stream.
    pub resume: Duration,
}

impl Settings {
    /// For the hub at `url`: 30 s per attempt, 30 s of patience, and 5 minutes to resume streams.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let thirty = Duration::from_secs(30);
        Self { url: url.into(), timeout: thirty, patience: thirty, resume: Duration::from_secs(300) }
    }
}

/// A client of one hub. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) http: reqwest::Client,
    pub(crate) settings: Arc<Settings>,
    /// The API below the hub's address.
    base: Url,
    token: Option<Token>,
}

impl Client {
    /// A client that is not signed in.
    ///
    /// # Errors
    /// [`Error::Address`] when the address is invalid, or is `https` and this host has no CA certificates.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let address = |reason: String| Error::Address { url: settings.url.clone(), reason };
        let mut base = Url::parse(&settings.url).map_err(|error| address(error.to_string()))?;
        if !matches!(base.scheme(), "http" | "https") {
            return Err(address("it must begin with http:// or https://".to_owned()));
        }
        base.set_query(None);
        base.set_fragment(None);
        base.set_path(&format!("{}/api/v1/", base.path().trim_end_matches('/')));
        // The embedding program or an earlier call may have set a provider: that one is as good.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("regente-client/", env!("CARGO_PKG_VERSION")))
            // A redirect would change a POST and could send the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.timeout.min(CONNECT))
            .read_timeout(settings.timeout.max(SILENCE));
        if base.scheme() == "http" {
            // Plain HTTP needs no CA certificates; loading them fails on hosts without any.
            builder = builder.tls_certs_only([]);
        }
        if is_this_machine(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| address(error.to_string()))?;
        Ok(Self { http, settings: Arc::new(settings), base, token: None })
    }

    /// The same client, signed in with this access token.
    ///
    /// # Errors
    /// [`Error::Token`] when it is not a valid header value.
    pub fn with_token(mut self, token: &SecretString) -> Result<Self, Error> {
        self.token = Some(Token::new(token, None)?);
        Ok(self)
    }

    /// The same client, signed in with this access token, which `renew` replaces when the hub refuses it.
    ///
    /// # Errors
    /// [`Error::Token`] when it is not a valid header value.
    pub fn with_renewed_token(mut self, token: &SecretString, renew: Arc<dyn Renew>) -> Result<Self, Error> {
        self.token = Some(Token::new(token, Some(renew))?);
        Ok(self)
    }

    /// The same client, signed in by [`Client::login`]: it gets its next access tokens itself, for as long as the session lasts.
    ///
    /// # Errors
    /// [`Error::Token`] when the access token is not a valid header value.
    pub fn with_sign_in(mut self, given: LoginResponse) -> Result<Self, Error> {
        self.token = None;
        let renew = Arc::new(InMemory::new(self.clone(), &given));
        self.with_renewed_token(&given.access_token.into(), renew)
    }

    /// The same client, with the access tokens of `other`, which is signed in at a replica of the same hub.
    #[must_use]
    pub fn signed_in_as(mut self, other: &Self) -> Self {
        self.token.clone_from(&other.token);
        self
    }

    /// Address of the hub, as given.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.settings.url
    }

    /// A request that has no method, with the client's token, which is not renewed: `path` begins with `/` and is relative to the hub's address. It is sent once
    /// and has no time limit except that of silence.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.signed(self.bare(method, path), self.shown().as_ref())
    }

    /// [`Client::request`] without the token.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.settings.url.trim_end_matches('/')))
    }

    /// The access token that the next request shows.
    pub(crate) fn shown(&self) -> Option<SecretString> {
        self.token.as_ref().map(Token::current)
    }

    /// The access token after one that the hub refused.
    pub(crate) async fn shown_after(&self, refused: &SecretString) -> Result<Option<SecretString>, Error> {
        match &self.token {
            Some(token) => token.after(refused).await,
            None => Ok(None),
        }
    }

    pub(crate) fn signed(&self, request: RequestBuilder, token: Option<&SecretString>) -> RequestBuilder {
        // What is no header value was refused before.
        match token.and_then(|token| header(token).ok()) {
            Some(value) => request.header(AUTHORIZATION, value),
            None => request,
        }
    }

    /// URL of a path in the API; escapes its segments.
    fn path(&self, segments: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(segments);
        }
        url
    }

    pub(crate) fn get<T>(&self, path: &[&str]) -> Call<T> {
        Call::new(self.clone(), Method::GET, self.path(path), Repeat::Always)
    }

    pub(crate) fn list<T>(&self, path: &[&str], filter: &impl Serialize) -> List<T> {
        List::new(self.get(path).query(filter))
    }

    /// A change that is not idempotent.
    pub(crate) fn post<T>(&self, path: &[&str]) -> Call<T> {
        Call::new(self.clone(), Method::POST, self.path(path), Repeat::Undone)
    }

    /// An idempotent change.
    pub(crate) fn put<T>(&self, path: &[&str]) -> Call<T> {
        Call::new(self.clone(), Method::PUT, self.path(path), Repeat::Always)
    }

    /// Not repeated when the answer was lost: the second attempt would be answered 404.
    pub(crate) fn delete(&self, path: &[&str]) -> Call<()> {
        Call::new(self.clone(), Method::DELETE, self.path(path), Repeat::Undone)
    }
}

/// Loopback addresses are never reached through a proxy, whatever the environment says.
fn is_this_machine(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_relative_to_the_hubs_address_and_escaped() {
        for (url, path) in [
            ("http://hub:8080", "http://hub:8080/api/v1/queues/a%2Fb%20%C3%A7/pause"),
            ("http://hub/", "http://hub/api/v1/queues/a%2Fb%20%C3%A7/pause"),
            ("https://proxy/regente/?x=1#y", "https://proxy/regente/api/v1/queues/a%2Fb%20%C3%A7/pause"),
        ] {
            let client = Client::new(Settings::new(url)).unwrap();
            assert_eq!(client.path(&["queues", "a/b ç", "pause"]).as_str(), path);
        }
    }

    #[test]
    fn an_invalid_address_is_named() {
        for url in ["", "hub:8080", "http://", "http://hub:port", "ftp://hub", "http://[::1", "não é"] {
            let refused = Client::new(Settings::new(url)).unwrap_err();
            assert!(matches!(&refused, Error::Address { .. }) && refused.to_string().contains(url), "{url}: {refused}");
        }
    }

    #[test]
    fn a_token_is_never_shown() {
        let client = Client::new(Settings::new("http://hub")).unwrap();
        let signed = client.clone().with_token(&"abc.def".into()).unwrap();
        assert!(!format!("{signed:?}").contains("abc"), "{signed:?}");
        assert!(matches!(client.with_token(&"a\nb".into()), Err(Error::Token)));
    }

    #[test]
    fn loopback_needs_no_proxy() {
        let here = |url: &str| is_this_machine(&Url::parse(url).unwrap());
        assert!(here("http://localhost:1") && here("http://127.0.0.9") && here("http://[::1]:8080"));
        assert!(!here("http://hub") && !here("http://10.0.0.1"));
    }
}
