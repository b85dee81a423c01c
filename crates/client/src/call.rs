use std::{marker::PhantomData, pin::Pin, sync::Arc, time::Duration};

use backon::BackoffBuilder as _;
use bytes::Bytes;
use reqwest::{
    Method, RequestBuilder, Response, Url,
    header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue},
};
use secrecy::SecretString;
use serde::{Serialize, de::DeserializeOwned};
use tokio::time::Instant;

use crate::{
    Client, Error,
    endpoints::{Endpoint, Endpoints},
};

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// When a request may be repeated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Whenever its answer was lost: it is idempotent.
    Always,
    /// Only when the hub certainly did not carry it out.
    Undone,
}

/// A request: await it for the typed answer. Dropping the future abandons the request; the hub may carry it out all the same.
#[must_use = "nothing is sent until it is awaited"]
pub struct Call<T> {
    client: Client,
    method: Method,
    url: Url,
    repeat: Repeat,
    headers: HeaderMap,
    /// The body, or why it cannot be encoded.
    body: Result<Bytes, Error>,
    answer: PhantomData<fn() -> T>,
}

/// A complete successful answer.
pub(crate) struct Answer {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl<T> Call<T> {
    pub(crate) fn new(client: Client, method: Method, url: Url, repeat: Repeat) -> Self {
        Self { client, method, url, repeat, headers: HeaderMap::new(), body: Ok(Bytes::new()), answer: PhantomData }
    }

    /// Sets the body.
    pub(crate) fn json(mut self, body: &impl Serialize) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        self.body = serde_json::to_vec(body).map(Bytes::from).map_err(|error| Error::Encode(error.to_string()));
        self
    }

    /// Sets a body that is a file.
    pub(crate) fn bytes(mut self, body: Bytes) -> Self {
        self.headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/octet-stream"));
        self.body = Ok(body);
        self
    }

    pub(crate) fn query(mut self, filter: &impl Serialize) -> Self {
        match serde_urlencoded::to_string(filter) {
            Ok(query) => self.url.set_query(Some(&query).filter(|query| !query.is_empty()).map(String::as_str)),
            Err(error) => self.body = Err(Error::Encode(error.to_string())),
        }
        self
    }

    pub(crate) fn header(mut self, name: HeaderName, value: &str) -> Self {
        match HeaderValue::from_str(value) {
            Ok(value) => drop(self.headers.insert(name, value)),
            Err(_) => self.body = Err(Error::Encode(format!("\"{value}\" is not a valid value of the header {name}"))),
        }
        self
    }

    /// Marks it as repeatable whenever its answer was lost.
    pub(crate) const fn repeatable(mut self) -> Self {
        self.repeat = Repeat::Always;
        self
    }

    /// The same request with another type of answer.
    pub(crate) fn typed<U>(self) -> Call<U> {
        let Self { client, method, url, repeat, headers, body, answer: _ } = self;
        Call { client, method, url, repeat, headers, body, answer: PhantomData }
    }

    pub(crate) const fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) const fn url(&self) -> &Url {
        &self.url
    }

    pub(crate) fn set_query(&mut self, query: &str) {
        self.url.set_query(Some(query));
    }

    /// The exact body of the answer.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn text(&self) -> Result<String, Error> {
        let body = self.answer().await?.body;
        String::from_utf8(body.into()).map_err(|error| Error::Answer { url: self.url.to_string(), reason: error.to_string() })
    }

    /// The successful answer; repeats the request as long as that is safe.
    pub(crate) async fn answer(&self) -> Result<Answer, Error> {
        let mut attempts = self.attempts();
        loop {
            match self.attempt(attempts.endpoint).await {
                Ok(answer) => return Ok(attempts.succeeded(answer)),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    /// The successful answer with an unread body, which has no time limit.
    pub(crate) async fn stream(&self) -> Result<Response, Error> {
        let mut attempts = self.attempts();
        loop {
            match self.send(attempts.endpoint, None).await {
                Ok(response) => return Ok(attempts.succeeded(response)),
                Err(error) => attempts.after(error).await?,
            }
        }
    }

    /// What a good answer says.
    pub(crate) fn read(&self, answer: &Answer) -> Result<T, Error>
    where
        T: DeserializeOwned,
    {
        // An empty body is the answer of a call without a result.
        let body = if answer.body.is_empty() { &b"null"[..] } else { &answer.body };
        serde_json::from_slice(body).map_err(|error| Error::of_body(self.client.url(), &error))
    }

    fn attempts(&self) -> Attempts {
        let endpoints = self.client.endpoints.clone();
        Attempts {
            repeat: self.repeat,
            end: Instant::now() + self.client.settings.patience,
            pauses: Pauses::default(),
            is_known: false,
            endpoint: endpoints.current(),
            unreachable: 0,
            endpoints,
        }
    }

    async fn attempt(&self, nth: usize) -> Result<Answer, Error> {
        let response = self.send(nth, Some(self.client.settings.timeout)).await?;
        let headers = response.headers().clone();
        let url = &self.client.endpoints.get(nth).url;
        let body = response.bytes().await.map_err(|error| Error::of_transport(url, &error))?;
        Ok(Answer { headers, body })
    }

    /// Sends the request to the `nth` address, again with the next access token if the hub refuses the one that it showed: then it did nothing.
    async fn send(&self, nth: usize, limit: Option<Duration>) -> Result<Response, Error> {
        let shown = self.client.shown();
        let sent = self.response(nth, shown.as_ref(), limit).await;
        let (Err(error), Some(refused)) = (&sent, &shown) else { return sent };
        if error.status() != Some(401) {
            return sent;
        }
        match self.client.shown_after(refused).await? {
            Some(next) => self.response(nth, Some(&next), limit).await,
            None => sent,
        }
    }

    fn request(&self, endpoint: &Endpoint, token: Option<&SecretString>, limit: Option<Duration>) -> Result<RequestBuilder, Error> {
        let body = self.body.clone()?;
        let url = self.client.endpoints.at(endpoint, &self.url);
        let request = endpoint.http.request(self.method.clone(), url).headers(self.headers.clone());
        let request = self.client.signed(request, token);
        let request = if let Some(limit) = limit { request.timeout(limit) } else { request };
        Ok(if body.is_empty() { request } else { request.body(body) })
    }

    /// The good answer of the `nth` address, with its body still to be read, all of it within `limit`.
    async fn response(&self, nth: usize, token: Option<&SecretString>, limit: Option<Duration>) -> Result<Response, Error> {
        let endpoint = self.client.endpoints.get(nth);
        let lost = |error: reqwest::Error| Error::of_transport(&endpoint.url, &error);
        let response = self.request(endpoint, token, limit)?.send().await.map_err(lost)?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let headers = response.headers().clone();
        let body = response.bytes().await.map_err(lost)?;
        Err(Error::of_answer(status, &headers, &body))
    }
}

/// Decides whether a request is repeated.
struct Attempts {
    repeat: Repeat,
    end: Instant,
    pauses: Pauses,
    /// Whether the hub answered an earlier attempt: an unreachable hub is not waited for.
    is_known: bool,
    endpoints: Arc<Endpoints>,
    /// The address that the next attempt asks.
    endpoint: usize,
    /// Addresses that did not connect, one after the other.
    unreachable: usize,
}

impl Attempts {
    /// The address that answered is asked first from now on.
    fn succeeded<A>(&self, answer: A) -> A {
        self.endpoints.prefer(self.endpoint);
        answer
    }

    /// Waits until the next attempt, or returns the error if there is none.
    async fn after(&mut self, error: Error) -> Result<(), Error> {
        if self.has_other_address(&error) {
            return Ok(());
        }
        self.is_known |= !matches!(error, Error::Unreachable { .. });
        let is_safe = error.is_undone() || self.repeat == Repeat::Always;
        let pause = error.retry_after().unwrap_or_default().max(self.pauses.next());
        if !(self.is_known && is_safe && error.is_transient()) || Instant::now() + pause > self.end {
            return Err(error);
        }
        tokio::time::sleep(pause).await;
        Ok(())
    }

    /// After an address that did not connect, turns to the next. Whether it was not asked since the last pause: then it is asked at once.
    fn has_other_address(&mut self, error: &Error) -> bool {
        if !matches!(error, Error::Unreachable { .. }) {
            self.unreachable = 0;
            return false;
        }
        self.endpoint = (self.endpoint + 1) % self.endpoints.count();
        self.unreachable = (self.unreachable + 1) % self.endpoints.count();
        self.unreachable != 0
    }
}

/// Exponential backoff with jitter, so that clients do not retry at the same moment.
pub(crate) struct Pauses(backon::ExponentialBackoff);

impl Default for Pauses {
    fn default() -> Self {
        let pauses = backon::ExponentialBuilder::default().with_min_delay(FIRST_PAUSE).with_max_delay(LONGEST_PAUSE);
        Self(pauses.with_jitter().without_max_times().build())
    }
}

impl Pauses {
    /// The next delay.
    pub(crate) fn next(&mut self) -> Duration {
        self.0.next().unwrap_or(LONGEST_PAUSE)
    }
}

impl<T: DeserializeOwned + 'static> IntoFuture for Call<T> {
    type Output = Result<T, Error>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(async move {
            let answer = self.answer().await?;
            self.read(&answer)
        })
    }
}
