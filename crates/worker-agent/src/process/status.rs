//! `status.json`, for people and scripts on the host, and for the next agent: after a crash it shows whether the job had ended and how.

use chrono::{SecondsFormat, Utc};
use domain::job::{ErrorClass, Status};
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::{Job, JobFolder, Outcome};

const FILE: &str = "status.json";
const MOST_BYTES: u64 = 1 << 20;

/// Keeps `status.json`, for people and scripts on the host.
pub(super) struct StatusFile<'a> {
    job: &'a Job,
    folder: &'a JobFolder,
}

/// The keys of RPA V3 first, then Regente's own.
#[derive(Serialize)]
struct Content<'a> {
    session_id: String,
    status: &'a str,
    mensagem: &'a str,
    timestamp: String,
    pid: String,
    job_id: String,
    automation_id: i32,
    automation_name: &'a str,
    attempt: u32,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_class: Option<ErrorClass>,
}

/// Content of the file.
struct Words<'a> {
    status: &'a str,
    message: &'a str,
    pid: String,
    error_class: Option<ErrorClass>,
}

impl<'a> StatusFile<'a> {
    pub(super) const fn new(job: &'a Job, folder: &'a JobFolder) -> Self {
        Self { job, folder }
    }

    pub(super) fn starting(&self) {
        self.write(Words { status: "starting", message: "Iniciando RPA", pid: String::new(), error_class: None });
    }

    pub(super) fn running(&self, pid: i32) {
        self.write(Words { status: Status::Running.as_str(), message: "Executando RPA", pid: pid.to_string(), error_class: None });
    }

    pub(super) fn paused(&self, pid: i32) {
        self.write(Words { status: Status::Paused.as_str(), message: "RPA em pausa", pid: pid.to_string(), error_class: None });
    }

    pub(super) fn ended(&self, outcome: &Outcome) {
        let message = outcome.error_message.as_deref().unwrap_or(outcome.status.as_str());
        self.write(Words { status: outcome.status.as_str(), message, pid: String::new(), error_class: outcome.error_class });
    }

    fn write(&self, words: Words<'_>) {
        let Words { status, message, pid, error_class } = words;
        let id = self.job.id.to_string();
        let content = Content {
            session_id: id.clone(),
            status,
            mensagem: message,
            timestamp: Utc::now().to_rfc3339_opts(SecondsFormat::Secs, false),
            pid,
            job_id: id,
            automation_id: self.job.automation_id,
            automation_name: &self.job.automation_name,
            attempt: self.job.attempt,
            message,
            error_class,
        };
        if let Err(error) = self.folder.write_json(FILE, &content) {
            tracing::warn!(job.id = %self.job.id, %error, "status.json cannot be written");
        }
    }
}

/// The job's end as far as `status.json` has it, without the result.
pub(crate) fn read_end(folder: &JobFolder) -> Option<Outcome> {
    let fields = read(folder)?;
    let text = |name: &str| fields.get(name).and_then(Value::as_str);
    let status = Status::parse(text("status")?).filter(|status| status.is_terminal())?;
    let failed = status == Status::Failed;
    let error_message = failed.then(|| text("message").unwrap_or_default().to_owned());
    let error_class = failed.then(|| text("error_class").map_or(ErrorClass::Unknown, ErrorClass::parse_or_unknown));
    Some(Outcome { status, result: None, error_class, error_message })
}

/// Writes the end of an earlier agent's job into its `status.json`.
pub(crate) fn write_end(folder: &JobFolder, outcome: &Outcome) {
    let message = outcome.error_message.as_deref().unwrap_or(outcome.status.as_str());
    let mut fields = read(folder).unwrap_or_default();
    let end = json!({
        "status": outcome.status.as_str(), "mensagem": message, "message": message, "pid": "", "error_class": outcome.error_class,
        "timestamp": Utc::now().to_rfc3339_opts(SecondsFormat::Secs, false),
    });
    if let Value::Object(end) = end {
        fields.extend(end);
    }
    if let Err(error) = folder.write_json(FILE, &fields) {
        tracing::warn!(folder = %folder.path().display(), %error, "status.json cannot be written");
    }
}

fn read(folder: &JobFolder) -> Option<Map<String, Value>> {
    serde_json::from_slice(&folder.read(FILE, MOST_BYTES).ok()?).ok()
}
