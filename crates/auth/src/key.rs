use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

/// A random secret of `length` letters and digits from the operating system's generator; 22 of them have 130 bits.
#[must_use]
pub fn random_secret(length: usize) -> String {
    Alphanumeric.sample_string(&mut rand::rng(), length)
}

/// A key that several callers share. Compares in constant time.
#[derive(Clone)]
pub struct SharedKey {
    digest: [u8; 32],
}

impl SharedKey {
    /// From the key, of which only a digest is kept.
    #[must_use]
    pub fn new(key: &SecretString) -> Self {
        Self { digest: digest(key.expose_secret()) }
    }

    /// Whether `candidate` is the key.
    #[must_use]
    pub fn matches(&self, candidate: &str) -> bool {
        self.digest.ct_eq(&digest(candidate)).into()
    }
}

fn digest(text: &str) -> [u8; 32] {
    Sha256::digest(text.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_key_itself_matches() {
        let key = SharedKey::new(&SecretString::from("abc"));
        assert!(key.matches("abc"));
        assert!(!key.matches("abd") && !key.matches("") && !key.matches("abcd"));
    }

    #[test]
    fn secrets_differ() {
        assert_ne!(random_secret(22), random_secret(22));
        assert_eq!(random_secret(22).len(), 22);
    }
}
