//! Pages of which sites may call: those that the hub itself serves, and those that the settings list.

use actix_cors::{Cors, CorsError};
use actix_web::{
    HttpRequest,
    dev::ServiceResponse,
    http::header::{self, HeaderName, HeaderValue},
};

use super::comes_from_proxy;
use crate::Failure;

/// Seconds for which a browser remembers what it may send.
const MAX_AGE: usize = 600;
/// What pages may read of an answer besides its body.
const EXPOSED: [&str; 8] =
    ["link", "location", "retry-after", "x-request-id", "ratelimit-limit", "ratelimit-remaining", "ratelimit-reset", "ratelimit-policy"];

/// The origins that may call.
pub(super) struct Origins(Vec<String>);

impl Origins {
    pub(super) const fn new(listed: Vec<String>) -> Self {
        Self(listed)
    }

    /// Refuses a request of a page of another site. Programs that are no browsers send no `Origin`.
    pub(super) fn check(&self, request: &HttpRequest) -> Result<(), Failure> {
        let Some(origin) = request.headers().get(header::ORIGIN) else { return Ok(()) };
        if self.lists(origin) || is_own(origin, request) {
            return Ok(());
        }
        Err(Failure::Forbidden("pages of this origin may not call the API: edge.cors_origins does not list it".to_owned()))
    }

    /// Answers the pages of listed sites as browsers expect it; [`Origins::check`] has refused others.
    pub(super) fn cors() -> Cors {
        Cors::default()
            // The hub's own pages need none, and get past this.
            .allowed_origin_fn(|_, _| true)
            .block_on_origin_mismatch(true)
            .allow_any_method()
            .allow_any_header()
            .expose_headers(EXPOSED)
            .max_age(MAX_AGE)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn lists(&self, origin: &HeaderValue) -> bool {
        self.0.iter().any(|listed| origin == listed.as_str())
    }
}

/// Whether the page is of the host that it calls, as a browser sees it.
fn is_own(origin: &HeaderValue, request: &HttpRequest) -> bool {
    const FORWARDED: HeaderName = HeaderName::from_static("x-forwarded-host");
    let forwarded = request.headers().get(FORWARDED).filter(|_| comes_from_proxy(request));
    let Some(host) = forwarded.or_else(|| request.headers().get(header::HOST)) else { return false };
    let origin = origin.as_bytes();
    let authority = origin.strip_prefix(b"https://").or_else(|| origin.strip_prefix(b"http://"));
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host.as_bytes()))
}

/// The problem in place of what the library answers to a request that it refuses.
pub(super) fn refusal<B>(response: &ServiceResponse<B>) -> Option<Failure> {
    let error = response.response().error()?.as_error::<CorsError>()?;
    Some(Failure::BadRequest(error.to_string()))
}
