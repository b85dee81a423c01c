//! Inbound webhooks: how a request of another system becomes a job.
//!
//! A hook belongs to one automation. Its [`Signature`] says how senders prove themselves, its [`Filter`]s which requests start a job, its
//! [`Mapping`] what the job's parameters are, its [`Dedup`] which requests are the same one. `auth` verifies signatures; what a request must
//! be to get that far stands in [`content`].
//!
//! What must hold: no header that carries a credential can be filtered by, mapped or kept; each fault of a request names the place in it.

pub mod content;
mod faults;
mod incoming;
mod signature;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use self::{
    incoming::{Incoming, KeptHeaders, dedup_key, job_key},
    signature::{Encoding, Scheme, Signature, TOLERANCE},
};
use crate::{condition::Operator, wire::wire_names};

/// How a hook judges a request and makes a job of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rules {
    /// Parameters that every job of it gets.
    pub parameters: Map<String, Value>,
    /// Parameters that are taken from the request; they override the former.
    pub mapping: Mapping,
    /// Conditions that a request must meet, all of them, to start a job.
    pub filter: Vec<Filter>,
    /// Which requests are the same.
    pub dedup: Dedup,
}

/// Where each parameter that is taken from a request comes from.
pub type Mapping = BTreeMap<String, Mapped>;

/// Where one parameter comes from: a pointer or a header.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mapped {
    /// JSON pointer into the body; empty: the whole body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// Whether a request without it is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Value when the request has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<Value>,
}

/// A condition on a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// JSON pointer into the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pointer: Option<String>,
    /// Name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// How it is compared.
    pub operator: Operator,
    /// With what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// What makes two requests the same one: equal values of a header, or of these places of the body together. Neither: each is one of its own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dedup {
    /// Name of a header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// JSON pointers into the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub pointers: Vec<String>,
}

wire_names! {
    /// What became of a request to a hook.
    pub enum Outcome as "HookOutcome" {
        /// It was taken, and no job is known of it yet: the hub had no answer of its own, or stopped. The same request may be sent again.
        Pending = "pending",
        /// It became a job.
        Accepted = "accepted",
        /// It was the same as an earlier one, whose job was answered.
        Duplicate = "duplicate",
        /// It did not meet the hook's filter.
        Filtered = "filtered",
        /// The overlap rule of the automation skipped it, because of a job that is pending or running.
        Skipped = "skipped",
        /// It was refused: `reason` says why.
        Refused = "refused",
    }
}

wire_names! {
    /// What a rotation replaces.
    pub enum Rotated as "HookRotated" {
        /// The token, which is the address.
        Token = "token",
        /// The secret of the signature.
        Secret = "secret",
        /// Both.
        Both = "both",
    }
    default Token;
}
