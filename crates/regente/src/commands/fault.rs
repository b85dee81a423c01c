//! How a command ends: its exit code, and what it says when it did not do what was asked.

use std::{fmt::Write as _, io, process::ExitCode};

use client::{Error, Refusal};
use domain::job::Status;

/// How a command ended. Usage errors are clap's: 2. From 64 on they are those of sysexits.h, from 128 on those that shells give to signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; a job that was followed completed.
    Done = 0,
    /// The hub refused for another reason than those below, or something on this machine is in the way.
    Failed = 1,
    /// The job that was followed failed.
    JobFailed = 3,
    /// The job that was followed was canceled.
    JobCanceled = 4,
    /// What was given is wrong: parameters that break the schema, a file that is no JSON (`EX_DATAERR`).
    BadInput = 65,
    /// No hub answers, or it is too busy (`EX_UNAVAILABLE`).
    NoHub = 69,
    /// Not signed in, or not allowed (`EX_NOPERM`).
    NotAllowed = 77,
    /// Interrupted by Ctrl-C or a signal; the job goes on.
    Interrupted = 130,
    /// Nobody reads the output any more.
    Unread = 141,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl From<Status> for Exit {
    fn from(status: Status) -> Self {
        match status {
            Status::Failed => Self::JobFailed,
            Status::Canceled => Self::JobCanceled,
            Status::Completed | Status::CompletedNoInvoices | Status::Pending | Status::Running | Status::Paused => Self::Done,
        }
    }
}

/// Why a command did not do what was asked.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) exit: Exit,
    /// What to say; nothing when there is nobody to hear it.
    pub(crate) text: Option<String>,
}

impl Fault {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: Some(text.into()) }
    }

    /// What was given is wrong.
    pub(crate) fn input(text: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, text)
    }

    /// Something on this machine is in the way.
    pub(crate) fn here(text: impl Into<String>) -> Self {
        Self::new(Exit::Failed, text)
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self { exit: Exit::Unread, text: None },
            _ => Self::here(error.to_string()),
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Unreachable { url, reason } => Self::new(
                Exit::NoHub,
                format!("no hub answers at {url} ({reason}): is `regente up` running? Name another with --url or REGENTE_URL"),
            ),
            Error::Unanswered { url, reason } => {
                Self::new(Exit::NoHub, format!("the hub at {url} did not answer ({reason}); it may have done what was asked"))
            }
            Error::Refused(refusal) => Self::new(exit_of(&refusal), refused(&refusal)),
            Error::Address { .. } => Self::input(error.to_string()),
            Error::Answer { url, reason } => {
                Self::here(format!("the answer of {url} is not understood ({reason}): is it a hub, of a version that fits this program?"))
            }
            Error::Token | Error::Encode(_) => Self::here(error.to_string()),
        }
    }
}

const fn exit_of(refusal: &Refusal) -> Exit {
    match refusal.status {
        400 | 413 | 422 => Exit::BadInput,
        401 | 403 => Exit::NotAllowed,
        429 | 502..=504 => Exit::NoHub,
        _ => Exit::Failed,
    }
}

/// What the hub said; one line for each field when it named some.
fn refused(refusal: &Refusal) -> String {
    if refusal.errors.is_empty() {
        return refusal.to_string();
    }
    let mut text = "the hub refused what was given:".to_owned();
    for error in &refusal.errors {
        // Parameters are named as -p names them.
        let field = error.field.strip_prefix("parameters/").unwrap_or(&error.field);
        // Writing to a string cannot fail.
        let _ = if field.is_empty() { write!(text, "\n  {}", error.message) } else { write!(text, "\n  {field}: {}", error.message) };
    }
    text
}
