use std::{
    future::{Ready, ready},
    sync::Arc,
};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest, ResponseError,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web::Data,
};
use auth::{Claims, SharedKey, Tokens, WORKER_TOKEN_PREFIX};

use crate::{Failure, RefusedKeys, WorkerTokens};

/// Who may call what. Management routes want a signed-in person, worker routes the workers' key, a worker's token, or a signed-in person.
#[derive(Clone)]
pub struct Access {
    /// Checks access tokens.
    pub tokens: Tokens,
    /// The key that workers share.
    pub worker_key: SharedKey,
    /// Checks tokens of single workers.
    pub worker_tokens: WorkerTokens,
    /// Counts what they refuse.
    pub refused: RefusedKeys,
    /// Everybody may do everything: for trying things out on one machine.
    pub open: bool,
}

/// What the token of a single worker allows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerLimits {
    /// The only worker that its bearer may speak for; `None`: any.
    pub worker_name: Option<String>,
    /// The only queues that its bearer may take jobs from; `None`: any.
    pub queues: Option<Vec<String>>,
}

impl WorkerLimits {
    /// Nothing is limited.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.worker_name.is_none() && self.queues.is_none()
    }

    /// Checks the worker that a request speaks for.
    ///
    /// # Errors
    /// [`Failure::Forbidden`] when it is another than the token's.
    pub fn check_worker(&self, name: &str) -> Result<(), Failure> {
        match &self.worker_name {
            Some(own) if own != name => Err(Failure::Forbidden(format!("this token is the one of worker \"{own}\", not of \"{name}\""))),
            _ => Ok(()),
        }
    }

    /// Checks the queues that a worker takes jobs of; every queue becomes those of the token, if it has some.
    ///
    /// # Errors
    /// [`Failure::Forbidden`] when one is not among the token's.
    pub fn resolve_queues(&self, queues: &mut Vec<String>) -> Result<(), Failure> {
        if let Some(own) = self.queues.as_ref().filter(|_| domain::automation::is_every_queue(queues)) {
            queues.clone_from(own);
        }
        self.check_queues(queues.iter())
    }

    /// Checks the queues that a request wants jobs of.
    ///
    /// # Errors
    /// [`Failure::Forbidden`] when one is not among the token's.
    pub fn check_queues<'a>(&self, queues: impl IntoIterator<Item = &'a String>) -> Result<(), Failure> {
        let Some(own) = &self.queues else { return Ok(()) };
        match queues.into_iter().find(|queue| !own.contains(queue)) {
            Some(queue) => Err(Failure::Forbidden(format!("this token does not open queue \"{queue}\", only {}", own.join(", ")))),
            None => Ok(()),
        }
    }
}

/// What a worker's request is authenticated by. A worker belongs to the credential that registered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credential {
    /// Which one it is.
    pub bearer: Bearer,
    /// What it allows; nothing is limited for the shared key and for people.
    pub limits: WorkerLimits,
}

/// Whose credential it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Bearer {
    /// Nobody was asked: the hub is open to everybody.
    Anybody,
    /// The key that workers share.
    SharedKey,
    /// A signed-in person.
    Person(String),
    /// A worker token, by its id.
    Token(uuid::Uuid),
}

impl Credential {
    const fn unlimited(bearer: Bearer) -> Self {
        Self { bearer, limits: WorkerLimits { worker_name: None, queues: None } }
    }

    /// As it is kept with a worker that it registers; `None` where nobody is asked who he is.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        match &self.bearer {
            Bearer::Anybody => None,
            Bearer::SharedKey => Some("key".to_owned()),
            Bearer::Person(name) => Some(format!("person:{name}")),
            Bearer::Token(id) => Some(format!("token:{id}")),
        }
    }

    /// Whether it is the one that is kept as `key`. On a hub that is open to everybody, everybody is.
    #[must_use]
    pub fn is(&self, key: &str) -> bool {
        match &self.bearer {
            Bearer::Anybody => true,
            Bearer::SharedKey => key == "key",
            Bearer::Person(name) => key.strip_prefix("person:") == Some(name),
            Bearer::Token(id) => key.strip_prefix("token:").and_then(|text| text.parse().ok()) == Some(*id),
        }
    }
}

/// What a worker's request shows.
enum Shown {
    /// Enough.
    Enough(Bearer),
    /// A token that has to be looked up.
    Token(String),
}

impl Access {
    fn person(&self, request: &HttpRequest) -> Result<String, Failure> {
        if self.open {
            return check_same_site(request).map(|()| "insecure-dev".to_owned());
        }
        let token = bearer(request).ok_or(Failure::Unauthorized("sign in first: the request has no bearer token"))?;
        if token.starts_with(WORKER_TOKEN_PREFIX) {
            return Err(Failure::Unauthorized("a worker's token opens the worker routes only; sign in"));
        }
        let claims: Claims = self.tokens.check(token).map_err(|_| Failure::Unauthorized("the bearer token is not valid; sign in again"))?;
        Ok(claims.sub)
    }

    /// Judges what needs no look-up: the shared key costs no query.
    fn worker(&self, request: &HttpRequest) -> Result<Shown, Failure> {
        let key = request.headers().get(api_types::WORKER_KEY_HEADER).and_then(|value| value.to_str().ok());
        match (key, bearer(request)) {
            (Some(key), _) if self.worker_key.matches(key) => Ok(Shown::Enough(Bearer::SharedKey)),
            (Some(token), _) | (None, Some(token)) if token.starts_with(WORKER_TOKEN_PREFIX) => Ok(Shown::Token(token.to_owned())),
            _ if self.open => check_same_site(request).map(|()| Shown::Enough(Bearer::Anybody)),
            (Some(_), _) => Err(Failure::Unauthorized("the key in X-Worker-API-Key is not the workers' key")),
            (None, Some(_)) => self.person(request).map(|name| Shown::Enough(Bearer::Person(name))),
            (None, None) => Err(Failure::Unauthorized("workers need the header X-Worker-API-Key or a bearer token")),
        }
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

/// Refuses what a page of another site makes a browser send: where nobody signs in, nothing else tells it from the person at this machine.
fn check_same_site(request: &HttpRequest) -> Result<(), Failure> {
    let header = |name: header::HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap_or_default());
    let refuse = |what: &str| Err(Failure::Forbidden(format!("--insecure-dev serves this machine alone: {what}")));
    if !header(header::HOST).is_some_and(is_this_machine) {
        return refuse("the header Host names another");
    }
    let is_ours = |origin: &str| origin.strip_prefix("http://").or(origin.strip_prefix("https://")).is_some_and(is_this_machine);
    if header(header::ORIGIN).is_some_and(|origin| !is_ours(origin)) {
        return refuse("the header Origin names another site");
    }
    if header(header::HeaderName::from_static("sec-fetch-site")).is_some_and(|site| site == "cross-site") {
        return refuse("the request comes from another site");
    }
    let kind = header(header::CONTENT_TYPE).unwrap_or_default().to_ascii_lowercase();
    if ["text/plain", "multipart/"].iter().any(|simple| kind.starts_with(simple)) {
        return refuse("send JSON, as application/json");
    }
    Ok(())
}

/// Whether `host`, with or without a port, is this machine.
fn is_this_machine(host: &str) -> bool {
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split(']').next().unwrap_or_default(),
        None => host.split(':').next().unwrap_or_default(),
    };
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn access(request: &HttpRequest) -> Result<&Data<Access>, Failure> {
    request.app_data::<Data<Access>>().ok_or_else(|| Failure::Internal("no access rules in app data".to_owned()))
}

/// A signed-in person: extracting it makes a route a management route.
pub struct Management {
    /// The person's name.
    pub username: String,
}

impl FromRequest for Management {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(access(request).and_then(|access| access.person(request)).map(|username| Self { username }))
    }
}

/// A worker, or a signed-in person in its place: extracting it makes a route a worker route.
pub struct WorkerCaller {
    /// The lease token that the request shows.
    pub lease_token: Option<uuid::Uuid>,
    /// What it is authenticated by.
    pub credential: Arc<Credential>,
}

impl FromRequest for WorkerCaller {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(access(request).and_then(|access| access.worker(request)).and_then(|shown| {
            let credential = match shown {
                Shown::Enough(bearer) => Some(Arc::new(Credential::unlimited(bearer))),
                Shown::Token(_) => request.extensions().get::<Arc<Credential>>().cloned(),
            };
            let credential = credential.ok_or_else(|| Failure::Internal("this app does not check worker tokens".to_owned()))?;
            Ok(Self { lease_token: lease_token(request)?, credential })
        }))
    }
}

/// Middleware that judges the key or token of a request to a worker route, before anything else of the request is looked at, and counts those
/// that it refuses. Shared keys and people cost no look-up.
///
/// A token that is not good: 401.
///
/// # Errors
/// Those of the routes.
pub async fn check_worker_token(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    match worker_token_credential(&request).await {
        Ok(Some(credential)) => drop(request.extensions_mut().insert(Arc::new(credential))),
        Ok(None) => {}
        Err(failure) => return Ok(request.into_response(failure.error_response()).map_into_right_body()),
    }
    next.call(request).await.map(ServiceResponse::map_into_left_body)
}

/// The credential of a request's worker token; none when it shows none where one counts.
async fn worker_token_credential(request: &ServiceRequest) -> Result<Option<Credential>, Failure> {
    // The path as routes see it: `%77orker` is `worker`.
    if !request.match_info().as_str().starts_with("/api/v1/worker/") {
        return Ok(None);
    }
    let access = access(request.request())?;
    let refused = || access.refused.note(request.peer_addr().map(|address| address.ip()), job_to_start(request.match_info().as_str()));
    match access.worker(request.request()) {
        Ok(Shown::Enough(_)) => Ok(None),
        Ok(Shown::Token(token)) => {
            let credential = access.worker_tokens.check(&token).await;
            if matches!(credential, Err(Failure::Unauthorized(_))) {
                refused();
            }
            credential.map(Some)
        }
        // Whoever shows nothing good learns it from the route, which may not exist.
        Err(_) => {
            refused();
            Ok(None)
        }
    }
}

fn job_to_start(path: &str) -> Option<uuid::Uuid> {
    path.strip_prefix("/api/v1/worker/jobs/")?.strip_suffix("/start")?.parse().ok()
}

fn lease_token(request: &HttpRequest) -> Result<Option<uuid::Uuid>, Failure> {
    let Some(value) = request.headers().get(api_types::LEASE_TOKEN_HEADER) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| text.parse().ok());
    token.map(Some).ok_or_else(|| Failure::BadRequest("the header X-Lease-Token is not a UUID".to_owned()))
}
