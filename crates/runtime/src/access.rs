use std::future::{Ready, ready};

use actix_web::{
    Error, FromRequest, HttpMessage, HttpRequest,
    body::MessageBody,
    dev::{Payload, ServiceRequest, ServiceResponse},
    http::header,
    middleware::Next,
    web::Data,
};
use auth::{Claims, SharedKey, Tokens, WORKER_TOKEN_PREFIX};

use crate::{Failure, WorkerTokens};

/// Who may call what. Management routes want a signed-in person, worker routes the workers' key, a worker's token, or a signed-in person.
#[derive(Clone)]
pub struct Access {
    /// Checks access tokens.
    pub tokens: Tokens,
    /// The key that workers share.
    pub worker_key: SharedKey,
    /// Checks tokens of single workers.
    pub worker_tokens: WorkerTokens,
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

/// What a worker's request shows.
enum Shown {
    /// Enough.
    Enough,
    /// A token that has to be looked up.
    Token(String),
}

impl Access {
    fn person(&self, request: &HttpRequest) -> Result<String, Failure> {
        if self.open {
            return Ok("insecure-dev".to_owned());
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
            (Some(key), _) if self.worker_key.matches(key) => Ok(Shown::Enough),
            (Some(token), _) | (None, Some(token)) if token.starts_with(WORKER_TOKEN_PREFIX) => Ok(Shown::Token(token.to_owned())),
            _ if self.open => Ok(Shown::Enough),
            (Some(_), _) => Err(Failure::Unauthorized("the key in X-Worker-API-Key is not the workers' key")),
            (None, Some(_)) => self.person(request).map(|_| Shown::Enough),
            (None, None) => Err(Failure::Unauthorized("workers need the header X-Worker-API-Key or a bearer token")),
        }
    }
}

fn bearer(request: &HttpRequest) -> Option<&str> {
    let value = request.headers().get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
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
    /// What its own token allows; nothing is limited for the shared key and for people.
    pub limits: WorkerLimits,
}

impl FromRequest for WorkerCaller {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(access(request).and_then(|access| access.worker(request)).and_then(|shown| {
            let limits = match shown {
                Shown::Enough => Some(WorkerLimits::default()),
                Shown::Token(_) => request.extensions().get::<WorkerLimits>().cloned(),
            };
            let limits = limits.ok_or_else(|| Failure::Internal("this app does not check worker tokens".to_owned()))?;
            Ok(Self { lease_token: lease_token(request)?, limits })
        }))
    }
}

/// Middleware that looks up the worker token of a request to a worker route, before anything else of the request is looked at. Shared keys
/// and people cost no look-up.
///
/// # Errors
/// [`Failure::Unauthorized`] for a token that is not good.
pub async fn check_worker_token(request: ServiceRequest, next: Next<impl MessageBody>) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.path().starts_with("/api/v1/worker/")
        && let Ok(Shown::Token(token)) = access(request.request()).and_then(|access| access.worker(request.request()))
    {
        let tokens = access(request.request())?.worker_tokens.clone();
        let limits = tokens.check(&token).await?;
        request.extensions_mut().insert(limits);
    }
    next.call(request).await
}

fn lease_token(request: &HttpRequest) -> Result<Option<uuid::Uuid>, Failure> {
    let Some(value) = request.headers().get(api_types::LEASE_TOKEN_HEADER) else { return Ok(None) };
    let token = value.to_str().ok().and_then(|text| text.parse().ok());
    token.map(Some).ok_or_else(|| Failure::BadRequest("the header X-Lease-Token is not a UUID".to_owned()))
}
