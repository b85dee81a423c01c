//! A job's parameters as environment variables.
//!
//! The system refuses to start a program whose environment is too large, so parameters are left out rather than the job lost; `config.json`
//! always has them all, and the log names what is left out.

use std::collections::HashSet;

use rustix::process::{Resource, getrlimit};
use serde_json::{Map, Value};

/// Longest variable with its name, in bytes: the system refuses to start a program with one of 128 KiB.
const MAX_VARIABLE: usize = 100 * 1024;
/// All variables together.
const MAX_TOTAL: usize = 1024 * 1024;
/// Cost of each variable beyond its name and value: `=`, the end, a pointer.
const OVERHEAD: usize = 10;
/// Reserved for the command line and inherited variables.
const RESERVED: u64 = 128 * 1024;
/// Maximum number of names listed per reason.
const NAMED: usize = 3;

/// Parameters as environment variables.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Environment {
    pub(super) variables: Vec<(String, String)>,
    /// One line that says which parameters are missing and why; `config.json` has them all the same.
    pub(super) left_out: Option<String>,
}

/// A reason for leaving parameters out, with their number and the first names.
struct Reason {
    words: &'static str,
    count: usize,
    names: Vec<String>,
}

/// The parameters as environment variables, as far as a program can start with them.
pub(super) fn environment(parameters: &Map<String, Value>) -> Environment {
    let room = room();
    let mut variables = Vec::new();
    let (mut taken, mut total) = (HashSet::new(), 0);
    let mut reasons = ["too long", "with a NUL character", "named like another one there", "beyond what an environment can hold"]
        .map(|words| Reason { words, count: 0, names: Vec::new() });
    for (key, value) in parameters {
        let name = variable(key);
        let text = plain(value);
        let bytes = name.len() + text.len() + OVERHEAD;
        let reason = if bytes > MAX_VARIABLE {
            0
        } else if text.contains('\0') {
            1
        } else if taken.contains(&name) {
            2
        } else if total + bytes > room {
            3
        } else {
            total += bytes;
            taken.insert(name.clone());
            variables.push((name, text));
            continue;
        };
        reasons[reason].add(key);
    }
    Environment { variables, left_out: describe(&reasons, parameters.len()) }
}

/// The system's limit for arguments and environment is a quarter of the stack.
fn room() -> usize {
    let stack = getrlimit(Resource::Stack).current.unwrap_or(u64::MAX);
    usize::try_from((stack / 4).saturating_sub(RESERVED)).unwrap_or(MAX_TOTAL).min(MAX_TOTAL)
}

fn describe(reasons: &[Reason], all: usize) -> Option<String> {
    let count: usize = reasons.iter().map(|reason| reason.count).sum();
    let words: Vec<_> = reasons.iter().filter(|reason| reason.count > 0).map(Reason::describe).collect();
    (count > 0).then(|| format!("{count} of {all} parameters are only in config.json, not in the environment: {}", words.join("; ")))
}

impl Reason {
    fn add(&mut self, key: &str) {
        self.count += 1;
        if self.names.len() < NAMED {
            let short: String = key.chars().take(100).collect();
            self.names.push(format!("{short:?}"));
        }
    }

    fn describe(&self) -> String {
        let more = if self.count > self.names.len() { ", …" } else { "" };
        format!("{} {} ({}{more})", self.count, self.words, self.names.join(", "))
    }
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
        let Environment { mut variables, left_out } = environment(&map);
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
        assert_eq!(left_out, None);
    }

    #[test]
    fn parameters_that_the_system_refuses_are_left_out_and_named() {
        let Value::Object(mut map) = json!({"a-b": 1, "a_b": 2, "long": "x".repeat(MAX_VARIABLE + 1), "nul": "a\u{0}b"}) else { panic!() };
        map.insert("y".repeat(MAX_VARIABLE), json!(1));
        let Environment { variables, left_out } = environment(&map);
        assert_eq!(variables, [("PARAM_A_B".to_owned(), "1".to_owned())]);
        let words = left_out.unwrap();
        for said in ["4 of 5 parameters", "2 too long (\"long\", ", "1 with a NUL", "1 named like another one there (\"a_b\")"] {
            assert!(words.contains(said), "{words}");
        }
    }

    #[test]
    fn very_many_parameters_are_summed_up_in_one_line() {
        let map: Map<_, _> = (0..200_000).map(|n| (format!("key{n}"), json!(n))).collect();
        let Environment { variables, left_out } = environment(&map);
        assert!((10_000..100_000).contains(&variables.len()), "{}", variables.len());
        let words = left_out.unwrap();
        assert!(words.len() < 300 && words.contains("beyond what an environment can hold") && words.contains('…'), "{words}");
    }
}
