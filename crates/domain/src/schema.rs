//! Parameter schemas: JSON Schema, or the list of form fields of older systems, which is converted to it.

mod cost;
mod graph;
mod pattern;

use chrono::NaiveDate;
use serde_json::{Map, Value, json};

pub use self::cost::{Cost, Work};
use crate::Fault;

/// Converts a parameter schema to its stored form. An object is used as JSON Schema; a list of fields
/// (`[{"name":"cnpj","label":"CNPJ","type":"text","required":true}]`) becomes an object schema with these properties.
///
/// # Errors
/// One fault for each invalid field; paths are relative to the schema. An unknown type is not a fault: see [`UNKNOWN_TYPE`].
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
            faults.push(Fault::new(format!("{index}/name"), format!("\"{name}\" is not unique")));
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

/// The date format of the list form. Its robots expect the Brazilian notation, `18/05/2026`; `2026-05-18` is accepted too.
pub const DATE_FORMAT: &str = "date-br";

/// Whether a text is an existing date in [`DATE_FORMAT`].
#[must_use]
pub fn is_date(text: &str) -> bool {
    let is_shaped = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'/' | b'-'));
    let is = |format| NaiveDate::parse_from_str(text, format).is_ok();
    is_shaped && (is("%d/%m/%Y") || is("%Y-%m-%d"))
}

/// Annotation with the unknown type of a list field; its property is a string.
pub const UNKNOWN_TYPE: &str = "x-field-type";
/// Annotation with the example that a form shows in an empty field.
pub const PLACEHOLDER: &str = "x-placeholder";

/// The unknown types in a stored schema, with their paths: `cores` or `cores/items`.
pub fn unknown_types(schema: &Value) -> impl Iterator<Item = (String, &str)> {
    let unknown = |property: &'_ Value| property.get(UNKNOWN_TYPE).is_some();
    let properties = schema.get("properties").and_then(Value::as_object).into_iter().flatten();
    properties.flat_map(move |(name, property)| {
        let items = property.get("items").map(|items| (format!("{name}/items"), items));
        let both = [Some((name.clone(), property)), items].into_iter().flatten();
        both.filter(move |(_, property)| unknown(property))
            .filter_map(|(path, property)| Some((path, property.get(UNKNOWN_TYPE)?.as_str()?)))
    })
}

/// The property for a field, or its invalid key and the reason.
fn property(field: &Value) -> Result<Value, (&'static str, String)> {
    let kind = field.get("type").filter(|kind| !kind.is_null()).map_or(Some("text"), Value::as_str);
    let mut target = of_kind(kind.ok_or_else(|| ("type", "must be a text".to_owned()))?);
    if let Some(kind) = field.get("itemType").filter(|kind| !kind.is_null()) {
        let kind = kind.as_str().ok_or_else(|| ("itemType", "must be a text".to_owned()))?;
        target.insert("items".to_owned(), Value::Object(of_kind(kind)));
    }
    let annotations =
        [("label", "title"), ("description", "description"), ("help", "description"), ("default", "default"), ("placeholder", PLACEHOLDER)];
    for (from, to) in annotations {
        if let Some(value) = field.get(from).filter(|value| !value.is_null()) {
            target.entry(to).or_insert_with(|| value.clone());
        }
    }
    if let Some(options) = field.get("options").filter(|options| !options.is_null()) {
        // Options of a list restrict its items.
        match target.get_mut("items").and_then(Value::as_object_mut) {
            Some(items) => items.insert("enum".to_owned(), values(options)),
            None => target.insert("enum".to_owned(), values(options)),
        };
    }
    Ok(Value::Object(target))
}

/// Values of options, without their labels.
fn values(options: &Value) -> Value {
    let Value::Array(options) = options else { return options.clone() };
    options.iter().map(|option| option.get("value").unwrap_or(option).clone()).collect()
}

/// The schema for a field type.
fn of_kind(name: &str) -> Map<String, Value> {
    let text = || json!({"type": "string"});
    let property = match name.to_ascii_lowercase().as_str() {
        "text" | "string" | "str" | "textarea" | "file" | "select" | "dropdown" => text(),
        "password" => json!({"type": "string", "format": "password", "writeOnly": true}),
        "email" => json!({"type": "string", "format": "email"}),
        "url" => json!({"type": "string", "format": "uri"}),
        "date" => json!({"type": "string", "format": DATE_FORMAT}),
        "datetime" | "datetime-local" => json!({"type": "string", "format": "date-time"}),
        "number" | "float" | "decimal" => json!({"type": "number"}),
        "integer" | "int" => json!({"type": "integer"}),
        "boolean" | "bool" | "checkbox" => json!({"type": "boolean"}),
        "array" | "list" => json!({"type": "array"}),
        "list_text" => json!({"type": "array", "items": text()}),
        "multiselect" => json!({"type": "array", "items": text(), "uniqueItems": true}),
        "object" | "json" => json!({"type": "object"}),
        _ => json!({"type": "string", UNKNOWN_TYPE: name}),
    };
    match property {
        Value::Object(property) => property,
        _ => Map::new(),
    }
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
        let faults = normalise(json!([{"label": "x"}, {"name": "a", "type": 7}, {"name": "a"}])).unwrap_err();
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
        let faults = items(json!({"name": "lojas", "type": "list", "itemType": 7})).unwrap_err();
        assert_eq!((faults[0].field.as_str(), faults[0].message.as_str()), ("0/itemType", "must be a text"));
        let texts = items(json!({"name": "lojas", "type": "list_text", "placeholder": "one a line"}));
        assert_eq!(texts, Ok(json!({"type": "array", "items": {"type": "string"}, "x-placeholder": "one a line"})));
        let chosen = items(json!({"name": "lojas", "type": "multiselect", "options": ["SP", {"value": "RJ", "label": "Rio"}]}));
        assert_eq!(chosen, Ok(json!({"type": "array", "items": {"type": "string", "enum": ["SP", "RJ"]}, "uniqueItems": true})));
    }

    #[test]
    fn an_unknown_type_is_kept_as_text_and_can_be_found() {
        let list = json!([{"name": "cor", "type": "Color", "label": "Cor"}, {"name": "n", "type": "int"}, {"name": "l", "type": "list", "itemType": "shop"}]);
        let schema = normalise(list).unwrap();
        assert_eq!(schema["properties"]["cor"], json!({"type": "string", "title": "Cor", "x-field-type": "Color"}));
        let unknown: Vec<_> = unknown_types(&schema).collect();
        assert_eq!(unknown, [("cor".to_owned(), "Color"), ("l/items".to_owned(), "shop")]);
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
