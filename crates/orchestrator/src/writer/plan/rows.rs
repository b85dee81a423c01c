//! The rows of a plan: read, changed, and to be written.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap},
};

use domain::{audit::Entry, ids::JobId};
use store::{
    job_events::JobEvent,
    job_logs::{Chunk, Line},
    jobs::{JobRow, NewJob},
};

use super::chunks::chunks;

/// Rows and pending writes.
#[derive(Default)]
pub(crate) struct Rows<'a> {
    rows: HashMap<JobId, JobRow>,
    /// Changed rows.
    dirty: BTreeSet<JobId>,
    /// Jobs to insert.
    new: Vec<NewJob>,
    /// Log lines to insert: the job, the number of the first line, the lines.
    lines: Vec<(JobId, i64, Cow<'a, [Line]>)>,
    /// Events to insert.
    events: Vec<JobEvent>,
    /// Entries of the audit trail to insert.
    entries: Vec<Entry>,
    /// Rows of dispatched jobs, which the transaction has locked.
    placed: Vec<JobRow>,
    /// Rows as they are in the database after the commit.
    written: Vec<JobRow>,
}

/// Pending writes.
pub(crate) struct Changes<'p> {
    pub(crate) new: Vec<&'p NewJob>,
    pub(crate) rows: Vec<&'p JobRow>,
    pub(crate) chunks: Vec<Chunk<'p>>,
    pub(crate) events: &'p [JobEvent],
    pub(crate) entries: &'p [Entry],
}

impl<'a> Rows<'a> {
    pub(super) fn insert(&mut self, row: JobRow) {
        self.rows.insert(row.job.id, row);
    }

    pub(super) fn insert_missing(&mut self, row: JobRow) {
        self.rows.entry(row.job.id).or_insert(row);
    }

    pub(super) fn get(&self, id: JobId) -> Option<&JobRow> {
        self.rows.get(&id)
    }

    pub(super) fn get_mut(&mut self, id: JobId) -> Option<&mut JobRow> {
        self.rows.get_mut(&id)
    }

    /// Marks a row as changed.
    pub(super) fn touch(&mut self, id: JobId) {
        self.dirty.insert(id);
    }

    pub(super) fn add(&mut self, new: NewJob) {
        self.new.push(new);
    }

    pub(super) fn new_jobs(&self) -> &[NewJob] {
        &self.new
    }

    pub(super) fn new_jobs_mut(&mut self) -> &mut [NewJob] {
        &mut self.new
    }

    pub(super) fn add_lines(&mut self, id: JobId, lines: Option<(i64, Cow<'a, [Line]>)>) {
        self.lines.extend(lines.map(|(first, lines)| (id, first, lines)));
    }

    pub(super) fn add_event(&mut self, event: Option<JobEvent>) {
        self.events.extend(event);
    }

    pub(super) fn add_entry(&mut self, entry: Option<Entry>) {
        self.entries.extend(entry);
    }

    pub(super) fn add_placed(&mut self, row: JobRow) {
        self.placed.push(row);
    }

    /// The writes of the commands.
    pub(crate) fn changes(&self) -> Changes<'_> {
        Changes {
            new: self.new.iter().collect(),
            rows: self.dirty.iter().filter_map(|id| self.rows.get(id)).collect(),
            chunks: self.lines.iter().flat_map(|(id, first, lines)| chunks(*id, *first, lines)).collect(),
            events: &self.events,
            entries: &self.entries,
        }
    }

    /// Marks [`Rows::changes`] as written.
    pub(crate) fn changes_written(&mut self) {
        self.written.extend(self.new.iter().map(NewJob::row));
        let changed = self.dirty.iter().filter_map(|id| self.rows.remove(id));
        self.written.extend(changed.map(written));
        self.dirty.clear();
        self.lines.clear();
        self.events.clear();
        self.entries.clear();
    }

    /// Whether dispatched rows of this queue are not written yet.
    pub(crate) fn has_placed(&self, queue: &str) -> bool {
        self.placed.iter().any(|row| row.queue_name == queue)
    }

    /// Dispatched rows that are not written yet.
    pub(crate) fn placed(&self) -> Vec<&JobRow> {
        self.placed.iter().collect()
    }

    /// Marks [`Rows::placed`] as written.
    pub(crate) fn placed_written(&mut self) {
        self.written.extend(self.placed.drain(..).map(written));
    }

    pub(super) fn into_written(self) -> Vec<JobRow> {
        self.written
    }
}

/// The row after its write.
fn written(row: JobRow) -> JobRow {
    JobRow { version: row.version + 1, result: None, ..row }
}
