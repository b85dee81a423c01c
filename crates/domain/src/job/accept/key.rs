use crate::Fault;

/// Makes a request that is sent again return the job of the first. Whoever asks chooses it, so it is one's own among the keys of its automation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// Longest key, in bytes.
    pub const MAX: usize = 255;

    /// Reads a key.
    ///
    /// # Errors
    /// A fault in `idempotency_key` that says what it must be.
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
