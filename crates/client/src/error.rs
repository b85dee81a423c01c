use std::time::Duration;

use api_types::{FieldError, Problem};
use domain::ids::JobId;
use reqwest::{
    StatusCode,
    header::{HeaderMap, LOCATION, RETRY_AFTER},
};

/// Maximum number of characters of an answer without a problem body.
const MOST_PLAIN: usize = 200;
/// Code of an answer of an overloaded hub, which did not start the request.
const OVERLOADED: &str = "overloaded";

/// Why a request has no answer, or an unsuccessful one.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Not the address of a hub.
    #[error("\"{url}\" is not the address of a hub: {reason}")]
    Address {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token has characters that are not allowed in a header.
    #[error("the access token has invalid characters")]
    Token,
    /// No connection: the hub has not received the request.
    #[error("no hub answers at {url}: {reason}")]
    Unreachable {
        /// Its address.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The connection broke or timed out: the hub may have carried out the request.
    #[error("the hub at {url} did not answer: {reason}")]
    Unanswered {
        /// Its address.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The hub refused the request.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// This client cannot parse the answer.
    #[error("the answer of {url} is not understood: {reason}")]
    Answer {
        /// Who answered.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The request cannot be encoded.
    #[error("the request cannot be encoded: {0}")]
    Encode(String),
}

/// A refusal, with everything that the hub returned.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Code for programs; empty when the answer has no problem body, like that of a proxy.
    pub code: String,
    /// Reason, for people.
    pub detail: String,
    /// The job that waits or runs, of `overlap_skipped`.
    pub job_id: Option<JobId>,
    /// Invalid fields.
    pub errors: Vec<FieldError>,
    /// When to repeat the request.
    pub retry_after: Option<Duration>,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.detail.is_empty() { write!(out, "the hub answered {}", self.status) } else { out.write_str(&self.detail) }
    }
}

impl Error {
    pub(crate) fn of_transport(url: &str, error: &reqwest::Error) -> Self {
        let (url, reason) = (url.to_owned(), reason(error));
        if error.is_connect() { Self::Unreachable { url, reason } } else { Self::Unanswered { url, reason } }
    }

    pub(crate) fn of_answer(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let refusal = match serde_json::from_slice::<Problem>(body) {
            Ok(Problem { detail, code, job_id, errors, .. }) => {
                Refusal { status: status.as_u16(), code, detail, job_id, errors, retry_after: None }
            }
            Err(_) => {
                let detail = plain_detail(status, headers, body);
                Refusal { status: status.as_u16(), code: String::new(), detail, job_id: None, errors: Vec::new(), retry_after: None }
            }
        };
        Self::Refused(Box::new(Refusal { retry_after: retry_after(headers), ..refusal }))
    }

    pub(crate) fn of_body(url: &str, error: &serde_json::Error) -> Self {
        Self::Answer { url: url.to_owned(), reason: error.to_string() }
    }

    /// The refusal, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The HTTP status, if it is a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// Whether the hub certainly did not carry out the request: it was not reached, or overloaded.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(refusal) => refusal.status == 429 || (refusal.status == 503 && refusal.code == OVERLOADED),
            _ => false,
        }
    }

    /// Whether the same request may succeed later: the hub is unreachable, stopping or overloaded. It may have been carried out all the
    /// same: see [`Error::is_undone`].
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unanswered { .. } => true,
            // A hub that stops in the middle of a request answers 408.
            Self::Refused(refusal) => matches!(refusal.status, 408 | 429 | 502..=504),
            _ => false,
        }
    }

    /// How long the hub asked to wait.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }
}

/// The header in seconds; a hub never sends its date form.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// The text of an answer without a problem body: that of a proxy or of another program.
fn plain_detail(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    if status.is_redirection() {
        let target = headers.get(LOCATION).and_then(|value| value.to_str().ok()).unwrap_or("another address");
        return format!("it redirects to {target}; use the address it redirects to");
    }
    let text: String = String::from_utf8_lossy(body).chars().filter(|c| !c.is_control()).take(MOST_PLAIN).collect();
    match text.trim() {
        "" => format!("{status}, without a reason"),
        text => format!("{status}: {text}"),
    }
}

/// The innermost cause ("connection refused"), or that it timed out.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "no connection in time" } else { "no answer in time" }.to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    // The error number does not help people.
    text.split(" (os error ").next().unwrap_or(&text).to_lowercase()
}
