//! From a program's raw output to log lines.

mod level;
mod splitter;

use chrono::Utc;
use domain::log::Level;
use serde_json::Value;

pub(crate) use self::splitter::Splitter;

use api_types::LogEntry;

/// Longest message of a log line, in bytes.
pub(crate) const MAX_LINE: usize = 64 * 1024;
/// Kept free for the words that say how much was cut.
const CUT_NOTE: usize = 64;

/// One line as the program wrote it, without its end.
pub(crate) struct RawLine<'a> {
    /// The line, or its beginning.
    pub(crate) bytes: &'a [u8],
    /// Bytes of the line that are not in `bytes`.
    pub(crate) missing: u64,
}

impl RawLine<'_> {
    /// The line as a log entry of now, and its text for `rpa.log` when that differs from the message.
    pub(crate) fn entry(&self, default: Level) -> (LogEntry, Option<String>) {
        let text = clean(self.bytes, self.missing);
        let (level, message, actionable) = match spoken_json(&text) {
            Some(spoken) => (spoken.level.unwrap_or(default), Some(clean(spoken.message.as_bytes(), 0)), spoken.actionable),
            None => (level::leading(&text).unwrap_or(default), None, false),
        };
        let (message, original) = match message {
            Some(message) => (message, Some(text)),
            None => (text, None),
        };
        (LogEntry { level, message, timestamp: Some(Utc::now()), actionable }, original)
    }
}

struct Spoken {
    level: Option<Level>,
    message: String,
    actionable: bool,
}

/// A JSON object with a message, as structured loggers write.
fn spoken_json(text: &str) -> Option<Spoken> {
    if !text.trim_start().starts_with('{') {
        return None;
    }
    let Value::Object(fields) = serde_json::from_str(text.trim()).ok()? else { return None };
    let word = |names: &[&str]| names.iter().find_map(|name| fields.get(*name)?.as_str());
    Some(Spoken {
        level: word(&["level", "levelname", "severity", "nivel"]).and_then(Level::parse),
        message: word(&["message", "msg", "mensagem"])?.to_owned(),
        actionable: fields.get("actionable").and_then(Value::as_bool).unwrap_or(false),
    })
}

/// Text that every database takes: UTF-8 without control characters except tab, at most [`MAX_LINE`] bytes. What is over is cut, and
/// the text says how many bytes of the original that were.
pub(crate) fn clean(bytes: &[u8], missing: u64) -> String {
    let total = bytes.len() as u64 + missing;
    let mut text = String::with_capacity(bytes.len().min(MAX_LINE));
    let (mut taken, mut taken_at_limit, mut limit) = (0_u64, 0_u64, 0);
    'chunks: for chunk in bytes.utf8_chunks() {
        let bad = (!chunk.invalid().is_empty()).then_some((char::REPLACEMENT_CHARACTER, chunk.invalid().len()));
        for (c, width) in chunk.valid().chars().map(|c| (c, c.len_utf8())).chain(bad) {
            let c = if c.is_control() && c != '\t' { char::REPLACEMENT_CHARACTER } else { c };
            if text.len() + c.len_utf8() > MAX_LINE {
                break 'chunks;
            }
            text.push(c);
            taken += width as u64;
            if text.len() <= MAX_LINE - CUT_NOTE {
                (taken_at_limit, limit) = (taken, text.len());
            }
        }
    }
    if taken < total {
        text.truncate(limit);
        text.push_str(&format!(" … [{} bytes cut]", total - taken_at_limit));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str, default: Level) -> LogEntry {
        RawLine { bytes: text.as_bytes(), missing: 0 }.entry(default).0
    }

    #[test]
    fn levels_and_messages() {
        let table = [
            ("hello", Level::Info, "hello"),
            ("ERROR it broke", Level::Error, "ERROR it broke"),
            ("ERROR: it broke", Level::Error, "ERROR: it broke"),
            ("[WARN] odd", Level::Warning, "[WARN] odd"),
            ("[warning] odd", Level::Warning, "[warning] odd"),
            ("Error: it broke", Level::Error, "Error: it broke"),
            ("Error handling works", Level::Info, "Error handling works"),
            ("ERRORS: none", Level::Info, "ERRORS: none"),
            ("CRITICAL", Level::Critical, "CRITICAL"),
            ("DEBUG:root:x", Level::Debug, "DEBUG:root:x"),
            ("  FATAL - x", Level::Critical, "  FATAL - x"),
            (r#"{"level":"warn","message":"odd"}"#, Level::Warning, "odd"),
            (r#"{"levelname":"ERROR","msg":"a\u0000b"}"#, Level::Error, "a\u{fffd}b"),
            (r#"{"message":"no level"}"#, Level::Info, "no level"),
            (r#"{"level":"ERROR"}"#, Level::Info, r#"{"level":"ERROR"}"#),
            (r#"{"level":"ERROR","message":"#, Level::Info, r#"{"level":"ERROR","message":"#),
        ];
        for (line, level, message) in table {
            let entry = entry(line, Level::Info);
            assert_eq!((entry.level, entry.message.as_str()), (level, message), "{line}");
        }
        assert_eq!(entry("plain", Level::Error).level, Level::Error);
        assert_eq!(entry("INFO:root:x", Level::Error).level, Level::Info);
    }

    #[test]
    fn long_lines_say_how_much_was_cut() {
        let exact = "x".repeat(MAX_LINE);
        assert_eq!(clean(exact.as_bytes(), 0), exact);
        let text = clean(exact.as_bytes(), 1000);
        assert!(text.len() <= MAX_LINE);
        assert!(text.ends_with(&format!("[{} bytes cut]", 1000 + CUT_NOTE)), "{}", &text[text.len() - 40..]);
        let wide = clean(&vec![0_u8; MAX_LINE], 0);
        assert!(wide.len() <= MAX_LINE);
        assert!(wide.contains("bytes cut"));
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(clean(b"a\0b\xffc\td\x1b[0m", 0), "a\u{fffd}b\u{fffd}c\td\u{fffd}[0m");
    }
}
