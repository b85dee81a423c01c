use client::Error;
use domain::Fault;

use crate::Failure;

/// Codes of conflicts that are passed on to the caller.
const CONFLICTS: [&str; 2] = ["automation_archived", "schema_unusable"];

/// Seconds after which a service that did not answer may be asked again.
const RETRY_AFTER_S: u64 = 2;

/// What a request to `service` for something of `subject` (`automation 7`) failed with, as if the use case had failed in this process.
///
/// What says nothing of the request but that the two services do not fit each other (a token that is not taken, another program at the address)
/// is an internal failure: it must not be mistaken for an answer.
pub(crate) fn failure(service: &'static str, subject: &str, error: Error) -> Failure {
    let refusal = match error {
        Error::Refused(refusal) => *refusal,
        Error::Unreachable { .. } | Error::Unanswered { .. } => return away(service, &error.to_string()),
        Error::Address { .. } | Error::Token | Error::Answer { .. } | Error::Encode(_) => return Failure::Internal(error.to_string()),
    };
    let not_found = Failure::NotFound(subject.to_owned());
    match (refusal.status, refusal.code.as_str()) {
        (404, _) if refusal.detail == not_found.to_string() => not_found,
        (409, code) if CONFLICTS.contains(&code) => {
            let code = CONFLICTS.into_iter().find(|known| *known == code).unwrap_or_default();
            Failure::conflict(code, refusal.detail)
        }
        (413, _) => Failure::field("", refusal.detail),
        (422, "invalid") => Failure::Invalid(refusal.errors.into_iter().map(|error| Fault::new(error.field, error.message)).collect()),
        (429, _) | (503, "overloaded") => Failure::Overloaded,
        (503, "unavailable") => Failure::Unavailable(format!("{service}: {}", refusal.detail)),
        // 408 is the answer of a process that was stopped in the middle of the request.
        (408 | 502..=504, _) => away(service, &refusal.to_string()),
        (status, _) => Failure::Internal(format!("the {service} answered {status}: {refusal}")),
    }
}

/// A service that did not answer, for a reason that is logged and not sent.
pub(super) fn away(service: &'static str, cause: &str) -> Failure {
    tracing::warn!(service, cause, "a service is not available");
    Failure::Away { service, retry_after: RETRY_AFTER_S }
}

#[cfg(test)]
mod tests {
    use api_types::FieldError;
    use client::Refusal;

    use super::*;

    fn of(status: u16, code: &str, detail: &str) -> Failure {
        let errors = vec![FieldError { field: "parameters/n".into(), message: "is missing".into() }];
        let refusal = Refusal { status, code: code.into(), detail: detail.into(), job_id: None, errors, retry_after: None };
        failure("orchestrator", "automation 7", Error::Refused(Box::new(refusal)))
    }

    #[test]
    fn a_refusal_is_what_the_use_case_refused() {
        assert!(matches!(of(404, "not_found", "automation 7 not found"), Failure::NotFound(what) if what == "automation 7"));
        for code in CONFLICTS {
            let failure = of(409, code, "no");
            assert!(matches!(&failure, Failure::Conflict { code: found, detail, .. } if *found == code && detail == "no"), "{failure:?}");
        }
        assert!(matches!(of(422, "invalid", "x"), Failure::Invalid(faults) if faults == [Fault::new("parameters/n", "is missing")]));
        assert!(matches!(of(413, "too_large", "x"), Failure::Invalid(_)));
        assert!(matches!(of(429, "too_many_requests", "x"), Failure::Overloaded));
        assert!(matches!(of(503, "overloaded", "x"), Failure::Overloaded));
        assert!(matches!(of(503, "unavailable", "x"), Failure::Unavailable(_)));
    }

    #[test]
    fn who_is_away_is_not_who_refuses() {
        for (status, code) in [(408, "too_slow"), (502, ""), (503, ""), (504, "")] {
            assert!(matches!(of(status, code, "x"), Failure::Away { service: "orchestrator", .. }), "{status}");
        }
        let lost = Error::Unanswered { url: "http://a".into(), reason: "no answer in time".into() };
        assert!(matches!(failure("orchestrator", "automation 7", lost), Failure::Away { .. }));
    }

    #[test]
    fn another_program_s_answer_is_no_refusal() {
        for (status, code, detail) in [
            (404, "not_found", "page not found"),
            (404, "", "404 Not Found: nginx"),
            (401, "unauthorized", "the bearer token is not valid; sign in again"),
            (403, "forbidden", "x"),
            (409, "new_code", "x"),
            (400, "bad_request", "x"),
            (422, "", "x"),
            (500, "internal", "x"),
        ] {
            assert!(matches!(of(status, code, detail), Failure::Internal(_)), "{status} {code}");
        }
    }
}
