//! Levels of a job's log lines.

use serde::{Deserialize, Serialize};

/// Level of a log line. `WARN` is read as `WARNING`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Level {
    /// Detail for debugging.
    Debug,
    /// Normal progress.
    #[default]
    Info,
    /// Something odd that did not stop the work.
    #[serde(alias = "WARN")]
    Warning,
    /// A part of the work failed.
    Error,
    /// The work as a whole cannot go on.
    Critical,
}

impl Level {
    /// Every level, lowest first.
    pub const ALL: [Self; 5] = [Self::Debug, Self::Info, Self::Warning, Self::Error, Self::Critical];

    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Debug => "DEBUG",
            Self::Info => "INFO",
            Self::Warning => "WARNING",
            Self::Error => "ERROR",
            Self::Critical => "CRITICAL",
        }
    }

    /// Reads a level in any case, with the usual synonyms (`WARN`, `FATAL`, `TRACE`); `None` for any other word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        let matches = |name: &str| word.eq_ignore_ascii_case(name);
        if let Some(level) = Self::ALL.into_iter().find(|level| matches(level.as_str())) {
            return Some(level);
        }
        match () {
            () if matches("WARN") => Some(Self::Warning),
            () if matches("FATAL") => Some(Self::Critical),
            () if matches("TRACE") => Some(Self::Debug),
            () => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn synonyms_and_case_are_read() {
        for (word, level) in [("warn", Level::Warning), ("Error", Level::Error), ("FATAL", Level::Critical), ("trace", Level::Debug)] {
            assert_eq!(Level::parse(word), Some(level), "{word}");
        }
        assert_eq!(Level::parse("loud"), None);
        assert_eq!(serde_json::from_str::<Level>("\"WARN\"").unwrap(), Level::Warning);
    }
}
