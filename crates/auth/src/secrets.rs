//! Secrets at rest: what must be readable again (signing keys, passwords of channels) and must not be in the database as it is.
//!
//! Envelope encryption: each secret is sealed with AES-256-GCM under a data key of its own, and the data key is wrapped by a master key that is
//! never in the database. What it must hold: a sealed secret opens only at its [`Place`], so that rows cannot be swapped; a changed bit opens
//! nothing; a new master key wraps data keys anew without touching ciphertexts; keys and secrets are wiped from memory and never printed.

mod master;

use std::fmt;

use aes_gcm::{
    Aes256Gcm,
    aead::{Aead, KeyInit, Payload},
};
use secrecy::SecretSlice;
use zeroize::Zeroizing;

pub use self::master::{MasterKeyFault, MasterKeys};

/// Purpose of the private keys that sign access tokens; the id is the key's.
pub const SIGNING_KEY: &str = "signing_key";
/// Purpose of the key that authenticates refresh tokens.
pub const REFRESH_KEY: &str = "refresh_key";
/// Purpose of the shared worker key that the hub generated.
pub const WORKER_KEY: &str = "worker_key";
/// Purpose of the secrets with which senders prove themselves to hooks; the id is the secret's.
pub const HOOK_SECRET: &str = "hook_secret";
/// Purpose of the secrets of channels, one JSON object a channel; the id is the object's.
pub const CHANNEL: &str = "channel";

/// Bytes of a key of AES-256.
const KEY_BYTES: usize = 32;
/// Bytes of a nonce, which stands before what was sealed with it.
const NONCE_BYTES: usize = 12;

/// Where a secret is kept. What was sealed for one place does not open at another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place<'a> {
    /// What it is for: lower-case letters and `_`.
    pub purpose: &'a str,
    /// Which one of these.
    pub id: &'a str,
}

/// A secret as it is kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The master key that wraps the data key.
    pub master_key_id: String,
    /// The data key: nonce, ciphertext, tag.
    pub wrapped_key: Vec<u8>,
    /// The secret: nonce, ciphertext, tag.
    pub ciphertext: Vec<u8>,
}

/// Why a secret was not sealed or opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SecretFault {
    /// The master key that wraps it is not here.
    #[error("the secret is sealed with the master key {0}, which is not here")]
    KeyMissing(String),
    /// It was changed, or sealed for another place.
    #[error("the sealed {purpose} {id} is damaged, or was sealed for another place")]
    Damaged {
        /// Of the place where it was found.
        purpose: String,
        /// Of the same.
        id: String,
    },
    /// It is larger than AES-GCM takes.
    #[error("the secret cannot be sealed")]
    Unsealable,
}

impl MasterKeys {
    /// Seals `secret` for `place`, with the first of the keys.
    ///
    /// # Errors
    /// [`SecretFault::Unsealable`].
    pub fn seal(&self, place: Place<'_>, secret: &[u8]) -> Result<Sealed, SecretFault> {
        let data_key = Zeroizing::new(rand::random::<[u8; KEY_BYTES]>());
        let ciphertext = encrypt(&data_key, &place.bound("data"), secret)?;
        Ok(Sealed { master_key_id: self.first().id.clone(), wrapped_key: self.wrap(place, &data_key)?, ciphertext })
    }

    /// The secret that was sealed for `place`.
    ///
    /// # Errors
    /// [`SecretFault::KeyMissing`] and [`SecretFault::Damaged`].
    pub fn open(&self, place: Place<'_>, sealed: &Sealed) -> Result<SecretSlice<u8>, SecretFault> {
        let data_key = self.unwrap(place, sealed)?;
        let secret = decrypt(&data_key, &place.bound("data"), &sealed.ciphertext).ok_or_else(|| place.damaged())?;
        Ok(SecretSlice::from(secret.to_vec()))
    }

    /// The same secret with its data key wrapped by the first of the keys; `None` when it is already.
    ///
    /// # Errors
    /// As [`MasterKeys::open`].
    pub fn rewrap(&self, place: Place<'_>, sealed: &Sealed) -> Result<Option<Sealed>, SecretFault> {
        if sealed.master_key_id == self.first().id {
            return Ok(None);
        }
        let data_key = self.unwrap(place, sealed)?;
        let wrapped_key = self.wrap(place, &data_key)?;
        Ok(Some(Sealed { master_key_id: self.first().id.clone(), wrapped_key, ciphertext: sealed.ciphertext.clone() }))
    }

    fn wrap(&self, place: Place<'_>, data_key: &[u8; KEY_BYTES]) -> Result<Vec<u8>, SecretFault> {
        encrypt(&self.first().key, &place.bound("key"), data_key)
    }

    fn unwrap(&self, place: Place<'_>, sealed: &Sealed) -> Result<Zeroizing<[u8; KEY_BYTES]>, SecretFault> {
        let master = self.find(&sealed.master_key_id).ok_or_else(|| SecretFault::KeyMissing(sealed.master_key_id.clone()))?;
        let opened = decrypt(&master.key, &place.bound("key"), &sealed.wrapped_key).ok_or_else(|| place.damaged())?;
        let key: [u8; KEY_BYTES] = opened.as_slice().try_into().map_err(|_| place.damaged())?;
        Ok(Zeroizing::new(key))
    }
}

impl Place<'_> {
    /// What binds a ciphertext to this place, and a data key's apart from a secret's. No purpose has a colon.
    fn bound(&self, part: &str) -> String {
        format!("regente:1:{part}:{}:{}", self.purpose, self.id)
    }

    fn damaged(&self) -> SecretFault {
        SecretFault::Damaged { purpose: self.purpose.to_owned(), id: self.id.to_owned() }
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Sealed").field("master_key_id", &self.master_key_id).finish_non_exhaustive()
    }
}

fn encrypt(key: &[u8; KEY_BYTES], bound: &str, secret: &[u8]) -> Result<Vec<u8>, SecretFault> {
    // A data key seals once, a master key a few thousand data keys: a random nonce does not repeat.
    let nonce = rand::random::<[u8; NONCE_BYTES]>();
    let payload = Payload { msg: secret, aad: bound.as_bytes() };
    let sealed = Aes256Gcm::new(key.into()).encrypt((&nonce).into(), payload).map_err(|_| SecretFault::Unsealable)?;
    Ok([nonce.as_slice(), sealed.as_slice()].concat())
}

fn decrypt(key: &[u8; KEY_BYTES], bound: &str, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (nonce, sealed) = sealed.split_first_chunk::<NONCE_BYTES>()?;
    let payload = Payload { msg: sealed, aad: bound.as_bytes() };
    Aes256Gcm::new(key.into()).decrypt(nonce.into(), payload).ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    const HERE: Place<'static> = Place { purpose: "signing_key", id: "1" };

    fn keys(bytes: &[u8]) -> MasterKeys {
        let text: Vec<String> = bytes.iter().map(|byte| master::encode(&[*byte; KEY_BYTES])).collect();
        MasterKeys::parse(&text.join(",").into()).unwrap()
    }

    fn opened(keys: &MasterKeys, place: Place<'_>, sealed: &Sealed) -> Result<Vec<u8>, SecretFault> {
        keys.open(place, sealed).map(|secret| secret.expose_secret().to_vec())
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_at_its_place_alone(secret: Vec<u8>, purpose in "[a-z_]{0,12}", id in ".{0,40}", other in ".{0,40}") {
            let keys = keys(&[1]);
            let place = Place { purpose: &purpose, id: &id };
            let sealed = keys.seal(place, &secret).unwrap();
            prop_assert_eq!(opened(&keys, place, &sealed), Ok(secret.clone()));
            if secret.len() > 3 {
                prop_assert!(!sealed.ciphertext.windows(secret.len()).any(|part| part == secret));
            }
            if other != id {
                let elsewhere = Place { id: &other, ..place };
                prop_assert_eq!(opened(&keys, elsewhere, &sealed), Err(elsewhere.damaged()));
            }
            let longer = format!("{purpose}x");
            let elsewhere = Place { purpose: &longer, id: &id };
            prop_assert_eq!(opened(&keys, elsewhere, &sealed), Err(elsewhere.damaged()));
        }

        #[test]
        fn no_changed_bit_and_no_shortened_text_opens(secret: Vec<u8>, bit in 0_usize..8, at: prop::sample::Index, of_key: bool, cut: bool) {
            let keys = keys(&[1]);
            let mut sealed = keys.seal(HERE, &secret).unwrap();
            let bytes = if of_key { &mut sealed.wrapped_key } else { &mut sealed.ciphertext };
            let at = at.index(bytes.len());
            if cut { bytes.truncate(at) } else { bytes[at] ^= 1 << bit }
            prop_assert_eq!(opened(&keys, HERE, &sealed), Err(HERE.damaged()));
            prop_assert!(keys.rewrap(HERE, &sealed).unwrap().is_none(), "wrapped by the first key already");
        }
    }

    #[test]
    fn parts_of_two_secrets_do_not_make_a_third() {
        let keys = keys(&[1]);
        let there = Place { id: "2", ..HERE };
        let (one, two) = (keys.seal(HERE, b"one").unwrap(), keys.seal(there, b"two").unwrap());
        for (place, key, text) in [(HERE, &one, &two), (HERE, &two, &one), (there, &one, &two), (there, &two, &one)] {
            let mixed = Sealed { ciphertext: text.ciphertext.clone(), ..key.clone() };
            assert_eq!(opened(&keys, place, &mixed), Err(place.damaged()));
        }
        // A data key is no secret of its place.
        let turned = Sealed { ciphertext: one.wrapped_key.clone(), ..one.clone() };
        assert_eq!(opened(&keys, HERE, &turned), Err(HERE.damaged()));
        assert_ne!(keys.seal(HERE, b"one").unwrap(), one, "each has a data key and a nonce of its own");
    }

    #[test]
    fn another_master_key_opens_nothing_and_is_named() {
        let sealed = keys(&[1]).seal(HERE, b"x").unwrap();
        assert_eq!(opened(&keys(&[2]), HERE, &sealed), Err(SecretFault::KeyMissing(sealed.master_key_id.clone())));
        // With the id of another key it does not open either.
        let forged = Sealed { master_key_id: keys(&[2]).first().id.clone(), ..sealed };
        assert_eq!(opened(&keys(&[2]), HERE, &forged), Err(HERE.damaged()));
    }

    #[test]
    fn a_new_first_key_wraps_anew_and_the_old_one_is_not_needed_any_more() {
        let old = keys(&[1]).seal(HERE, b"x").unwrap();
        let both = keys(&[2, 1]);
        assert_eq!(opened(&both, HERE, &old).unwrap(), b"x", "while others rotate");
        let new = both.rewrap(HERE, &old).unwrap().unwrap();
        assert_eq!((&new.ciphertext, &new.master_key_id), (&old.ciphertext, &keys(&[2]).first().id));
        assert_eq!(opened(&keys(&[2]), HERE, &new).unwrap(), b"x");
        assert_eq!(both.rewrap(HERE, &new), Ok(None));
        assert_eq!(keys(&[2]).rewrap(HERE, &old), Err(SecretFault::KeyMissing(old.master_key_id.clone())));
        let elsewhere = Place { id: "2", ..HERE };
        assert_eq!(both.rewrap(elsewhere, &old), Err(elsewhere.damaged()), "a swapped row is not made good");
    }

    #[test]
    fn nothing_is_printed() {
        let keys = keys(b"k");
        let sealed = keys.seal(HERE, b"hunter2").unwrap();
        let printed = format!("{keys:?} {sealed:?} {:?}", keys.open(HERE, &sealed).unwrap());
        assert!(!printed.contains("hunter2") && !printed.contains("kkk") && !printed.contains("107"), "{printed}");
    }
}
