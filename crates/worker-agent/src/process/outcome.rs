//! From a program's end to a job's.

use std::{io, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use domain::job::{ErrorClass, Status};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{JobFolder, Outcome};

/// Longest `result.json` that is reported, in bytes: the hub takes requests of 4 MiB unless it is told otherwise, and log lines go along.
const MAX_RESULT: u64 = 3 * 1024 * 1024;

pub(super) fn of_exit(status: ExitStatus, result: Option<Value>, last_error: Option<String>) -> Outcome {
    let told = |what: String| last_error.map_or_else(|| what.clone(), |line| format!("{what}: {line}"));
    if let Some(signal) = status.signal() {
        let name = Signal::try_from(signal).map_or_else(|_| signal.to_string(), |signal| signal.as_str().to_owned());
        let hint =
            if signal == Signal::SIGKILL as i32 { " (perhaps the job was over its memory limit, or the host out of memory)" } else { "" };
        return Outcome { result, ..Outcome::failed(ErrorClass::Killed, told(format!("ended by signal {name}{hint}"))) };
    }
    match status.code() {
        Some(0) => well(result),
        code => {
            let code = format!("exit code {}", code.unwrap_or(-1));
            // What the robot itself says about it goes before its last words.
            let said = result.as_ref().and_then(|result| result.get("error")?.as_str());
            let message = said.map_or_else(|| told(code.clone()), |said| format!("{code}: {said}"));
            let class = result.as_ref().and_then(ErrorClass::of_result).unwrap_or(ErrorClass::RobotError);
            Outcome { result, ..Outcome::failed(class, message) }
        }
    }
}

/// A program that ended well; its result may say that there was nothing to do.
pub(crate) fn well(result: Option<Value>) -> Outcome {
    let no_data = result.as_ref().is_some_and(|result| result["status"] == Status::CompletedNoInvoices.as_str());
    let status = if no_data { Status::CompletedNoInvoices } else { Status::Completed };
    Outcome { status, ..Outcome::completed(result) }
}

pub(super) fn timed_out(timeout_s: u32) -> Outcome {
    Outcome::failed(ErrorClass::JobTimeout, format!("the program ran longer than {timeout_s} s and was killed"))
}

/// What is in `result.json`. The text of the error is for the job's log.
pub(crate) fn read_result(folder: &JobFolder) -> Result<Option<Value>, String> {
    let text = match folder.read("result.json", MAX_RESULT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("result.json is not reported: {error}")),
    };
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
    let mut value =
        serde_json::from_slice(&with_all_digits(text)).map_err(|error| format!("result.json is not JSON and not reported: {error}"))?;
    without_nul(&mut value);
    Ok(Some(value))
}

/// The JSON with whole numbers of more than 64 bits as texts: access keys of invoices and the like, which would be rounded.
fn with_all_digits(json: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(json.len());
    let mut rest = json;
    while let Some(&byte) = rest.first() {
        let length = match byte {
            b'"' => string_length(rest),
            b'-' | b'0'..=b'9' => rest.iter().take_while(|byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count(),
            _ => 1,
        };
        let (token, after) = rest.split_at(length);
        if is_long_number(token) {
            kept.push(b'"');
            kept.extend(token);
            kept.push(b'"');
        } else {
            kept.extend(token);
        }
        rest = after;
    }
    kept
}

/// Of the string at the beginning of this text, with its quotes; of all when it does not end.
fn string_length(text: &[u8]) -> usize {
    let mut escaped = false;
    let end = text.iter().skip(1).position(|byte| {
        let is_end = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        is_end
    });
    end.map_or(text.len(), |end| end + 2)
}

fn is_long_number(token: &[u8]) -> bool {
    let digits = token.strip_prefix(b"-").unwrap_or(token);
    let is_whole = digits.iter().all(u8::is_ascii_digit) && matches!(digits.first(), Some(b'1'..=b'9'));
    let fits = |text: &str| text.parse::<i64>().is_ok() || text.parse::<u64>().is_ok();
    is_whole && !std::str::from_utf8(token).is_ok_and(fits)
}

/// PostgreSQL's JSON cannot hold U+0000.
fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) if text.contains('\0') => *text = text.replace('\0', "\u{fffd}"),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(fields) => {
            if fields.keys().any(|key| key.contains('\0')) {
                *fields = std::mem::take(fields).into_iter().map(|(key, value)| (key.replace('\0', "\u{fffd}"), value)).collect();
            }
            fields.values_mut().for_each(without_nul);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn ends_of_programs() {
        let exit = |code: i32| ExitStatus::from_raw(code << 8);
        let done = of_exit(exit(0), Some(json!({"n": 1})), Some("ignored".into()));
        assert_eq!((done.status, done.error_message), (Status::Completed, None));
        let nothing = of_exit(exit(0), Some(json!({"status": "completed_no_invoices"})), None);
        assert_eq!(nothing.status, Status::CompletedNoInvoices);
        let failed = of_exit(exit(3), Some(json!([1])), Some("boom".into()));
        assert_eq!((failed.error_class, failed.error_message.as_deref()), (Some(ErrorClass::RobotError), Some("exit code 3: boom")));
        assert_eq!(failed.result, Some(json!([1])));
        let killed = of_exit(ExitStatus::from_raw(11), None, None);
        assert_eq!((killed.error_class, killed.error_message.as_deref()), (Some(ErrorClass::Killed), Some("ended by signal SIGSEGV")));
    }

    #[test]
    fn results_are_fit_for_the_database() {
        let dir = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(dir.path().into());
        assert_eq!(read_result(&folder), Ok(None));
        std::fs::write(folder.file("result.json"), "{\"a\\u0000\":[\"b\\u0000\"]}").unwrap();
        assert_eq!(read_result(&folder).unwrap(), Some(json!({"a\u{fffd}": ["b\u{fffd}"]})));
        std::fs::write(folder.file("result.json"), "{").unwrap();
        assert!(read_result(&folder).unwrap_err().contains("not JSON"));
    }

    #[test]
    fn long_numbers_keep_their_digits() {
        let key = "35260112345678000195550010000001231000001234";
        let read = |text: &str| serde_json::from_slice::<Value>(&with_all_digits(text.as_bytes())).unwrap();
        assert_eq!(read(&format!(r#"{{"chave": {key}, "notas": [-{key},1]}}"#)), json!({"chave": key, "notas": [format!("-{key}"), 1]}));
        assert_eq!(read(key), json!(key));
        let others =
            format!(r#"["{key}", "\\\"", {{"a\\": 18446744073709551615, "{key}": -9223372036854775808}}, 1e300, -0.5, 0, 1.{key}, ""]"#);
        assert_eq!(read(&others), serde_json::from_str::<Value>(&others).unwrap(), "nothing else changes");
        for broken in ["{\"a", "[1,", "01", "-", "", "0123456789012345678901234567890"] {
            assert_eq!(with_all_digits(broken.as_bytes()), broken.as_bytes());
        }
    }
}
