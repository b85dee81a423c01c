//! Maps a program's end to the job's outcome.

use std::{io, os::unix::process::ExitStatusExt as _, process::ExitStatus};

use domain::job::{ErrorClass, Status};
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{JobFolder, Outcome, robot_json};

/// Maximum bytes of a reported `result.json`: by default the hub accepts requests of 4 MiB, and log lines go along.
const MAX_RESULT: u64 = 3 * 1024 * 1024;

pub(super) fn of_exit(status: ExitStatus, result: Option<Value>, last_error: Option<String>) -> Outcome {
    let with_error = |what: String| last_error.map_or_else(|| what.clone(), |line| format!("{what}: {line}"));
    if let Some(signal) = status.signal() {
        let name = Signal::try_from(signal).map_or_else(|_| signal.to_string(), |signal| signal.as_str().to_owned());
        let hint =
            if signal == Signal::SIGKILL as i32 { " (perhaps the job was over its memory limit, or the host out of memory)" } else { "" };
        return Outcome { result, ..Outcome::failed(ErrorClass::Killed, with_error(format!("ended by signal {name}{hint}"))) };
    }
    match status.code() {
        Some(0) => succeeded(result),
        code => {
            let code = format!("exit code {}", code.unwrap_or(-1));
            // The robot's own error takes precedence over its last error line.
            let said = result.as_ref().and_then(|result| result.get("error")?.as_str());
            let message = said.map_or_else(|| with_error(code.clone()), |said| format!("{code}: {said}"));
            let class = result.as_ref().and_then(ErrorClass::of_result).unwrap_or(ErrorClass::RobotError);
            Outcome { result, ..Outcome::failed(class, message) }
        }
    }
}

/// The outcome of a program that succeeded; its result may say that there was nothing to do.
pub(crate) fn succeeded(result: Option<Value>) -> Outcome {
    let no_data = result.as_ref().is_some_and(|result| result["status"] == Status::CompletedNoInvoices.as_str());
    let status = if no_data { Status::CompletedNoInvoices } else { Status::Completed };
    Outcome { status, ..Outcome::completed(result) }
}

pub(super) fn timed_out(timeout_s: u32) -> Outcome {
    Outcome::failed(ErrorClass::JobTimeout, format!("the program ran longer than {timeout_s} s and was killed"))
}

/// Content of `result.json`, and what had to be replaced to parse it. The error text is for the job's log.
pub(crate) fn read_result(folder: &JobFolder) -> Result<Option<(Value, Option<String>)>, String> {
    let text = match folder.read("result.json", MAX_RESULT) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("result.json is not reported: {error}")),
    };
    let (value, replaced) = robot_json::read(&text).map_err(|error| format!("result.json is not JSON and not reported: {error}"))?;
    let note =
        (!replaced.is_nothing()).then(|| format!("result.json is not JSON as it stands; what could be read is reported: {replaced}"));
    Ok(Some((value, note)))
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
    fn what_was_replaced_in_a_result_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(dir.path().into());
        assert_eq!(read_result(&folder), Ok(None));
        std::fs::write(folder.file("result.json"), r#"{"a": 1}"#).unwrap();
        assert_eq!(read_result(&folder), Ok(Some((json!({"a": 1}), None))));
        std::fs::write(folder.file("result.json"), r#"{"a": NaN}"#).unwrap();
        let (value, note) = read_result(&folder).unwrap().unwrap();
        assert_eq!(value, json!({"a": null}));
        assert!(note.as_deref().is_some_and(|note| note.contains("1 numbers that JSON does not have")), "{note:?}");
        std::fs::write(folder.file("result.json"), "{").unwrap();
        assert!(read_result(&folder).unwrap_err().contains("not JSON"));
    }
}
