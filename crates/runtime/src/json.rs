//! JSON from outside: read into a type, with what is wrong said where it is.

mod strict;

use domain::{
    Fault,
    json::{MOST_DEPTH, MOST_VALUES},
};
use serde::de::DeserializeOwned;
use serde_json::{Value, error::Category};

use self::strict::Strict;
use crate::Failure;

/// Parts of a path that a fault of size names: what is inside them is beyond reading.
const NAMED_DEPTH: usize = 3;

/// Checks that JSON is not too deep and has not too many values, before any of it takes memory, and counts its values. What is not JSON is
/// found when it is read.
///
/// # Errors
/// [`Failure::BadRequest`] when it is not UTF-8, [`Failure::Invalid`] with the field that is too deep or the last of too many.
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

/// Where a scan is.
#[derive(Default)]
struct Scan<'a> {
    bytes: &'a [u8],
    depth: usize,
    count: usize,
    /// Of the outermost containers: the name or index of what is being read.
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

    /// Passes over a text that begins at `start`; where it ends.
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

/// Reads JSON into a type.
///
/// # Errors
/// [`Failure::BadRequest`] when it is not JSON, [`Failure::Invalid`] with the path of the field that does not fit.
pub(crate) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Failure> {
    let mut input = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(Strict(&mut input)).map_err(|error| {
        let path = error.path().to_string();
        let cause = error.into_inner();
        if cause.classify() == Category::Data {
            return Failure::Invalid(vec![named_fault(&path, plain(&cause))]);
        }
        // A number where a word is wanted is told as a syntax error too.
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

/// A fault at `path`; one that is about a field inside which is missing or there twice names that field.
pub(crate) fn named_fault(path: &str, message: String) -> Fault {
    let field = field_path(path);
    let inside = ["missing field `", "duplicate field `"].iter().find_map(|start| message.strip_prefix(start)?.split('`').next());
    let field = match inside {
        Some(name) if field.is_empty() => name.to_owned(),
        // The path of a field that is there twice may have its name already.
        Some(name) if field != name && !field.ends_with(&format!("/{name}")) => format!("{field}/{name}"),
        _ => field,
    };
    Fault::new(field, message)
}

/// `a.b[2].c` as `a/b/2/c`.
fn field_path(path: &str) -> String {
    if path == "." { String::new() } else { path.replace(['.', '['], "/").replace(']', "").trim_start_matches('/').to_owned() }
}

/// The message without the position, which the path says better.
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
    fn depth_and_number_are_bounded_and_their_field_is_named() {
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
    fn what_looks_like_structure_inside_a_text_is_none() {
        assert_eq!(measure(br#"{"a\\": "[[[,,,\"{{{", "b": []}"#).unwrap(), 5);
        for broken in ["", "\"", "\"\\", "]]]]}", "{\"a", "[,,", "::"] {
            assert!(measure(broken.as_bytes()).is_ok(), "{broken}: whoever reads it says so");
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
    fn a_list_is_no_object_at_any_depth() {
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
    fn a_whole_number_may_be_written_with_a_point() {
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
    fn what_is_not_json_says_why() {
        let parsed = |bytes: &[u8]| measure(bytes).and_then(|_| parse::<Value>(bytes)).unwrap_err().to_string();
        assert!(parsed(b"{\"a\": \"caf\xe9\"}").contains("not UTF-8: byte 10"));
        assert!(parsed(br#"{"a": "\ud800"}"#).contains("half of a pair"));
        assert!(parsed(br#"{"a": "\ud800\u0041"}"#).contains("half of a pair"));
        assert!(parsed(b"{").contains("EOF"));
    }
}
