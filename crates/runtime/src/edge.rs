//! What every process does with a request before identity and after its route, by the settings `[edge]` and `[http]`.
//!
//! What it must hold: each request has ids from the first moment, so that nothing is logged or answered without them; what is refused here costs no
//! look-up. The policy is the edge's: a process with the gateway counts every request, another leaves what a trusted proxy passes on to the gateway's
//! counting, so that nothing is counted twice and a way around the gateway gains nothing.

mod answer;
mod checks;
mod ids;
mod limits;
mod origins;
mod store;

use std::{net::IpAddr, sync::Arc, time::Instant};

use actix_cors::Cors;
use actix_web::{
    Error, HttpMessage as _, HttpRequest, ResponseError as _,
    body::{EitherBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    http::{
        Method,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::{Condition, Next},
    web::Data,
};
use auth::Actor;
use domain::ids::HookId;
use telemetry::in_request;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::{
    answer::{Answer, Encoding},
    checks::{HeaderSizes, Senders},
    limits::{Limits, Machine, Standing},
    origins::Origins,
};
use crate::{
    Caller, Clock, Failure, Http, Origin, Settings, TrustedProxies,
    access::is_worker_route,
    caller_address,
    host::Connection,
    path,
    requests::{NotRouted, Requests, template},
};

/// The id of a request, in requests and answers.
pub const REQUEST_ID_HEADER: HeaderName = HeaderName::from_static("x-request-id");

/// An answer of the API is no page: nothing of it may run, and no page may frame it. A page says what it needs itself.
const POLICY: HeaderValue = HeaderValue::from_static("default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NO_REFERRER: HeaderValue = HeaderValue::from_static("no-referrer");

/// App data: the policy. Clones share it.
#[derive(Clone)]
pub struct Edge(Arc<Inner>);

struct Inner {
    limits: Limits,
    worker_requests: Arc<Semaphore>,
    origins: Origins,
    senders: Senders,
    sizes: HeaderSizes,
    hsts: Option<HeaderValue>,
    compresses: bool,
    is_front: bool,
    is_open: bool,
}

/// A request that may be served. A request to the worker API holds its place until this is dropped.
pub(crate) struct Admitted {
    standing: Option<Standing>,
    _place: Option<OwnedSemaphorePermit>,
}

/// Why a request may not be served.
pub(crate) struct Refused {
    pub(crate) failure: Failure,
    standing: Option<Standing>,
}

impl From<Failure> for Refused {
    fn from(failure: Failure) -> Self {
        Self { failure, standing: None }
    }
}

impl Refused {
    /// Tells the caller how long to wait.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if let Some(standing) = &self.standing {
            standing.write(headers);
        }
    }
}

/// The limit that a handler counted its request by itself.
struct Counted(Standing);

impl Edge {
    /// The policy of a process: `is_front` when it has the gateway, and so no other in front of it; `is_open` when it serves everybody on its own
    /// machine, which has a rule of its own about other sites.
    #[must_use]
    pub(crate) fn new(settings: &Settings, clock: &Clock, is_front: bool, is_open: bool) -> Self {
        let Http { header_limit, header_count, .. } = settings.http;
        let edge = &settings.edge;
        let hsts = (!edge.hsts.is_zero()).then(|| HeaderValue::try_from(format!("max-age={}", edge.hsts.as_secs())).ok());
        Self(Arc::new(Inner {
            limits: Limits::new(edge, clock),
            worker_requests: Arc::new(Semaphore::new(edge.worker_requests.min(Semaphore::MAX_PERMITS))),
            origins: Origins::new(edge.cors_origins.clone()),
            senders: Senders { allow: edge.allow.clone(), deny: edge.deny.clone() },
            sizes: HeaderSizes { bytes: header_limit, count: header_count },
            hsts: hsts.flatten(),
            compresses: edge.compression,
            is_front,
            is_open,
        }))
    }

    /// The policy of the process that serves `request`.
    ///
    /// # Errors
    /// [`Failure::Internal`] when its app has none.
    pub fn of(request: &HttpRequest) -> Result<&Self, Failure> {
        let edge = request.app_data::<Data<Self>>().ok_or_else(|| Failure::Internal("no edge policy in app data".to_owned()))?;
        Ok(edge)
    }

    /// The middleware that answers pages of other sites, where any may call.
    pub(crate) fn cors(&self) -> Condition<Cors> {
        Condition::new(self.0.is_front && !self.0.origins.is_empty(), Origins::cors())
    }

    /// Counts a sign-in: with a password, or the start of one with an identity provider.
    ///
    /// # Errors
    /// [`Failure::TooMany`] when the address has made too many.
    pub fn admit_sign_in(&self, request: &HttpRequest, origin: Origin) -> Result<(), Failure> {
        if self.is_counted_elsewhere(request) {
            return Ok(());
        }
        self.note(request, self.0.limits.sign_in.admit(&origin))
    }

    /// Counts a request without a credential, for routes that count their requests themselves.
    ///
    /// # Errors
    /// [`Failure::TooMany`] when the address has made too many.
    pub fn admit_anonymous(&self, request: &HttpRequest, origin: Origin) -> Result<(), Failure> {
        if self.is_counted_elsewhere(request) {
            return Ok(());
        }
        self.note(request, self.0.limits.anonymous.admit(&origin))
    }

    /// Counts a request to a hook, by the service that owns it: the gateway does not know which hook it is for.
    ///
    /// # Errors
    /// [`Failure::TooMany`] when the hook was sent too many.
    pub fn admit_to_hook(&self, request: &HttpRequest, hook: HookId) -> Result<(), Failure> {
        self.note(request, self.0.limits.hooks.admit(&hook))
    }

    /// Counts a request to no hook, among those of its address without a credential.
    ///
    /// # Errors
    /// [`Failure::TooMany`] when the address has made too many.
    pub fn admit_to_no_hook(&self, request: &HttpRequest) -> Result<(), Failure> {
        self.note(request, self.0.limits.anonymous.admit(&origin(request)))
    }

    fn note(&self, request: &HttpRequest, counted: Result<Option<Standing>, Standing>) -> Result<(), Failure> {
        let (standing, outcome) = match counted {
            Ok(standing) => (standing, Ok(())),
            Err(standing) => (Some(standing.clone()), Err(standing.refusal())),
        };
        if let Some(standing) = standing {
            request.extensions_mut().insert(Counted(standing));
        }
        outcome
    }

    /// Admits an identified request, or one that failed to be.
    pub(crate) fn admit(&self, request: &HttpRequest, caller: &Result<Caller, Failure>) -> Result<Admitted, Refused> {
        let limits = &self.0.limits;
        let path = request.match_info().as_str();
        let counted = match caller {
            // An answer that says so is cheaper than a place in a queue.
            Err(Failure::Internal(_) | Failure::Unavailable(_)) => Ok(None),
            _ if is_health(path) || counts_itself(path) || is_to_hook(request) || self.is_counted_elsewhere(request) => Ok(None),
            Ok(_) if is_worker_route(path) => return self.worker_place(),
            Ok(Caller { person: Some(person), .. }) => limits.people.admit(&person.user),
            Ok(caller) => match caller.principal.actor {
                Actor::Service(_) => Ok(None),
                Actor::ApiKey { id, .. } => limits.machines.admit(&Machine::Key(id)),
                Actor::WorkerToken(id) => limits.machines.admit(&Machine::Token(id)),
                Actor::User(_) | Actor::SharedKey | Actor::Anybody => limits.machines.admit(&Machine::At(origin(request))),
            },
            Err(_) => limits.anonymous.admit(&origin(request)),
        };
        match counted {
            Ok(standing) => Ok(Admitted { standing, _place: None }),
            Err(standing) => Err(Refused { failure: standing.refusal(), standing: Some(standing) }),
        }
    }

    fn worker_place(&self) -> Result<Admitted, Refused> {
        match self.0.worker_requests.clone().try_acquire_owned() {
            Ok(place) => Ok(Admitted { standing: None, _place: Some(place) }),
            Err(_) => Err(Failure::Overloaded.into()),
        }
    }

    /// Whether the gateway that passed the request on has counted it.
    fn is_counted_elsewhere(&self, request: &HttpRequest) -> bool {
        !self.0.is_front && comes_from_proxy(request)
    }

    /// What can be refused without knowing who calls.
    fn check(&self, request: &HttpRequest) -> Result<(), Failure> {
        self.0.senders.check(request)?;
        self.0.sizes.check(request)?;
        path::check(request.uri().path())?;
        // A hook asks for a secret that no browser has: a page gains nothing there.
        let is_checked = self.0.is_open || is_to_hook(request) || self.is_counted_elsewhere(request);
        if is_checked { Ok(()) } else { self.0.origins.check(request) }
    }
}

impl Admitted {
    /// Tells the caller what is left.
    pub(crate) fn write(&self, response: &mut ServiceResponse<impl MessageBody>) {
        let by_handler = response.request().extensions_mut().remove::<Counted>().map(|Counted(standing)| standing);
        if let Some(standing) = by_handler.as_ref().or(self.standing.as_ref()) {
            standing.write(response.headers_mut());
        }
    }
}

/// Middleware: the ids of the request, what can be refused before identity, and what every answer has. HEAD is GET whose answer loses its body
/// here: routes, permissions and services apart see a GET, and a stream ends before it begins.
///
/// # Errors
/// Those of the routes.
pub(crate) async fn apply<B: MessageBody + 'static>(
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Answer<EitherBody<B>>>, Error> {
    let ids = Arc::new(ids::of(request.request()));
    let id = HeaderValue::try_from(ids.request_id.as_str()).ok();
    let is_head = request.method() == Method::HEAD;
    let method = request.method().clone();
    if is_head {
        request.head_mut().method = Method::GET;
    }
    let work = async move {
        let edge = match Edge::of(request.request()) {
            Ok(edge) => edge.clone(),
            Err(failure) => {
                return Ok::<_, Error>(Answer::plain(request.into_response(failure.error_response()).map_into_right_body(), (None, None)));
            }
        };
        let (requests, begun) = (request.app_data::<Data<Requests>>().cloned(), Instant::now());
        let in_flight = (request.conn_data::<Arc<Connection>>().map(Connection::begin), requests.as_ref().map(|requests| requests.begin()));
        let (encoding, is_secure) = (edge.encoding(request.request()), is_secure(request.request()));
        let mut response = match edge.check(request.request()) {
            Ok(()) => next.call(request).await?.map_into_left_body(),
            Err(failure) => {
                request.extensions_mut().insert(NotRouted);
                request.into_response(failure.error_response()).map_into_right_body()
            }
        };
        if let Some(failure) = origins::refusal(&response) {
            response = response.into_response(failure.error_response()).map_into_right_body();
        }
        if let Some(requests) = requests {
            requests.answered(&method, template(response.request()).as_deref(), response.status(), begun);
        }
        edge.complete(response.headers_mut(), id, is_secure);
        Ok(Answer::new(response, encoding, in_flight))
    };
    let answer: ServiceResponse<Answer<EitherBody<B>>> = in_request(ids, work).await?;
    Ok(if is_head { answer.map_body(|_, answer| answer.without_body()) } else { answer })
}

impl Edge {
    /// How the answer may be compressed: one to GET that no secret is in.
    fn encoding(&self, request: &HttpRequest) -> Encoding {
        let path = request.match_info().as_str();
        let may_be = self.0.compresses && request.method() == Method::GET && !is_auth(path) && !is_worker_route(path);
        if may_be { Encoding::accepted(request) } else { Encoding::None }
    }

    fn complete(&self, headers: &mut HeaderMap, id: Option<HeaderValue>, is_secure: bool) {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
        headers.insert(header::REFERRER_POLICY, NO_REFERRER);
        if let Some(id) = id {
            headers.insert(REQUEST_ID_HEADER, id);
        }
        // No answer is a page, and answers may contain secrets or be outdated soon.
        for (name, value) in [(header::CONTENT_SECURITY_POLICY, POLICY), (header::CACHE_CONTROL, NO_STORE)] {
            if !headers.contains_key(&name) {
                headers.insert(name, value);
            }
        }
        if let (true, Some(hsts)) = (is_secure, &self.0.hsts) {
            headers.insert(header::STRICT_TRANSPORT_SECURITY, hsts.clone());
        }
    }
}

fn origin(request: &HttpRequest) -> Origin {
    Origin::of(caller_address(request).unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)))
}

/// Probes ask often, and from anywhere.
fn is_health(path: &str) -> bool {
    matches!(path, "/health/live" | "/health/ready")
}

fn is_auth(path: &str) -> bool {
    path.starts_with("/api/v1/auth/") || path.starts_with("/auth/")
}

/// Routes that count a request once they know what it is: a sign-in, or a device that may always sign in.
fn counts_itself(path: &str) -> bool {
    matches!(path, "/api/v1/auth/login" | "/api/v1/auth/oidc/start" | "/auth/token")
}

/// Whether a request is one of another system to a hook, with the hook's token as the last segment of its path.
pub(crate) fn is_to_hook(request: &HttpRequest) -> bool {
    let token = request.match_info().as_str().strip_prefix("/api/v1/hooks/");
    request.method() == Method::POST && token.is_some_and(|token| !token.is_empty() && !token.contains('/'))
}

fn comes_from_proxy(request: &HttpRequest) -> bool {
    let Some(peer) = request.peer_addr() else { return false };
    request.app_data::<TrustedProxies>().is_some_and(|proxies| proxies.contains(peer.ip().to_canonical()))
}

/// Whether the client uses HTTPS, with this process or with the trusted proxy in front of it.
#[must_use]
pub fn is_secure(request: &HttpRequest) -> bool {
    const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
    match request.headers().get(PROTO) {
        Some(proto) if comes_from_proxy(request) => proto == "https",
        _ => request.conn_data::<Arc<Connection>>().is_some_and(|connection| connection.is_secure),
    }
}
