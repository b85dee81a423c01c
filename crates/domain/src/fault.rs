//! Faults of an input: which field, and why.

use serde::Serialize;

/// One fault of an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Path of the field, as a JSON pointer without the leading slash (`retry_policy/max_attempts`); empty: the whole input.
    pub field: String,
    /// Why it is invalid, for people.
    pub message: String,
}

impl Fault {
    /// A fault in `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    /// The same fault, with its path below the field `parent`.
    #[must_use]
    pub fn under(self, parent: &str) -> Self {
        let field = if self.field.is_empty() { parent.to_owned() } else { format!("{parent}/{}", self.field) };
        Self { field, ..self }
    }
}
