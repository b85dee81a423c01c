//! Compiled parameter schemas. The cost of a validation is known before it begins, so that an expensive one never runs on a thread that
//! serves requests.

use domain::{
    Fault,
    schema::{Cost, DATE_FORMAT, is_date},
};
use jsonschema::{PatternOptions, error::ValidationErrorKind};
use serde_json::{Map, Value};

/// Maximum number of faults in an answer.
const MOST_FAULTS: usize = 100;
/// Maximum backtracking steps of a pattern.
const MOST_BACKTRACKS: usize = 10_000;
/// Maximum size of a compiled pattern in bytes.
const MOST_PATTERN_BYTES: usize = 1 << 20;

/// A compiled schema.
pub(crate) struct Schema {
    validator: jsonschema::Validator,
    cost: Cost,
}

impl Schema {
    /// Compiles a schema in its stored form. References to other documents are not followed. Takes up to 0.1 s.
    pub(crate) fn compile(schema: &Value) -> Result<Self, Vec<Fault>> {
        let named = |fault: Fault| vec![Fault { field: fault.field.trim_end_matches('/').to_owned(), ..fault }.under("parameter_schema")];
        let cost = Cost::of(schema).map_err(named)?;
        let patterns = PatternOptions::fancy_regex()
            .backtrack_limit(MOST_BACKTRACKS)
            .size_limit(MOST_PATTERN_BYTES)
            .dfa_size_limit(MOST_PATTERN_BYTES);
        let options = jsonschema::options().should_validate_formats(true).with_format(DATE_FORMAT, is_date).with_pattern_options(patterns);
        let validator = options.build(schema).map_err(|error| {
            let path = error.instance_path().to_string();
            vec![Fault::new(format!("parameter_schema{path}"), format!("is not a JSON Schema: {}", short(error.to_string())))]
        })?;
        Ok(Self { validator, cost })
    }

    /// Whether validating these parameters is cheap.
    pub(crate) fn is_quick(&self, parameters: &Map<String, Value>) -> bool {
        self.cost.work(parameters).is_little()
    }

    /// Validates the parameters; each fault has its path.
    pub(crate) fn check(&self, parameters: &Map<String, Value>) -> Result<(), Vec<Fault>> {
        let work = self.cost.work(parameters);
        if work.is_too_much() {
            return Err(whole("these parameters are too large to be validated against the automation's parameter_schema"));
        }
        let value = Value::Object(parameters.clone());
        if self.validator.is_valid(&value) {
            return Ok(());
        }
        if !work.tells_faults() {
            return Err(whole("do not match the automation's parameter_schema, and are too large to report where"));
        }
        // Without the value, which may be a password.
        let fault = |error: jsonschema::ValidationError<'_>| Fault::new(path_of(&error), error.masked_with("it").to_string());
        Err(self.validator.iter_errors(&value).map(fault).take(MOST_FAULTS).collect())
    }
}

/// A fault of the parameters as a whole.
fn whole(message: &str) -> Vec<Fault> {
    vec![Fault::new("", message)]
}

/// Path of a fault; for a missing property, of that property.
fn path_of(error: &jsonschema::ValidationError<'_>) -> String {
    let place = error.instance_path().to_string();
    let missing = match error.kind() {
        ValidationErrorKind::Required { property } => property.as_str().map(|name| format!("/{name}")),
        _ => None,
    };
    format!("{place}{}", missing.unwrap_or_default()).trim_start_matches('/').to_owned()
}

/// Truncates a message that repeats input.
fn short(message: String) -> String {
    if message.len() <= 500 { message } else { format!("{} …", &message[..message.floor_char_boundary(500)]) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// As deep as parameters come, with as many references for each value as a schema may have: it must fit into a thread's stack.
    #[test]
    fn the_deepest_check_fits_a_small_stack() {
        let schema = json!({"$defs": {"n": {"anyOf": [{"type": "null"}, {"allOf": [{"type": "object", "properties": {"a": {"$ref": "#/$defs/n"}}}]}]}},
            "properties": {"a": {"$ref": "#/$defs/n"}}});
        let deep = (0..domain::json::READABLE_DEPTH - 2).fold(json!(1), |inner, _| json!({"a": inner}));
        let run = move || {
            let schema = Schema::compile(&schema).unwrap();
            schema.check(deep.as_object().unwrap())
        };
        let checked = std::thread::Builder::new().stack_size(2 << 20).spawn(run).unwrap().join().unwrap();
        assert!(checked.is_err(), "{checked:?}");
    }

    #[test]
    fn parameters_that_are_too_large_to_validate_or_to_report_are_refused() {
        let check = |schema: Value, parameters: Value| Schema::compile(&schema).unwrap().check(parameters.as_object().unwrap());
        let text = |checked: Result<(), Vec<Fault>>| runtime::Failure::Invalid(checked.unwrap_err()).to_string();
        let dear = json!({"properties": {"a": {"pattern": "(a*)(?=(a*))\\2b"}}});
        assert!(text(check(dear.clone(), json!({"a": "a".repeat(400_000)}))).contains("too large to be validated"));
        assert!(text(check(dear, json!({"a": "a".repeat(1000)}))).starts_with("a: "), "the pattern gives up");
        let rows = json!({"properties": {"rows": {"items": {"anyOf": [{"type": "integer"}, {"type": "string"}]}}}});
        assert!(text(check(rows.clone(), json!({"rows": vec![json!(null); 100_000]}))).contains("too large to report where"));
        assert!(check(rows, json!({"rows": vec![json!(1); 100_000]})).is_ok());
    }
}
