use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::random_secret;

/// Prefix of every worker token, so that people and secret scanners recognise it.
pub const WORKER_TOKEN_PREFIX: &str = "rgw_";

/// A new worker token: the prefix and 43 letters and digits, which have 256 bits.
#[must_use]
pub fn worker_token() -> SecretString {
    format!("{WORKER_TOKEN_PREFIX}{}", random_secret(43)).into()
}

/// SHA-256 of a worker token. A slow hash is not needed: 256 random bits cannot be guessed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TokenDigest([u8; 32]);

impl TokenDigest {
    /// The digest of a token.
    #[must_use]
    pub fn of(token: &SecretString) -> Self {
        Self::of_text(token.expose_secret())
    }

    /// The digest of a token in a request.
    #[must_use]
    pub fn of_text(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }

    /// As 64 hexadecimal digits.
    #[must_use]
    pub fn to_hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether `hex` is this digest, in constant time.
    #[must_use]
    pub fn matches_hex(&self, hex: &str) -> bool {
        self.to_hex().as_bytes().ct_eq(hex.as_bytes()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_have_their_prefix() {
        let (one, two) = (worker_token(), worker_token());
        assert!(one.expose_secret().starts_with("rgw_") && one.expose_secret().len() == 47);
        assert_ne!(one.expose_secret(), two.expose_secret());
    }

    #[test]
    fn a_digest_is_that_of_its_token_alone() {
        let digest = TokenDigest::of_text("abc");
        let known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(digest.to_hex(), known);
        assert!(digest.matches_hex(known));
        assert!(!TokenDigest::of_text("abd").matches_hex(known) && !digest.matches_hex(""));
    }
}
