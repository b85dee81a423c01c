//! The client of the provider. What must hold: an answer takes bounded time and memory, and comes from the address that was asked.

use std::{error::Error, future::Future, pin::Pin};

use openidconnect::{
    AsyncHttpClient, HttpRequest, HttpResponse,
    http::{StatusCode, response},
};
use reqwest::redirect;
use runtime::{Oidc, StartError};

/// Bytes of an answer: metadata, keys and tokens have some thousands.
const MOST: usize = 1024 * 1024;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum HttpFault {
    /// The address of the request is none.
    #[error("the request cannot be made: {0}")]
    Request(String),
    /// Nobody answered, or not to the end, or not in time.
    #[error("no answer: {0}")]
    Connection(String),
    /// Somebody answered that they cannot serve.
    #[error("the answer is {0}")]
    Unable(StatusCode),
    /// The answer is too large.
    #[error("the answer has more than {MOST} bytes")]
    TooLarge,
}

/// Sends requests to the provider.
pub(super) struct Http(reqwest::Client);

impl Http {
    pub(super) fn new(settings: &Oidc) -> Result<Self, StartError> {
        // A second call finds the provider that the first, or the embedding program, has set: that one is as good.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .timeout(settings.timeout)
            .connect_timeout(settings.timeout);
        if settings.issuer.starts_with("http://") {
            // On this machine: no proxy leads there, and hosts without CA certificates can do it.
            builder = builder.no_proxy().tls_certs_only([]);
        }
        Ok(Self(builder.build()?))
    }

    async fn answer(&self, request: HttpRequest) -> Result<HttpResponse, HttpFault> {
        let request = reqwest::Request::try_from(request).map_err(|error| HttpFault::Request(causes(&error)))?;
        let broken = |error: reqwest::Error| HttpFault::Connection(causes(&error.without_url()));
        let mut answer = self.0.execute(request).await.map_err(broken)?;
        let status = answer.status();
        if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS {
            return Err(HttpFault::Unable(status));
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > MOST {
                return Err(HttpFault::TooLarge);
            }
            body.extend_from_slice(&chunk);
        }
        let mut parts = response::Response::new(body);
        *parts.status_mut() = status;
        *parts.headers_mut() = answer.headers().clone();
        Ok(parts)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = HttpFault;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, HttpFault>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.answer(request))
    }
}

/// An error with what caused it, on one line.
pub(super) fn causes(error: &dyn Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}
