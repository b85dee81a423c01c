//! Parses and validates reports of robots.

use api_types::{FinishRequest, LogEntry, Progress};
use chrono::{DateTime, Utc};
use domain::{
    Fault,
    job::{ErrorClass, Failure as JobFailure, Outcome, Status},
};
use runtime::Failure;
use serde_json::Value;
use store::job_logs::Line;

use crate::{text, writer::Lines};

/// Maximum number of lines in a request.
const MOST_LINES: usize = 10_000;
/// Maximum stored length of an error message, in characters.
const MOST_MESSAGE: usize = 8192;

pub(super) fn lines(entries: Vec<LogEntry>, offset: Option<i64>, now: DateTime<Utc>) -> Result<Lines, Failure> {
    if entries.len() > MOST_LINES {
        return Err(Failure::field("entries", format!("must have at most {MOST_LINES} lines")));
    }
    if offset.is_some_and(|offset| !(0..=1 << 53).contains(&offset)) {
        return Err(Failure::field("offset", "must be 0 to 9007199254740992"));
    }
    let odd = |entry: &LogEntry| entry.timestamp.is_some_and(|at| !text::is_kept_date(at));
    if let Some(nth) = entries.iter().position(odd) {
        return Err(Failure::field(&format!("entries/{nth}/timestamp"), text::DATE_RULE));
    }
    let line = |entry: LogEntry| Line {
        timestamp: entry.timestamp.unwrap_or(now),
        level: entry.level,
        message: text::clean_line(entry.message),
        actionable: entry.actionable,
    };
    Ok(Lines { lines: entries.into_iter().map(line).collect(), offset })
}

/// `under` is the path of the report in the body: empty, or with a trailing slash.
pub(super) fn stored_progress(report: Progress, under: &str) -> Result<Value, Failure> {
    let mut faults = Vec::new();
    if report.percent.is_some_and(|percent| !(0.0..=100.0).contains(&percent)) {
        faults.push(Fault::new(format!("{under}percent"), "must be 0 to 100"));
    }
    for (field, value) in [("step", report.step), ("total_steps", report.total_steps)] {
        if value.is_some_and(|value| value < 0) {
            faults.push(Fault::new(format!("{under}{field}"), "must not be negative"));
        }
    }
    if !faults.is_empty() {
        return Err(Failure::Invalid(faults));
    }
    let message = report.message.map(|message| short(text::clean_line(message)));
    serde_json::to_value(Progress { message, ..report }).map_err(|error| Failure::Internal(error.to_string()))
}

fn short(message: String) -> String {
    if message.len() <= MOST_MESSAGE { message } else { format!("{} …", &message[..message.floor_char_boundary(MOST_MESSAGE)]) }
}

pub(super) fn outcome(request: &mut FinishRequest) -> Result<Outcome, Failure> {
    match request.status {
        Status::Completed => Ok(Outcome::Completed),
        Status::CompletedNoInvoices => Ok(Outcome::CompletedNoInvoices),
        Status::Canceled => Ok(Outcome::Canceled),
        Status::Failed => {
            let reported = request.error_message.take();
            let in_class = || request.result.as_ref().and_then(ErrorClass::of_result);
            let in_result = || request.result.as_ref()?.get("error")?.as_str().map(str::to_owned);
            let message = reported.or_else(in_result).unwrap_or_else(|| "the robot reported a failure without a reason".to_owned());
            Ok(Outcome::Failed(JobFailure {
                class: request.error_class.or_else(in_class).unwrap_or(ErrorClass::RobotError),
                message: short(text::clean_line(message)),
            }))
        }
        Status::Pending | Status::Running | Status::Paused => {
            Err(Failure::field("status", "must be completed, completed_no_invoices, failed or canceled"))
        }
    }
}
