use chrono::{SecondsFormat, Utc};
use domain::job::Status;
use serde::Serialize;
use serde_json::Value;

use crate::{Job, JobFolder, Outcome};

const FILE: &str = "status.json";

/// Keeps `status.json`, for people and scripts on the host.
pub(super) struct StatusFile<'a> {
    job: &'a Job,
    folder: &'a JobFolder,
}

/// The words of RPA V3 first, then Regente's own.
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
}

impl<'a> StatusFile<'a> {
    pub(super) const fn new(job: &'a Job, folder: &'a JobFolder) -> Self {
        Self { job, folder }
    }

    pub(super) fn starting(&self) {
        self.write("starting", "Iniciando RPA", String::new());
    }

    pub(super) fn running(&self, pid: i32) {
        self.write(Status::Running.as_str(), "Executando RPA", pid.to_string());
    }

    pub(super) fn ended(&self, outcome: &Outcome) {
        let message = outcome.error_message.as_deref().unwrap_or(outcome.status.as_str());
        self.write(outcome.status.as_str(), message, String::new());
    }

    fn write(&self, status: &str, message: &str, pid: String) {
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
        };
        if let Err(error) = self.folder.write_json(FILE, &content) {
            tracing::warn!(job.id = %self.job.id, %error, "status.json cannot be written");
        }
    }
}

/// Whether the folder's job has not ended as far as its `status.json` knows.
pub(crate) fn was_running(folder: &JobFolder) -> bool {
    let Ok(text) = std::fs::read(folder.file(FILE)) else { return false };
    let content: Value = serde_json::from_slice(&text).unwrap_or_default();
    matches!(content["status"].as_str(), Some("running" | "starting"))
}
