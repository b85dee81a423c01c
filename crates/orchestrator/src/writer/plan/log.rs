//! Limits of a job's stored log: everything up to the limit, beyond it errors up to a further allowance, and the last lines that come with
//! the job's end. A robot that prints forever cannot fill the disk, and no robot is stopped because of its log.

use std::borrow::Cow;

use chrono::{DateTime, Utc};
use domain::log::Level;
use store::{job_logs::Line, jobs::JobRow};

use crate::writer::command::Lines;

/// Limits of a job's stored log.
#[derive(Clone, Copy)]
pub(crate) struct LogLimits {
    pub(crate) lines: i64,
    /// Size of their text in bytes.
    pub(crate) bytes: i64,
}

/// Allowance for errors beyond the limit.
const ERRORS: LogLimits = LogLimits { lines: 1000, bytes: 1 << 20 };
/// Lines of the job's end that are stored in any case.
const LAST: LogLimits = LogLimits { lines: 1000, bytes: 256 << 10 };

impl LogLimits {
    fn are_reached(self, row: &JobRow) -> bool {
        row.log_lines >= self.lines || row.log_bytes >= self.bytes
    }

    const fn with_errors(self) -> Self {
        Self { lines: self.lines.saturating_add(ERRORS.lines), bytes: self.bytes.saturating_add(ERRORS.bytes) }
    }
}

/// Lines to store, with the number of the first.
pub(super) type Numbered<'a> = Option<(i64, Cow<'a, [Line]>)>;

/// Counts the new lines, and numbers those that are stored.
pub(super) fn append<'a>(row: &mut JobRow, lines: &'a Lines, limits: LogLimits, now: DateTime<Utc>) -> Numbered<'a> {
    let new = unknown(row, lines);
    let mut log = Log::of(row);
    if log.takes_whole(new, limits) {
        return log.whole(new);
    }
    log.extend(new, limits, now);
    log.numbered()
}

/// The same for the job's end: stores its last lines, and a note about the missing ones before them.
pub(super) fn append_last<'a>(row: &mut JobRow, lines: &'a Lines, limits: LogLimits, now: DateTime<Utc>) -> Numbered<'a> {
    let new = unknown(row, lines);
    let mut log = Log::of(row);
    if log.row.log_left_out == 0 && log.takes_whole(new, limits) {
        return log.whole(new);
    }
    let (others, last) = new.split_at(new.len() - count_last(new));
    log.extend(others, limits, now);
    log.note_gap(now);
    last.iter().for_each(|line| log.add(line.clone()));
    log.numbered()
}

/// The note about missing lines, for a job that ended without a report.
pub(super) fn gap(row: &mut JobRow, now: DateTime<Utc>) -> Numbered<'static> {
    let mut log = Log::of(row);
    log.note_gap(now);
    log.numbered()
}

fn unknown<'a>(row: &mut JobRow, lines: &'a Lines) -> &'a [Line] {
    let known = lines.offset.map_or(0, |offset| usize::try_from(row.log_offset - offset).unwrap_or(0));
    let new = lines.lines.get(known..).unwrap_or_default();
    if let Some(offset) = lines.offset.filter(|_| !new.is_empty()) {
        row.log_offset = offset + size(lines.lines.len());
    }
    new
}

fn count_last(lines: &[Line]) -> usize {
    let mut bytes = 0;
    let fits = lines.iter().rev().take(usize::try_from(LAST.lines).unwrap_or(0)).take_while(|line| {
        bytes += size(line.message.len());
        bytes <= LAST.bytes
    });
    fits.count()
}

fn size(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

struct Log<'r> {
    row: &'r mut JobRow,
    first: i64,
    stored: Vec<Line>,
}

impl<'r> Log<'r> {
    const fn of(row: &'r mut JobRow) -> Self {
        let first = row.log_lines + 1;
        Self { row, first, stored: Vec::new() }
    }

    /// Whether all these lines fit below the limit.
    fn takes_whole(&self, new: &[Line], limits: LogLimits) -> bool {
        let bytes: i64 = new.iter().map(|line| size(line.message.len())).sum();
        self.row.log_lines + size(new.len()) < limits.lines && self.row.log_bytes + bytes < limits.bytes
    }

    fn whole<'a>(self, new: &'a [Line]) -> Numbered<'a> {
        new.iter().for_each(|line| count(self.row, line));
        (!new.is_empty()).then_some((self.first, Cow::Borrowed(new)))
    }

    fn numbered(self) -> Numbered<'static> {
        (!self.stored.is_empty()).then_some((self.first, Cow::Owned(self.stored)))
    }

    fn add(&mut self, line: Line) {
        count(self.row, &line);
        self.stored.push(line);
    }

    fn extend(&mut self, lines: &[Line], limits: LogLimits, now: DateTime<Utc>) {
        for line in lines {
            let was_full = limits.are_reached(self.row);
            if was_full && (line.level < Level::Error || limits.with_errors().are_reached(self.row)) {
                self.row.log_left_out += 1;
                continue;
            }
            self.add(line.clone());
            if !was_full && limits.are_reached(self.row) {
                self.add(note(
                    format!(
                        "the log has reached its limit of {} lines or {} bytes: from here on only {} errors and the last lines of the job's end \
                         are stored",
                        limits.lines, limits.bytes, ERRORS.lines
                    ),
                    now,
                ));
            }
        }
    }

    fn note_gap(&mut self, now: DateTime<Utc>) {
        if self.row.log_left_out > 0 {
            self.add(note(format!("{} lines before this one were dropped", self.row.log_left_out), now));
        }
    }
}

fn count(row: &mut JobRow, line: &Line) {
    row.log_lines += 1;
    row.log_bytes += size(line.message.len());
}

fn note(message: String, now: DateTime<Utc>) -> Line {
    Line { timestamp: now, level: Level::Warning, message, actionable: false }
}

#[cfg(test)]
mod tests {
    use domain::job::{Caller, Status};
    use uuid::Uuid;

    use super::*;
    use crate::writer::{
        command::Change,
        plan::apply::{self, LeaseTimes},
    };

    const NOW: DateTime<Utc> = DateTime::UNIX_EPOCH;

    fn row() -> JobRow {
        test_support::new_job(Uuid::from_u128(9).into(), "q").row()
    }

    fn lines(count: usize, level: Level, message: &str) -> Lines {
        Lines { lines: vec![Line { level, ..note(message.to_owned(), NOW) }; count], offset: None }
    }

    fn stored(numbered: Numbered<'_>) -> usize {
        numbered.map_or(0, |(_, lines)| lines.len())
    }

    #[test]
    fn the_line_that_reaches_a_limit_is_followed_by_a_note() {
        for limits in [LogLimits { lines: 100, bytes: 1 << 20 }, LogLimits { lines: 1 << 20, bytes: 991 }] {
            let mut row = row();
            let batch = lines(60, Level::Info, "0123456789");
            assert_eq!(stored(append(&mut row, &batch, limits, NOW)), 60);
            let (first, second) = append(&mut row, &batch, limits, NOW).unwrap();
            assert_eq!((first, second.len()), (61, 41));
            assert!(second[40].message.contains("has reached its limit"), "{}", second[40].message);
            assert_eq!((row.log_lines, row.log_left_out), (101, 20));
            assert_eq!(stored(append(&mut row, &batch, limits, NOW)), 0);
            assert_eq!((row.log_lines, row.log_left_out), (101, 80));
        }
    }

    #[test]
    fn errors_beyond_the_limit_have_a_limit_too() {
        let limits = LogLimits { lines: 100, bytes: 1 << 20 };
        let mut row = row();
        append(&mut row, &lines(100, Level::Info, "x"), limits, NOW);
        for _ in 0..5 {
            append(&mut row, &lines(400, Level::Error, "x"), limits, NOW);
        }
        assert_eq!((row.log_lines, row.log_left_out), (1100, 1001));
        let mut row = JobRow { log_lines: 0, ..row };
        append(&mut row, &lines(40, Level::Critical, &"x".repeat(64 << 10)), limits, NOW);
        assert!(row.log_bytes < (2 << 20) + (64 << 10) + 2000, "{}", row.log_bytes);
    }

    #[test]
    fn the_end_has_room_for_its_last_lines_and_no_more() {
        let limits = LogLimits { lines: 100, bytes: 1 << 20 };
        for (batch, last) in [(lines(10_000, Level::Info, "x"), 1000), (lines(100, Level::Info, &"x".repeat(64 << 10)), 4)] {
            let mut row = JobRow { log_lines: 101, log_bytes: 500, ..row() };
            let (first, kept) = append_last(&mut row, &batch, limits, NOW).unwrap();
            assert_eq!((first, kept.len()), (102, last + 1));
            assert_eq!(kept[0].message, format!("{} lines before this one were dropped", batch.lines.len() - last));
            assert!(kept[1..].iter().all(|line| line.message.starts_with('x')));
        }
        assert_eq!(stored(append_last(&mut row(), &lines(99, Level::Info, "x"), limits, NOW)), 99);
    }

    #[test]
    fn a_job_that_ends_without_a_report_notes_the_missing_lines_once() {
        let terms = apply::Terms {
            leases: LeaseTimes {
                agent: chrono::TimeDelta::hours(1),
                foreign: chrono::TimeDelta::hours(1),
                silent: chrono::TimeDelta::hours(1),
            },
            timeout_s: Some(0),
            log: LogLimits { lines: 100, bytes: 1 << 20 },
            now: NOW,
            new_id: &Uuid::now_v7,
        };
        let caller = Caller { worker_id: None, lease_token: None };
        let mut row = row();
        apply::apply(&mut row, &Change::Start { caller }, terms).unwrap();
        apply::apply(&mut row, &Change::Log { caller, lines: lines(150, Level::Info, "x") }, terms).unwrap();
        let (first, kept) = apply::apply(&mut row, &Change::TimeOut, terms).unwrap().lines.unwrap();
        assert_eq!((row.job.status, first, kept[0].message.as_str()), (Status::Failed, 102, "50 lines before this one were dropped"));
        assert!(apply::apply(&mut row, &Change::Expire, terms).unwrap().lines.is_none());
    }
}
