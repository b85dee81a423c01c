//! Parameter schemas: JSON Schema as it is, and the list of form fields of older systems converted to it.

mod cost;
mod graph;
mod pattern;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

pub use self::cost::{Cost, Work};
use crate::Fault;

/// Brings a parameter schema to its stored form. An object is taken as JSON Schema; a list of fields
/// (`[{"name":"cnpj","label":"CNPJ","type":"text","required":true}]`) becomes an object schema with these properties.
///
/// # Errors
/// One fault for each unusable field; paths are relative to the schema.
pub fn normalise(schema: Value) -> Result<Value, Vec<Fault>> {
    match schema {
        Value::Object(_) => Ok(schema),
        Value::Array(fields) => from_fields(&fields),
        _ => Err(vec![Fault::new("", "must be a JSON Schema object or a list of fields")]),
    }
}

fn from_fields(fields: &[Value]) -> Result<Value, Vec<Fault>> {
    let mut properties = Map::new();
    let mut required = Vec::new();
    let mut faults = Vec::new();
    for (index, field) in fields.iter().enumerate() {
        let Some(name) = field.get("name").and_then(Value::as_str).filter(|name| !name.is_empty()) else {
            faults.push(Fault::new(format!("{index}/name"), "must be a text"));
            continue;
        };
        if properties.contains_key(name) {
            faults.push(Fault::new(format!("{index}/name"), format!("\"{name}\" is there twice")));
        }
        match property(field) {
            Ok(property) => {
                properties.insert(name.to_owned(), property);
            }
            Err((key, message)) => faults.push(Fault::new(format!("{index}/{key}"), message)),
        }
        if field.get("required").and_then(Value::as_bool).unwrap_or(false) {
            required.push(Value::from(name));
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    Ok(json!({"type": "object", "properties": properties, "required": required}))
}

/// The format of dates of the list form: robots of that form get them as people in Brazil write them, `18/05/2026`; `2026-05-18` is one too.
pub const DATE_FORMAT: &str = "date-br";

/// Whether a text is a date of [`DATE_FORMAT`] that the calendar has.
#[must_use]
pub fn is_date(text: &str) -> bool {
    let is_shaped = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'/' | b'-'));
    let is = |format| NaiveDate::parse_from_str(text, format).is_ok();
    is_shaped && (is("%d/%m/%Y") || is("%Y-%m-%d"))
}

/// The property of a field, or which key of it is wrong, and why.
fn property(field: &Value) -> Result<Value, (&'static str, String)> {
    let kind = field.get("type").and_then(Value::as_str).unwrap_or("text");
    let mut target = of_kind(kind).map_err(|message| ("type", message))?;
    if let Some(kind) = field.get("itemType").filter(|kind| !kind.is_null()) {
        let item = of_kind(kind.as_str().unwrap_or_default()).map_err(|message| ("itemType", message))?;
        target.insert("items".to_owned(), Value::Object(item));
    }
    for (from, to) in
        [("label", "title"), ("description", "description"), ("help", "description"), ("default", "default"), ("options", "enum")]
    {
        if let Some(value) = field.get(from).filter(|value| !value.is_null()) {
            target.entry(to).or_insert_with(|| value.clone());
        }
    }
    if let Some(Value::Array(options)) = target.get_mut("enum") {
        for option in options {
            if let Some(value) = option.get("value") {
                *option = value.clone();
            }
        }
    }
    Ok(Value::Object(target))
}

/// What a value of this kind is.
fn of_kind(kind: &str) -> Result<Map<String, Value>, String> {
    let (kind, format) = match kind.to_ascii_lowercase().as_str() {
        "text" | "string" | "str" | "textarea" | "file" | "select" | "dropdown" => ("string", None),
        "password" => ("string", Some("password")),
        "email" => ("string", Some("email")),
        "url" => ("string", Some("uri")),
        "date" => ("string", Some(DATE_FORMAT)),
        "datetime" | "datetime-local" => ("string", Some("date-time")),
        "number" | "float" | "decimal" => ("number", None),
        "integer" | "int" => ("integer", None),
        "boolean" | "bool" | "checkbox" => ("boolean", None),
        "array" | "list" => ("array", None),
        "object" | "json" => ("object", None),
        other => return Err(format!("unknown field type \"{other}\"")),
    };
    let mut property = Map::from_iter([("type".to_owned(), kind.into())]);
    property.extend(format.map(|format| ("format".to_owned(), format.into())));
    if format == Some("password") {
        property.insert("writeOnly".to_owned(), true.into());
    }
    Ok(property)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_list_becomes_an_object_schema() {
        let list = json!([
            {"name": "cnpj", "label": "CNPJ", "type": "text", "required": true},
            {"name": "mes", "type": "int", "default": 1},
            {"name": "uf", "type": "select", "options": [{"value": "SP", "label": "São Paulo"}, "RJ"]},
        ]);
        assert_eq!(
            normalise(list).unwrap(),
            json!({"type": "object", "required": ["cnpj"], "properties": {
                "cnpj": {"type": "string", "title": "CNPJ"},
                "mes": {"type": "integer", "default": 1},
                "uf": {"type": "string", "enum": ["SP", "RJ"]},
            }})
        );
    }

    #[test]
    fn faults_say_which_field() {
        let faults = normalise(json!([{"label": "x"}, {"name": "a", "type": "blob"}, {"name": "a"}])).unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.field.as_str()).collect::<Vec<_>>(), ["0/name", "1/type"]);
        let twice = normalise(json!([{"name": "a"}, {"name": "a"}])).unwrap_err();
        assert_eq!(twice[0].field, "1/name");
        assert!(normalise(json!(3)).is_err());
    }
    #[test]
    fn a_list_says_what_is_in_it() {
        let items = |field: Value| normalise(json!([field])).map(|schema| schema["properties"]["lojas"].clone());
        let lojas = items(json!({"name": "lojas", "type": "list", "itemType": "number"}));
        assert_eq!(lojas, Ok(json!({"type": "array", "items": {"type": "number"}})));
        assert_eq!(items(json!({"name": "lojas", "type": "list"})), Ok(json!({"type": "array"})));
        let faults = items(json!({"name": "lojas", "type": "list", "itemType": "shop"})).unwrap_err();
        assert_eq!((faults[0].field.as_str(), faults[0].message.as_str()), ("0/itemType", "unknown field type \"shop\""));
    }

    #[test]
    fn a_date_of_the_list_form_is_written_as_in_brazil() {
        let schema = normalise(json!([{"name": "dia", "type": "date"}])).unwrap();
        assert_eq!(schema["properties"]["dia"], json!({"type": "string", "format": "date-br"}));
        for date in ["18/05/2026", "29/02/2028", "2026-05-18"] {
            assert!(is_date(date), "{date}");
        }
        for other in ["05/18/2026", "29/02/2026", "18/5/2026", "18/05/26", "18-05-2026", "2026/05/18", "18/05/2026 ", "+8/05/2026", ""] {
            assert!(!is_date(other), "{other}");
        }
    }
}
