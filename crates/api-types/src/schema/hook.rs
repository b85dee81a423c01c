//! The rules of an inbound webhook.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{ConditionOperator, HookEncoding, HookScheme};
use crate::examples;

/// How senders prove themselves, besides knowing the address.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::hook_signature)]
pub(crate) struct HookSignature {
    /// The scheme.
    #[schema(value_type = HookScheme)]
    scheme: domain::hook::Scheme,
    /// The header with the signature, for `hmac`; for `bearer`, the one with the secret instead of `Authorization`.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$")]
    header: Option<String>,
    /// How the signature is written, for `hmac`; absent: hexadecimal.
    #[schema(value_type = Option<HookEncoding>)]
    encoding: Option<domain::hook::Encoding>,
    /// What stands before the signature in its header, for `hmac`.
    #[schema(max_length = 50, pattern = "^[ -~]*$")]
    prefix: Option<String>,
}

/// Where a parameter comes from: `pointer` or `header`.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HookMapped {
    /// JSON pointer into the body, such as `/commits/0/id`; empty: the whole body.
    #[schema(max_length = 512)]
    pointer: Option<String>,
    /// Name of a header; one with a credential cannot be taken.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$")]
    header: Option<String>,
    /// Whether a request without it is refused.
    required: bool,
    /// Value when the request has none. Absent: the parameter is left out, and the automation's default counts.
    default: Option<serde_json::Value>,
}

/// A condition on a place of the request: `pointer` or `header`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HookFilter {
    /// JSON pointer into the body.
    #[schema(max_length = 512)]
    pointer: Option<String>,
    /// Name of a header; one with a credential cannot be taken.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$")]
    header: Option<String>,
    /// How it is compared.
    #[schema(value_type = ConditionOperator)]
    operator: domain::condition::Operator,
    /// With what; a list for `in` and `not_in`, absent for `exists` and `missing`.
    value: Option<serde_json::Value>,
}

/// What makes two requests the same one: a header, or places of the body together. Neither: each is one of its own.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HookDedup {
    /// Name of a header, such as `X-GitHub-Delivery`.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$")]
    header: Option<String>,
    /// JSON pointers into the body.
    #[schema(max_items = 8)]
    pointers: Vec<String>,
}
