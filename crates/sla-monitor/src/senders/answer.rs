//! What answers mean: whether a message was taken, is sent again, is given up, or ends the channel.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::notification::{Fate, Receipt, SendError};
use runtime::outbound::{AddressFault, OutboundAnswer, OutboundError};

use super::{opened::Opened, text::clip};

/// Characters of an answer that are kept.
const KEPT: usize = 500;
/// The longest time that a receiver may name.
const LONGEST: Duration = Duration::from_secs(24 * 3600);

/// An answer for the log: its beginning on one line, without secrets.
pub(super) fn shown(answer: &OutboundAnswer, secrets: &Opened) -> String {
    let text = String::from_utf8_lossy(&answer.body);
    clip(&super::text::one_line(&secrets.redact(&text)), KEPT)
}

/// The receipt of an answer.
pub(super) fn receipt(answer: &OutboundAnswer, secrets: &Opened) -> Receipt {
    Receipt { status: Some(answer.status), answer: shown(answer, secrets), reference: None }
}

/// The refusal of an answer.
pub(super) fn refusal(fate: Fate, answer: &OutboundAnswer, secrets: &Opened) -> SendError {
    let hint = match answer.status {
        300..=399 => ": redirects are not followed, give the address that it leads to",
        _ => "",
    };
    let (text, status) = (shown(answer, secrets), answer.status);
    let said = if text.is_empty() { String::new() } else { format!(": {text}") };
    SendError { fate, status: Some(status), message: format!("the receiver answered {status}{hint}{said}") }
}

/// What an answer means where the receiver says nothing else. What a person can correct meanwhile, such as a credential, is tried again.
pub(super) fn fate(answer: &OutboundAnswer, now: DateTime<Utc>) -> Option<Fate> {
    match answer.status {
        200..=299 => None,
        410 => Some(Fate::Disable),
        408 | 425 | 429 | 500..=599 => Some(Fate::Retry(retry_after(answer, now))),
        300..=399 | 401 | 403 | 404 | 407 | 409 => Some(Fate::Retry(None)),
        _ => Some(Fate::Drop),
    }
}

/// [`fate`] as a result.
pub(super) fn judge(answer: &OutboundAnswer, secrets: &Opened, now: DateTime<Utc>) -> Result<Receipt, SendError> {
    match fate(answer, now) {
        None => Ok(receipt(answer, secrets)),
        Some(fate) => Err(refusal(fate, answer, secrets)),
    }
}

/// How long the receiver wants to be left alone.
pub(super) fn retry_after(answer: &OutboundAnswer, now: DateTime<Utc>) -> Option<Duration> {
    let text = answer.headers.get("retry-after")?.to_str().ok()?.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().unwrap_or_default(),
    };
    Some(wait.min(LONGEST))
}

/// A message that found no receiver.
pub(super) fn unsent(error: &OutboundError) -> SendError {
    let message = match error {
        OutboundError::Address(fault) => format!("the address {fault}"),
        error => error.to_string(),
    };
    let fate = match error {
        OutboundError::Address(AddressFault::Private | AddressFault::Plain) | OutboundError::Name { .. } => Fate::Retry(None),
        OutboundError::Address(_) => Fate::Drop,
        OutboundError::Timeout(_) | OutboundError::Connection(_) | OutboundError::Tls(_) => Fate::Retry(None),
    };
    SendError { fate, status: None, message }
}

/// A message that cannot be sent at all.
pub(super) fn unsendable(message: impl Into<String>) -> SendError {
    SendError { fate: Fate::Drop, status: None, message: message.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<&str>) -> OutboundAnswer {
        let headers = retry_after.map(|text| ("retry-after".parse().unwrap(), text.parse().unwrap()));
        OutboundAnswer { status, headers: headers.into_iter().collect(), body: b"no\r\nway".to_vec() }
    }

    #[test]
    fn each_status_has_its_fate_and_retry_after_is_kept() {
        let now = "2026-11-27T12:00:00Z".parse().unwrap();
        let seconds = |seconds| Some(Fate::Retry(Some(Duration::from_secs(seconds))));
        for (status, after, expected) in [
            (200, None, None),
            (202, None, None),
            (204, Some("9"), None),
            (302, None, Some(Fate::Retry(None))),
            (400, None, Some(Fate::Drop)),
            (401, None, Some(Fate::Retry(None))),
            (410, None, Some(Fate::Disable)),
            (413, None, Some(Fate::Drop)),
            (429, Some("30"), seconds(30)),
            (429, Some("Fri, 27 Nov 2026 12:01:30 GMT"), seconds(90)),
            (503, Some("Fri, 27 Nov 2026 11:00:00 GMT"), seconds(0)),
            (503, Some("99999999999"), seconds(86_400)),
            (503, Some("soon"), Some(Fate::Retry(None))),
            (500, None, Some(Fate::Retry(None))),
        ] {
            assert_eq!(fate(&answer(status, after), now), expected, "{status} {after:?}");
        }
        let error = judge(&answer(302, None), &Opened::default(), now).unwrap_err();
        assert!(error.message.starts_with("the receiver answered 302: redirects are not followed"), "{error}");
        assert!(error.message.ends_with(": no way") && error.status == Some(302), "{error}");
    }
}
