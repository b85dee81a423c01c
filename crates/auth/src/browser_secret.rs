//! The secret of a browser that signs in at an identity provider. It is in a cookie and nowhere else: the nonce and the code verifier that the
//! provider checks are made of it, so that the hub keeps digests alone.

use std::fmt;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::{TokenDigest, random_secret};

/// Letters and digits of a secret: 256 bits.
const LENGTH: usize = 43;

/// A browser's secret, for one sign-in.
#[derive(Clone)]
pub struct BrowserSecret(SecretString);

impl BrowserSecret {
    /// A new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(random_secret(LENGTH).into())
    }

    /// The one that a browser shows.
    #[must_use]
    pub fn read(text: &str) -> Option<Self> {
        let is_one = text.len() == LENGTH && text.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_one.then(|| Self(text.to_owned().into()))
    }

    /// Itself, for the browser alone.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }

    /// What is kept of it.
    #[must_use]
    pub fn digest(&self) -> String {
        TokenDigest::of(&self.0).to_hex()
    }

    /// What the ID token must repeat.
    #[must_use]
    pub fn nonce(&self) -> String {
        self.derive(b"nonce")
    }

    /// The code verifier (RFC 7636) towards the provider.
    #[must_use]
    pub fn code_verifier(&self) -> String {
        self.derive(b"code_verifier")
    }

    fn derive(&self, purpose: &[u8]) -> String {
        // A key of any length is one: the error has no case.
        let mac = Hmac::<Sha256>::new_from_slice(self.expose().as_bytes()).map(|mac| mac.chain_update(purpose));
        mac.map(|mac| URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes())).unwrap_or_default()
    }
}

impl fmt::Debug for BrowserSecret {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("BrowserSecret")
    }
}

/// The code challenge of a code verifier, by the method S256 of RFC 7636.
#[must_use]
pub fn code_challenge(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Whether a code verifier is the one of this challenge, in constant time.
#[must_use]
pub fn code_verifier_matches(verifier: &str, challenge: &str) -> bool {
    code_challenge(verifier).as_bytes().ct_eq(challenge.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_made_of_a_secret_differs_by_secret_and_purpose_and_shows_nothing_of_it() {
        let secret = BrowserSecret::generate();
        let again = BrowserSecret::read(secret.expose()).unwrap();
        let other = BrowserSecret::generate();
        let made = |secret: &BrowserSecret| [secret.nonce(), secret.code_verifier(), secret.digest()];
        assert_eq!(made(&secret), made(&again));
        for (own, others) in made(&secret).iter().zip(made(&other)) {
            assert_ne!(*own, others);
            assert!(!own.contains(secret.expose()));
        }
        assert_ne!(secret.nonce(), secret.code_verifier());
        assert_eq!((secret.code_verifier().len(), format!("{secret:?}").as_str()), (43, "BrowserSecret"));
        for text in ["", "short", &"-".repeat(43), &"a".repeat(44)] {
            assert!(BrowserSecret::read(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_challenge_is_that_of_the_standard() {
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert!(code_verifier_matches(verifier, "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        assert!(!code_verifier_matches("another", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        assert!(!code_verifier_matches(verifier, ""));
    }
}
