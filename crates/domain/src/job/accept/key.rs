use crate::Fault;

/// Makes a request repeatable: a second request with the same key returns the job of the first. The caller chooses it; it is unique within
/// the automation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

/// How the keys of schedules, chains and webhooks begin.
const RESERVED: [&str; 3] = ["schedule/", "chain/", "hook/"];

impl IdempotencyKey {
    /// Maximum length in bytes.
    pub const MAX: usize = 255;

    /// Parses a key.
    ///
    /// # Errors
    /// A fault in `idempotency_key` with the rule.
    pub fn parse(key: String) -> Result<Self, Fault> {
        let fault = |message: String| Err(Fault::new("idempotency_key", message));
        if key.is_empty() || key.len() > Self::MAX {
            return fault(format!("must have 1 to {} bytes", Self::MAX));
        }
        if key.contains('\0') {
            return fault("must not contain NUL characters".to_owned());
        }
        Ok(Self(key))
    }

    /// Whether it is of the form that the hub's own requests have: who may choose such a key could take a schedule's run away.
    #[must_use]
    pub fn is_reserved(&self) -> bool {
        RESERVED.iter().any(|prefix| self.0.starts_with(prefix))
    }

    /// Its text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<IdempotencyKey> for String {
    fn from(key: IdempotencyKey) -> Self {
        key.0
    }
}
