//! What a body holds: JSON, or the fields of a form.

use domain::hook::content::{Format, format};
use runtime::{Failure, RawBody};
use serde_json::{Map, Value};

/// Fields of a form. Each is a value with a name.
const MOST_FIELDS: usize = 1000;
/// The field in which some senders put JSON, as their only one.
const PAYLOAD: &str = "payload";

/// Reads a body of this type.
pub(super) fn read(body: &mut RawBody, content_type: Option<&str>) -> Result<Value, Failure> {
    match format(content_type, body.bytes().is_empty()).map_err(Failure::UnsupportedMediaType)? {
        Format::Empty => Ok(Value::Object(Map::new())),
        Format::Json => body.json(),
        Format::Form => form(body.bytes()),
    }
}

fn form(bytes: &[u8]) -> Result<Value, Failure> {
    let text = std::str::from_utf8(bytes).map_err(|_| Failure::BadRequest("the body is not UTF-8".to_owned()))?;
    let mut fields: Map<String, Value> = Map::new();
    for (nth, (name, value)) in form_urlencoded::parse(text.as_bytes()).enumerate() {
        if nth == MOST_FIELDS {
            return Err(Failure::BadRequest(format!("the form has more than {MOST_FIELDS} fields")));
        }
        let value = Value::String(value.into_owned());
        match fields.get_mut(&*name) {
            Some(Value::Array(values)) => values.push(value),
            Some(first) => *first = Value::Array(vec![first.take(), value]),
            None => drop(fields.insert(name.into_owned(), value)),
        }
    }
    match fields.get(PAYLOAD) {
        Some(Value::String(text)) if fields.len() == 1 && text.trim_start().starts_with('{') => {
            RawBody::kept(text.clone().into_bytes()).json()
        }
        _ => Ok(Value::Object(fields)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read_as(content_type: &str, body: &[u8]) -> Result<Value, String> {
        read(&mut RawBody::kept(body.to_vec()), Some(content_type).filter(|text| !text.is_empty())).map_err(|failure| failure.to_string())
    }

    #[test]
    fn a_body_is_json_or_a_form() {
        let form = "application/x-www-form-urlencoded";
        assert_eq!(read_as("application/json", b"[1, {\"a\": null}]"), Ok(json!([1, {"a": null}])));
        assert_eq!(read_as(form, b"a=1&b=x+y&b=%C3%A9&c="), Ok(json!({"a": "1", "b": ["x y", "é"], "c": ""})));
        assert_eq!(read_as(form, b"payload=%7B%22a%22%3A1%7D"), Ok(json!({"a": 1})), "as GitHub sends forms");
        assert_eq!(read_as(form, b"payload=%7B%22a%22%3A1%7D&b=2"), Ok(json!({"payload": "{\"a\":1}", "b": "2"})));
        assert_eq!(read_as("", b""), Ok(json!({})));
    }

    #[test]
    fn what_was_not_promised_is_refused_with_the_reason() {
        let form = "application/x-www-form-urlencoded";
        for (content_type, body, reason) in [
            ("application/json", &b"{\"a\": 1"[..], "not JSON"),
            ("application/json", b"", "not JSON"),
            ("application/json", b"a=1", "not JSON"),
            ("application/json", b"\xff", "not UTF-8"),
            ("application/json", "[".repeat(200).as_bytes(), "nested more than"),
            (form, b"\xff", "not UTF-8"),
            (form, b"payload=%7Bx", "not JSON"),
            (form, "a=1&".repeat(1001).as_bytes(), "more than 1000 fields"),
            ("text/xml", b"<a/>", "text/xml"),
            ("", b"{}", "no Content-Type"),
        ] {
            let refused = read_as(content_type, body).unwrap_err();
            assert!(refused.contains(reason), "{content_type}: {refused}");
        }
    }
}
