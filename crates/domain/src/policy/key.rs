use std::fmt;

use serde_json::{Map, Value};

use crate::Fault;

/// Maximum length of a concurrency key and of its template, in bytes.
pub const MAX_KEY: usize = 256;

/// Template of a concurrency key, such as `portal-sefaz:{cnpj}`: jobs with the same key share a limit. `{name}` is replaced by the job's
/// parameter, `{a.b}` by a nested one; `{{` and `}}` are literal braces. Without parameters, all jobs have the same key.
///
/// ```
/// let key = domain::policy::ConcurrencyKey::parse("sefaz:{cnpj}").unwrap();
/// let parameters = serde_json::json!({"cnpj": "12345678000195"});
/// assert_eq!(key.render(parameters.as_object().unwrap()).unwrap(), "sefaz:12345678000195");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConcurrencyKey {
    template: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Text(String),
    /// Path of the parameter, outermost name first.
    Parameter(Vec<String>),
}

impl ConcurrencyKey {
    /// Parses a template.
    ///
    /// # Errors
    /// A fault in `concurrency_key`.
    pub fn parse(template: &str) -> Result<Self, Fault> {
        let bad = |message: String| Fault::new("concurrency_key", message);
        Self::check(template).map_err(bad)?;
        Ok(Self { template: template.to_owned(), parts: parts_of(template).map_err(|message| bad(message.to_owned()))? })
    }

    /// The key of a job with these parameters.
    ///
    /// # Errors
    /// A fault in `parameters/…` when a parameter is missing or is not a string, number or boolean; in `concurrency_key` when the key is
    /// too long, empty, or has control characters.
    pub fn render(&self, parameters: &Map<String, Value>) -> Result<String, Fault> {
        let mut key = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => key.push_str(text),
                Part::Parameter(path) => key.push_str(&self.value(path, parameters)?),
            }
        }
        Self::check(&key).map_err(|message| Fault::new("concurrency_key", format!("the key made of \"{self}\" {message}")))?;
        Ok(key)
    }

    fn value(&self, path: &[String], parameters: &Map<String, Value>) -> Result<String, Fault> {
        let mut names = path.iter();
        let mut found = names.next().and_then(|name| parameters.get(name));
        for name in names {
            found = found.and_then(|value| value.get(name));
        }
        match found {
            Some(Value::String(text)) => Ok(text.clone()),
            Some(value @ (Value::Number(_) | Value::Bool(_))) => Ok(value.to_string()),
            Some(_) => Err(self.fault(path, "must be a string, a number or a boolean")),
            None => Err(self.fault(path, "is missing")),
        }
    }

    fn fault(&self, path: &[String], what: &str) -> Fault {
        Fault::new(format!("parameters/{}", path.join("/")), format!("{what}: the concurrency key \"{self}\" uses it"))
    }

    /// Validates a rendered key.
    ///
    /// # Errors
    /// The rule, as an error message.
    pub fn check(key: &str) -> Result<(), String> {
        if !(1..=MAX_KEY).contains(&key.len()) {
            return Err(format!("must have 1 to {MAX_KEY} bytes"));
        }
        if key.chars().any(char::is_control) { Err("must not contain control characters".to_owned()) } else { Ok(()) }
    }
}

impl fmt::Display for ConcurrencyKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.template)
    }
}

fn parts_of(template: &str) -> Result<Vec<Part>, &'static str> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut rest = template.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            '{' | '}' if rest.next_if_eq(&next).is_some() => text.push(next),
            '}' => return Err("has a } without a { before it; write }} for a literal brace"),
            '{' => {
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(parameter(&mut rest)?);
            }
            other => text.push(other),
        }
    }
    if !text.is_empty() {
        parts.push(Part::Text(text));
    }
    Ok(parts)
}

/// Parses the name between braces, after the opening brace.
fn parameter(rest: &mut impl Iterator<Item = char>) -> Result<Part, &'static str> {
    let mut name = String::new();
    for next in rest {
        match next {
            '}' => {
                let path: Vec<String> = name.split('.').map(str::to_owned).collect();
                let nameless = path.iter().any(|name| name.trim().is_empty());
                return if nameless { Err("must name a parameter between { and }, such as {cnpj}") } else { Ok(Part::Parameter(path)) };
            }
            '{' => break,
            other => name.push(other),
        }
    }
    Err("has a { without a } after it; write {{ for a literal brace")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn render(template: &str, parameters: Value) -> Result<String, Fault> {
        ConcurrencyKey::parse(template).unwrap().render(parameters.as_object().unwrap())
    }

    #[test]
    fn parameters_are_inserted() {
        let parameters = json!({"cnpj": "123", "mes": 6, "teste": false, "empresa": {"uf": "SP", "filial": {"n": 2}}});
        for (template, key) in [
            ("sap", "sap"),
            ("portal-sefaz:{cnpj}", "portal-sefaz:123"),
            ("{cnpj}{mes}", "1236"),
            ("{empresa.uf}/{empresa.filial.n}", "SP/2"),
            ("{teste}", "false"),
            ("{{{cnpj}}}", "{123}"),
            ("{{cnpj}}", "{cnpj}"),
        ] {
            assert_eq!(render(template, parameters.clone()).unwrap(), key, "{template}");
        }
    }

    #[test]
    fn a_missing_or_composite_parameter_is_named() {
        let parameters = json!({"list": [1], "nothing": null, "inner": {"list": {}}, "text": "x", "empty": "", "line": "a\nb"});
        for (template, field) in [
            ("{cnpj}", "parameters/cnpj"),
            ("{list}", "parameters/list"),
            ("{list.0}", "parameters/list/0"),
            ("{nothing}", "parameters/nothing"),
            ("{inner.list}", "parameters/inner/list"),
            ("{text.x}", "parameters/text/x"),
            ("{empty}", "concurrency_key"),
            ("{line}", "concurrency_key"),
        ] {
            assert_eq!(render(template, parameters.clone()).unwrap_err().field, field, "{template}");
        }
        let long = render("k:{a}", json!({"a": "é".repeat(128)})).unwrap_err();
        assert_eq!(long.message, "the key made of \"k:{a}\" must have 1 to 256 bytes");
        assert_eq!(render("{a}", json!({"a": "é".repeat(128)})).unwrap().len(), 256);
    }

    #[test]
    fn invalid_templates_are_refused() {
        for template in ["", "{", "}", "a{b", "a}b", "{}", "{a.}", "{.a}", "{a..b}", "{ }", "{a{b}", "{{}", "a\nb", &"x".repeat(257)] {
            assert_eq!(ConcurrencyKey::parse(template).unwrap_err().field, "concurrency_key", "{template}");
        }
    }

    proptest! {
        #[test]
        fn text_comes_back_as_it_was_written(text in "[^\\p{Cc}]{1,40}") {
            let template = text.replace('{', "{{").replace('}', "}}");
            prop_assume!(template.len() <= MAX_KEY);
            let key = ConcurrencyKey::parse(&template).unwrap();
            prop_assert_eq!(key.render(&Map::new()).unwrap(), text);
            prop_assert_eq!(ConcurrencyKey::parse(&key.to_string()).unwrap(), key);
        }

        #[test]
        fn any_template_is_parsed_or_refused_and_a_value_is_never_parsed(template in "[ab{}.]{0,12}", value in "[a{}]{0,8}") {
            let Ok(key) = ConcurrencyKey::parse(&template) else { return Ok(()) };
            let once = key.render(json!({"a": value, "b": "b"}).as_object().unwrap());
            let marked = key.render(json!({"a": "\u{1F511}", "b": "b"}).as_object().unwrap());
            if let (Ok(once), Ok(marked)) = (once, marked) {
                prop_assert_eq!(once, marked.replace('\u{1F511}', &value));
            }
        }
    }
}
