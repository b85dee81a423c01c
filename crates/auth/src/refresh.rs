//! Refresh tokens: what a session shows for its next access token. None is stored: each is the session's id and a number, authenticated with a
//! key, and the session's row has the number that counts.
//!
//! Each use makes the next number. What must hold: several that come at once, as from two tabs, get the same next one; an older one, which only a
//! thief or its victim can have, ends the session for both.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::SecretString;
use sha2::Sha256;
use uuid::Uuid;
use zeroize::Zeroizing;

/// What every refresh token begins with, so that people and scanners of leaked secrets know it.
pub const REFRESH_TOKEN_PREFIX: &str = "rgr_";

/// How long the token before the last one still gets the last one.
const GRACE: TimeDelta = TimeDelta::seconds(10);
/// Bytes that are authenticated: the session's id, the number.
const SIGNED: usize = 24;
const MAC: usize = 32;

/// The key that authenticates refresh tokens.
#[derive(Clone)]
pub struct RefreshKey(Zeroizing<Vec<u8>>);

/// What a token says of its session: the number that it carries counts if the session's row agrees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshToken {
    /// The session.
    pub session: Uuid,
    /// How many came before.
    pub number: i64,
}

/// What is to be done for somebody who shows a refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presented {
    /// It is the last one: the next one is due.
    Current,
    /// The next one was made a moment ago, and is given again.
    Repeated,
    /// It was replaced before: the session ends.
    Reused,
    /// It is newer than its session, whose row comes from a backup.
    Unknown,
}

impl RefreshKey {
    /// From its bytes.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Self {
        Self(Zeroizing::new(bytes.to_vec()))
    }

    /// 32 bytes for a new key.
    #[must_use]
    pub fn generate() -> Zeroizing<[u8; 32]> {
        Zeroizing::new(rand::random())
    }

    /// The token with this number of this session: always the same.
    #[must_use]
    pub fn token(&self, token: RefreshToken) -> SecretString {
        let signed = token.bytes();
        let bytes = [signed.as_slice(), &self.mac(&signed).finalize().into_bytes()].concat();
        format!("{REFRESH_TOKEN_PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes)).into()
    }

    /// What `text` says, when it was made with this key.
    #[must_use]
    pub fn read(&self, text: &str) -> Option<RefreshToken> {
        let text = text.strip_prefix(REFRESH_TOKEN_PREFIX).filter(|text| text.len() < 2 * (SIGNED + MAC))?;
        let bytes: [u8; SIGNED + MAC] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (signed, mac) = bytes.split_first_chunk::<SIGNED>()?;
        self.mac(signed).verify_slice(mac).ok()?;
        let (session, number) = signed.split_first_chunk::<16>()?;
        Some(RefreshToken { session: Uuid::from_bytes(*session), number: i64::from_be_bytes(number.try_into().ok()?) })
    }

    fn mac(&self, signed: &[u8]) -> Hmac<Sha256> {
        // HMAC takes keys of any length.
        let mac = Hmac::<Sha256>::new_from_slice(&self.0).unwrap_or_else(|_| Hmac::new(&Default::default()));
        mac.chain_update(b"regente refresh 1").chain_update(signed)
    }
}

impl RefreshToken {
    fn bytes(self) -> [u8; SIGNED] {
        let mut bytes = [0; SIGNED];
        bytes[..16].copy_from_slice(self.session.as_bytes());
        bytes[16..].copy_from_slice(&self.number.to_be_bytes());
        bytes
    }

    /// What it is worth when its session's last number is `current`, which has counted since `rotated_at`.
    #[must_use]
    pub fn judge(self, current: i64, rotated_at: Option<DateTime<Utc>>, now: DateTime<Utc>) -> Presented {
        match current.saturating_sub(self.number) {
            0 => Presented::Current,
            1 if rotated_at.is_some_and(|at| (now - at).abs() <= GRACE) => Presented::Repeated,
            1.. => Presented::Reused,
            _ => Presented::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    proptest! {
        #[test]
        fn a_token_says_what_it_was_made_of_to_its_key_alone(session: u128, number in 0..i64::MAX, at in 0_usize..74, bit in 0_u8..6) {
            let key = RefreshKey::new(&[1; 32]);
            let made = RefreshToken { session: Uuid::from_u128(session), number };
            let text = key.token(made).expose_secret().to_owned();
            prop_assert_eq!(key.read(&text), Some(made));
            let again = key.token(made);
            prop_assert_eq!(again.expose_secret(), text.as_str());
            prop_assert_eq!(RefreshKey::new(&[2; 32]).read(&text), None);
            let mut bytes = text.into_bytes();
            bytes[4 + at] ^= 1 << bit;
            if let Ok(changed) = std::str::from_utf8(&bytes) {
                prop_assert_eq!(key.read(changed), None);
            }
        }

        #[test]
        fn what_is_none_is_none(text in ".{0,200}") {
            prop_assert_eq!(RefreshKey::new(&[1; 32]).read(&text), None);
            let text = format!("rgr_{text}");
            prop_assert_eq!(RefreshKey::new(&[1; 32]).read(&text), None);
        }
    }

    #[test]
    fn the_last_one_counts_the_one_before_for_a_moment_and_no_other() {
        let token = |number| RefreshToken { session: Uuid::nil(), number };
        let judged = |number, now| token(number).judge(7, Some(at(0)), at(now));
        assert_eq!((judged(7, 0), judged(7, 99_999)), (Presented::Current, Presented::Current));
        assert_eq!((judged(6, 0), judged(6, 10), judged(6, 11)), (Presented::Repeated, Presented::Repeated, Presented::Reused));
        assert_eq!((judged(5, 0), judged(0, 0), judged(-9, 0)), (Presented::Reused, Presented::Reused, Presented::Reused));
        assert_eq!(judged(8, 0), Presented::Unknown);
        assert_eq!(token(0).judge(1, None, at(0)), Presented::Reused);
        assert_eq!(token(i64::MIN).judge(i64::MAX, None, at(0)), Presented::Reused);
    }
}
