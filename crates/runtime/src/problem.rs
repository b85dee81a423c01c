use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, ResponseError,
    dev::ResourceDef,
    http::{StatusCode, header},
    web::Data,
};
use api_types::{FieldError, Problem};
use domain::{Fault, ids::JobId, job::Refusal};

/// The code of a request that the overlap rule skipped.
pub const OVERLAP_SKIPPED: &str = "overlap_skipped";

/// Why a request failed: the only map from errors to problem responses (RFC 9457).
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The resource does not exist.
    #[error("{0} not found")]
    NotFound(String),
    /// The route does not support this method.
    #[error("this route does not support this method")]
    MethodNotAllowed,
    /// The request cannot be parsed.
    #[error("{0}")]
    BadRequest(String),
    /// Fields of the query or path are invalid.
    #[error("{}", summary(.0))]
    BadQuery(Vec<Fault>),
    /// Fields of the body are invalid.
    #[error("{}", summary(.0))]
    Invalid(Vec<Fault>),
    /// The current state does not allow the request.
    #[error("{detail}")]
    Conflict {
        /// For programs.
        code: &'static str,
        /// For people.
        detail: String,
        /// The conflicting job, if it is one.
        job_id: Option<JobId>,
    },
    /// The caller is not identified.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// The caller is identified and lacks the permission.
    #[error("{0}")]
    Forbidden(String),
    /// Somebody was identified elsewhere, or was to be, and may not sign in.
    #[error("{detail}")]
    SignInRefused {
        /// For programs.
        code: &'static str,
        /// For people.
        detail: String,
    },
    /// The body is larger than this many bytes.
    #[error("the body has more than {0} bytes")]
    TooLarge(usize),
    /// The body is compressed.
    #[error("the body has a Content-Encoding; send it as it is")]
    UnsupportedEncoding,
    /// The body is of a type that the route does not read.
    #[error("{0}")]
    UnsupportedMediaType(String),
    /// The sender of a webhook did not prove who it is.
    #[error("{0}")]
    NotProved(String),
    /// What the request is for is paused; it may be sent again later.
    #[error("{0}")]
    Paused(&'static str),
    /// The target and headers are too large, or too many.
    #[error("the request has more than {0}")]
    HeadersTooLarge(String),
    /// The body did not arrive in time.
    #[error("the body did not arrive within {} s", .0.as_secs())]
    TooSlow(Duration),
    /// Too many requests of this kind.
    #[error("{detail}")]
    TooMany {
        /// For people.
        detail: &'static str,
        /// Seconds after which the request may be repeated.
        retry_after_s: u64,
    },
    /// The hub is overloaded.
    #[error("the hub has more requests than it can serve; try again")]
    Overloaded,
    /// The database is unreachable; the same request may succeed later.
    #[error("the database is not available; try again")]
    Unavailable(String),
    /// The broker is unreachable; the same request may succeed later.
    #[error("the broker is not available; try again")]
    BrokerUnavailable(String),
    /// The processes of another service are out of reach; the same request may work after this many seconds.
    #[error("the service {service} is not available; try again")]
    Away {
        /// Its name.
        service: &'static str,
        /// Seconds to wait.
        retry_after: u64,
    },
    /// The identity provider is out of reach; the same request may work after this many seconds.
    #[error("the identity provider {name} is not available; try again, or sign in with a password")]
    ProviderAway {
        /// What people call it.
        name: String,
        /// Seconds to wait.
        retry_after: u64,
    },
    /// Another service broke off before it answered.
    #[error("the service broke off before it answered; whether it acted is not known")]
    UpstreamLost,
    /// Another service did not answer in time.
    #[error("the service did not answer in time; whether it acted is not known")]
    UpstreamSilent,
    /// An error of the hub. The text is logged, not sent.
    #[error("internal error: {0}")]
    Internal(String),
}

impl Failure {
    /// A conflict with a code for programs.
    pub fn conflict(code: &'static str, detail: impl Into<String>) -> Self {
        Self::Conflict { code, detail: detail.into(), job_id: None }
    }

    /// The overlap rule skipped the request because of this pending or running job.
    #[must_use]
    pub fn overlap_skipped(id: JobId) -> Self {
        let detail = format!("job {id} of this automation is pending or running, and its overlap rule is skip");
        Self::Conflict { code: OVERLAP_SKIPPED, detail, job_id: Some(id) }
    }

    /// A fault in one field of the body.
    pub fn field(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Fault::new(field, message)])
    }

    /// The same failure with its fields below the field `parent` of a larger body.
    #[must_use]
    pub fn under(self, parent: &str) -> Self {
        match self {
            Self::Invalid(faults) => Self::Invalid(faults.into_iter().map(|fault| fault.under(parent)).collect()),
            other => other,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::NotFound(_) => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::BadRequest(_) => "bad_request",
            Self::BadQuery(_) => "bad_query",
            Self::Invalid(_) => "invalid",
            Self::Conflict { code, .. } | Self::SignInRefused { code, .. } => code,
            Self::Unauthorized(_) => "unauthorized",
            Self::Forbidden(_) => "forbidden",
            Self::TooLarge(_) => "too_large",
            Self::UnsupportedEncoding => "unsupported_encoding",
            Self::UnsupportedMediaType(_) => "unsupported_media_type",
            Self::NotProved(_) => "not_proved",
            Self::Paused(_) => "hook_paused",
            Self::HeadersTooLarge(_) => "headers_too_large",
            Self::TooSlow(_) => "too_slow",
            Self::TooMany { .. } => "too_many_requests",
            Self::Overloaded => "overloaded",
            Self::Unavailable(_) => "unavailable",
            Self::BrokerUnavailable(_) => "broker_unavailable",
            Self::Away { .. } => "service_unavailable",
            Self::ProviderAway { .. } => "provider_unavailable",
            Self::UpstreamLost => "bad_gateway",
            Self::UpstreamSilent => "gateway_timeout",
            Self::Internal(_) => "internal",
        }
    }

    const fn job_id(&self) -> Option<JobId> {
        match self {
            Self::Conflict { job_id, .. } => *job_id,
            _ => None,
        }
    }

    fn faults(&self) -> &[Fault] {
        match self {
            Self::BadQuery(faults) | Self::Invalid(faults) => faults,
            _ => &[],
        }
    }
}

fn summary(faults: &[Fault]) -> String {
    let sentence =
        |fault: &Fault| if fault.field.is_empty() { fault.message.clone() } else { format!("{}: {}", fault.field, fault.message) };
    faults.iter().map(sentence).collect::<Vec<_>>().join("; ")
}

impl ResponseError for Failure {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::BadRequest(_) | Self::BadQuery(_) => StatusCode::BAD_REQUEST,
            Self::Invalid(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Conflict { .. } => StatusCode::CONFLICT,
            Self::Unauthorized(_) | Self::NotProved(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) | Self::SignInRefused { .. } => StatusCode::FORBIDDEN,
            Self::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedEncoding | Self::UnsupportedMediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::HeadersTooLarge(_) => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::TooSlow(_) => StatusCode::REQUEST_TIMEOUT,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Overloaded
            | Self::Unavailable(_)
            | Self::BrokerUnavailable(_)
            | Self::Away { .. }
            | Self::ProviderAway { .. }
            | Self::Paused(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::UpstreamLost => StatusCode::BAD_GATEWAY,
            Self::UpstreamSilent => StatusCode::GATEWAY_TIMEOUT,
            Self::Internal(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type("application/problem+json");
        match self {
            Self::Unauthorized(_) | Self::NotProved(_) => response.insert_header((header::WWW_AUTHENTICATE, "Bearer")),
            Self::Paused(_) => response.insert_header((header::RETRY_AFTER, "60")),
            Self::TooMany { retry_after_s, .. } => response.insert_header((header::RETRY_AFTER, retry_after_s.to_string())),
            Self::Overloaded | Self::Unavailable(_) | Self::BrokerUnavailable(_) => response.insert_header((header::RETRY_AFTER, "2")),
            Self::Away { retry_after, .. } | Self::ProviderAway { retry_after, .. } => {
                response.insert_header((header::RETRY_AFTER, *retry_after))
            }
            _ => &mut response,
        };
        response.json(self.problem())
    }
}

impl Failure {
    /// The problem body; logs the failure.
    #[must_use]
    pub fn problem(&self) -> Problem {
        let status = self.status_code();
        match self {
            Self::Internal(cause) | Self::Unavailable(cause) | Self::BrokerUnavailable(cause) => {
                tracing::error!(error = cause, http.status = status.as_u16(), "request failed")
            }
            _ => tracing::debug!(error = %self, http.status = status.as_u16(), "request refused"),
        }
        let detail =
            if matches!(self, Self::Internal(_)) { "internal error; the hub's log has the cause".to_owned() } else { self.to_string() };
        let (code, ids) = (self.code(), telemetry::current_request());
        Problem {
            kind: format!("urn:regente:problem:{code}"),
            title: status.canonical_reason().unwrap_or_default().to_owned(),
            status: status.as_u16(),
            error: detail.clone(),
            detail,
            code: code.to_owned(),
            job_id: self.job_id(),
            request_id: ids.as_ref().map(|ids| ids.request_id.clone()),
            trace_id: ids.as_ref().map(|ids| ids.trace_id.clone()),
            errors: self.faults().iter().map(|fault| FieldError { field: fault.field.clone(), message: fault.message.clone() }).collect(),
        }
    }
}

/// All routes, to answer unmatched requests: 405 when the path has other methods, else 404.
pub struct Unmatched {
    /// Path patterns with the value of their `Allow` header.
    routes: Vec<(ResourceDef, String)>,
}

impl Unmatched {
    /// From path patterns (`/jobs/{id}`) and the methods of each.
    pub fn new(routes: impl IntoIterator<Item = (String, Vec<String>)>) -> Self {
        let route = |(path, methods): (String, Vec<String>)| (ResourceDef::new(path), methods.join(", ").to_uppercase());
        Self { routes: routes.into_iter().map(route).collect() }
    }

    /// The literal paths that a pattern with a parameter matches as well, with their methods: a request with another method must not be taken for
    /// one of the pattern's.
    pub fn shadowed(&self) -> impl Iterator<Item = (&str, &str)> {
        let literal =
            self.routes.iter().filter_map(|(def, methods)| Some((def.pattern().filter(|path| !path.contains('{'))?, methods.as_str())));
        let is_matched = |path: &str| self.routes.iter().any(|(def, _)| def.pattern() != Some(path) && def.is_match(path));
        literal.filter(move |(path, _)| is_matched(path))
    }

    /// The answer for a request to `path`.
    #[must_use]
    pub fn answer(&self, path: &str) -> HttpResponse {
        let matching = || self.routes.iter().filter(|(pattern, _)| pattern.is_match(path));
        // A literal path takes precedence over a pattern that matches it.
        let named: Vec<_> = matching().filter(|(pattern, _)| pattern.pattern() == Some(path)).collect();
        let found = if named.is_empty() { matching().collect() } else { named };
        let allowed: Vec<&str> = found.into_iter().map(|(_, methods)| methods.as_str()).collect();
        if allowed.is_empty() {
            // A parameter may have a separator in it; elsewhere nobody means the encoded one.
            let path = path.to_ascii_uppercase();
            if path.contains("%5C") || path.contains("%2F") {
                return Failure::BadQuery(vec![Fault::new("path", "has an encoded separator outside of a parameter")]).error_response();
            }
            return Failure::NotFound("page".to_owned()).error_response();
        }
        let mut response = Failure::MethodNotAllowed.error_response();
        if let Ok(methods) = allowed.join(", ").parse() {
            response.headers_mut().insert(header::ALLOW, methods);
        }
        response
    }
}

/// Answers an unmatched request. Requires [`Unmatched`] as app data.
pub async fn unmatched(request: HttpRequest, routes: Data<Unmatched>) -> HttpResponse {
    routes.answer(request.path())
}

impl From<store::Error> for Failure {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unavailable(text) | store::Error::Conflict(text) => Self::Unavailable(text),
            error @ store::Error::LastAdministrator => Self::conflict("last_administrator", error.to_string()),
            error @ (store::Error::Duplicate(_)
            | store::Error::Dangling(_)
            | store::Error::OutOfScope(_)
            | store::Error::Refused(_)
            | store::Error::Corrupt(_)) => Self::Internal(error.to_string()),
        }
    }
}

impl From<auth::Denied> for Failure {
    fn from(denied: auth::Denied) -> Self {
        Self::Forbidden(denied.to_string())
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = match refusal {
            Refusal::WrongState(_) => "wrong_state",
            Refusal::StaleLease => "stale_lease",
            Refusal::LeaseHeld => "lease_held",
            Refusal::WorkerLost => "worker_lost",
            Refusal::NotControllable => "not_controllable",
        };
        Self::conflict(code, refusal.to_string())
    }
}
