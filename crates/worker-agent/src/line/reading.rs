use api_types::LogEntry;
use chrono::Utc;
use domain::log::Level;

use super::{RawLine, Spoken, ansi, clean, level, trace};

/// Longest text of an error, in characters.
const MAX_ERROR: usize = 1000;

/// One of a program's outputs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Stdout,
    Stderr,
}

/// Reads the lines of one program: their levels, and which of them is the error that it failed with.
///
/// A line's own level comes first. Without one, a line of a stack trace is an error, a line that begins with blanks gets the level of the
/// line before, and any other line is `INFO`; on standard error it is `ERROR` until the program has printed a line with a level.
#[derive(Default)]
pub(crate) struct Reading {
    writes_levels: bool,
    stdout: Context,
    stderr: Context,
    error: LastError,
}

/// What the next line of an output may belong to.
#[derive(Default)]
struct Context {
    /// Level of the line before, unless that line stands alone.
    before: Option<Level>,
    trace: Trace,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Trace {
    #[default]
    None,
    /// Between the first line of a traceback of Python and its exception.
    Python,
    /// After an exception.
    Reported,
    /// The text of the error is in the next line.
    Announced,
}

/// The last error that a program printed.
#[derive(Default)]
struct LastError {
    message: Option<String>,
    cause: Option<String>,
    /// The last plain line of standard error.
    plain: Option<String>,
}

impl Reading {
    /// Passes the line to `each` as a log entry with the current time, and its text for `rpa.log` if that differs from the message. A crash
    /// line behind a progress bar without a line end gives two entries.
    pub(crate) fn read(&mut self, source: Source, line: &RawLine<'_>, mut each: impl FnMut((LogEntry, Option<String>))) {
        let text = clean(line.bytes, line.missing);
        if let Some((bar, behind)) = trace::behind_bar(&text).filter(|_| line.rewritten).map(|at| text.split_at(at)) {
            each(self.entry(source, bar.to_owned(), true));
            each(self.entry(source, behind.to_owned(), false));
        } else {
            each(self.entry(source, text, line.rewritten));
        }
    }

    fn entry(&mut self, source: Source, text: String, rewritten: bool) -> (LogEntry, Option<String>) {
        let spoken = Spoken::read(&text);
        let (said, message) = spoken.as_ref().map_or((None, None), |spoken| (spoken.level, spoken.message.as_deref()));
        let message = message.map(|message| clean(message.as_bytes(), 0));
        let level = match said {
            Some(level) => self.said(source, level, true, message.as_deref().unwrap_or(&text)),
            None => self.level(source, message.as_deref().unwrap_or(&text), rewritten),
        };
        let (message, original) = match message {
            Some(message) => (message, Some(text)),
            None => (text, None),
        };
        let actionable = spoken.is_some_and(|spoken| spoken.actionable);
        (LogEntry { level, message, timestamp: Some(Utc::now()), actionable }, original)
    }

    /// The last real error: an exception or a line with an error level, else the last line of standard error.
    pub(crate) fn error(&self) -> Option<String> {
        let message = self.error.message.as_ref().map(|message| match &self.error.cause {
            Some(cause) => format!("{message}; {cause}"),
            None => message.clone(),
        });
        message.or_else(|| self.error.plain.clone()).map(|text| text.chars().take(MAX_ERROR).collect())
    }

    fn level(&mut self, source: Source, text: &str, rewritten: bool) -> Level {
        let plain = ansi::plain(text);
        let plain = plain.trim_end();
        if self.context(source).trace != Trace::Python
            && let Some(found) = level::find(plain)
        {
            return self.said(source, found.level, found.by_logger, plain);
        }
        if plain.ends_with(trace::PYTHON) {
            *self.context(source) = Context { before: Some(Level::Error), trace: Trace::Python };
            return Level::Error;
        }
        if rewritten {
            return Level::Info;
        }
        self.unsaid(source, plain)
    }

    /// The line has a level of its own.
    fn said(&mut self, source: Source, level: Level, by_logger: bool, text: &str) -> Level {
        self.writes_levels |= by_logger;
        let trace = if level >= Level::Error && !by_logger { Trace::Reported } else { Trace::None };
        *self.context(source) = Context { before: Some(level), trace };
        if level >= Level::Error {
            self.error.set(text);
        }
        level
    }

    /// The level of a line without one.
    fn unsaid(&mut self, source: Source, text: &str) -> Level {
        let default = if source == Source::Stderr && !self.writes_levels { Level::Error } else { Level::Info };
        let Context { before, trace } = *self.context(source);
        let is_error = before.is_some_and(|level| level >= Level::Error);
        if text.is_empty() {
            return before.unwrap_or(default);
        }
        let blanks = text.starts_with([' ', '\t']);
        if trace == Trace::Python {
            if let Some(exception) = trace::python_exception(text).filter(|_| !trace::is_joint(text)) {
                self.error.set(exception);
                self.context(source).trace = Trace::Reported;
            }
            return Level::Error;
        }
        if trace == Trace::Announced {
            self.error.add(text);
            self.context(source).trace = Trace::Reported;
            return Level::Error;
        }
        if trace::is_cause(text) && is_error {
            self.error.cause = Some(text.to_owned());
            return Level::Error;
        }
        if (source == Source::Stderr || is_error) && trace::is_error(text) {
            self.error.set(text);
            let trace = if trace::is_rust_panic(text) { Trace::Announced } else { Trace::Reported };
            *self.context(source) = Context { before: Some(Level::Error), trace };
            return Level::Error;
        }
        if blanks || (trace == Trace::Reported && (source == Source::Stderr || trace::is_joint(text) || trace::is_detail(text))) {
            return before.unwrap_or(default);
        }
        *self.context(source) = Context::default();
        if source == Source::Stderr && !trace::is_noise(text) {
            self.error.plain = Some(text.to_owned());
        }
        default
    }

    const fn context(&mut self, source: Source) -> &mut Context {
        match source {
            Source::Stdout => &mut self.stdout,
            Source::Stderr => &mut self.stderr,
        }
    }
}

impl LastError {
    fn set(&mut self, text: &str) {
        let text = ansi::plain(text);
        if !text.trim().is_empty() {
            (self.message, self.cause) = (Some(text.trim().to_owned()), None);
        }
    }

    fn add(&mut self, text: &str) {
        if let Some(message) = &mut self.message {
            message.push(' ');
            message.push_str(text.trim());
        }
    }
}

#[cfg(test)]
mod tests;
