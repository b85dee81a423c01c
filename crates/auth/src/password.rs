use argon2::{
    Argon2,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::Error;

/// Argon2id hash of a password, in PHC form, with a salt of its own. Takes tens of milliseconds: run it off the async threads.
///
/// # Errors
/// [`Error::Hash`] when the operating system gives no randomness.
pub fn password_hash(password: &str) -> Result<String, Error> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string()).map_err(|error| Error::Hash(error.to_string()))
}

/// Whether `password` is the one that `hash` was made from; `false` for an unreadable hash.
#[must_use]
pub fn password_matches(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_passwords_have_different_hashes() {
        let (one, two) = (password_hash("x").unwrap(), password_hash("x").unwrap());
        assert!(one.starts_with("$argon2id$"));
        assert_ne!(one, two);
        assert!(password_matches("x", &one) && !password_matches("y", &one) && !password_matches("x", "nonsense"));
    }
}
