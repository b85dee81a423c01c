use std::time::Duration;

use api_types::{FieldError, Problem};
use reqwest::{
    StatusCode,
    header::{HeaderMap, LOCATION, RETRY_AFTER},
};

/// Characters of an answer without a problem body that are kept.
const MOST_PLAIN: usize = 200;
/// Code of an answer that says the hub was too busy to begin with the request.
const OVERLOADED: &str = "overloaded";

/// Why there is no answer, or not the one that was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The address is none of a hub.
    #[error("\"{url}\" is not the address of a hub: {reason}")]
    Address {
        /// As it was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The token has characters that no header takes.
    #[error("the access token has characters that no token has")]
    Token,
    /// No connection: the hub has not seen the request.
    #[error("no hub answers at {url}: {reason}")]
    Unreachable {
        /// Where it was looked for.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The connection broke, or the time was over: the hub may have done what was asked.
    #[error("the hub at {url} did not answer: {reason}")]
    Unanswered {
        /// Where it is.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The hub refused.
    #[error("{0}")]
    Refused(Box<Refusal>),
    /// The answer is not what this client understands.
    #[error("the answer of {url} is not understood: {reason}")]
    Answer {
        /// Who answered.
        url: String,
        /// Why not.
        reason: String,
    },
    /// The request cannot be written.
    #[error("the request cannot be written: {0}")]
    Encode(String),
}

/// A refusal: all that the hub said.
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Why, for programs; empty when the answer has no problem body, as a proxy's.
    pub code: String,
    /// Why, for people.
    pub detail: String,
    /// What is wrong with which field.
    pub errors: Vec<FieldError>,
    /// When to ask again.
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
            Ok(Problem { detail, code, errors, .. }) => Refusal { status: status.as_u16(), code, detail, errors, retry_after: None },
            Err(_) => {
                let detail = plain_detail(status, headers, body);
                Refusal { status: status.as_u16(), code: String::new(), detail, errors: Vec::new(), retry_after: None }
            }
        };
        Self::Refused(Box::new(Refusal { retry_after: retry_after(headers), ..refusal }))
    }

    pub(crate) fn of_body(url: &str, error: &serde_json::Error) -> Self {
        Self::Answer { url: url.to_owned(), reason: error.to_string() }
    }

    /// The refusal, when it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<&Refusal> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// The HTTP status of a refusal.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.refusal().map(|refusal| refusal.status)
    }

    /// The hub certainly did nothing: it was not reached, or too busy to begin.
    #[must_use]
    pub fn is_undone(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Refused(refusal) => refusal.status == 429 || (refusal.status == 503 && refusal.code == OVERLOADED),
            _ => false,
        }
    }

    /// The same request may succeed later: the hub is away, stopping or busy. Whether it did what was asked is another question
    /// ([`Error::is_undone`]).
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Unanswered { .. } => true,
            // 408 is the answer of a hub that was stopped in the middle of the request.
            Self::Refused(refusal) => matches!(refusal.status, 408 | 429 | 502..=504),
            _ => false,
        }
    }

    /// How long the hub asked to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.refusal()?.retry_after
    }
}

/// The header as seconds; its form as a date is no hub's.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok().map(Duration::from_secs)
}

/// What an answer without a problem body says: it is a proxy's, or that of some other program.
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

/// The innermost cause, which says what matters ("connection refused"); a time-out says so itself.
fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return if error.is_connect() { "no connection in time" } else { "no answer in time" }.to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    let text = cause.to_string();
    // The system's number says nothing to people.
    text.split(" (os error ").next().unwrap_or(&text).to_lowercase()
}
