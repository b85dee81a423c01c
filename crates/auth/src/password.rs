use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher, PasswordVerifier, phc::PasswordHash},
};

use crate::Error;

/// 7 MiB, five passes: as strong by OWASP's Password Storage Cheat Sheet as 19 MiB and two passes, and easier on the memory of a hub in
/// which several people sign in at once.
fn hasher() -> Argon2<'static> {
    let params = Params::new(7 * 1024, 5, 1, None).unwrap_or(Params::DEFAULT);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Argon2id hash of a password, in PHC form, with a salt of its own. Takes tens of milliseconds: run it off the async threads.
///
/// # Errors
/// [`Error::Hash`] when the operating system gives no randomness.
pub fn password_hash(password: &str) -> Result<String, Error> {
    let hash = hasher().hash_password(password.as_bytes());
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
