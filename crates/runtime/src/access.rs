//! Authentication and authorisation. [`identify`] identifies the caller once per request, before anything else is parsed; the extractors
//! [`Allowed`] and [`WorkerCaller`] are a route's authorisation and pass the principal to its use case, so that no handler can forget the
//! check.

mod changing;
mod same_site;

use std::{
    future::{Ready, ready},
    marker::PhantomData,
    ops::Deref,
    sync::Arc,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, ResponseError as _,
    body::{EitherBody, MessageBody},
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header::{self, HeaderValue},
    middleware::Next,
    web::Data,
};
use auth::{API_KEY_PREFIX, Need, Permitted, Principal, SharedKey, WORKER_TOKEN_PREFIX};
use domain::{ids::JobId, permission::Permission};

pub use self::changing::{Changing, Editor, OwnAccount, Source};
use self::same_site::check_same_site;
use crate::{Caller, Edge, Failure, Identities, Person, RefusedKeys, WorkerTokens, caller_address, edge::is_to_hook, requests::NotRouted};

/// Credentials that identify callers: access tokens of users and services, the shared worker key, and worker tokens.
#[derive(Clone)]
pub struct Access {
    /// Checks access tokens.
    pub identities: Identities,
    /// The shared worker key.
    pub worker_key: SharedKey,
    /// Checks worker tokens.
    pub worker_tokens: WorkerTokens,
    /// Counts refused worker credentials.
    pub refused: RefusedKeys,
    /// Whether every caller may do everything: for trying things out on one machine.
    pub open: bool,
}

/// A credential that was shown, to be checked again for as long as a connection of its bearer lasts.
#[derive(Clone)]
pub struct Credential(Shown);

/// The credential of a request.
#[derive(Clone)]
enum Shown {
    /// Verified.
    Enough(Principal),
    /// A worker token, which must be looked up.
    WorkerToken(String),
    /// An access token, whose bearer may have changed.
    AccessToken(String),
    /// An API key, which must be looked up.
    ApiKey(String),
}

impl Access {
    /// Verifies credentials that need no look-up: access tokens and the shared key cost no query.
    fn shown(&self, request: &HttpRequest, is_worker_route: bool) -> Result<Shown, Failure> {
        if !self.open
            && let Some(key) = api_key(request)
        {
            return Ok(Shown::ApiKey(key.to_owned()));
        }
        let key = request.headers().get(api_types::WORKER_KEY_HEADER).and_then(|value| value.to_str().ok());
        if is_worker_route { self.shown_by_worker(request, key) } else { self.shown_by_person(request, key) }
    }

    /// On a worker route the key takes precedence: a wrong one is refused whatever else is sent, so that the robot's owner notices.
    fn shown_by_worker(&self, request: &HttpRequest, key: Option<&str>) -> Result<Shown, Failure> {
        match (key, bearer(request)) {
            (Some(key), _) if self.worker_key.matches(key) => Ok(Shown::Enough(Principal::shared_key())),
            (Some(token), _) | (None, Some(token)) if token.starts_with(WORKER_TOKEN_PREFIX) => Ok(Shown::WorkerToken(token.to_owned())),
            _ if self.open => check_same_site(request).map(|()| Shown::Enough(Principal::anybody())),
            (Some(_), _) => Err(Failure::Unauthorized("the key in X-Worker-API-Key is wrong")),
            (None, Some(token)) => Ok(Shown::AccessToken(token.to_owned())),
            (None, None) => Err(Failure::Unauthorized("workers need the header X-Worker-API-Key or a bearer token")),
        }
    }

    /// On any other route the bearer token takes precedence. A worker's credential identifies the worker there too, without permissions.
    fn shown_by_person(&self, request: &HttpRequest, key: Option<&str>) -> Result<Shown, Failure> {
        match (bearer(request), key) {
            _ if self.open => check_same_site(request).map(|()| Shown::Enough(Principal::anybody())),
            (Some(token), _) | (None, Some(token)) if token.starts_with(WORKER_TOKEN_PREFIX) => Ok(Shown::WorkerToken(token.to_owned())),
            (Some(token), _) => Ok(Shown::AccessToken(token.to_owned())),
            (None, Some(key)) if self.worker_key.matches(key) => Ok(Shown::Enough(Principal::shared_key())),
            (None, _) => Err(Failure::Unauthorized("sign in first: the request has no bearer token")),
        }
    }

    /// The credential of a request to a route that is not a worker's.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`] without one.
    pub fn credential(&self, request: &HttpRequest) -> Result<Credential, Failure> {
        self.shown(request, false).map(Credential)
    }

    /// Who bears the credential now.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`] when nobody does any more, [`Failure::Unavailable`] when the database does not say.
    pub async fn check(&self, credential: &Credential) -> Result<Caller, Failure> {
        match &credential.0 {
            Shown::Enough(principal) => Ok(principal.clone().into()),
            Shown::WorkerToken(token) => Ok(self.worker_tokens.check(token).await?.into()),
            Shown::AccessToken(token) => self.identities.check(token).await,
            Shown::ApiKey(key) => self.identities.check_api_key(key).await,
        }
    }

    async fn caller(&self, request: &HttpRequest, is_worker_route: bool) -> Result<Caller, Failure> {
        self.check(&Credential(self.shown(request, is_worker_route)?)).await
    }
}

/// The API key of a request: of its own header, whatever else is shown, or as bearer token. What is no text is no good key.
fn api_key(request: &HttpRequest) -> Option<&str> {
    let header = request.headers().get(api_types::API_KEY_HEADER);
    header.map(|value| value.to_str().unwrap_or_default()).or_else(|| bearer(request).filter(|token| token.starts_with(API_KEY_PREFIX)))
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let Some(value) = request.headers().get(header::AUTHORIZATION) else { return protocol_bearer(request) };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// The token among the protocols of a WebSocket, as `bearer.TOKEN`: a browser cannot set a header there, and URLs are logged.
fn protocol_bearer(request: &HttpRequest) -> Option<&str> {
    let is_websocket = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"websocket");
    request.headers().get(header::UPGRADE).filter(|value| is_websocket(value))?;
    let offered = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL).filter_map(|value| value.to_str().ok());
    offered.flat_map(|value| value.split(',')).find_map(|protocol| protocol.trim().strip_prefix("bearer."))
}

/// The caller of a request, stored with it until its route asks. A bad credential is refused by the route, which may be open to everybody
/// or not exist.
struct Identity(Result<Caller, Failure>);

/// Whether a decoded path is of the worker API.
pub(crate) fn is_worker_route(path: &str) -> bool {
    path.starts_with("/api/v1/worker/")
}

/// Middleware that identifies the caller, counts and logs callers that worker routes refuse, and refuses who calls too often.
///
/// # Errors
/// The routes' errors.
pub(crate) async fn identify<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<EitherBody<B>>, Error> {
    // The decoded path, as routes see it: `%77orker` is `worker`.
    let is_worker_route = is_worker_route(request.match_info().as_str());
    let identity = match request.app_data::<Data<Access>>() {
        // What it shows is for the hook alone, and may look like a credential of the hub's.
        Some(_) if is_to_hook(request.request()) => Err(Failure::Unauthorized("a request to a hook identifies nobody")),
        Some(access) => {
            let caller = access.caller(request.request(), is_worker_route).await;
            if is_worker_route && matches!(caller, Err(Failure::Unauthorized(_) | Failure::Forbidden(_))) {
                access.refused.note(caller_address(request.request()), job_to_start(request.match_info().as_str()));
            }
            caller
        }
        None => Err(Failure::Internal("no access rules in app data".to_owned())),
    };
    let admitted = Edge::of(request.request()).map_err(Into::into).and_then(|edge| edge.admit(request.request(), &identity));
    match admitted {
        Ok(admitted) => {
            request.extensions_mut().insert(Identity(identity));
            let mut response = next.call(request).await?;
            admitted.write(&mut response);
            Ok(response.map_into_left_body())
        }
        Err(refused) => {
            request.extensions_mut().insert(NotRouted);
            let mut response = request.into_response(refused.failure.error_response());
            refused.write(response.headers_mut());
            Ok(response.map_into_right_body())
        }
    }
}

fn job_to_start(path: &str) -> Option<JobId> {
    path.strip_prefix("/api/v1/worker/jobs/")?.strip_suffix("/start")?.parse().ok()
}

/// The request's caller, unless they have to change their password first.
fn caller(request: &HttpRequest) -> Result<Caller, Failure> {
    let caller = identified(request)?;
    if caller.person.is_some_and(|person| person.must_change_password) {
        return Err(Failure::Forbidden("change your password first: POST /api/v1/auth/change-password".to_owned()));
    }
    Ok(caller)
}

/// The request's caller. For routes of one's own account.
fn identified(request: &HttpRequest) -> Result<Caller, Failure> {
    let identity = request.extensions_mut().remove::<Identity>();
    let Identity(caller) = identity.ok_or_else(|| Failure::Internal("this app does not identify who calls".to_owned()))?;
    caller
}

/// The person who calls.
fn person(caller: Caller) -> Result<Person, Failure> {
    let nobody = || Failure::Forbidden(format!("{} is no person who signed in", caller.principal.name()));
    caller.person.ok_or_else(nobody)
}

/// An identified caller, whatever its permissions.
pub struct Known(pub Caller);

impl FromRequest for Known {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identified(request).map(Self))
    }
}

/// A signed-in user, for routes about their own account.
pub struct SignedIn(pub Person);

impl FromRequest for SignedIn {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(identified(request).and_then(person).map(Self))
    }
}

/// A caller with the permission `P`, somewhere: the use case checks where. Every route has exactly one extractor of its caller.
pub struct Allowed<P> {
    permitted: Permitted,
    need: PhantomData<P>,
}

impl<P> Deref for Allowed<P> {
    type Target = Permitted;

    fn deref(&self) -> &Permitted {
        &self.permitted
    }
}

impl<P: Need> FromRequest for Allowed<P> {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let permitted = |caller: Caller| Ok(Permitted::new(caller.principal, P::PERMISSION)?);
        ready(caller(request).and_then(permitted).map(|permitted| Self { permitted, need: PhantomData }))
    }
}

/// A caller that takes jobs and reports on them: a worker, or somebody with its permission.
pub struct WorkerCaller {
    /// The lease token of the request.
    pub lease_token: Option<uuid::Uuid>,
    /// The caller.
    pub principal: Arc<Principal>,
}

impl FromRequest for WorkerCaller {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let working = |Caller { principal, .. }: Caller| {
            principal.require(Permission::WorkerWork)?;
            Ok(Self { lease_token: lease_token(request)?, principal })
        };
        ready(caller(request).and_then(working))
    }
}

fn lease_token(request: &HttpRequest) -> Result<Option<uuid::Uuid>, Failure> {
    let Some(value) = request.headers().get(api_types::LEASE_TOKEN_HEADER) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| text.parse().ok());
    token.map(Some).ok_or_else(|| Failure::BadRequest("the header X-Lease-Token is not a UUID".to_owned()))
}
