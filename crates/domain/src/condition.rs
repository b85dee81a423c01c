//! Conditions on JSON that others wrote: a value, found by a JSON pointer (RFC 6901), and an operator. Not a language: several conditions must
//! all hold, and nothing else joins them.
//!
//! What must hold: a value that is missing, or of a type that an operator cannot compare, makes a condition false, never an error. Equality is
//! that of JSON, with `5` and `5.0` the same number.

use serde_json::{Number, Value};

use crate::{Fault, wire::wire_names};

/// Longest pointer, in bytes.
const MAX_POINTER: usize = 512;
/// Most values of `in` and `not_in`.
const MAX_VALUES: usize = 100;

wire_names! {
    /// How a condition compares what it finds with its value.
    pub enum Operator as "ConditionOperator" {
        /// Is equal to the value.
        Eq = "eq",
        /// Is there, and differs from the value.
        Ne = "ne",
        /// Is a greater number, or a text that sorts after the value.
        Gt = "gt",
        /// Is greater or equal.
        Ge = "ge",
        /// Is a lesser number, or a text that sorts before the value.
        Lt = "lt",
        /// Is lesser or equal.
        Le = "le",
        /// Is equal to one of the values, which are a list.
        In = "in",
        /// Is there, and equal to none of the values.
        NotIn = "not_in",
        /// Is a text with the value in it, or a list with an item equal to it.
        Contains = "contains",
        /// Is a text that begins with the value.
        StartsWith = "starts_with",
        /// Is a text that ends with the value.
        EndsWith = "ends_with",
        /// Is there, and not null. Takes no value.
        Exists = "exists",
        /// Is not there, or null. Takes no value.
        Missing = "missing",
    }
}

impl Operator {
    /// Whether it holds for what was found, if anything was.
    #[must_use]
    pub fn holds(self, found: Option<&Value>, value: Option<&Value>) -> bool {
        let found = found.filter(|found| !found.is_null());
        let Some(found) = found else { return self == Self::Missing };
        let value = value.unwrap_or(&Value::Null);
        let among = || value.as_array().is_some_and(|values| values.iter().any(|value| is_equal(found, value)));
        let texts = || Some((found.as_str()?, value.as_str()?));
        match self {
            Self::Exists => true,
            Self::Missing => false,
            Self::Eq => is_equal(found, value),
            Self::Ne => !is_equal(found, value),
            Self::Gt => order(found, value).is_some_and(|order| order.is_gt()),
            Self::Ge => order(found, value).is_some_and(|order| order.is_ge()),
            Self::Lt => order(found, value).is_some_and(|order| order.is_lt()),
            Self::Le => order(found, value).is_some_and(|order| order.is_le()),
            Self::In => among(),
            Self::NotIn => !among(),
            Self::Contains => match found {
                Value::Array(items) => items.iter().any(|item| is_equal(item, value)),
                _ => texts().is_some_and(|(found, value)| found.contains(value)),
            },
            Self::StartsWith => texts().is_some_and(|(found, value)| found.starts_with(value)),
            Self::EndsWith => texts().is_some_and(|(found, value)| found.ends_with(value)),
        }
    }

    /// What is wrong with a value for this operator, as a fault of the field `value`.
    #[must_use]
    pub fn fault(self, value: Option<&Value>) -> Option<Fault> {
        let is_scalar = |value: &Value| !matches!(value, Value::Array(_) | Value::Object(_) | Value::Null);
        let message = match (self, value.filter(|value| !value.is_null())) {
            (Self::Exists | Self::Missing, None) => return None,
            (Self::Exists | Self::Missing, Some(_)) => "must be absent: this operator takes none".to_owned(),
            (_, None) => "is required by this operator".to_owned(),
            (Self::In | Self::NotIn, Some(Value::Array(values))) if (1..=MAX_VALUES).contains(&values.len()) => return None,
            (Self::In | Self::NotIn, Some(_)) => format!("must be a list of 1 to {MAX_VALUES} values"),
            (Self::StartsWith | Self::EndsWith, Some(value)) if value.is_string() => return None,
            (Self::StartsWith | Self::EndsWith, Some(_)) => "must be a text".to_owned(),
            (Self::Gt | Self::Ge | Self::Lt | Self::Le, Some(value)) if value.is_string() || value.is_number() => return None,
            (Self::Gt | Self::Ge | Self::Lt | Self::Le, Some(_)) => "must be a number or a text".to_owned(),
            (_, Some(value)) if is_scalar(value) => return None,
            _ => "must be a text, a number, true or false".to_owned(),
        };
        Some(Fault::new("value", message))
    }
}

/// What is wrong with a JSON pointer, as the end of a sentence that begins with its field.
#[must_use]
pub fn pointer_fault(pointer: &str) -> Option<String> {
    if pointer.len() > MAX_POINTER {
        return Some(format!("must have at most {MAX_POINTER} bytes"));
    }
    if pointer.contains('\0') {
        return Some("must not contain NUL characters".to_owned());
    }
    if !pointer.is_empty() && !pointer.starts_with('/') {
        return Some(format!("must be a JSON pointer, which begins with a slash: /{}", pointer.replace('.', "/")));
    }
    let is_escape = |rest: &str| rest.starts_with(['0', '1']);
    let is_fine = pointer.split('~').skip(1).all(is_escape);
    (!is_fine).then(|| "has a ~ that begins no escape: write ~0 for ~ and ~1 for a slash inside a name".to_owned())
}

fn is_equal(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => one == other || number_order(one, other).is_some_and(|order| order.is_eq()),
        _ => one == other,
    }
}

fn order(one: &Value, other: &Value) -> Option<std::cmp::Ordering> {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => number_order(one, other),
        (Value::String(one), Value::String(other)) => Some(one.cmp(other)),
        _ => None,
    }
}

fn number_order(one: &Number, other: &Number) -> Option<std::cmp::Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn holds(operator: &str, found: Value, value: Value) -> bool {
        Operator::parse(operator).unwrap().holds(Some(&found), Some(&value))
    }

    #[test]
    fn each_operator_compares_as_its_name_says() {
        for (operator, found, value, expected) in [
            ("eq", json!("main"), json!("main"), true),
            ("eq", json!(5), json!(5.0), true),
            ("eq", json!("5"), json!(5), false),
            ("eq", json!({"a": 1}), json!("a"), false),
            ("ne", json!("main"), json!("next"), true),
            ("ne", json!(5.0), json!(5), false),
            ("gt", json!(10), json!(9.5), true),
            ("gt", json!("10"), json!(9), false),
            ("gt", json!("2026-11-27"), json!("2026-11-26"), true),
            ("ge", json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), true),
            ("gt", json!(9_007_199_254_740_993_i64), json!(9_007_199_254_740_992_i64), true),
            ("lt", json!(u64::MAX), json!(-1), false),
            ("le", json!(1), json!(1), true),
            ("in", json!("push"), json!(["push", "release"]), true),
            ("in", json!("ping"), json!(["push", "release"]), false),
            ("not_in", json!("ping"), json!(["push", "release"]), true),
            ("contains", json!("refs/heads/main"), json!("heads"), true),
            ("contains", json!(["a", 1]), json!(1.0), true),
            ("contains", json!(11), json!(1), false),
            ("starts_with", json!("refs/heads/main"), json!("refs/heads/"), true),
            ("ends_with", json!("refs/heads/main"), json!("/main"), true),
            ("ends_with", json!(["/main"]), json!("/main"), false),
        ] {
            assert_eq!(holds(operator, found.clone(), value.clone()), expected, "{found} {operator} {value}");
        }
    }

    #[test]
    fn what_is_missing_or_null_meets_missing_alone() {
        for operator in Operator::ALL {
            let value = json!(["x"]);
            for found in [None, Some(&Value::Null)] {
                assert_eq!(operator.holds(found, Some(&value)), operator == Operator::Missing, "{operator}");
            }
        }
        assert!(Operator::Exists.holds(Some(&json!(false)), None) && !Operator::Missing.holds(Some(&json!(0)), None));
    }

    #[test]
    fn a_value_fits_its_operator() {
        let fault = |operator: Operator, value: Value| operator.fault(Some(&value)).is_some();
        assert!(Operator::Eq.fault(None).is_some() && Operator::Exists.fault(None).is_none());
        assert!(fault(Operator::Missing, json!(1)) && fault(Operator::Eq, json!([1])) && fault(Operator::Eq, json!({})));
        assert!(fault(Operator::In, json!([])) && fault(Operator::In, json!("a")) && fault(Operator::In, json!(vec![1; 101])));
        assert!(fault(Operator::StartsWith, json!(1)) && fault(Operator::Gt, json!(true)));
        assert!(!fault(Operator::In, json!(["a"])) && !fault(Operator::Gt, json!("a")) && !fault(Operator::Contains, json!(true)));
    }

    #[test]
    fn a_pointer_is_one_of_the_standard() {
        for fine in ["", "/", "/a/0/b", "/a~1b/m~0n", "/São Paulo"] {
            assert_eq!(pointer_fault(fine), None, "{fine}");
        }
        for (bad, hint) in [("commit.ref", "/commit/ref"), ("/a~", "~0"), ("/a~2", "~0"), ("/\0", "NUL"), (&"/a".repeat(300), "512")] {
            assert!(pointer_fault(bad).unwrap().contains(hint), "{bad}");
        }
    }
}
