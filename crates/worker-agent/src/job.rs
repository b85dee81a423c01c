use std::sync::Arc;

use api_types::JobAssignment;
use domain::{
    ids::JobId,
    job::{ErrorClass, Status},
};
use messages::JobMessage;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, value::RawValue};
use uuid::Uuid;

use crate::signal::Stop;

/// A job to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// Its automation.
    pub automation_id: i32,
    /// Name of the automation; empty when the message has none.
    pub automation_name: String,
    /// Path of the script or program.
    pub script_path: String,
    /// `PYTHON`, `SHELL` or `EXE`; empty means `PYTHON`.
    pub entrypoint_type: String,
    /// Parameters of the robot.
    pub parameters: Arc<Map<String, Value>>,
    /// Seconds after which it is killed; 0: no limit.
    pub timeout_s: u32,
    /// 1 for a first run.
    pub attempt: u32,
    /// Seconds between asking the program to stop and killing it; absent: the worker's own setting.
    pub cancel_grace_s: Option<u32>,
    /// The program needs a virtual display.
    pub display: bool,
    /// Maximum number of processors; absent: no limit.
    pub cpu_limit: Option<f64>,
    /// Maximum memory in bytes; absent: no limit.
    pub memory_limit_bytes: Option<u64>,
    /// W3C trace context that the job came with.
    pub traceparent: Option<String>,
}

impl From<JobAssignment> for Job {
    fn from(given: JobAssignment) -> Self {
        Self {
            id: given.job_id,
            automation_id: given.automation_id.get(),
            automation_name: given.automation_name,
            script_path: given.script_path,
            entrypoint_type: given.entrypoint_type,
            parameters: given.parameters.into(),
            timeout_s: given.timeout_s,
            attempt: given.attempt,
            cancel_grace_s: given.cancel_grace_s,
            display: given.display,
            cpu_limit: given.cpu_limit,
            memory_limit_bytes: given.memory_limit_bytes,
            traceparent: given.traceparent,
        }
    }
}

impl Job {
    /// Parses a message of the queue. The error has the reason and, if it can be read, the id of the message's job.
    pub(crate) fn from_message(body: &[u8]) -> Result<Self, (Option<JobId>, String)> {
        let message: JobMessage = serde_json::from_slice(body).map_err(|error| (Envelope::job_of(body), format!("not a job: {error}")))?;
        let id = message.job_id.parse::<JobId>().map_err(|_| (None, format!("job_id {:?} is not a UUID", message.job_id)))?;
        Ok(Self {
            id,
            automation_id: message.automation_id,
            automation_name: message.automation_name,
            script_path: message.script_path,
            entrypoint_type: message.entrypoint_type,
            parameters: message.parameters.unwrap_or_default().0.into(),
            timeout_s: message.timeout_s,
            attempt: message.attempt.max(1),
            cancel_grace_s: message.cancel_grace_s,
            display: message.display,
            cpu_limit: message.cpu_limit,
            memory_limit_bytes: message.memory_limit_bytes.map(|bytes| bytes as u64),
            traceparent: None,
        })
    }
}

/// The identity of a job in JSON that is otherwise not a job: unreadable parameters do not hide it.
#[derive(Deserialize)]
struct Envelope {
    job_id: JobId,
    lease_token: Option<Uuid>,
}

impl Envelope {
    fn job_of(body: &[u8]) -> Option<JobId> {
        serde_json::from_slice::<Self>(body).ok().map(|envelope| envelope.job_id)
    }
}

/// A job that the hub has dispatched to a claim.
#[derive(Debug)]
pub enum Claimed {
    /// Must be run.
    Job(Box<JobAssignment>),
    /// Must fail: this worker cannot parse it.
    Unreadable {
        /// Its id.
        job: JobId,
        /// Token of its lease.
        lease: Uuid,
        /// What is wrong with it.
        reason: String,
    },
}

impl Claimed {
    /// Parses a claim's answer job by job, so that an unreadable one does not hide its neighbours. An answer that is not a list is an
    /// error.
    pub(crate) fn parse_all(body: &[u8]) -> Result<Vec<Self>, serde_json::Error> {
        let items: Vec<&RawValue> = serde_json::from_slice(body)?;
        Ok(items.into_iter().filter_map(Self::parse).collect())
    }

    fn parse(item: &RawValue) -> Option<Self> {
        let error = match serde_json::from_str(item.get()) {
            Ok(assignment) => return Some(Self::Job(Box::new(assignment))),
            Err(error) => error,
        };
        match serde_json::from_str(item.get()) {
            Ok(Envelope { job_id: job, lease_token: Some(lease) }) => {
                Some(Self::Unreadable { job, lease, reason: format!("not a job: {error}") })
            }
            _ => {
                tracing::error!(%error, "the hub's answer to a claim contains something that is not a job");
                None
            }
        }
    }
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// A terminal status.
    pub status: Status,
    /// Result of the robot.
    #[serde(default)]
    pub result: Option<Value>,
    /// Set when it failed.
    #[serde(default)]
    pub error_class: Option<ErrorClass>,
    /// Set when it failed.
    #[serde(default)]
    pub error_message: Option<String>,
}

impl Outcome {
    /// A run that succeeded.
    #[must_use]
    pub const fn completed(result: Option<Value>) -> Self {
        Self { status: Status::Completed, result, error_class: None, error_message: None }
    }

    /// A run that failed.
    #[must_use]
    pub fn failed(class: ErrorClass, message: impl Into<String>) -> Self {
        Self { status: Status::Failed, result: None, error_class: Some(class), error_message: Some(message.into()) }
    }

    /// Outcome of a run that was stopped for `stop`.
    #[must_use]
    pub fn stopped(stop: Stop) -> Self {
        match stop {
            Stop::Cancel => Self { status: Status::Canceled, result: None, error_class: None, error_message: None },
            Stop::Stale => Self::failed(ErrorClass::WorkerLost, "the worker has lost the job's lease"),
            Stop::Shutdown => Self::failed(ErrorClass::Killed, "the worker was stopped"),
        }
    }

    /// Outcome of a job that this worker could not parse.
    pub(crate) fn unreadable(reason: &str) -> Self {
        Self::failed(ErrorClass::InvalidParameters, format!("the worker cannot parse the job: {reason}"))
    }

    pub(crate) fn launch_failed(message: impl Into<String>) -> Self {
        Self::failed(ErrorClass::LaunchFailed, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_messages_say_why() {
        for (body, word) in [("nope", "not a job"), ("[]", "not a job"), ("{}", "not a UUID"), (r#"{"job_id":"7"}"#, "not a UUID")] {
            let (job, error) = Job::from_message(body.as_bytes()).unwrap_err();
            assert!(job.is_none() && error.contains(word), "{body}: {error}");
        }
        let body =
            r#"{"job_id":"0190a1de-0000-7000-8000-000000000000","automation_id":1,"script_path":"a.py","parameters":{"n":1},"future":2}"#;
        let job = Job::from_message(body.as_bytes()).unwrap();
        for parameters in
            [format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200)), r#"{"a":1e999}"#.into(), r#"{"a":"\ud800"}"#.into(), "7".into()]
        {
            let body = body.replace(r#"{"n":1}"#, &parameters);
            assert_eq!(Job::from_message(body.as_bytes()).unwrap_err().0, Some(job.id), "{parameters}");
        }
        assert_eq!((job.parameters["n"].as_i64(), job.attempt, job.timeout_s), (Some(1), 1, 0));
    }
}
