use std::future::{Ready, ready};

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web::Data};
use auth::{Claims, SharedKey, Tokens};

use crate::Failure;

/// Who may call what. Management routes want a signed-in person, worker routes the workers' key or a signed-in person.
#[derive(Clone)]
pub struct Access {
    /// Checks access tokens.
    pub tokens: Tokens,
    /// The key that workers share.
    pub worker_key: SharedKey,
    /// Everybody may do everything: for trying things out on one machine.
    pub open: bool,
}

impl Access {
    fn person(&self, request: &HttpRequest) -> Result<String, Failure> {
        if self.open {
            return Ok("insecure-dev".to_owned());
        }
        let token = bearer(request).ok_or(Failure::Unauthorized("sign in first: the request has no bearer token"))?;
        let claims: Claims = self.tokens.check(token).map_err(|_| Failure::Unauthorized("the bearer token is not valid; sign in again"))?;
        Ok(claims.sub)
    }

    fn worker(&self, request: &HttpRequest) -> Result<(), Failure> {
        let key = request.headers().get(api_types::WORKER_KEY_HEADER).and_then(|value| value.to_str().ok());
        match key {
            Some(key) if self.worker_key.matches(key) => Ok(()),
            _ if self.open => Ok(()),
            Some(_) => Err(Failure::Unauthorized("the key in X-Worker-API-Key is not the workers' key")),
            None if bearer(request).is_some() => self.person(request).map(drop),
            None => Err(Failure::Unauthorized("workers need the header X-Worker-API-Key or a bearer token")),
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
}

impl FromRequest for WorkerCaller {
    type Error = Failure;
    type Future = Ready<Result<Self, Failure>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(access(request).and_then(|access| access.worker(request)).and_then(|()| lease_token(request)))
    }
}

fn lease_token(request: &HttpRequest) -> Result<WorkerCaller, Failure> {
    let Some(value) = request.headers().get(api_types::LEASE_TOKEN_HEADER) else {
        return Ok(WorkerCaller { lease_token: None });
    };
    let token = value.to_str().ok().and_then(|text| text.parse().ok());
    let token = token.ok_or_else(|| Failure::BadRequest("the header X-Lease-Token is not a UUID".to_owned()))?;
    Ok(WorkerCaller { lease_token: Some(token) })
}
