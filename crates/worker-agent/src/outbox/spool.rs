//! A queue of lines in a file, for what does not fit into memory.
//!
//! An append is complete or has no effect: a partly written line is cut off again, because the next worker would read it as lines of the
//! log. The file's size is bounded, and a file that a robot has enlarged is not read.

use std::{fs::File, io, os::unix::fs::FileExt as _};

use api_types::LogEntry;

use crate::JobFolder;

/// Bytes per read. Longer than any line: 64 KiB of text, each byte escaped.
const CHUNK: usize = 512 * 1024;
/// Lines of one chunk.
const CHUNK_LINES: usize = 1000;
const NAME: &str = "logs/outbox.jsonl";

/// A queue of lines in a file, one JSON object per line. The file is created with the first line and emptied after the last.
pub(super) struct Spool {
    folder: JobFolder,
    limit: u64,
    file: Option<File>,
    start: u64,
    end: u64,
    lines: u64,
}

/// Complete lines, each with its line end.
pub(super) struct Chunk {
    pub(super) text: Vec<u8>,
    pub(super) lines: usize,
}

impl Spool {
    pub(super) const fn new(folder: JobFolder, limit: u64) -> Self {
        Self { folder, limit, file: None, start: 0, end: 0, lines: 0 }
    }

    /// Restores what an earlier worker left. An unreadable file counts as empty.
    pub(super) fn open(folder: JobFolder, start: u64, limit: u64) -> Self {
        let mut spool = Self::new(folder, limit);
        if let Err(error) = spool.reopen(start)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, "log lines that an earlier worker left cannot be read");
        }
        spool
    }

    fn reopen(&mut self, start: u64) -> io::Result<()> {
        let file = self.folder.open_to_change(NAME)?;
        let length = file.metadata()?.len();
        if length > self.limit + CHUNK as u64 {
            return Err(io::Error::from(io::ErrorKind::FileTooLarge));
        }
        let (mut position, mut buffer) = (start, vec![0; CHUNK]);
        while position < length {
            let read = file.read_at(&mut buffer, position)?;
            if read == 0 {
                break;
            }
            for (index, _) in buffer[..read].iter().enumerate().filter(|(_, byte)| **byte == b'\n') {
                self.lines += 1;
                self.end = position + index as u64 + 1;
            }
            position += read as u64;
        }
        (self.start, self.end, self.file) = (start, self.end.max(start), Some(file));
        Ok(())
    }

    #[cfg(test)]
    pub(super) const fn folder(&self) -> &JobFolder {
        &self.folder
    }

    pub(super) const fn start(&self) -> u64 {
        self.start
    }

    pub(super) const fn lines(&self) -> u64 {
        self.lines
    }

    pub(super) const fn bytes(&self) -> u64 {
        self.end - self.start
    }

    pub(super) const fn has_space(&self) -> bool {
        self.end < self.limit
    }

    /// Adds all of these lines or none. `beyond` ignores the limit.
    pub(super) fn append(&mut self, entries: &[LogEntry], beyond: bool) -> io::Result<()> {
        let mut text = Vec::with_capacity(entries.len() * 128);
        for entry in entries {
            serde_json::to_writer(&mut text, entry)?;
            text.push(b'\n');
        }
        if !beyond && self.end + text.len() as u64 > self.limit {
            return Err(io::Error::other(format!("more than {} bytes wait for the hub", self.limit)));
        }
        let end = self.end;
        let file = self.file()?;
        if let Err(error) = file.write_all_at(&text, end) {
            // A part may have been written, which the next worker would read as lines.
            let _as_it_was = file.set_len(end);
            return Err(error);
        }
        self.end += text.len() as u64;
        self.lines += entries.len() as u64;
        Ok(())
    }

    fn file(&mut self) -> io::Result<&File> {
        if self.file.is_none() {
            self.folder.create()?;
            self.file = Some(self.folder.create_file(NAME)?);
        }
        self.file.as_ref().ok_or_else(|| io::Error::from(io::ErrorKind::NotFound))
    }

    /// The oldest lines; the same lines until [`Spool::advance`].
    pub(super) fn read(&mut self) -> io::Result<Option<Chunk>> {
        if self.lines == 0 {
            return Ok(None);
        }
        let length = usize::try_from(self.bytes()).unwrap_or(CHUNK).min(CHUNK);
        let mut text = vec![0; length];
        let start = self.start;
        self.file()?.read_exact_at(&mut text, start)?;
        let ends = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(index, _)| index + 1);
        let (lines, end) = ends.take(CHUNK_LINES).fold((0, 0), |(lines, _), end| (lines + 1, end));
        if lines == 0 {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        text.truncate(end);
        Ok(Some(Chunk { text, lines }))
    }

    /// Removes the oldest `lines`, of `bytes` in all.
    pub(super) fn advance(&mut self, bytes: u64, lines: u64) {
        self.start += bytes;
        self.lines = self.lines.saturating_sub(lines);
        if self.lines == 0 {
            self.clear();
        }
    }

    /// Removes all lines.
    pub(super) fn clear(&mut self) {
        (self.start, self.end, self.lines) = (0, 0, 0);
        if let Some(file) = &self.file
            && let Err(error) = file.set_len(0)
        {
            tracing::warn!(%error, "a job's file of unsent log lines cannot be emptied");
        }
    }
}
