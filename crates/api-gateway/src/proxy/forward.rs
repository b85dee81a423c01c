//! One request: which upstream gets it, again where that is safe, and what the client gets when none answers.

use std::{borrow::Cow, sync::Arc, time::Instant};

use actix_web::{HttpRequest, HttpResponse, http::header, web::Payload};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use runtime::{Failure, Shutdown, TrustedProxies, caller_address, current_request, is_secure};
use uuid::Uuid;

use super::{
    answer,
    breaker::Outcome,
    headers::{self, Own},
    upload::{Trouble, Upload},
    upstream::{Lease, Pool},
};

/// How often a request is sent at most.
const ATTEMPTS: usize = 3;
/// What a path is written with escapes for. A `%` begins one already.
const ESCAPED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b']')
    .add(b'\\')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// What a thread that serves forwards with.
#[derive(Clone)]
pub(super) struct Forwarder {
    pub(super) client: reqwest::Client,
    /// Bytes that a body may have.
    pub(super) body_limit: usize,
    pub(super) shutdown: Shutdown,
}

/// How a failed attempt can be made up for.
enum Next {
    /// At another upstream.
    Elsewhere,
    /// At any.
    Anywhere,
}

impl Forwarder {
    /// Passes a request on, and its answer back.
    pub(super) async fn forward(&self, pool: Arc<Pool>, request: HttpRequest, payload: Payload) -> Result<HttpResponse, Failure> {
        let upgrade = request.method() == actix_web::http::Method::GET && headers::asks_for_websocket(request.headers());
        let own = own(&request, upgrade);
        let outgoing = Outgoing::new(&request, headers::of_request(request.headers(), &own))?;
        if upgrade {
            return self.upgrade(&pool, &outgoing, payload).await;
        }
        let payload = self.body(&request, payload)?;
        self.transfer(&pool, &outgoing, payload).await
    }

    /// The body, when the request has one.
    fn body(&self, request: &HttpRequest, payload: Payload) -> Result<Option<Payload>, Failure> {
        let length = request.headers().get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
        if length.is_some_and(|length| length > self.body_limit) {
            return Err(Failure::TooLarge(self.body_limit));
        }
        let has_body = length.unwrap_or_default() > 0 || request.headers().contains_key(header::TRANSFER_ENCODING);
        Ok(has_body.then_some(payload))
    }

    async fn transfer(&self, pool: &Arc<Pool>, outgoing: &Outgoing, payload: Option<Payload>) -> Result<HttpResponse, Failure> {
        let is_repeatable = payload.is_none() && outgoing.method.is_safe();
        let idle = pool.settings.idle_timeout;
        let mut upload = Upload::new(payload, self.body_limit, idle);
        let (mut tried, mut again, mut failure) = (Vec::new(), false, None);
        while tried.len() < ATTEMPTS {
            let mut lease = match pool.pick(is_repeatable, &tried, again) {
                Ok(lease) => lease,
                Err(away) => return Err(failure.unwrap_or_else(|| self.away(pool, away.retry_after.as_secs()))),
            };
            if !tried.is_empty() {
                lease.upstream().stats.retried();
            }
            let begun = Instant::now();
            match upload.send(&self.client, outgoing.request(&lease)?, &lease).await {
                Ok(answer) => {
                    note(&mut lease, answer.status().as_u16(), begun);
                    return Ok(answer::pass(answer, lease, upload, idle, &self.shutdown));
                }
                Err(trouble) => {
                    let can_be_repeated = is_repeatable && !upload.is_begun();
                    let (told, next) = self.judge(pool, &mut lease, trouble, can_be_repeated);
                    let Some(next) = next else { return Err(told) };
                    tried.push(lease.index);
                    (again, failure) = (matches!(next, Next::Anywhere), Some(told));
                }
            }
        }
        Err(failure.unwrap_or(Failure::UpstreamLost))
    }

    async fn upgrade(&self, pool: &Arc<Pool>, outgoing: &Outgoing, payload: Payload) -> Result<HttpResponse, Failure> {
        let mut lease = pool.pick(false, &[], false).map_err(|away| self.away(pool, away.retry_after.as_secs()))?;
        let (begun, idle) = (Instant::now(), pool.settings.idle_timeout);
        let mut upload = Upload::new(None, 0, idle);
        match upload.send(&self.client, outgoing.request(&lease)?, &lease).await {
            Ok(answer) if answer.status() == reqwest::StatusCode::SWITCHING_PROTOCOLS => {
                note(&mut lease, 101, begun);
                answer::tunnel(answer, lease, payload, &self.shutdown).await
            }
            Ok(answer) => {
                note(&mut lease, answer.status().as_u16(), begun);
                Ok(answer::pass(answer, lease, upload, idle, &self.shutdown))
            }
            Err(trouble) => Err(self.judge(pool, &mut lease, trouble, false).0),
        }
    }

    /// What a failed attempt says about the upstream, what the client gets if it was the last, and whether another may follow: always when
    /// nothing was sent, else only for what is safe to repeat.
    fn judge(&self, pool: &Pool, lease: &mut Lease, trouble: Trouble, can_be_repeated: bool) -> (Failure, Option<Next>) {
        if let Trouble::Client(failure) = trouble {
            lease.report(Outcome::Unknown);
            return (failure, None);
        }
        lease.report(Outcome::Bad);
        lease.upstream().stats.failed();
        match trouble {
            Trouble::Upstream(error) if error.is_connect() => (self.away(pool, 1), Some(Next::Elsewhere)),
            Trouble::Upstream(error) => {
                // Its address would tell the token of a hook.
                let error = error.without_url();
                tracing::info!(service = pool.service, upstream = lease.upstream().base, %error, "an upstream gave no answer");
                (Failure::UpstreamLost, can_be_repeated.then_some(Next::Anywhere))
            }
            Trouble::Silent | Trouble::Client(_) => (Failure::UpstreamSilent, None),
        }
    }

    fn away(&self, pool: &Pool, retry_after: u64) -> Failure {
        Failure::Away { service: pool.service, retry_after }
    }
}

fn note(lease: &mut Lease, status: u16, begun: Instant) {
    // A status of a gateway in front of the service, or of one whose own upstream is away.
    lease.report(if matches!(status, 502 | 504) { Outcome::Bad } else { Outcome::Good });
    lease.upstream().stats.answered(status, begun.elapsed());
}

/// A request as every attempt sends it.
struct Outgoing {
    method: reqwest::Method,
    target: String,
    headers: reqwest::header::HeaderMap,
}

impl Outgoing {
    fn new(request: &HttpRequest, headers: reqwest::header::HeaderMap) -> Result<Self, Failure> {
        let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).map_err(|_| Failure::MethodNotAllowed)?;
        // The one spelling that the route was chosen by.
        let path: Cow<'_, str> = utf8_percent_encode(request.match_info().as_str(), ESCAPED).into();
        let query = request.query_string();
        let target = if query.is_empty() { path.into_owned() } else { format!("{path}?{query}") };
        Ok(Self { method, target, headers })
    }

    fn request(&self, lease: &Lease) -> Result<reqwest::Request, Failure> {
        let url = format!("{}{}", lease.upstream().base, self.target).parse();
        let url = url.map_err(|_| Failure::BadRequest("the request's target is no URL".to_owned()))?;
        let mut request = reqwest::Request::new(self.method.clone(), url);
        *request.headers_mut() = self.headers.clone();
        Ok(request)
    }
}

fn own(request: &HttpRequest, upgrade: bool) -> Own {
    let ids = current_request();
    let host = forwarded(request, "x-forwarded-host").or_else(|| text(request, "host"));
    Own {
        caller: caller_address(request).map(|address| address.to_string()),
        proto: if is_secure(request) { "https" } else { "http" },
        host: host.map(str::to_owned),
        traceparent: ids.as_ref().map(|ids| headers::traceparent(text(request, "traceparent"), Uuid::new_v4(), &ids.trace_id)),
        request_id: ids.map(|ids| ids.request_id.clone()),
        upgrade,
    }
}

fn text<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// A header that counts only when a trusted proxy sent it.
fn forwarded<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let peer = request.peer_addr()?.ip().to_canonical();
    let is_trusted = request.app_data::<TrustedProxies>()?.contains(peer);
    text(request, name).filter(|_| is_trusted)
}
