//! Limits of JSON from outside, and values in it that cannot be stored exactly as they were sent.

use std::{borrow::Cow, ops::Range};

use serde_json::{Map, Number, Value};

use crate::Fault;

/// Maximum nesting of JSON that others must be able to parse: the limit of serde_json and most other parsers.
pub const READABLE_DEPTH: usize = 128;

/// Maximum nesting of a request. Its values are later embedded in lists, messages and answers, which must stay within [`READABLE_DEPTH`].
pub const MOST_DEPTH: usize = 112;

/// Maximum number of values and names in a request. Each takes many bytes of memory, however short it is on the wire.
pub const MOST_VALUES: usize = 500_000;

/// Integers with more digits than 64 bits hold, such as access keys of invoices. Larger numbers are magnitudes, such as 1e300.
const LONG: Range<f64> = 9_223_372_036_854_775_808.0..1e100;

/// Values that cannot be stored as they were sent: the first string with a NUL character and the first number that lost digits.
#[must_use]
pub fn unkept(object: &Map<String, Value>) -> Vec<Fault> {
    let nul = path_in(object, HAS_NUL).map(|path| Fault::new(path, "must not contain NUL characters"));
    let long = path_in(object, IS_LONG).map(|path| Fault::new(path, "has more digits than a number can hold; send it as a string"));
    nul.into_iter().chain(long).collect()
}

/// Path of the first NUL character in `value`, which the database cannot store.
#[must_use]
pub fn nul_path(value: &Value) -> Option<String> {
    path_where(value, HAS_NUL)
}

/// Which strings (keys included) and numbers to find.
#[derive(Clone, Copy)]
struct Wrong {
    text: fn(&str) -> bool,
    number: fn(&Number) -> bool,
}

const HAS_NUL: Wrong = Wrong { text: |text| text.contains('\0'), number: |_| false };

/// An integer that lost digits: JSON allows it, 64 bits cannot hold it.
const IS_LONG: Wrong = Wrong {
    text: |_| false,
    number: |number| number.is_f64() && number.as_f64().is_some_and(|number| number.fract() == 0.0 && LONG.contains(&number.abs())),
};

/// Path of the first string or number that matches.
fn path_where(value: &Value, wrong: Wrong) -> Option<String> {
    match value {
        Value::String(text) => (wrong.text)(text).then(String::new),
        Value::Number(number) => (wrong.number)(number).then(String::new),
        Value::Array(items) => items.iter().enumerate().find_map(|(index, item)| inside(index.to_string().into(), item, wrong)),
        Value::Object(map) => path_in(map, wrong),
        Value::Null | Value::Bool(_) => None,
    }
}

fn path_in(map: &Map<String, Value>, wrong: Wrong) -> Option<String> {
    map.iter()
        .find_map(|(key, value)| if (wrong.text)(key) { Some(key.replace('\0', "\u{fffd}")) } else { inside(key.into(), value, wrong) })
}

fn inside(name: Cow<'_, str>, value: &Value, wrong: Wrong) -> Option<String> {
    let path = path_where(value, wrong)?;
    Some(if path.is_empty() { name.into_owned() } else { format!("{name}/{path}") })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn paths(text: &str) -> Vec<String> {
        let value: Value = serde_json::from_str(text).unwrap();
        unkept(value.as_object().unwrap()).into_iter().map(|fault| fault.field).collect()
    }

    #[test]
    fn a_nul_is_found_in_texts_and_keys() {
        assert_eq!(paths(r#"{"a": [{"b": "x\u0000"}]}"#), ["a/0/b"]);
        assert_eq!(paths(r#"{"a": {"b\u0000": 1}}"#), ["a/b\u{fffd}"]);
        assert_eq!(nul_path(&json!({"a": 1})), None);
    }

    #[test]
    fn numbers_that_lost_digits_are_found() {
        let key = "35260112345678000195550010000001231000001234";
        assert_eq!(paths(&format!(r#"{{"notas": [1, {key}]}}"#)), ["notas/1"]);
        assert_eq!(paths(r#"{"n": [-9223372036854775809]}"#), ["n/0"]);
        assert!(paths(&format!(r#"{{"n": [18446744073709551615, -9223372036854775808, 0.1, 1e3, 1e300, "{key}"]}}"#)).is_empty());
    }
}
