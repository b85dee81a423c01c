//! A job's unsent log lines and progress, in order and in bounded memory.
//!
//! A program never waits for the hub: lines that the hub does not accept fast enough wait on disk, and what exceeds that limit too is
//! counted and noted in the log. A batch is repeated unchanged until it is confirmed, so that each line is stored once.

mod backlog;
mod limit;
mod spool;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use api_types::{LogEntry, Progress};
use chrono::Utc;
use domain::log::Level;
use tokio::sync::Notify;

use self::{backlog::Backlog, limit::Limit};
pub(crate) use self::{
    backlog::{Batch, Saved},
    limit::LogLimits,
};
use crate::{JobFolder, line};

/// Maximum age of an unsent line while the hub is reachable.
const MAX_AGE: Duration = Duration::from_millis(200);
/// Number of lines that are sent without waiting.
const FULL: u64 = 500;

/// Accepts a job's log lines and progress. Clones share it. Never waits for the hub.
#[derive(Clone)]
pub struct Outbox(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    backlog: Backlog,
    limit: Limit,
    progress: Option<Progress>,
    progress_is_new: bool,
    closed: bool,
}

/// What the sender has to do next.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Something has to be sent now.
    Now,
    /// The run has ended: what is left goes with its end.
    Closed,
}

impl Outbox {
    pub(crate) fn new(folder: JobFolder, limits: LogLimits, offset: i64) -> Self {
        let limit = Limit::new(limits, u64::try_from(offset).unwrap_or_default());
        Self::with(Backlog::new(folder, limits.spool, offset), limit, None)
    }

    /// Restores what an earlier worker left in the job's folder.
    pub(crate) fn restore(folder: JobFolder, saved: Saved, spool_limit: u64) -> Self {
        let progress = saved.progress.clone();
        // What is saved already includes the end of the log.
        let limit = Limit::new(LogLimits { spool: spool_limit, lines: u64::MAX, bytes: u64::MAX }, 0);
        Self::with(Backlog::restore(folder, saved, spool_limit), limit, progress)
    }

    fn with(backlog: Backlog, limit: Limit, progress: Option<Progress>) -> Self {
        let state = State { backlog, limit, progress, progress_is_new: false, closed: false };
        Self(Arc::new(Shared { state: Mutex::new(state), changed: Notify::new() }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds one line with the current time. Control characters are replaced; a line over 64 KiB is cut, with a note.
    pub fn log(&self, level: Level, message: impl AsRef<str>) {
        let message = line::clean(message.as_ref().as_bytes(), 0);
        self.extend(vec![LogEntry { level, message, timestamp: Some(Utc::now()), actionable: false }]);
    }

    pub(crate) fn extend(&self, entries: Vec<LogEntry>) {
        let mut state = self.state();
        let before = state.backlog.lines();
        let passed = state.limit.pass(entries);
        state.backlog.extend(passed);
        let after = state.backlog.lines();
        drop(state);
        if before == 0 || (before < FULL && after >= FULL) {
            self.0.changed.notify_one();
        }
    }

    /// Sets the job's progress. Only the newest is sent when they come faster than they can be sent.
    pub fn progress(&self, progress: Progress) {
        let mut state = self.state();
        if state.progress.as_ref() != Some(&progress) {
            state.progress = Some(progress);
            state.progress_is_new = true;
            drop(state);
            self.0.changed.notify_one();
        }
    }

    /// The run has ended.
    pub(crate) fn close(&self) {
        let mut state = self.state();
        let end = state.limit.end();
        state.backlog.extend(end);
        state.backlog.note_losses();
        state.closed = true;
        drop(state);
        self.0.changed.notify_one();
    }

    /// Waits until something is due. Cancel safe.
    pub(crate) async fn due(&self) -> Due {
        loop {
            let wait = {
                let state = self.state();
                if state.closed {
                    return Due::Closed;
                }
                match state.wait() {
                    Some(wait) if wait.is_zero() => return Due::Now,
                    wait => wait,
                }
            };
            match wait {
                None => self.0.changed.notified().await,
                Some(wait) => self.pause(wait).await,
            }
        }
    }

    /// Waits that long, or until something changes. Cancel safe.
    async fn pause(&self, wait: Duration) {
        tokio::select! {
            () = self.0.changed.notified() => {}
            () = tokio::time::sleep(wait) => {}
        }
    }

    /// Waits that long, or until the run has ended. Cancel safe.
    pub(crate) async fn pause_unless_closed(&self, wait: Duration) {
        let end = tokio::time::Instant::now() + wait;
        while !self.state().closed {
            tokio::select! {
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep_until(end) => return,
            }
        }
    }

    /// The next lines to send; the same lines until they are confirmed.
    pub(crate) fn batch(&self) -> Option<Batch> {
        self.state().backlog.batch()
    }

    /// The hub has stored these lines.
    pub(crate) fn confirm(&self, batch: &Batch) {
        self.state().backlog.confirm(batch);
    }

    /// The hub will never accept the lines: drops them and all later ones.
    pub(crate) fn refuse(&self) {
        self.state().backlog.refuse();
    }

    /// Progress that has not been sent, marked as sent.
    pub(crate) fn take_progress(&self) -> Option<Progress> {
        let mut state = self.state();
        let new = std::mem::take(&mut state.progress_is_new);
        if new { state.progress.clone() } else { None }
    }

    /// The progress that was taken could not be sent.
    pub(crate) fn return_progress(&self) {
        self.state().progress_is_new = true;
    }

    pub(crate) fn last_progress(&self) -> Option<Progress> {
        self.state().progress.clone()
    }

    /// All remaining lines with their offset, if they are few enough to go with the end.
    pub(crate) fn remainder(&self) -> Option<(Vec<LogEntry>, i64)> {
        self.state().backlog.remainder()
    }

    /// What [`Outbox::restore`] needs beside the spool.
    pub(crate) fn save(&self) -> Saved {
        let state = self.state();
        state.backlog.save(state.progress.clone())
    }

    /// As [`Outbox::refuse`], and drops the progress too.
    pub(crate) fn discard(&self) {
        let mut state = self.state();
        state.backlog.refuse();
        state.progress = None;
    }
}

impl State {
    /// How long nothing has to be sent; `None`: until something changes.
    fn wait(&self) -> Option<Duration> {
        let lines = self.backlog.lines();
        if lines >= FULL || self.backlog.is_spooled() {
            return Some(Duration::ZERO);
        }
        let oldest = self.backlog.oldest();
        if oldest.is_none() && self.progress_is_new {
            return Some(Duration::ZERO);
        }
        let age = (Utc::now() - oldest?).to_std().unwrap_or_default();
        Some(MAX_AGE.saturating_sub(age))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::TimeDelta;

    #[test]
    fn a_line_is_due_when_it_is_200_ms_old() {
        let dir = tempfile::tempdir().unwrap();
        let outbox = Outbox::new(JobFolder::at(dir.path().to_owned()), LogLimits { spool: 1 << 20, lines: 1 << 20, bytes: 1 << 20 }, 0);
        let wait = || outbox.state().wait();
        assert_eq!(wait(), None, "there is nothing to send");
        let line = |age: i64| LogEntry {
            level: Level::Info,
            message: "x".to_owned(),
            timestamp: Some(Utc::now() - TimeDelta::milliseconds(age)),
            actionable: false,
        };
        outbox.extend(vec![line(0)]);
        assert!(wait().is_some_and(|wait| wait <= Duration::from_millis(200)), "{:?}", wait());
        let batch = outbox.batch().unwrap();
        outbox.confirm(&batch);
        outbox.extend(vec![line(200), line(0)]);
        assert_eq!(wait(), Some(Duration::ZERO), "its age is that of its oldest line");
    }
}
