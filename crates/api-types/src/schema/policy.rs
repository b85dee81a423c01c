//! Policies of automations, whose values are those of `domain`.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Backoff, ErrorClass};
use crate::examples;

/// Whether and when a failed job gets another attempt.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::retry_policy)]
pub(crate) struct RetryPolicy {
    /// Maximum attempts, the first run included, 1 to 100; 1: no retry.
    #[schema(minimum = 1, maximum = 100, default = 1)]
    max_attempts: u32,
    /// How the delay between attempts grows.
    #[schema(value_type = Backoff)]
    backoff: domain::retry::Backoff,
    /// Delay before the second attempt, in seconds.
    #[schema(minimum = 0, maximum = 604_800, default = 10)]
    base_s: f64,
    /// Maximum delay in seconds, before jitter.
    #[schema(minimum = 0, maximum = 604_800, default = 600)]
    max_s: f64,
    /// Random share of the delay, 0 to 1: 0.2 spreads it over 80 to 120 %.
    #[schema(minimum = 0, maximum = 1, default = 0.2)]
    jitter: f64,
    /// Error classes that are retried. Empty: all but `QUEUE_TIMEOUT`, `CREDENTIAL_INVALID` and `INVALID_PARAMETERS`.
    #[schema(value_type = Vec<ErrorClass>)]
    on: Vec<domain::job::ErrorClass>,
    /// Error classes that are never retried.
    #[schema(value_type = Vec<ErrorClass>)]
    never_on: Vec<domain::job::ErrorClass>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let domain::retry::RetryPolicy { max_attempts, backoff, base_s, max_s, jitter, on, never_on } =
            domain::retry::RetryPolicy::default();
        Self { max_attempts, backoff, base_s, max_s, jitter, on, never_on }
    }
}

/// At most `max` starts in any `per_s` seconds. A tenth of `max` may start at once; the rest is spread over the period.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimit {
    /// Maximum number of starts in a period.
    #[schema(minimum = 1, maximum = 100_000)]
    max: u32,
    /// Length of the period in seconds.
    #[schema(minimum = 0.1, maximum = 86_400)]
    per_s: f64,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use utoipa::{
        PartialSchema as _,
        openapi::{RefOr, Schema},
    };

    use super::*;

    /// The value of `key` for each field of the schema.
    fn bounds(schema: RefOr<Schema>, key: &str) -> Vec<f64> {
        let schema: Value = serde_json::to_value(schema).unwrap();
        schema["properties"].as_object().unwrap().values().filter_map(|field| field[key].as_f64()).collect()
    }

    #[test]
    fn the_policies_are_those_of_domain() {
        use domain::{policy, retry};
        let default = json!(retry::RetryPolicy::default());
        assert_eq!(json!(serde_json::from_value::<RetryPolicy>(default.clone()).unwrap()), default);
        let schema = serde_json::to_value(RetryPolicy::schema()).unwrap();
        for (field, value) in
            default.as_object().unwrap().iter().filter(|(field, _)| !["backoff", "on", "never_on"].contains(&field.as_str()))
        {
            assert_eq!(schema["properties"][field]["default"].as_f64(), value.as_f64(), "{field}");
        }
        let at = |max_attempts, base_s, max_s, jitter| retry::RetryPolicy {
            max_attempts,
            base_s,
            max_s,
            jitter,
            ..retry::RetryPolicy::default()
        };
        let longest = retry::RetryPolicy::MAX_DELAY_S;
        let mut highest = bounds(RetryPolicy::schema(), "maximum");
        highest.sort_by(f64::total_cmp);
        assert_eq!(highest, [1.0, f64::from(retry::RetryPolicy::MAX_ATTEMPTS), longest, longest]);
        assert_eq!(bounds(RetryPolicy::schema(), "minimum").iter().sum::<f64>(), 1.0);
        assert_eq!((at(1, 0.0, 0.0, 0.0).faults(), at(100, longest, longest, 1.0).faults()), (vec![], vec![]));
        let limit = json!(policy::RateLimit { max: 1, per_s: 0.5 });
        assert_eq!(json!(serde_json::from_value::<RateLimit>(limit.clone()).unwrap()), limit);
        assert_eq!(
            (bounds(RateLimit::schema(), "minimum"), bounds(RateLimit::schema(), "maximum")),
            (vec![1.0, 0.1], vec![100_000.0, 86_400.0])
        );
        let edges = [policy::RateLimit { max: 1, per_s: 0.1 }, policy::RateLimit { max: policy::RateLimit::MOST, per_s: 86_400.0 }];
        assert!(edges.iter().all(|limit| limit.faults().is_empty()));
    }
}
