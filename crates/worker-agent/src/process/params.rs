use std::collections::HashSet;

use serde_json::{Map, Value};

/// Longest value in the environment, in bytes: the system refuses to start a program with a longer one.
const MAX_VALUE: usize = 100 * 1024;
/// All variables together, as the system counts them: it refuses to start a program with more than about 2 MiB of them.
const MAX_TOTAL: usize = 1024 * 1024;
/// What the system adds to a variable: `=`, the end, a pointer.
const OVERHEAD: usize = 10;
/// So many of those left out are named.
const MOST_NAMED: usize = 20;

/// The parameters as environment variables, and why some are not among them (they are in `config.json` all the same).
pub(super) fn environment(parameters: &Map<String, Value>) -> (Vec<(String, String)>, Vec<String>) {
    let (mut variables, mut names, mut total) = (Vec::new(), HashSet::new(), 0);
    let (mut left_out, mut unnamed) = (Vec::new(), 0_usize);
    for (key, value) in parameters {
        let (name, text) = (variable(key), plain(value));
        let size = name.len() + text.len() + OVERHEAD;
        let reason = if text.len() > MAX_VALUE || total + size > MAX_TOTAL {
            "too long"
        } else if text.contains('\0') {
            "with a NUL character"
        } else if names.contains(&name) {
            "named like another one there"
        } else {
            total += size;
            names.insert(name.clone());
            variables.push((name, text));
            continue;
        };
        if left_out.len() < MOST_NAMED {
            left_out.push(format!("parameter {key:?} is {reason} for the environment; it is only in config.json"));
        } else {
            unnamed += 1;
        }
    }
    if unnamed > 0 {
        left_out.push(format!("{unnamed} more parameters are only in config.json"));
    }
    (variables, left_out)
}

/// `PARAM_` and the name in capitals, `_` for what is not A-Z or 0-9.
fn variable(key: &str) -> String {
    let upper = key.to_uppercase();
    let plain = upper.chars().map(|c| if c.is_ascii_uppercase() || c.is_ascii_digit() { c } else { '_' });
    format!("PARAM_{}", plain.collect::<String>())
}

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_and_values() {
        let Value::Object(map) =
            json!({"cnpj-raiz": "12.3", "n": 1.5, "ok": true, "lista": [1, "a"], "obj": {"a": null}, "nada": null, "ação": "é"})
        else {
            panic!()
        };
        let (mut variables, left_out) = environment(&map);
        variables.sort();
        let expected = [
            ("PARAM_A__O", "é"),
            ("PARAM_CNPJ_RAIZ", "12.3"),
            ("PARAM_LISTA", r#"[1,"a"]"#),
            ("PARAM_N", "1.5"),
            ("PARAM_NADA", ""),
            ("PARAM_OBJ", r#"{"a":null}"#),
            ("PARAM_OK", "true"),
        ];
        assert_eq!(variables.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect::<Vec<_>>(), expected);
        assert!(left_out.is_empty());
    }

    #[test]
    fn what_the_system_refuses_is_left_out_and_told() {
        let Value::Object(map) = json!({"a-b": 1, "a_b": 2, "long": "x".repeat(MAX_VALUE + 1), "nul": "a\u{0}b"}) else { panic!() };
        let (variables, left_out) = environment(&map);
        assert_eq!(variables, [("PARAM_A_B".to_owned(), "1".to_owned())]);
        assert_eq!(left_out.len(), 3);
    }
    #[test]
    fn many_parameters_are_as_many_as_the_system_takes_and_the_rest_is_told_in_short() {
        let many: Map<String, Value> = (0..50_000).map(|number| (format!("a key {number}"), json!(number))).collect();
        let (variables, left_out) = environment(&many);
        let bytes: usize = variables.iter().map(|(name, value)| name.len() + value.len() + OVERHEAD).sum();
        assert!(bytes <= MAX_TOTAL && bytes > MAX_TOTAL - 100, "{bytes}");
        assert_eq!(left_out.len(), MOST_NAMED + 1);
        let program = std::process::Command::new("true").env_clear().envs(variables).status();
        assert!(program.unwrap().success());
    }
}
