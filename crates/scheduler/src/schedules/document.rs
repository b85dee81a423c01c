//! Schedules as a YAML document, by automation and name: what an export writes and an import reads.

use std::collections::BTreeMap;

use api_types::ScheduleUpdate;
use domain::{Fault, schedule::plan::Document, text::nearest};
use runtime::Failure;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Upper bound of the schedules of a document.
pub(super) const MAX_SCHEDULES: usize = 5_000;

/// Fields of a schedule in a document; the calendar by its name.
pub(super) const FIELDS: [&str; 29] = [
    "cron_expression",
    "interval_s",
    "run_once_at",
    "timezone",
    "calendar",
    "calendar_rule",
    "business_day",
    "on_blackout",
    "window_start",
    "window_end",
    "jitter_s",
    "start_at",
    "end_at",
    "enabled",
    "misfire_policy",
    "misfire_limit",
    "misfire_grace_s",
    "parameters",
    "priority",
    "timeout_s",
    "max_attempts",
    "retry_backoff_s",
    "overlap",
    "max_concurrency",
    "queue_timeout_s",
    "cancel_grace_s",
    "concurrency_key",
    "version_id",
    "environment",
];

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File<T> {
    automations: T,
}

/// Fields of schedules by name.
type Named = BTreeMap<String, Map<String, Value>>;

/// A schedule of a document.
pub(super) struct Entry {
    /// Its fields as a request for a schedule, without name and calendar.
    pub(super) request: ScheduleUpdate,
    /// Name of its calendar.
    pub(super) calendar: Option<String>,
}

/// Entries by automation and name.
pub(super) type Entries = BTreeMap<String, BTreeMap<String, Entry>>;

/// The document as YAML.
pub(super) fn write(document: &Document) -> Result<String, Failure> {
    let options = serde_saphyr::ser_options! { min_fold_chars: usize::MAX };
    serde_saphyr::to_string_with_options(&File { automations: document }, options).map_err(|error| Failure::Internal(error.to_string()))
}

/// Reads a document.
///
/// # Errors
/// [`Failure::BadRequest`] when it is not YAML, [`Failure::Invalid`] with each fault.
pub(super) fn read(text: &[u8]) -> Result<Entries, Failure> {
    // As YAML 1.2 has it: `yes` and `007` are texts. Errors name line and column; the document itself stays out of them.
    let options = serde_saphyr::options! {
        with_snippet: false,
        strict_booleans: true,
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
    };
    let text = std::str::from_utf8(text).map_err(|_| Failure::BadRequest("the document is not UTF-8".to_owned()))?;
    let value: Value = serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| Failure::BadRequest(format!("the document is not YAML that can be read: {error}")))?;
    let file: File<BTreeMap<String, Option<Named>>> =
        serde_path_to_error::deserialize(value).map_err(|error| Failure::Invalid(vec![fault(&error)]))?;
    let count: usize = file.automations.values().flatten().map(BTreeMap::len).sum();
    if count > MAX_SCHEDULES {
        return Err(Failure::field("automations", format!("must have at most {MAX_SCHEDULES} schedules, not {count}")));
    }
    let (mut entries, mut faults) = (Entries::new(), Vec::new());
    for (automation, schedules) in file.automations {
        let into = entries.entry(automation.clone()).or_default();
        for (name, fields) in schedules.unwrap_or_default() {
            let at = format!("automations/{automation}/{name}");
            match entry(fields) {
                Ok(entry) => drop(into.insert(name, entry)),
                Err(found) => faults.extend(found.into_iter().map(|fault| fault.under(&at))),
            }
        }
    }
    if faults.is_empty() { Ok(entries) } else { Err(Failure::Invalid(faults)) }
}

fn entry(mut fields: Map<String, Value>) -> Result<Entry, Vec<Fault>> {
    let unknown = fields.keys().filter(|name| !FIELDS.contains(&name.as_str()));
    let faults: Vec<_> = unknown.map(|name| Fault::new(name.clone(), no_field(name))).collect();
    if !faults.is_empty() {
        return Err(faults);
    }
    let calendar = match fields.remove("calendar") {
        None | Some(Value::Null) => None,
        Some(Value::String(name)) => Some(name),
        Some(_) => return Err(vec![Fault::new("calendar", "must be the name of a calendar")]),
    };
    let request = serde_path_to_error::deserialize(Value::Object(fields)).map_err(|error| vec![fault(&error)])?;
    Ok(Entry { request, calendar })
}

fn no_field(name: &str) -> String {
    match nearest(&name.chars().take(60).collect::<String>(), FIELDS).as_slice() {
        [] => format!("is no field of a schedule; there are {}", FIELDS.join(", ")),
        names => format!("is no field of a schedule; did you mean {}?", names.join(", ")),
    }
}

fn fault(error: &serde_path_to_error::Error<serde_json::Error>) -> Fault {
    let path: Vec<String> = error.path().iter().map(ToString::to_string).filter(|part| part != "?").collect();
    Fault::new(path.join("/"), error.inner().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> (Vec<String>, String) {
        match read(text.as_bytes()) {
            Err(Failure::Invalid(faults)) => {
                (faults.iter().map(|fault| fault.field.clone()).collect(), faults.into_iter().map(|fault| fault.message).collect())
            }
            Err(other) => (vec![], other.to_string()),
            Ok(_) => panic!("{text} was read"),
        }
    }

    #[test]
    fn a_document_is_read_by_automation_and_name() {
        let text = "automations:\n  Baixar notas:\n    toda manhã:\n      cron_expression: 30 7 * * 1-5\n      window_start: 07:00\n      \
                    window_end: 08:00\n      calendar: bank\n      parameters: {cnpj: 00123, yes: yes}\n  Empty:\n";
        let entries = read(text.as_bytes()).unwrap_or_else(|error| panic!("{error}"));
        let Entry { request, calendar } = &entries["Baixar notas"]["toda manhã"];
        assert_eq!(request.cron_expression, Some(Some("30 7 * * 1-5".into())));
        assert_eq!((request.window_start.clone(), calendar.as_deref()), (Some(Some("07:00".into())), Some("bank")));
        let expected = serde_json::json!({"cnpj": "00123", "yes": "yes"});
        assert_eq!(Value::from(request.parameters.clone().unwrap_or_default()), expected, "numbers keep their zeros");
        assert!(entries["Empty"].is_empty());
        assert!(read(br#"{"automations": {"a": {"b": {"interval_s": 60}}}}"#).is_ok(), "JSON is YAML");
    }

    #[test]
    fn what_is_wrong_has_its_place() {
        let (fields, text) = refused("automations:\n  a:\n    b:\n      cron_expresion: x\n    c:\n      jitter_s: soon\n");
        assert_eq!(fields, ["automations/a/b/cron_expresion", "automations/a/c/jitter_s"]);
        assert!(text.contains("did you mean cron_expression"), "{text}");
        assert_eq!(refused("automations:\n  a:\n    b:\n      automation_id: 7\n").0, ["automations/a/b/automation_id"]);
        assert_eq!(refused("automations: [1]\n").0, ["automations"]);
        assert_eq!(refused("schedules: {}\n").0.len(), 1);
        for (text, part) in [
            ("automations: [", "line 1, column 14"),
            ("automations:\n  a: {}\n  a: {}\n", "duplicate mapping key: a"),
            ("automations: *x", "unknown anchor"),
            ("\u{0}", "unexpected character"),
        ] {
            let (fields, message) = refused(text);
            assert!(fields.is_empty() && message.contains(part), "{text}: {message}");
        }
        assert!(read(b"automations: \xff").is_err());
    }

    #[test]
    fn a_document_cannot_grow_without_bound() {
        let mut bomb = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for level in 1..12 {
            let items = vec![format!("*a{}", level - 1); 9].join(",");
            bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
        }
        assert!(refused(&bomb).1.contains("not YAML that can be read"));
        assert!(refused(&"[".repeat(100_000)).1.contains("not YAML that can be read"));
        let many: String = (0..=MAX_SCHEDULES).map(|nth| format!("    s{nth}: {{interval_s: 60}}\n")).collect();
        assert_eq!(refused(&format!("automations:\n  a:\n{many}")).0, ["automations"]);
    }
}
