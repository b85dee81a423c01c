//! A robot's log on its way to the hub and to `logs/rpa.log`.
//!
//! Both have the same lines in the same order, so that after a crash the next agent can send from the file what the hub does not have. A
//! line that the disk could not hold is counted in the file, because the hub may have it and offsets must match.

use std::{
    fs::File,
    io::{self, BufRead as _, BufReader, Read as _},
    os::unix::fs::FileExt as _,
    sync::{Mutex, MutexGuard, PoisonError},
};

use api_types::LogEntry;
use chrono::{DateTime, SecondsFormat, Utc};
use domain::log::Level;

use crate::{
    JobFolder, Outbox,
    line::{MAX_LINE, Spoken, clean},
};

const FILE: &str = "logs/rpa.log";
/// Maximum bytes of a line in the file; longer ones were not written by an agent.
const LONGEST: u64 = 2 * MAX_LINE as u64;

/// A robot's log: each line goes to the outbox, and to `logs/rpa.log` for people on the host.
pub(super) struct RobotLog {
    outbox: Outbox,
    state: Mutex<State>,
}

struct State {
    file: File,
    room: u64,
    /// Bytes of complete lines in the file.
    length: u64,
    /// Lines that could not be written and are not yet counted in the file.
    missing: u64,
}

/// Lines on their way into the log.
#[derive(Default)]
pub(super) struct Lines {
    entries: Vec<LogEntry>,
    text: String,
}

impl Lines {
    /// `original` is the line as the program wrote it, if it differs from the message.
    pub(super) fn push(&mut self, (entry, original): (LogEntry, Option<String>)) {
        let time = entry.timestamp.unwrap_or_else(Utc::now).to_rfc3339_opts(SecondsFormat::Millis, true);
        let words = [time.as_str(), " ", entry.level.as_str(), " ", original.as_ref().unwrap_or(&entry.message), "\n"];
        words.iter().for_each(|word| self.text.push_str(word));
        self.entries.push(entry);
    }
}

impl RobotLog {
    /// # Errors
    /// The file cannot be created.
    pub(super) fn open(folder: &JobFolder, outbox: Outbox, limit: u64) -> io::Result<Self> {
        let file = folder.create_file(FILE)?;
        Ok(Self { outbox, state: Mutex::new(State { file, room: limit, length: 0, missing: 0 }) })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, lines: Lines) {
        if lines.entries.is_empty() {
            return;
        }
        let mut state = self.state();
        state.write(&lines.text, lines.entries.len() as u64);
        // Under the lock: both outputs of a program have one order in the file and at the hub.
        self.outbox.extend(lines.entries);
    }

    /// Adds a line of the agent's own.
    pub(super) fn note(&self, level: Level, message: &str) {
        let entry = LogEntry { level, message: clean(message.as_bytes(), 0), timestamp: Some(Utc::now()), actionable: false };
        let mut lines = Lines::default();
        lines.push((entry, None));
        self.add(lines);
    }

    /// Writes the count of missing lines into the file.
    pub(super) fn flush(&self) {
        self.state().write("", 0);
    }
}

impl State {
    /// When the file or the disk is full, lines still go to the hub. Once the disk has space again, the file continues with the number of
    /// missing lines.
    fn write(&mut self, text: &str, lines: u64) {
        if self.room == 0 {
            return;
        }
        let gap = if self.missing > 0 { format!("{GAP}{} lines could not be written here\n", self.missing) } else { String::new() };
        let length = (gap.len() + text.len()) as u64;
        let fits = length <= self.room;
        let text = if fits { text } else { "the file is full, no more lines are written here\n" };
        match self.file.write_all_at([gap.as_str(), text].concat().as_bytes(), self.length) {
            Ok(()) => {
                (self.length, self.missing) = (self.length + length, 0);
                self.room = if fits { self.room - length } else { 0 };
            }
            Err(error) => {
                if self.missing == 0 {
                    tracing::warn!(%error, "a job's rpa.log cannot be written");
                }
                self.missing += lines;
                // Removes a partly written line.
                let _as_it_was = self.file.set_len(self.length);
            }
        }
    }
}

/// Prefix of the line with the number of missing lines; lines of programs begin with a time.
const GAP: &str = "-- ";

/// The lines in the first `most` bytes of `logs/rpa.log`, as they were or would have been sent to the hub.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn read(folder: &JobFolder, most: u64) -> io::Result<impl Iterator<Item = LogEntry> + use<>> {
    let mut file = BufReader::new(folder.open_file(FILE)?.take(most));
    let lines = std::iter::from_fn(move || {
        let mut line = Vec::new();
        file.by_ref().take(LONGEST).read_until(b'\n', &mut line).ok()?;
        let is_whole = line.pop_if(|byte| *byte == b'\n').is_some();
        (is_whole || (1..LONGEST).contains(&(line.len() as u64))).then_some(line)
    });
    Ok(lines.flat_map(|line| {
        let line = String::from_utf8_lossy(&line);
        // The hub may have the missing lines, so they count.
        let missing = line.strip_prefix(GAP).and_then(|gap| gap.split(' ').next()?.parse().ok()).unwrap_or(0);
        std::iter::repeat_with(unwritten).take(missing).chain(parse(&line))
    }))
}

fn unwritten() -> LogEntry {
    let message = "a line that the worker could not store because its disk was full".to_owned();
    LogEntry { level: Level::Warning, message, timestamp: Some(Utc::now()), actionable: false }
}

/// `None` for a line that no program wrote, such as the one about a full file.
fn parse(line: &str) -> Option<LogEntry> {
    let (time, rest) = line.split_once(' ')?;
    let timestamp = DateTime::parse_from_rfc3339(time).ok()?.to_utc();
    let (level, text) = rest.split_once(' ')?;
    let level = Level::parse_word(level)?;
    let spoken = Spoken::read(text);
    let actionable = spoken.as_ref().is_some_and(|spoken| spoken.actionable);
    let message = spoken.and_then(|spoken| spoken.message).unwrap_or_else(|| text.to_owned());
    Some(LogEntry { level, message: clean(message.as_bytes(), 0), timestamp: Some(timestamp), actionable })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::line::{RawLine, Reading, Source};
    use crate::outbox::LogLimits;
    use std::io::Write as _;

    #[test]
    fn what_was_written_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(dir.path().join("job"));
        folder.create().unwrap();
        let log =
            RobotLog::open(&folder, Outbox::new(folder.clone(), LogLimits { spool: 0, lines: 1000, bytes: 1 << 20 }, 0), 1 << 20).unwrap();
        let (mut lines, mut reading) = (Lines::default(), Reading::default());
        for text in [
            "plain",
            "",
            "  ERROR  é\u{1}",
            r#"{"level":"warn","message":"said","actionable":true}"#,
            r#"{"level":"warn","n":NaN}"#,
            "\u{1b}[31mERRO\u{1b}[0m x",
            "Traceback (most recent call last):",
            "  File \"x.py\"",
            "ValueError: x",
            "[INFO] 2026-01-01T00:00:00Z ERROR x",
        ] {
            reading.read(Source::Stderr, &RawLine { bytes: text.as_bytes(), missing: 0, rewritten: false }, |entry| lines.push(entry));
        }
        let written = lines.entries.clone();
        log.add(lines);
        std::fs::OpenOptions::new().append(true).open(folder.file(FILE)).unwrap().write_all(b"the file is full, no more").unwrap();
        let again: Vec<_> = read(&folder, 1 << 20).unwrap().collect();
        let bare =
            |entry: &LogEntry| (entry.level, entry.message.clone(), entry.actionable, entry.timestamp.map(|time| time.timestamp_millis()));
        assert_eq!(again.iter().map(bare).collect::<Vec<_>>(), written.iter().map(bare).collect::<Vec<_>>());
    }
}
