//! Parameter schemas: JSON Schema as it is, and the list of form fields of older systems converted to it.

use serde_json::{Map, Value, json};

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
            Err(message) => faults.push(Fault::new(format!("{index}/type"), message)),
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

fn property(field: &Value) -> Result<Value, String> {
    let kind = field.get("type").and_then(Value::as_str).unwrap_or("text");
    let mut property = match kind.to_ascii_lowercase().as_str() {
        "text" | "string" | "str" | "textarea" | "file" | "select" | "dropdown" => json!({"type": "string"}),
        "password" => json!({"type": "string", "format": "password", "writeOnly": true}),
        "email" => json!({"type": "string", "format": "email"}),
        "url" => json!({"type": "string", "format": "uri"}),
        "date" => json!({"type": "string", "format": "date"}),
        "datetime" | "datetime-local" => json!({"type": "string", "format": "date-time"}),
        "number" | "float" | "decimal" => json!({"type": "number"}),
        "integer" | "int" => json!({"type": "integer"}),
        "boolean" | "bool" | "checkbox" => json!({"type": "boolean"}),
        "array" | "list" => json!({"type": "array"}),
        "object" | "json" => json!({"type": "object"}),
        other => return Err(format!("unknown field type \"{other}\"")),
    };
    let target = property.as_object_mut().ok_or_else(|| "not an object".to_owned())?;
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
}
