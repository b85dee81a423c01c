//! Parses JSON from outside into a type; a fault has the path of its field. Size and depth are checked before anything is allocated.

mod strict;

use domain::{
    Fault,
    json::{MOST_DEPTH, MOST_VALUES},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, error::Category};

use self::strict::Strict;
use crate::Failure;

/// Maximum length of the path in a fault about size: a deeper one would be unreadable.
const NAMED_DEPTH: usize = 3;

/// Checks depth and number of values of JSON before any of it takes memory, and returns the number of values. Invalid JSON is found when it
/// is parsed.
///
/// # Errors
/// [`Failure::BadRequest`] when it is not UTF-8, [`Failure::Invalid`] with the field that is too deep or exceeds the number of values.
pub(crate) fn measure(bytes: &[u8]) -> Result<usize, Failure> {
    if let Err(error) = std::str::from_utf8(bytes) {
        let place = error.valid_up_to();
        return Err(Failure::BadRequest(format!("the body is not UTF-8: byte {place} begins no character (was it sent as latin-1?)")));
    }
    let mut scan = Scan { bytes, ..Scan::default() };
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => at = scan.text(at),
            b'{' | b'[' => scan.open(*byte == b'['),
            b'}' | b']' => scan.close(),
            b',' => scan.next(),
            b':' => scan.count += 1,
            _ => {}
        }
        if scan.depth > MOST_DEPTH {
            return Err(Failure::field(&scan.path(), format!("is nested more than {MOST_DEPTH} deep")));
        }
        if scan.count > MOST_VALUES {
            return Err(Failure::field(&scan.path(), format!("is more than the {MOST_VALUES} values and names that a request may have")));
        }
        at += 1;
    }
    Ok(scan.count)
}

/// Position of a scan.
#[derive(Default)]
struct Scan<'a> {
    bytes: &'a [u8],
    depth: usize,
    count: usize,
    /// For the outermost containers: name or index of the value that is being scanned.
    steps: Vec<Step<'a>>,
}

enum Step<'a> {
    Index(usize),
    Name { name: &'a [u8], is_next: bool },
}

impl<'a> Scan<'a> {
    fn open(&mut self, is_list: bool) {
        if self.depth < NAMED_DEPTH {
            self.steps.push(if is_list { Step::Index(0) } else { Step::Name { name: b"", is_next: true } });
        }
        self.depth += 1;
        self.count += 1;
    }

    fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.steps.truncate(self.depth);
    }

    fn next(&mut self) {
        self.count += 1;
        if self.steps.len() == self.depth {
            match self.steps.last_mut() {
                Some(Step::Index(index)) => *index += 1,
                Some(Step::Name { is_next, .. }) => *is_next = true,
                None => {}
            }
        }
    }

    /// Skips the string that begins at `start` and returns its end.
    fn text(&mut self, start: usize) -> usize {
        let mut at = start + 1;
        while let Some(byte) = self.bytes.get(at).filter(|byte| **byte != b'"') {
            at += if *byte == b'\\' { 2 } else { 1 };
        }
        if self.steps.len() == self.depth
            && let Some(Step::Name { name, is_next }) = self.steps.last_mut()
            && std::mem::take(is_next)
        {
            *name = self.bytes.get(start + 1..at).unwrap_or_default();
        }
        at
    }

    fn path(&self) -> String {
        let step = |step: &Step<'_>| match step {
            Step::Index(index) => index.to_string(),
            Step::Name { name, .. } => String::from_utf8_lossy(name).into_owned(),
        };
        self.steps.iter().map(step).collect::<Vec<_>>().join("/")
    }
}

/// Parses JSON into a type.
///
/// # Errors
/// [`Failure::BadRequest`] when it is not JSON, [`Failure::Invalid`] with the path of the invalid field.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Strict(&mut input)).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        if cause.classify() == Category::Data {
            return Failure::Invalid(vec![named_fault(&path, plain(&cause))]);
        }
        // serde reports a number in place of an enum as a syntax error, too.
        match serde_json::from_slice::<Value>(bytes) {
            Ok(_) => Failure::Invalid(vec![named_fault(&path, "has the wrong type".to_owned())]),
            Err(error) => not_json(&error),
        }
    })?;
    input.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn not_json(error: &serde_json::Error) -> Failure {
    let surrogate = ["surrogate", "unexpected end of hex escape"].iter().any(|words| error.to_string().contains(words));
    let hint = if surrogate { " (half of a pair of \\u escapes)" } else { "" };
    Failure::BadRequest(format!("the body is not JSON: {error}{hint}"))
}

/// A fault at `path`. If it is about a missing or duplicate field inside, the path names that field.
pub(crate) fn named_fault(path: &str, message: String) -> Fault {
    let field = field_path(path);
    let inside = ["missing field `", "duplicate field `"].iter().find_map(|start| message.strip_prefix(start)?.split('`').next());
    let field = match inside {
        Some(name) if field.is_empty() => name.to_owned(),
        // The path of a duplicate field may end with its name already.
        Some(name) if field != name && !field.ends_with(&format!("/{name}")) => format!("{field}/{name}"),
        _ => field,
    };
    Fault::new(field, message)
}

/// `a.b[2].c` as `a/b/2/c`.
fn field_path(path: &str) -> String {
    if path == "." { String::new() } else { path.replace(['.', '['], "/").replace(']', "").trim_start_matches('/').to_owned() }
}

/// The message without the position, which the path replaces.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(json: &str) -> (String, String) {
        match measure(json.as_bytes()) {
            Err(Failure::Invalid(faults)) => (faults[0].field.clone(), faults[0].message.clone()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn depth_and_number_of_values_are_bounded_and_the_field_is_named() {
        let nested = |depth: usize| format!("{}1{}", "[".repeat(depth), "]".repeat(depth));
        assert_eq!(measure(nested(MOST_DEPTH).as_bytes()).unwrap(), MOST_DEPTH);
        let (field, message) = refused(&format!(r#"{{"a": [1, {{"b\"[": {{}}, "c": {}}}]}}"#, nested(MOST_DEPTH)));
        assert_eq!((field.as_str(), message.contains("deep")), ("a/1/c", true));
        let (field, _) = refused(&format!(r#"{{"a": {{}}, "many": [{}]}}"#, "1,".repeat(MOST_VALUES)));
        assert!(field.starts_with("many/"), "{field}");
        let (field, _) = refused(&format!(r#"{{"a": 1, "k": {{{}}}}}"#, r#""x":1,"#.repeat(MOST_VALUES)));
        assert_eq!(field, "k/x");
    }

    #[test]
    fn brackets_inside_a_string_are_not_structure() {
        assert_eq!(measure(br#"{"a\\": "[[[,,,\"{{{", "b": []}"#).unwrap(), 5);
        for broken in ["", "\"", "\"\\", "]]]]}", "{\"a", "[,,", "::"] {
            assert!(measure(broken.as_bytes()).is_ok(), "{broken}: the parser reports it");
        }
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Body {
        a: i32,
        #[serde(default)]
        inner: Option<Inner>,
        #[serde(default)]
        many: Vec<Inner>,
        #[serde(default)]
        any: Value,
    }

    #[derive(Debug, PartialEq, serde::Deserialize)]
    struct Inner {
        b: u32,
    }

    #[test]
    fn an_array_is_not_an_object_at_any_depth() {
        let refused = |json: &str| match parse::<Option<Body>>(json.as_bytes()) {
            Err(Failure::Invalid(faults)) => (faults[0].field.clone(), faults[0].message.clone()),
            other => panic!("{json}: {other:?}"),
        };
        for (json, field) in [(" [1]", ""), (r#"{"a": 1, "inner": [5]}"#, "inner"), (r#"{"a": 1, "many": [{"b": 1}, [2]]}"#, "many/1")] {
            assert_eq!(refused(json), (field.to_owned(), "must be an object".to_owned()), "{json}");
        }
        assert!(parse::<Body>(b"[1]").is_err() && parse::<Vec<i32>>(b"[1]").is_ok() && parse::<Value>(b"[1]").is_ok());
        let read = parse::<Body>(br#"{"a": 1, "inner": {"b": 2}, "many": [{"b": 3}], "any": [1, {"x": [2.0]}]}"#).unwrap();
        let expected = Body { a: 1, inner: Some(Inner { b: 2 }), many: vec![Inner { b: 3 }], any: serde_json::json!([1, {"x": [2.0]}]) };
        assert_eq!(read, expected);
    }

    #[test]
    fn an_integer_may_have_a_decimal_point() {
        assert_eq!(parse::<Body>(br#"{"a": -5.0, "inner": {"b": 1e3}}"#).unwrap().inner, Some(Inner { b: 1000 }));
        assert_eq!(parse::<i64>(b"9007199254740992.0").unwrap(), 1 << 53);
        for wrong in ["0.5", "1e300", "9007199254740994.0"] {
            assert!(parse::<i64>(wrong.as_bytes()).is_err(), "{wrong}");
        }
        for wrong in ["-1.0", "4294967296.0", "-1", "1.5"] {
            assert!(parse::<u32>(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn invalid_json_is_refused_with_the_reason() {
        let parsed = |bytes: &[u8]| measure(bytes).and_then(|_| parse::<Value>(bytes)).unwrap_err().to_string();
        assert!(parsed(b"{\"a\": \"caf\xe9\"}").contains("not UTF-8: byte 10"));
        assert!(parsed(br#"{"a": "\ud800"}"#).contains("half of a pair"));
        assert!(parsed(br#"{"a": "\ud800\u0041"}"#).contains("half of a pair"));
        assert!(parsed(b"{").contains("EOF"));
    }
}
