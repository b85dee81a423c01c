use crate::{Fault, ids::ScheduleId};

/// Who or what asked for a job. An attempt by the retry policy has that of the one before it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Origin {
    /// Name of the user, key or service; `None`: accepted before that was kept.
    pub requested_by: Option<String>,
    /// The schedule whose fire it is.
    pub schedule_id: Option<ScheduleId>,
    /// W3C trace context of the request.
    pub traceparent: Option<String>,
}

/// Longest name of whoever asks, in characters.
const MAX_NAME: usize = 1024;
/// Longest name of an environment, in characters.
const MAX_ENVIRONMENT: usize = 64;

impl Origin {
    /// What is wrong with it.
    pub(super) fn faults(&self) -> impl Iterator<Item = Fault> {
        let is_name = |name: &str| (1..=MAX_NAME).contains(&name.chars().count()) && !name.chars().any(char::is_control);
        let name = self.requested_by.as_deref().is_some_and(|name| !is_name(name));
        let name =
            name.then(|| Fault::new("requested_by", format!("must be 1 to {MAX_NAME} characters, none of them a control character")));
        let trace = self.traceparent.as_deref().is_some_and(|trace| !is_traceparent(trace));
        let trace =
            trace.then(|| Fault::new("traceparent", "must be a W3C trace context: VERSION-TRACE_ID-PARENT_ID-FLAGS in lower-case hex"));
        name.into_iter().chain(trace)
    }
}

/// What is wrong with the name of an environment.
#[must_use]
pub fn environment_fault(name: Option<&str>) -> Option<Fault> {
    let is_word =
        |name: &str| (1..=MAX_ENVIRONMENT).contains(&name.len()) && name.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-".contains(&c));
    let is_bad = name.is_some_and(|name| !is_word(name));
    is_bad.then(|| Fault::new("environment", format!("must be 1 to {MAX_ENVIRONMENT} letters, digits, `_` and `-`, such as PROD")))
}

/// Whether the text has the form of a W3C `traceparent`, whose ids are not all zeros.
#[must_use]
pub fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str, length: usize| part.len() == length && part.bytes().all(|c| c.is_ascii_digit() || (b'a'..=b'f').contains(&c));
    let is_id = |part: &str, length: usize| is_hex(part, length) && part.bytes().any(|c| c != b'0');
    let parts: Vec<&str> = text.splitn(5, '-').collect();
    matches!(parts[..], [version, trace, parent, flags]
        if is_hex(version, 2) && version != "ff" && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn fields(origin: &Origin) -> Vec<String> {
        origin.faults().map(|fault| fault.field).collect()
    }

    #[test]
    fn each_fault_names_its_field() {
        let fine = Origin { requested_by: Some("José da Silva".into()), traceparent: Some(TRACE.into()), ..Origin::default() };
        assert!(fields(&fine).is_empty() && fields(&Origin::default()).is_empty());
        for name in [String::new(), "a\0".into(), "a\nb".into(), "a".repeat(MAX_NAME + 1)] {
            let bad = Origin { requested_by: Some(name), traceparent: Some("1".into()), ..Origin::default() };
            assert_eq!(fields(&bad), ["requested_by", "traceparent"]);
        }
    }

    #[test]
    fn a_traceparent_has_the_form_of_the_standard() {
        assert!(is_traceparent(TRACE));
        for bad in [
            "",
            "00-1-2-01",
            &TRACE.to_uppercase(),
            &TRACE.replace("00-", "ff-"),
            &format!("{TRACE}-x"),
            &TRACE.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &TRACE.replace("00f067aa0ba902b7", &"0".repeat(16)),
        ] {
            assert!(!is_traceparent(bad), "{bad}");
        }
    }

    #[test]
    fn an_environment_is_a_word() {
        for fine in [None, Some("PROD"), Some("hml_2-a")] {
            assert_eq!(environment_fault(fine), None);
        }
        for bad in ["", "a b", "é", "a\0", &"a".repeat(65)] {
            assert_eq!(environment_fault(Some(bad)).unwrap().field, "environment", "{bad}");
        }
    }
}
