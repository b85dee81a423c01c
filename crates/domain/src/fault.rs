//! What is wrong with an input, and where.

use serde::Serialize;

/// One thing that is wrong with an input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Path of the field inside the body, as a JSON pointer without the leading slash (`retry_policy/max_attempts`); empty for the whole.
    pub field: String,
    /// What is wrong, in words for the person who sent it.
    pub message: String,
}

impl Fault {
    /// A fault in `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }

    /// The same fault, seen from outside the field `parent`.
    #[must_use]
    pub fn under(self, parent: &str) -> Self {
        let field = if self.field.is_empty() { parent.to_owned() } else { format!("{parent}/{}", self.field) };
        Self { field, ..self }
    }
}
