//! Text from robots, made fit for the database.

use std::borrow::Cow;

use chrono::{DateTime, Datelike as _, Utc};
use domain::text::has_hidden;
use serde_json::{Number, Value};

/// What [`is_name`] wants.
pub(crate) const NAME_RULE: &str = "must have 1 to 200 bytes and no control or invisible characters";

/// Whether a text is fit for a name that people give.
pub(crate) fn is_name(text: &str) -> bool {
    !text.trim().is_empty() && is_short(text)
}

/// Whether a text is short and has no characters that cannot be seen.
pub(crate) fn is_short(text: &str) -> bool {
    text.len() <= 200 && !has_hidden(text)
}

/// What [`is_kept_date`] wants.
pub(crate) const DATE_RULE: &str = "must be in the years 1 to 9999";

/// Whether a time is one that both databases keep and compare as it is; RFC 3339 knows no others.
pub(crate) fn is_kept_date(at: DateTime<Utc>) -> bool {
    (1..=9999).contains(&at.year())
}

/// Longest log line that is kept, in bytes.
pub(crate) const MAX_LINE: usize = 64 * 1024;

/// The line without NUL characters, which PostgreSQL refuses, and cut to [`MAX_LINE`], which the line then says.
pub(crate) fn clean_line(line: String) -> String {
    let line = if line.contains('\0') { line.replace('\0', "\u{fffd}") } else { line };
    if line.len() <= MAX_LINE {
        return line;
    }
    let kept = line.floor_char_boundary(MAX_LINE);
    format!("{} … [{} bytes cut]", &line[..kept], line.len() - kept)
}

/// Whole numbers with more digits than 64 bits hold: access keys of invoices and the like. Those beyond are magnitudes, such as 1e300.
const LONG: std::ops::Range<f64> = 9_223_372_036_854_775_808.0..1e100;

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

/// Path of the first NUL character in `value`, which the database cannot keep.
pub(crate) fn nul_path(value: &Value) -> Option<String> {
    path_where(value, Wrong { text: |text| text.contains('\0'), number: |_| false })
}

/// Path of the first whole number in `value` that has lost digits: JSON may have it, no number of 64 bits does.
pub(crate) fn long_number_path(value: &Value) -> Option<String> {
    let is_long =
        |number: &Number| number.is_f64() && number.as_f64().is_some_and(|number| number.fract() == 0.0 && LONG.contains(&number.abs()));
    path_where(value, Wrong { text: |_| false, number: is_long })
}

/// What is looked for. Keys are texts too.
#[derive(Clone, Copy)]
struct Wrong {
    text: fn(&str) -> bool,
    number: fn(&Number) -> bool,
}

/// Path of the first text or number that is wrong.
fn path_where(value: &Value, wrong: Wrong) -> Option<String> {
    let inside = |name: Cow<'_, str>, value: &Value| {
        let path = path_where(value, wrong)?;
        Some(if path.is_empty() { name.into_owned() } else { format!("{name}/{path}") })
    };
    match value {
        Value::String(text) => (wrong.text)(text).then(String::new),
        Value::Number(number) => (wrong.number)(number).then(String::new),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| inside(index.to_string().into(), item)),
        Value::Object(map) => {
            map.iter().find_map(|(key, value)| if (wrong.text)(key) { Some(clean_key(key.clone())) } else { inside(key.into(), value) })
        }
        Value::Null | Value::Bool(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn long_lines_say_what_was_cut() {
        let line = clean_line("é".repeat(MAX_LINE));
        assert!(line.ends_with(&format!("[{MAX_LINE} bytes cut]")));
    }

    #[test]
    fn nul_is_found_and_replaced() {
        let value = json!({"a": [{"b": "x\u{0}"}]});
        assert_eq!(nul_path(&value).as_deref(), Some("a/0/b"));
        assert_eq!(clean_json(value), json!({"a": [{"b": "x\u{fffd}"}]}));
        assert_eq!(nul_path(&json!({"a": 1})), None);
        assert_eq!(clean_line("a\0b".into()), "a\u{fffd}b");
    }

    #[test]
    fn numbers_that_lost_digits_are_found() {
        let parse = |text: &str| serde_json::from_str::<Value>(text).unwrap();
        let key = "35260112345678000195550010000001231000001234";
        assert_eq!(long_number_path(&parse(&format!(r#"{{"notas": [1, {key}]}}"#))).as_deref(), Some("notas/1"));
        assert_eq!(long_number_path(&parse("[-9223372036854775809]")).as_deref(), Some("0"));
        assert_eq!(long_number_path(&parse(&format!(r#"[18446744073709551615, -9223372036854775808, 0.1, 1e3, 1e300, "{key}"]"#))), None);
    }
}
