use std::{
    fs::File,
    io::Write as _,
    path::Path,
    sync::{Mutex, PoisonError},
    time::Instant,
};

use anyhow::{Context as _, Result};

use crate::{
    absence::{Absence, uptime},
    faults::Excuse,
};

/// Record of what was done when, on the terminal and in `journal.log`.
pub(crate) struct Journal {
    begun: Instant,
    file: Mutex<File>,
    notes: Mutex<Vec<String>>,
    absences: Mutex<Vec<Absence>>,
}

impl Journal {
    pub(crate) fn create(folder: &Path) -> Result<Self> {
        let file = File::create(folder.join("journal.log")).with_context(|| folder.display().to_string())?;
        Ok(Self { begun: Instant::now(), file: Mutex::new(file), notes: Mutex::default(), absences: Mutex::default() })
    }

    /// Prints a line with the seconds since the start.
    pub(crate) fn say(&self, text: &str) {
        let line = format!("{:8.2} s  {text}", self.begun.elapsed().as_secs_f64());
        // A failure here cannot be reported anywhere.
        let _ = writeln!(self.file.lock().unwrap_or_else(PoisonError::into_inner), "{line}");
        let _ = writeln!(std::io::stderr().lock(), "{line}");
    }

    /// Records a violation that was observed during the run.
    pub(crate) fn breach(&self, text: String) {
        self.say(&format!("BREACH: {text}"));
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    }

    /// Records that an agent had an excuse from `from` until now.
    pub(crate) fn excuse(&self, worker: &str, from: f64, excuse: Excuse) {
        let absence = Absence { worker: worker.to_owned(), from, to: uptime(), excuse };
        self.absences.lock().unwrap_or_else(PoisonError::into_inner).push(absence);
    }

    /// Every excuse.
    pub(crate) fn absences(&self) -> Vec<Absence> {
        self.absences.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The violations observed so far.
    pub(crate) fn breaches(&self) -> Vec<String> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
