use std::{sync::Arc, time::Duration};

use api_types::LoginResponse;
use reqwest::{Method, RequestBuilder, Url, header::AUTHORIZATION};
use secrecy::SecretString;
use serde::Serialize;

use crate::{
    Call, Error, List, Renew,
    call::Repeat,
    endpoints::{Endpoint, Endpoints},
    renew::{InMemory, Token, header},
};

/// A stream that is silent for longer is broken: the hub sends a keep-alive every 15 s.
pub(crate) const SILENCE: Duration = Duration::from_secs(45);
pub(crate) const CONNECT: Duration = Duration::from_secs(10);

/// Address of the hub, and time limits.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Address of the hub, without the API's path: `http://127.0.0.1:8080`.
    pub url: String,
    /// Addresses of further replicas of the hub. When one does not connect, the client tries the next at once.
    pub others: Vec<String>,
    /// Time limit of an attempt; a log stream has none as long as the hub sends keep-alives.
    pub timeout: Duration,
    /// How long a request is repeated, after `Retry-After` or with backoff, when the hub is overloaded or its answer was lost. Repeated are
    /// reads, idempotent changes, requests for jobs with an idempotency key, and requests that the hub certainly did not carry out
    /// ([`Error::is_undone`]). A hub that is unreachable at all addresses at the first attempt is an error at once. Zero: one attempt.
    pub patience: Duration,
    /// How long the client tries to resume an interrupted log stream.
    pub resume: Duration,
}

impl Settings {
    /// For the hub at `url`: 30 s per attempt, 30 s of patience, and 5 minutes to resume streams.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        let thirty = Duration::from_secs(30);
        Self { url: url.into(), others: Vec::new(), timeout: thirty, patience: thirty, resume: Duration::from_secs(300) }
    }
}

/// A client of one hub. Clones share their connections.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) endpoints: Arc<Endpoints>,
    pub(crate) settings: Arc<Settings>,
    token: Option<Token>,
}

impl Client {
    /// A client that is not signed in.
    ///
    /// # Errors
    /// [`Error::Address`] when the address is invalid, or is `https` and this host has no CA certificates.
    pub fn new(settings: Settings) -> Result<Self, Error> {
        let endpoints = Arc::new(Endpoints::new(&settings)?);
        Ok(Self { endpoints, settings: Arc::new(settings), token: None })
    }

    /// The same client, signed in with this access token, or with an API key.
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

    /// Address of the hub, as given; of several, the one that connected last.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.endpoint().url
    }

    /// A request that has no method, with the client's token, which is not renewed: `path` begins with `/` and is relative to the hub's address.
    /// It is sent once and has no time limit except that of silence.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.signed(self.bare(method, path), self.shown().as_ref())
    }

    /// [`Client::request`] without the token.
    pub fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        let endpoint = self.endpoint();
        endpoint.http.request(method, format!("{}{path}", endpoint.url.trim_end_matches('/')))
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

    fn endpoint(&self) -> &Endpoint {
        self.endpoints.get(self.endpoints.current())
    }

    /// URL of a path in the API at the first address; escapes its segments.
    fn path(&self, segments: &[&str]) -> Url {
        let mut url = self.endpoints.get(0).base.clone();
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
    fn a_token_is_never_shown() {
        let client = Client::new(Settings::new("http://hub")).unwrap();
        let signed = client.clone().with_token(&"abc.def".into()).unwrap();
        assert!(!format!("{signed:?}").contains("abc"), "{signed:?}");
        assert!(matches!(client.with_token(&"a\nb".into()), Err(Error::Token)));
    }
}
