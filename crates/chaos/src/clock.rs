//! The wall clock of one process. libfaketime sets it and re-reads its offset; the monotonic clock is not changed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

/// A clock that can be stepped while its process runs.
pub(crate) struct Clock {
    file: PathBuf,
}

impl Clock {
    /// libfaketime, where `scripts/chaos` found it.
    pub(crate) fn library() -> Option<PathBuf> {
        std::env::var_os("CHAOS_FAKETIME").filter(|path| !path.is_empty()).map(Into::into)
    }

    /// PostgreSQL's, where `scripts/chaos` could give it one.
    pub(crate) fn of_database() -> Option<Self> {
        Self::library()?;
        let file = std::env::var_os("CHAOS_DATABASE_CLOCK").filter(|path| !path.is_empty())?;
        Some(Self { file: file.into() })
    }

    /// A clock without an offset.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
        let clock = Self { file: folder.join("clock") };
        clock.set(0)?;
        Ok(clock)
    }

    /// Environment that gives a process this clock; empty where clocks cannot be set.
    pub(crate) fn environment(&self) -> Vec<(String, String)> {
        let Some(library) = Self::library() else { return Vec::new() };
        let settings = [
            ("LD_PRELOAD", library.display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", self.file.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_owned()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("DONT_FAKE_MONOTONIC", "1".to_owned()),
            ("NO_FAKE_STAT", "1".to_owned()),
        ];
        settings.map(|(name, value)| (name.to_owned(), value)).into()
    }

    /// Steps the clock to this many seconds ahead of the system's.
    pub(crate) fn set(&self, seconds: i64) -> Result<()> {
        // Atomically: a half-written file would be a wrong time.
        let fresh = self.file.with_extension("new");
        fs::write(&fresh, format!("{seconds:+}\n")).with_context(|| fresh.display().to_string())?;
        fs::rename(&fresh, &self.file).with_context(|| self.file.display().to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_written_as_libfaketime_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let clock = Clock::new(&folder.path().join("hub")).unwrap();
        let read = || fs::read_to_string(&clock.file).unwrap();
        assert_eq!(read(), "+0\n");
        clock.set(-600).unwrap();
        assert_eq!(read(), "-600\n");
    }
}
