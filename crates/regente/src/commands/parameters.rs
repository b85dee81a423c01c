//! Converts typed parameters to the types of the automation's schema. Only the hub validates them: a value that cannot be converted stays a
//! string, and the hub's refusal names it.

use std::{collections::BTreeMap, io::Read as _};

use clap::Args;
use serde_json::{Map, Value};

use super::Fault;

/// Maximum chain of references that is followed.
const MOST_REFERENCES: usize = 16;
/// Maximum size of a file in bytes.
const MOST_BYTES: u64 = 64 * 1024 * 1024;

/// Parameters of a job.
#[derive(Args, Default)]
pub(super) struct ParameterArgs {
    /// A parameter. Its value is converted to the type in the automation's schema: string, number, true or false, JSON for lists and
    /// objects. Repeat it for the items of a list.
    #[arg(short, long = "param", value_name = "NAME=VALUE", value_parser = pair)]
    params: Vec<(String, String)>,
    /// File with the parameters as a JSON object, - for standard input; -p overrides it.
    #[arg(long, value_name = "FILE")]
    param_file: Option<String>,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("must be NAME=VALUE".to_owned()),
    }
}

impl ParameterArgs {
    /// Whether there are none.
    pub(super) fn is_empty(&self) -> bool {
        self.params.is_empty() && self.param_file.is_none()
    }

    /// The parameters of the file; `None` without a file.
    pub(super) fn file(&self) -> Result<Option<Map<String, Value>>, Fault> {
        self.param_file.as_deref().map(|name| read_json(name, "a JSON object with the parameters")).transpose()
    }

    /// Overrides `parameters` with the typed ones.
    pub(super) fn set(&self, parameters: &mut Map<String, Value>, schema: Option<&Value>) -> Result<(), Fault> {
        parameters.extend(typed(&self.params, schema.unwrap_or(&Value::Null))?);
        Ok(())
    }
}

/// Reads JSON of this type from a file, or from standard input when its name is `-`.
pub(super) fn read_json<T: serde::de::DeserializeOwned>(name: &str, what: &str) -> Result<T, Fault> {
    let text = read_file(name)?;
    // Some editors write a byte order mark.
    let text = text.strip_prefix("\u{feff}".as_bytes()).unwrap_or(&text);
    serde_json::from_slice(text).map_err(|error| Fault::input(format!("{} is not {what}: {error}", shown(name))))
}

/// Reads JSON or YAML of this type from a file, or from standard input when its name is `-`.
pub(super) fn read_document<T: serde::de::DeserializeOwned>(name: &str, what: &str) -> Result<T, Fault> {
    let text = read_text(name)?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let wrong = |error: &dyn std::fmt::Display| Fault::input(format!("{} is not {what}: {error}", shown(name)));
    if text.trim_start().starts_with('{') {
        return serde_json::from_str(text).map_err(|error| wrong(&error));
    }
    // As YAML 1.2 has it: `yes` is a text.
    let options = serde_saphyr::options! { with_snippet: false, strict_booleans: true };
    let value: Value = serde_saphyr::from_str_with_options(text, options).map_err(|error| wrong(&error))?;
    serde_json::from_value(value).map_err(|error| wrong(&error))
}

/// Reads a file of text, or standard input when its name is `-`.
pub(super) fn read_text(name: &str) -> Result<String, Fault> {
    String::from_utf8(read_file(name)?).map_err(|error| Fault::input(format!("{} is not UTF-8: {error}", shown(name))))
}

/// Reads a file, or standard input when its name is `-`.
pub(super) fn read_file(name: &str) -> Result<Vec<u8>, Fault> {
    let mut bytes = Vec::new();
    let read = match name {
        "-" => std::io::stdin().lock().take(MOST_BYTES).read_to_end(&mut bytes),
        name => std::fs::File::open(name).and_then(|file| file.take(MOST_BYTES).read_to_end(&mut bytes)),
    };
    read.map_err(|error| Fault::input(format!("cannot read {}: {error}", shown(name))))?;
    Ok(bytes)
}

fn shown(name: &str) -> &str {
    if name == "-" { "standard input" } else { name }
}

fn typed(pairs: &[(String, String)], schema: &Value) -> Result<Map<String, Value>, Fault> {
    let mut given: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (name, value) in pairs {
        given.entry(name).or_default().push(value);
    }
    let schema = Schema { root: schema };
    let mut parameters = Map::new();
    for (name, values) in given {
        let property = schema.property(name);
        let value = match (values.as_slice(), schema.is(property, "array")) {
            ([value], true) => schema.list(property, value).unwrap_or_else(|| Value::Array(vec![schema.item(property, value)])),
            (values, true) => Value::Array(values.iter().map(|value| schema.item(property, value)).collect()),
            ([value], false) => schema.value(property, value),
            _ => return Err(Fault::input(format!("parameter {name} is given more than once and is not a list"))),
        };
        parameters.insert(name.to_owned(), value);
    }
    Ok(parameters)
}

/// A JSON Schema, of which only the types are used.
struct Schema<'a> {
    root: &'a Value,
}

impl<'a> Schema<'a> {
    /// The schema of this parameter; null if there is none.
    fn property(&self, name: &str) -> &'a Value {
        let branches = self.branches(self.root);
        let named = branches.iter().find_map(|branch| branch.get("properties")?.get(name));
        let other = || branches.iter().find_map(|branch| branch.get("additionalProperties"));
        named.or_else(other).unwrap_or(&Value::Null)
    }

    /// A schema and its parts, with references resolved.
    fn branches(&self, schema: &'a Value) -> Vec<&'a Value> {
        let mut found = Vec::new();
        self.collect(schema, MOST_REFERENCES, &mut found);
        found
    }

    fn collect(&self, schema: &'a Value, depth: usize, into: &mut Vec<&'a Value>) {
        let Some(depth) = depth.checked_sub(1) else { return };
        into.push(schema);
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| self.root.pointer(target.strip_prefix('#')?));
        let parts = ["allOf", "anyOf", "oneOf"].into_iter().filter_map(|key| schema.get(key)?.as_array()).flatten();
        target.into_iter().chain(parts).for_each(|part| self.collect(part, depth, into));
    }

    /// Whether the schema allows this type and no string.
    fn is(&self, schema: &'a Value, name: &str) -> bool {
        let types = self.types(schema);
        types.contains(&name) && !types.contains(&"string")
    }

    fn types(&self, schema: &'a Value) -> Vec<&'a str> {
        let of = |branch: &'a Value| match branch.get("type") {
            Some(Value::String(name)) => vec![name.as_str()],
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).collect(),
            _ => Vec::new(),
        };
        self.branches(schema).into_iter().flat_map(of).collect()
    }

    /// The text as a list, if it is written as one.
    fn list(&self, schema: &'a Value, text: &str) -> Option<Value> {
        let is_list = text.trim_start().starts_with('[');
        serde_json::from_str(text).ok().filter(|_| is_list && self.is(schema, "array"))
    }

    /// The text as an item of a list.
    fn item(&self, schema: &'a Value, text: &str) -> Value {
        let items = self.branches(schema).into_iter().find_map(|branch| branch.get("items"));
        self.value(items.unwrap_or(&Value::Null), text)
    }

    /// The text as the first type that it can be parsed as. If strings are allowed it is a string: `007` may be an account.
    fn value(&self, schema: &'a Value, text: &str) -> Value {
        let as_text = || Value::String(text.to_owned());
        if let Some(choice) = self.choice(schema, text) {
            return choice.clone();
        }
        let types = self.types(schema);
        if types.is_empty() || types.contains(&"string") {
            return as_text();
        }
        let reads = |name: &str| -> Option<Value> {
            match name {
                "integer" => text.parse::<i64>().map(Value::from).or_else(|_| text.parse::<u64>().map(Value::from)).ok(),
                "number" => text.parse::<i64>().map(Value::from).ok().or_else(|| serde_json::from_str(text).ok().filter(Value::is_number)),
                "boolean" => text.parse::<bool>().map(Value::from).ok(),
                "null" => (text == "null").then_some(Value::Null),
                "array" => serde_json::from_str(text).ok().filter(Value::is_array),
                "object" => serde_json::from_str(text).ok().filter(Value::is_object),
                _ => None,
            }
        };
        types.into_iter().find_map(reads).unwrap_or_else(as_text)
    }

    /// The matching value of an enumeration.
    fn choice(&self, schema: &'a Value, text: &str) -> Option<&'a Value> {
        let branches = self.branches(schema);
        let listed = branches.iter().filter_map(|branch| branch.get("enum")?.as_array()).flatten();
        let all: Vec<&Value> = listed.chain(branches.iter().filter_map(|branch| branch.get("const"))).collect();
        let exact = all.iter().find(|value| value.as_str() == Some(text));
        exact.or_else(|| all.iter().find(|value| !value.is_string() && value.to_string() == text)).copied()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn given(schema: &Value, words: &[&str]) -> Result<Value, Option<String>> {
        let pairs: Vec<_> = words.iter().map(|word| pair(word).unwrap()).collect();
        typed(&pairs, schema).map(Value::Object).map_err(|fault| fault.text)
    }

    #[test]
    fn values_are_converted_to_the_schemas_types() {
        let schema = json!({
            "$defs": {"amount": {"type": "number"}, "loop": {"$ref": "#/$defs/loop"}},
            "properties": {
                "year": {"type": "integer"}, "dry": {"type": "boolean"}, "total": {"$ref": "#/$defs/amount"}, "cnpj": {"type": "string"},
                "account": {"type": ["integer", "string"]}, "limit": {"type": ["integer", "null"]}, "names": {"type": "array", "items": {"type": "string"}},
                "ids": {"type": "array", "items": {"type": "integer"}}, "more": {"type": "object"}, "kind": {"enum": ["a", 1, true, null]},
                "either": {"anyOf": [{"type": "boolean"}, {"type": "integer"}]}, "loop": {"$ref": "#/$defs/loop"}
            },
            "allOf": [{"properties": {"deep": {"type": "integer"}}}]
        });
        for (words, expected) in [
            (&["year=2026"][..], json!({"year": 2026})),
            (&["year=-007"], json!({"year": -7})),
            (&["year=18446744073709551615"], json!({"year": u64::MAX})),
            (&["year=123456789012345678901234567890"], json!({"year": "123456789012345678901234567890"})),
            (&["year=vinte"], json!({"year": "vinte"})),
            (&["dry=true"], json!({"dry": true})),
            (&["dry=sim"], json!({"dry": "sim"})),
            (&["total=10.50"], json!({"total": 10.5})),
            (&["total=7"], json!({"total": 7})),
            (&["total=1.234,56"], json!({"total": "1.234,56"})),
            (&["cnpj=00123"], json!({"cnpj": "00123"})),
            (&["cnpj=a=b c"], json!({"cnpj": "a=b c"})),
            (&["cnpj="], json!({"cnpj": ""})),
            (&["account=007"], json!({"account": "007"})),
            (&["limit=null"], json!({"limit": null})),
            (&["limit=3"], json!({"limit": 3})),
            (&["names=São Paulo"], json!({"names": ["São Paulo"]})),
            (&["names=a", "names=b"], json!({"names": ["a", "b"]})),
            (&["ids=[1, 2]"], json!({"ids": [1, 2]})),
            (&["ids=1", "ids=x"], json!({"ids": [1, "x"]})),
            (&["more={\"a\": [1]}"], json!({"more": {"a": [1]}})),
            (&["more={"], json!({"more": "{"})),
            (&["kind=a"], json!({"kind": "a"})),
            (&["kind=1"], json!({"kind": 1})),
            (&["kind=true"], json!({"kind": true})),
            (&["kind=b"], json!({"kind": "b"})),
            (&["either=5"], json!({"either": 5})),
            (&["loop=1"], json!({"loop": "1"})),
            (&["deep=1"], json!({"deep": 1})),
            (&["unknown=1"], json!({"unknown": "1"})),
        ] {
            assert_eq!(given(&schema, words), Ok(expected), "{words:?}");
        }
    }

    #[test]
    fn without_a_schema_everything_is_a_string() {
        for schema in [Value::Null, json!(true), json!({}), json!({"type": "object"}), json!([1])] {
            assert_eq!(given(&schema, &["a=1", "b=true"]), Ok(json!({"a": "1", "b": "true"})), "{schema}");
        }
    }

    #[test]
    fn the_same_parameter_twice_is_a_fault_unless_it_is_a_list() {
        let fault = given(&json!({}), &["a=1", "a=2"]).unwrap_err().unwrap();
        assert!(fault.contains("parameter a is given more than once"), "{fault}");
        for wrong in ["a", "=1", ""] {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
    }
}
