use std::time::Duration;

use api_types::Problem;
use reqwest::{
    StatusCode,
    header::{HeaderMap, RETRY_AFTER},
};

/// Why a request to the hub failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum HubError {
    /// No connection, or no answer in time.
    #[error("the hub is unreachable: {0}")]
    Unreachable(String),
    /// It cannot serve the request now: 5xx, 429, or a 404 of a proxy in front of it.
    #[error("the hub answered {status}: {detail}")]
    Unavailable {
        /// HTTP status.
        status: u16,
        /// Detail of the answer.
        detail: String,
        /// Value of `Retry-After`.
        retry_after: Option<Duration>,
    },
    /// It refused the request; the same request will be refused again.
    #[error("the hub refused with {status} {code}: {detail}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// Problem code.
        code: String,
        /// Problem detail.
        detail: String,
    },
    /// Its answer cannot be parsed.
    #[error("the hub's answer cannot be parsed: {0}")]
    Answer(String),
    /// The request cannot be serialised as JSON.
    #[error("the request cannot be serialised: {0}")]
    Encode(String),
}

impl HubError {
    pub(super) fn unreachable(error: &reqwest::Error) -> Self {
        Self::Unreachable(chain(error))
    }

    pub(super) fn from_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let problem: Option<Problem> = serde_json::from_slice(body).ok();
        let spoken = problem.is_some();
        let (code, detail) = problem.map_or_else(|| (String::new(), plain_detail(status, body)), |problem| (problem.code, problem.detail));
        // A 404 without a problem body comes from a proxy, not from the hub.
        let elsewhere = status == StatusCode::NOT_FOUND && !spoken;
        if status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429) || elsewhere {
            return Self::Unavailable { status: status.as_u16(), detail, retry_after: retry_after(headers) };
        }
        Self::Refused { status: status.as_u16(), code, detail }
    }

    /// The HTTP status, when there was an answer.
    #[must_use]
    pub const fn status(&self) -> Option<u16> {
        match self {
            Self::Unavailable { status, .. } | Self::Refused { status, .. } => Some(*status),
            Self::Unreachable(_) | Self::Answer(_) | Self::Encode(_) => None,
        }
    }

    /// The same request may succeed later: the hub is unreachable or busy, or its answer was garbled in transit.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        matches!(self, Self::Unreachable(_) | Self::Unavailable { .. } | Self::Answer(_))
    }

    /// The key or token is not accepted (any more).
    #[must_use]
    pub const fn is_unauthorized(&self) -> bool {
        matches!(self, Self::Refused { status: 401 | 403, .. })
    }

    /// This worker has lost the job's lease.
    #[must_use]
    pub fn is_stale_lease(&self) -> bool {
        matches!(self, Self::Refused { status: 409, code, .. } if code == "stale_lease")
    }

    /// The hub's description of the live worker that has this name, if that is the refusal.
    #[must_use]
    pub fn name_taken(&self) -> Option<&str> {
        match self {
            Self::Refused { status: 409, code, detail } if code == "worker_name_taken" => Some(detail),
            _ => None,
        }
    }

    /// `Retry-After` of the answer, at most 60 s.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Unavailable { retry_after, .. } => retry_after.map(|wait| wait.min(Duration::from_secs(60))),
            Self::Unreachable(_) | Self::Refused { .. } | Self::Answer(_) | Self::Encode(_) => None,
        }
    }
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

fn plain_detail(status: StatusCode, body: &[u8]) -> String {
    if status.is_redirection() {
        return "it redirects; set --server to the address it redirects to".into();
    }
    String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(200).collect()
}

/// An error with its causes, which carry the essential part ("connection refused").
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> HubError {
        HubError::from_answer(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn what_may_succeed_later_is_transient() {
        let problem = r#"{"type":"x","title":"t","status":409,"detail":"d","code":"stale_lease","error":"d"}"#;
        for (status, body, transient) in [
            (503, "", true),
            (429, "", true),
            (404, "<html>", true),
            (404, problem, false),
            (400, "x", false),
            (409, problem, false),
            (308, "", false),
        ] {
            assert_eq!(answer(status, body).is_transient(), transient, "{status} {body}");
        }
        assert!(answer(409, problem).is_stale_lease());
        assert!(!answer(409, "x").is_stale_lease());
        assert!(answer(401, "").is_unauthorized());
    }
}
