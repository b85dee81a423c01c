//! Looks whether this host can work, before it does.

mod host;
mod reach;

use std::fmt::Display;

use serde::Serialize;

use crate::Settings;

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// As it should be.
    Ok,
    /// The worker works, some jobs may not.
    Warn,
    /// The worker does not work.
    Fail,
}

/// What one check found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was looked at: one word.
    pub check: &'static str,
    /// How it is.
    pub verdict: Verdict,
    /// What was found.
    pub message: String,
    /// What to do about it; absent when all is well.
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

/// Checks the folders, what robots need, the hub, the broker and the clock. Changes nothing but for files that it makes in the work folder and
/// takes away again. Takes at most about a minute.
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
