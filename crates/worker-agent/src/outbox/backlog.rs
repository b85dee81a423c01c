//! Log lines that the hub does not have yet.
//!
//! Lines leave in the order in which they came, each with its offset in the job's log. The oldest are in memory and the newest on disk,
//! never the other way round. A line that neither can hold is counted, and the count becomes a line of the log at the place of the loss.

use std::collections::VecDeque;

use api_types::{LogEntry, LogRequest, Progress};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use domain::log::Level;
use serde::{Deserialize, Serialize};

use super::spool::Spool;
use crate::JobFolder;

/// Lines kept in memory before the disk is used; also the maximum that goes with the end of a job.
const MAX_LINES: usize = 500;
/// Bytes of those lines.
const MAX_BYTES: usize = 256 * 1024;

/// Log lines that the hub does not have yet. The oldest are in memory; newer ones, if there are too many, on disk.
pub(super) struct Backlog {
    memory: VecDeque<LogEntry>,
    memory_bytes: usize,
    spool: Spool,
    /// Lines that the hub has.
    offset: i64,
    lost: u64,
    lost_why: String,
    refused: bool,
}

/// Lines on their way to the hub.
pub(crate) struct Batch {
    /// A [`LogRequest`].
    pub(crate) body: Bytes,
    lines: usize,
    spool_bytes: Option<u64>,
}

/// A backlog as stored across a restart of the worker.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Saved {
    pub(crate) progress: Option<Progress>,
    offset: i64,
    entries: Vec<LogEntry>,
    spool_start: u64,
}

impl Backlog {
    pub(super) const fn new(folder: JobFolder, spool_limit: u64, offset: i64) -> Self {
        let spool = Spool::new(folder, spool_limit);
        Self { memory: VecDeque::new(), memory_bytes: 0, spool, offset, lost: 0, lost_why: String::new(), refused: false }
    }

    pub(super) fn restore(folder: JobFolder, saved: Saved, spool_limit: u64) -> Self {
        let mut backlog = Self::new(folder.clone(), 0, saved.offset);
        backlog.memory_bytes = saved.entries.iter().map(size).sum();
        backlog.memory = saved.entries.into();
        backlog.spool = Spool::open(folder, saved.spool_start, spool_limit);
        backlog
    }

    pub(super) fn save(&self, progress: Option<Progress>) -> Saved {
        Saved { progress, offset: self.offset, entries: self.memory.iter().cloned().collect(), spool_start: self.spool.start() }
    }

    pub(super) fn lines(&self) -> u64 {
        self.memory.len() as u64 + self.spool.lines()
    }

    pub(super) fn is_spooled(&self) -> bool {
        self.spool.lines() > 0
    }

    pub(super) fn oldest(&self) -> Option<DateTime<Utc>> {
        self.memory.front()?.timestamp
    }

    pub(super) fn extend(&mut self, entries: Vec<LogEntry>) {
        if self.refused {
            return;
        }
        if self.spool.lines() == 0 {
            self.note_losses();
        }
        let mut entries = entries.into_iter().peekable();
        while self.spool.lines() == 0
            && self.memory.len() < MAX_LINES
            && let Some(entry) = entries.next_if(|entry| self.memory_bytes + size(entry) <= MAX_BYTES || self.memory.is_empty())
        {
            self.memory_bytes += size(&entry);
            self.memory.push_back(entry);
        }
        let rest: Vec<_> = entries.collect();
        if !rest.is_empty() {
            self.spool_or_lose(rest);
        }
    }

    fn spool_or_lose(&mut self, mut entries: Vec<LogEntry>) {
        let lines = entries.len() as u64;
        // Together, so that a disk with a few bytes left does not fill with notes.
        let note = self.loss().filter(|_| self.spool.has_space());
        let notes_loss = note.is_some();
        entries.splice(0..0, note);
        match self.spool.append(&entries, false) {
            Ok(()) if notes_loss => self.lost = 0,
            Ok(()) => {}
            Err(error) => {
                if self.lost == 0 {
                    tracing::warn!(%error, "log lines of a job are lost");
                }
                self.lost += lines;
                self.lost_why = error.to_string();
            }
        }
    }

    /// A line with the number of lost lines, if any.
    fn loss(&self) -> Option<LogEntry> {
        let message = || format!("{} log lines were lost: {}", self.lost, self.lost_why);
        let is_lost = self.lost > 0 && !self.refused;
        is_lost.then(|| LogEntry { level: Level::Warning, message: message(), timestamp: Some(Utc::now()), actionable: false })
    }

    /// Adds a line with the number of lost lines.
    pub(super) fn note_losses(&mut self) {
        let Some(note) = self.loss() else { return };
        if self.spool.lines() == 0 {
            self.memory_bytes += size(&note);
            self.memory.push_back(note);
        } else if let Err(error) = self.spool.append(&[note], true) {
            tracing::warn!(%error, lines = self.lost, "the note about lost log lines cannot be stored; trying again");
            return;
        }
        self.lost = 0;
    }

    pub(super) fn batch(&mut self) -> Option<Batch> {
        if !self.memory.is_empty() {
            let entries = Some(self.memory.iter().cloned().collect());
            let request = LogRequest { entries, offset: Some(self.offset), ..LogRequest::default() };
            let body = serde_json::to_vec(&request).unwrap_or_default();
            return Some(Batch { body: body.into(), lines: self.memory.len(), spool_bytes: None });
        }
        let chunk = self.read_spool()?;
        let mut body = format!("{{\"offset\":{},\"entries\":[", self.offset).into_bytes();
        body.extend(chunk.text.iter().map(|byte| if *byte == b'\n' { b',' } else { *byte }));
        body.pop();
        body.extend_from_slice(b"]}");
        Some(Batch { body: body.into(), lines: chunk.lines, spool_bytes: Some(chunk.text.len() as u64) })
    }

    fn read_spool(&mut self) -> Option<super::spool::Chunk> {
        match self.spool.read() {
            Ok(chunk) => chunk,
            Err(error) => {
                tracing::warn!(%error, "a job's log lines on disk cannot be read and are lost");
                self.lost += self.spool.lines();
                self.lost_why = error.to_string();
                self.spool.clear();
                self.note_losses();
                None
            }
        }
    }

    pub(super) fn confirm(&mut self, batch: &Batch) {
        if self.refused {
            return;
        }
        self.offset += batch.lines as i64;
        match batch.spool_bytes {
            Some(bytes) => self.spool.advance(bytes, batch.lines as u64),
            None => {
                let sent = self.memory.drain(..batch.lines.min(self.memory.len()));
                self.memory_bytes -= sent.map(|entry| size(&entry)).sum::<usize>();
            }
        }
    }

    pub(super) fn refuse(&mut self) {
        self.refused = true;
        self.memory.clear();
        self.memory_bytes = 0;
        self.spool.clear();
    }

    pub(super) fn remainder(&mut self) -> Option<(Vec<LogEntry>, i64)> {
        if self.lines() > MAX_LINES as u64 || self.memory_bytes + self.spool.bytes() as usize > MAX_BYTES {
            return None;
        }
        let mut entries: Vec<_> = self.memory.iter().cloned().collect();
        if self.spool.lines() > 0 {
            let chunk = self.read_spool()?;
            let lines = chunk.text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
            entries.extend(lines.filter_map(|line| serde_json::from_slice::<LogEntry>(line).ok()));
        }
        // Losses that could not be noted for lack of space.
        entries.extend(self.loss());
        Some((entries, self.offset))
    }
}

/// Approximate memory cost of a line.
fn size(entry: &LogEntry) -> usize {
    entry.message.len() + size_of::<LogEntry>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entries(from: usize, to: usize) -> Vec<LogEntry> {
        let line = |n: usize| LogEntry { level: Level::Info, message: format!("line {n}"), timestamp: Some(Utc::now()), actionable: false };
        (from..to).map(line).collect()
    }

    fn backlog(limit: u64) -> (tempfile::TempDir, Backlog) {
        let dir = tempfile::tempdir().unwrap();
        let folder = JobFolder::at(dir.path().join("job"));
        (dir, Backlog::new(folder, limit, 0))
    }

    fn drain(backlog: &mut Backlog) -> Vec<String> {
        let mut seen = Vec::new();
        while let Some(batch) = backlog.batch() {
            let request: LogRequest = serde_json::from_slice(&batch.body).unwrap();
            assert_eq!(request.offset, Some(seen.len() as i64));
            seen.extend(request.entries.unwrap().into_iter().map(|entry| entry.message));
            backlog.confirm(&batch);
        }
        seen
    }

    #[test]
    fn few_lines_never_touch_the_disk() {
        let (dir, mut backlog) = backlog(1 << 20);
        backlog.extend(entries(0, MAX_LINES));
        assert_eq!(backlog.remainder().unwrap().0.len(), MAX_LINES);
        assert!(!dir.path().join("job").exists());
    }

    #[test]
    fn many_lines_keep_their_order_through_disk_and_restart() {
        let (_dir, mut backlog) = backlog(1 << 30);
        for start in (0..20_000).step_by(100) {
            backlog.extend(entries(start, start + 100));
        }
        assert!(backlog.remainder().is_none());
        assert!(backlog.memory.len() <= MAX_LINES);
        let saved: Saved = serde_json::from_str(&serde_json::to_string(&backlog.save(None)).unwrap()).unwrap();
        let folder = backlog.spool.folder().clone();
        let mut again = Backlog::restore(folder, saved, 1 << 30);
        let expected: Vec<_> = (0..20_000).map(|n| format!("line {n}")).collect();
        assert_eq!(drain(&mut again), expected);
        assert_eq!(again.lines(), 0);
    }

    #[test]
    fn a_full_disk_is_told_in_the_log() {
        let (_dir, mut backlog) = backlog(2000);
        backlog.extend(entries(0, MAX_LINES));
        for n in 0..100 {
            backlog.extend(entries(n, n + 1));
        }
        backlog.note_losses();
        let seen = drain(&mut backlog);
        let note = seen.last().unwrap();
        assert!(note.contains("log lines were lost"), "{note}");
        let lost: usize = note.split(' ').next().unwrap().parse().unwrap();
        assert_eq!(seen.len() - 1 + lost, MAX_LINES + 100);
    }
}
