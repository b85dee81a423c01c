//! Checks whether this host can run a worker, before it does.

mod host;
mod reach;

use std::fmt::Display;

use serde::Serialize;

use crate::Settings;

/// Result of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Nothing to do.
    Ok,
    /// The worker can run, but some jobs may fail.
    Warn,
    /// The worker cannot run.
    Fail,
}

/// Finding of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Name of the check, one word.
    pub check: &'static str,
    /// Its result.
    pub verdict: Verdict,
    /// What was found.
    pub message: String,
    /// The next step; absent when there is nothing to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub remedy: Option<String>,
}

impl Finding {
    fn ok(check: &'static str, message: impl Display) -> Self {
        Self { check, verdict: Verdict::Ok, message: message.to_string(), remedy: None }
    }

    fn warn(check: &'static str, message: impl Display, remedy: impl Display) -> Self {
        Self { check, verdict: Verdict::Warn, message: message.to_string(), remedy: Some(remedy.to_string()) }
    }

    fn fail(check: &'static str, message: impl Display, remedy: impl Display) -> Self {
        Self { check, verdict: Verdict::Fail, message: message.to_string(), remedy: Some(remedy.to_string()) }
    }
}

/// Checks the folders, what robots need, the hub, the broker and the clock. Changes nothing except for files in the work folder that it
/// creates and removes again. Takes at most about 1 min.
pub async fn examine(settings: &Settings) -> Vec<Finding> {
    let settings = &settings.clone().into_absolute();
    let mut findings = vec![host::settings(settings), host::work_folder(settings), host::space(settings), host::base_folder(settings)];
    findings.push(host::scripts(settings));
    findings.push(host::shell().await);
    findings.push(host::python(settings).await);
    findings.push(host::display(settings).await);
    findings.push(host::scopes(settings).await);
    findings.extend(reach::hub(settings).await);
    findings.push(reach::broker(settings).await);
    findings
}
