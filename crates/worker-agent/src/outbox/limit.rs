//! Limits how much of a job's log is sent.
//!
//! The beginning passes at once. Of what exceeds the limit the last lines are kept in bounded memory, because the reason of a failure is at
//! the end; a line between the two gives what is missing.

use std::collections::VecDeque;

use api_types::LogEntry;
use chrono::Utc;
use domain::log::Level;

/// Lines kept from the end of a log that exceeds its limit; the rest of the limit is for the beginning.
const LAST_LINES: u64 = 1000;
/// Bytes of those lines.
const LAST_BYTES: u64 = 256 * 1024;

/// How much of one job's log is kept.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogLimits {
    /// Bytes of unsent lines on disk.
    pub(crate) spool: u64,
    /// Lines in all.
    pub(crate) lines: u64,
    /// Bytes of their messages in all.
    pub(crate) bytes: u64,
}

/// Passes the beginning of a log, and keeps the end of what exceeds its limit.
pub(super) struct Limit {
    limits: LogLimits,
    lines_left: u64,
    bytes_left: u64,
    is_over: bool,
    last: VecDeque<LogEntry>,
    last_bytes: u64,
    /// Number and bytes of the lines between the two.
    left_out: (u64, u64),
}

impl Limit {
    /// `sent` lines have passed before.
    pub(super) fn new(limits: LogLimits, sent: u64) -> Self {
        let lines_left = limits.lines.saturating_sub(LAST_LINES).saturating_sub(sent);
        let bytes_left = limits.bytes.saturating_sub(LAST_BYTES);
        Self { limits, lines_left, bytes_left, is_over: false, last: VecDeque::new(), last_bytes: 0, left_out: (0, 0) }
    }

    /// Returns those of these lines that are sent now.
    pub(super) fn pass(&mut self, entries: Vec<LogEntry>) -> Vec<LogEntry> {
        let mut passed = Vec::with_capacity(entries.len());
        for entry in entries {
            let bytes = entry.message.len() as u64;
            if !self.is_over && self.lines_left > 0 && self.bytes_left >= bytes {
                (self.lines_left, self.bytes_left) = (self.lines_left - 1, self.bytes_left - bytes);
                passed.push(entry);
                continue;
            }
            if !std::mem::replace(&mut self.is_over, true) {
                passed.push(note(format!(
                    "the log has reached its limit of {} lines or {} bytes: from here on only its last {LAST_LINES} lines are kept, and come with the job's end",
                    self.limits.lines, self.limits.bytes
                )));
            }
            self.keep(entry, bytes);
        }
        passed
    }

    fn keep(&mut self, entry: LogEntry, bytes: u64) {
        self.last.push_back(entry);
        self.last_bytes += bytes;
        while (self.last.len() as u64 > LAST_LINES || self.last_bytes > LAST_BYTES)
            && let Some(oldest) = self.last.pop_front()
        {
            let bytes = oldest.message.len() as u64;
            self.last_bytes -= bytes;
            self.left_out = (self.left_out.0 + 1, self.left_out.1 + bytes);
        }
    }

    /// The end of the log, after a line that gives what is missing before it.
    pub(super) fn end(&mut self) -> Vec<LogEntry> {
        let (lines, bytes) = std::mem::take(&mut self.left_out);
        let gap = (lines > 0).then(|| note(format!("{lines} lines of {bytes} bytes are left out here")));
        self.last_bytes = 0;
        gap.into_iter().chain(self.last.drain(..)).collect()
    }
}

fn note(message: String) -> LogEntry {
    LogEntry { level: Level::Warning, message, timestamp: Some(Utc::now()), actionable: false }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(from: u64, to: u64) -> Vec<LogEntry> {
        (from..to).map(|n| LogEntry { level: Level::Info, ..note(format!("{n:010}")) }).collect()
    }

    #[test]
    fn a_log_within_its_limits_passes() {
        let mut limit = Limit::new(LogLimits { spool: 0, lines: 3000, bytes: 1 << 20 }, 0);
        let given = lines(0, 2000);
        assert_eq!(limit.pass(given.clone()), given);
        assert!(limit.end().is_empty());
    }

    #[test]
    fn of_a_longer_one_the_beginning_and_the_end_are_kept() {
        for limits in
            [LogLimits { spool: 0, lines: 3000, bytes: 1 << 30 }, LogLimits { spool: 0, lines: 1 << 30, bytes: LAST_BYTES + 20_000 }]
        {
            let mut limit = Limit::new(limits, 0);
            let mut kept: Vec<_> = (0..100).flat_map(|n| limit.pass(lines(n * 100, n * 100 + 100))).collect();
            kept.extend(limit.end());
            let messages: Vec<_> = kept.iter().map(|entry| entry.message.as_str()).collect();
            assert_eq!(messages.len(), 2000 + 2 + 1000);
            assert_eq!((messages[0], messages[1999]), ("0000000000", "0000001999"));
            assert!(messages[2000].contains("from here on only its last 1000 lines"), "{}", messages[2000]);
            assert_eq!(messages[2001], "7000 lines of 70000 bytes are left out here");
            assert_eq!((messages[2002], messages[3001]), ("0000009000", "0000009999"));
        }
    }

    #[test]
    fn memory_is_bounded_by_bytes_too() {
        let mut limit = Limit::new(LogLimits { spool: 0, lines: 0, bytes: 0 }, 0);
        let long = LogEntry { level: Level::Info, ..note("x".repeat(64 * 1024)) };
        limit.pass(vec![long; 100]);
        assert!(limit.last.len() == 4 && limit.left_out.0 == 96);
    }
}
