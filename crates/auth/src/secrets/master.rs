//! Master keys, as people hand them over.

use std::fmt;

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose::STANDARD},
};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::KEY_BYTES;

/// Takes padding or none.
const LENIENT: GeneralPurpose =
    GeneralPurpose::new(&alphabet::STANDARD, GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent));

/// Master keys: the first one wraps, all unwrap. There is one at least.
#[derive(Clone)]
pub struct MasterKeys(Vec<MasterKey>);

#[derive(Clone)]
pub(super) struct MasterKey {
    pub(super) id: String,
    pub(super) key: Zeroizing<[u8; KEY_BYTES]>,
}

/// What is wrong with a list of master keys. Positions count from one; the keys themselves are not told.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MasterKeyFault {
    /// One is no key.
    #[error("master key {0} must be 32 bytes in base64: `regente secrets key` makes one")]
    NoKey(usize),
    /// One is there twice.
    #[error("master key {0} is there twice")]
    Twice(usize),
}

impl MasterKeys {
    /// Keys of 32 bytes in base64, with commas between.
    ///
    /// # Errors
    /// [`MasterKeyFault`].
    pub fn parse(text: &SecretString) -> Result<Self, MasterKeyFault> {
        let mut keys: Vec<MasterKey> = Vec::new();
        for (nth, part) in text.expose_secret().split(',').enumerate() {
            let key = decode(part.trim()).ok_or(MasterKeyFault::NoKey(nth + 1))?;
            let key = MasterKey { id: id(&key), key };
            if keys.iter().any(|known| known.id == key.id) {
                return Err(MasterKeyFault::Twice(nth + 1));
            }
            keys.push(key);
        }
        Ok(Self(keys))
    }

    /// A new key, as [`MasterKeys::parse`] takes it.
    #[must_use]
    pub fn generate() -> SecretString {
        encode(&Zeroizing::new(rand::random::<[u8; KEY_BYTES]>())).into()
    }

    /// Ids of the keys; the first one's wraps. An id is a digest of its key: the same wherever the key is.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| key.id.as_str())
    }

    /// The key that wraps.
    pub(super) fn first(&self) -> &MasterKey {
        &self.0[0]
    }

    pub(super) fn find(&self, id: &str) -> Option<&MasterKey> {
        self.0.iter().find(|key| key.id == id)
    }
}

impl fmt::Debug for MasterKeys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("MasterKeys").field(&self.ids().collect::<Vec<_>>()).finish()
    }
}

/// 64 bits are enough to tell keys apart, and tell nothing of a random key.
fn id(key: &[u8; KEY_BYTES]) -> String {
    let digest = Sha256::new().chain_update(b"regente master key").chain_update(key).finalize();
    digest[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

pub(super) fn encode(key: &[u8; KEY_BYTES]) -> String {
    STANDARD.encode(key)
}

fn decode(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let bytes = Zeroizing::new(LENIENT.decode(text).ok()?);
    bytes.as_slice().try_into().ok().map(Zeroizing::new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_with_or_without_padding_and_have_the_same_id_everywhere() {
        let (one, two) = (encode(&[1; 32]), encode(&[2; 32]));
        let keys = MasterKeys::parse(&format!(" {one}\n,{}", two.trim_end_matches('=')).into()).unwrap();
        let ids: Vec<&str> = keys.ids().collect();
        assert_eq!(ids[0], keys.first().id);
        assert_eq!(MasterKeys::parse(&two.into()).unwrap().ids().collect::<Vec<_>>(), [ids[1]]);
        assert_eq!((ids[0].len(), ids[0] == ids[1]), (16, false));
    }

    #[test]
    fn what_is_no_key_is_named_by_its_position() {
        let good = encode(&[1; 32]);
        for (text, fault) in [
            (String::new(), MasterKeyFault::NoKey(1)),
            (format!("{good},"), MasterKeyFault::NoKey(2)),
            (format!("{good},{}", &good[4..]), MasterKeyFault::NoKey(2)),
            ("a password".to_owned(), MasterKeyFault::NoKey(1)),
            (format!("{good},{good}"), MasterKeyFault::Twice(2)),
        ] {
            assert_eq!(MasterKeys::parse(&text.clone().into()).unwrap_err(), fault, "{text}");
        }
    }

    #[test]
    fn a_generated_key_is_one_and_no_other() {
        let made = [MasterKeys::generate(), MasterKeys::generate()].map(|text| MasterKeys::parse(&text).unwrap());
        assert_ne!(made[0].first().id, made[1].first().id);
    }
}
