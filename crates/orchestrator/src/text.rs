//! Limits and cleaning of text from robots, so that the database accepts it.

use chrono::{DateTime, Datelike as _, Utc};
use domain::text::has_hidden;
use serde_json::Value;

/// The rule of [`is_name`].
pub(crate) const NAME_RULE: &str = "must have 1 to 200 bytes and no control or invisible characters";

/// Whether a text is a valid name.
pub(crate) fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && is_short(text)
}

/// Whether a text is short and without invisible characters.
pub(crate) fn is_short(text: &str) -> bool {
    text.len() <= 200 && !has_hidden(text)
}

/// The rule of [`is_kept_date`].
pub(crate) const DATE_RULE: &str = "must be in the years 1 to 9999";

/// Whether both databases can store and compare a time; RFC 3339 has the same range.
pub(crate) fn is_kept_date(at: DateTime<Utc>) -> bool {
    (1..=9999).contains(&at.year())
}

/// Maximum stored size of a log line, in bytes.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// The line without NUL characters, which PostgreSQL refuses, and truncated to [`MAX_LINE`] with a note.
pub(crate) fn clean_line(line: String) -> String {
    let line = if line.contains('\0') { line.replace('\0', "\u{fffd}") } else { line };
    if line.len() <= MAX_LINE {
        return line;
    }
    let kept = line.floor_char_boundary(MAX_LINE);
    format!("{} … [{} bytes cut]", &line[..kept], line.len() - kept)
}

/// The JSON without NUL characters.
pub(crate) fn clean_json(value: Value) -> Value {
    match value {
        Value::String(text) if text.contains('\0') => Value::String(text.replace('\0', "\u{fffd}")),
        Value::Array(items) => Value::Array(items.into_iter().map(clean_json).collect()),
        Value::Object(map) => Value::Object(map.into_iter().map(|(key, value)| (clean_key(key), clean_json(value))).collect()),
        other => other,
    }
}

fn clean_key(key: String) -> String {
    if key.contains('\0') { key.replace('\0', "\u{fffd}") } else { key }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_lines_are_truncated_with_a_note() {
        let line = clean_line("é".repeat(MAX_LINE));
        assert!(line.ends_with(&format!("[{MAX_LINE} bytes cut]")));
    }

    #[test]
    fn nul_is_replaced() {
        assert_eq!(clean_json(json!({"a": [{"b": "x\u{0}"}]})), json!({"a": [{"b": "x\u{fffd}"}]}));
        assert_eq!(clean_line("a\0b".into()), "a\u{fffd}b");
    }
}
