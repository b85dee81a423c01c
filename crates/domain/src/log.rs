//! Levels of a job's log lines.

use crate::wire::wire_names;

wire_names! {
    /// Level of a log line.
    pub enum Level as "LogLevel" {
        /// Detail for debugging.
        Debug = "DEBUG",
        /// Normal progress.
        Info = "INFO",
        /// Something unexpected that did not stop the work.
        Warning = "WARNING" | "WARN",
        /// Part of the work failed.
        Error = "ERROR",
        /// The work cannot continue.
        Critical = "CRITICAL",
    }
    default Info;
}

impl Level {
    /// Parses a level in any case, with the usual synonyms (`WARN`, `FATAL`, `TRACE`); `None` for any other word.
    #[must_use]
    pub fn parse_word(word: &str) -> Option<Self> {
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
    fn synonyms_are_parsed_in_any_case() {
        for (word, level) in [("warn", Level::Warning), ("Error", Level::Error), ("FATAL", Level::Critical), ("trace", Level::Debug)] {
            assert_eq!(Level::parse_word(word), Some(level), "{word}");
        }
        assert_eq!(Level::parse_word("loud"), None);
        assert_eq!(serde_json::from_str::<Level>("\"WARN\"").unwrap(), Level::Warning);
    }
}
