//! Exit codes and error messages of commands.

use std::{fmt::Write as _, io, process::ExitCode};

use client::{Error, Refusal};
use domain::job::Status;

/// Outcome of a command. Usage errors are clap's: 2. Codes from 64 are those of sysexits.h, from 128 those of shells for signals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Success; a followed job completed.
    Done = 0,
    /// The hub refused for another reason than those below, or a local error.
    Failed = 1,
    /// The followed job failed.
    JobFailed = 3,
    /// The followed job was canceled.
    JobCanceled = 4,
    /// Invalid input: parameters that do not match the schema, a file that is not JSON (`EX_DATAERR`).
    BadInput = 65,
    /// No hub answers, or it is overloaded (`EX_UNAVAILABLE`).
    NoHub = 69,
    /// Not signed in, or not allowed (`EX_NOPERM`).
    NotAllowed = 77,
    /// Interrupted by Ctrl-C or a signal; the job continues.
    Interrupted = 130,
    /// The reader of the output is gone.
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

/// Why a command failed.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(crate) exit: Exit,
    /// The message; `None`: nobody can read it.
    pub(crate) text: Option<String>,
}

impl Fault {
    pub(crate) fn new(exit: Exit, text: impl Into<String>) -> Self {
        Self { exit, text: Some(text.into()) }
    }

    /// Invalid input.
    pub(crate) fn input(text: impl Into<String>) -> Self {
        Self::new(Exit::BadInput, text)
    }

    /// A local error.
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
                format!("no hub answers at {url} ({reason}): is `regente up` running? Set another address with --url or REGENTE_URL"),
            ),
            Error::Unanswered { url, reason } => {
                Self::new(Exit::NoHub, format!("the hub at {url} did not answer ({reason}); it may have carried out the request"))
            }
            Error::Refused(refusal) => Self::new(exit_of(&refusal), refused(&refusal)),
            Error::Address { .. } => Self::input(error.to_string()),
            Error::Answer { url, reason } => Self::here(format!(
                "the answer of {url} is not understood ({reason}): is it a hub, and does its version match this program's?"
            )),
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

/// The hub's message; one line per invalid field.
fn refused(refusal: &Refusal) -> String {
    if refusal.errors.is_empty() {
        return refusal.to_string();
    }
    let mut text = "the hub refused the input:".to_owned();
    for error in &refusal.errors {
        // Parameters are named as -p names them.
        let field = error.field.strip_prefix("parameters/").unwrap_or(&error.field);
        // Writing to a string cannot fail.
        let _ = if field.is_empty() { write!(text, "\n  {}", error.message) } else { write!(text, "\n  {field}: {}", error.message) };
    }
    text
}
