//! Access tokens: JWTs signed with Ed25519. Checking one needs only public keys, so that a compromised service can sign none.
//!
//! What must hold: `alg` is EdDSA whatever a token says, so that no public key is ever used as a secret; issuer and audience are ours; a token
//! names its key, and a key signs for one kind of bearer.

use std::{fmt, time::Duration};

use ed25519_dalek::SigningKey as Ed25519;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::Error;

const ISSUER: &str = "regente";
const AUDIENCE: &str = "regente";
/// For how many seconds after its end a token is good: clocks of replicas are never quite the same.
const LEEWAY_S: i64 = 5;
/// How many seconds a token may come before it was made. The clocks of replicas are apart for minutes after the database's was set: those that ran
/// follow it slowly, those that start take it as it is. It lengthens the life of a token that was made too early by as much, and no more.
const EARLY_S: i64 = 60;
/// Bytes of a token that is looked at.
const MOST_TOKEN: usize = 4096;
/// What stands before the 32 bytes of a private key of Ed25519 in PKCS #8 (RFC 8410).
const PKCS8: [u8; 16] = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];

/// Whom an access token is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person.
    User,
    /// A service of the house.
    Service,
}

/// What an access token says. What its bearer may do is not in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who made the token: `regente`.
    pub iss: String,
    /// Whom it is for: `regente`.
    pub aud: String,
    /// Who bears it: the id of a user, the name of a service.
    pub sub: String,
    /// What people call the bearer.
    pub name: String,
    /// User or service.
    pub kind: Kind,
    /// The session that it belongs to; a service has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sid: Option<Uuid>,
    /// The user's generation when it was made: a later one ends it.
    #[serde(rename = "gen", default)]
    pub generation: i64,
    /// When it was made, seconds since 1970.
    pub iat: i64,
    /// When it ends, seconds since 1970.
    pub exp: i64,
}

/// A person who gets an access token.
#[derive(Clone, Copy, Debug)]
pub struct Bearer<'a> {
    /// Who.
    pub user: Uuid,
    /// What people call them.
    pub name: &'a str,
    /// On which device.
    pub session: Uuid,
    /// Their generation.
    pub generation: i64,
}

impl Claims {
    /// Of a user's session, from `now` (seconds since 1970) on.
    #[must_use]
    pub fn user(bearer: &Bearer<'_>, now: i64, lifetime: Duration) -> Self {
        let claims = Self::new(bearer.user.to_string(), bearer.name, Kind::User, now, lifetime);
        Self { sid: Some(bearer.session), generation: bearer.generation, ..claims }
    }

    /// Of a service, from `now` (seconds since 1970) on.
    #[must_use]
    pub fn service(name: &str, now: i64, lifetime: Duration) -> Self {
        Self::new(name.to_owned(), name, Kind::Service, now, lifetime)
    }

    fn new(sub: String, name: &str, kind: Kind, now: i64, lifetime: Duration) -> Self {
        let exp = now.saturating_add_unsigned(lifetime.as_secs());
        Self { iss: ISSUER.into(), aud: AUDIENCE.into(), sub, name: name.to_owned(), kind, sid: None, generation: 0, iat: now, exp }
    }

    /// Whether it is good at `now`, seconds since 1970.
    #[must_use]
    pub const fn is_good_at(&self, now: i64) -> bool {
        now < self.exp.saturating_add(LEEWAY_S) && self.iat <= now.saturating_add(EARLY_S)
    }
}

/// A private key that signs access tokens.
pub struct SigningKey {
    id: String,
    key: EncodingKey,
    public: [u8; 32],
}

impl SigningKey {
    /// From the private key's 32 bytes, which [`SigningKey::generate`] returned.
    ///
    /// # Errors
    /// [`Error::Key`] when it is none.
    pub fn new(id: &str, private: &[u8]) -> Result<Self, Error> {
        let private: Zeroizing<[u8; 32]> = Zeroizing::new(private.try_into().map_err(|_| Error::Key(id.to_owned()))?);
        let public = Ed25519::from_bytes(&private).verifying_key().to_bytes();
        let der = Zeroizing::new([PKCS8.as_slice(), private.as_slice()].concat());
        Ok(Self { id: id.to_owned(), key: EncodingKey::from_ed_der(&der), public })
    }

    /// 32 bytes for a new key.
    #[must_use]
    pub fn generate() -> Zeroizing<[u8; 32]> {
        Zeroizing::new(rand::random())
    }

    /// The name that tokens give it: `kid`.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The part that everybody may know.
    #[must_use]
    pub const fn public(&self) -> [u8; 32] {
        self.public
    }

    /// A token that says this.
    ///
    /// # Errors
    /// [`Error::Token`] when it cannot be signed.
    pub fn sign(&self, claims: &Claims) -> Result<String, Error> {
        let header = Header { kid: Some(self.id.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, claims, &self.key).map_err(|error| Error::Token(error.to_string()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("SigningKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// A public key that checks access tokens.
#[derive(Clone)]
pub struct VerifyingKey(DecodingKey);

impl VerifyingKey {
    /// From its 32 bytes.
    ///
    /// # Errors
    /// [`Error::Key`] when it is none.
    pub fn new(id: &str, public: &[u8]) -> Result<Self, Error> {
        let bytes: [u8; 32] = public.try_into().map_err(|_| Error::Key(id.to_owned()))?;
        ed25519_dalek::VerifyingKey::from_bytes(&bytes).map_err(|_| Error::Key(id.to_owned()))?;
        Ok(Self(DecodingKey::from_ed_der(&bytes)))
    }

    /// What `token` says, when this key signed it for us and it is good at `now` (seconds since 1970).
    ///
    /// # Errors
    /// [`Error::InvalidToken`].
    pub fn check(&self, token: &str, now: i64) -> Result<Claims, Error> {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp"]);
        // By the hub's clock, below.
        validation.validate_exp = false;
        let data = jsonwebtoken::decode::<Claims>(token, &self.0, &validation);
        let claims = data.map_err(|error| Error::InvalidToken(error.to_string()))?.claims;
        if claims.is_good_at(now) { Ok(claims) } else { Err(Error::InvalidToken("it has ended, or begins later".to_owned())) }
    }
}

/// The key that `token` says it is signed with. Nothing is checked of it.
#[must_use]
pub fn key_id(token: &str) -> Option<String> {
    if token.len() > MOST_TOKEN {
        return None;
    }
    jsonwebtoken::decode_header(token).ok()?.kid
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn key(seed: u8) -> (SigningKey, VerifyingKey) {
        let key = SigningKey::new(&format!("key {seed}"), &[seed; 32]).unwrap();
        let public = VerifyingKey::new("", &key.public()).unwrap();
        (key, public)
    }

    fn claims() -> Claims {
        let bearer = Bearer { user: Uuid::from_u128(7), name: "ana", session: Uuid::from_u128(8), generation: 3 };
        Claims::user(&bearer, NOW, Duration::from_secs(60))
    }

    #[test]
    fn a_token_is_good_until_it_ends_and_only_with_its_key() {
        let ((key, public), (_, other)) = (key(1), key(2));
        let token = key.sign(&claims()).unwrap();
        assert_eq!(key_id(&token).as_deref(), Some("key 1"));
        for now in [NOW - 60, NOW, NOW + 64] {
            assert_eq!(public.check(&token, now).unwrap(), claims());
        }
        for now in [NOW - 61, NOW + 65, i64::MAX, i64::MIN] {
            assert!(public.check(&token, now).is_err(), "{now}");
        }
        assert!(other.check(&token, NOW).is_err());
    }

    #[test]
    fn only_our_own_words_to_us_count() {
        let (key, public) = key(1);
        let good = claims();
        for other in [
            Claims { iss: "other".to_owned(), ..good.clone() },
            Claims { aud: "other".to_owned(), ..good.clone() },
            Claims { aud: String::new(), ..good.clone() },
        ] {
            assert!(public.check(&key.sign(&other).unwrap(), NOW).is_err(), "{other:?}");
        }
        let without = |name: &str| {
            let mut claims = serde_json::to_value(&good).unwrap();
            claims.as_object_mut().unwrap().remove(name);
            jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims, &key.key).unwrap()
        };
        assert!(public.check(&without("gen"), NOW).is_ok());
        for name in ["iss", "aud", "sub", "exp", "iat", "kind", "name"] {
            assert!(public.check(&without(name), NOW).is_err(), "{name}");
        }
    }

    #[test]
    fn the_algorithm_is_ours_whatever_a_token_says() {
        let (key, public) = key(1);
        let hs256 = jsonwebtoken::encode(&Header::default(), &claims(), &EncodingKey::from_secret(&key.public())).unwrap();
        assert!(public.check(&hs256, NOW).is_err(), "the public key is no secret");
        let good = key.sign(&claims()).unwrap();
        let mut parts = good.split('.');
        let (_, body, signature) = (parts.next().unwrap(), parts.next().unwrap(), parts.next().unwrap());
        // {"alg":"none"}, {"alg":"HS256"}
        for header in ["eyJhbGciOiJub25lIn0", "eyJhbGciOiJIUzI1NiJ9", ""] {
            for end in [signature, ""] {
                assert!(public.check(&format!("{header}.{body}.{end}"), NOW).is_err(), "{header}");
            }
        }
        let head = good.rsplit_once('.').unwrap().0;
        for token in [head, &format!("{head}."), &format!("{head}.AAAA"), "", "x", "a.b.c", &format!("{good}x")] {
            assert!(public.check(token, NOW).is_err(), "{token}");
        }
    }

    #[test]
    fn a_changed_character_of_header_or_payload_ends_it() {
        let (key, public) = key(1);
        let good = key.sign(&claims()).unwrap();
        let signed = good.rsplit_once('.').unwrap().0.len();
        for at in 0..signed {
            let mut bytes = good.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            assert!(public.check(std::str::from_utf8(&bytes).unwrap(), NOW).is_err(), "{at}");
        }
    }

    #[test]
    fn what_is_no_key_is_refused_and_a_key_is_not_printed() {
        for length in [0, 31, 33, 64] {
            assert!(SigningKey::new("k", &vec![1; length]).is_err() && VerifyingKey::new("k", &vec![1; length]).is_err());
        }
        // No point of the curve.
        assert!(VerifyingKey::new("k", &[2; 32]).is_err());
        assert_eq!(format!("{:?}", key(1).0), r#"SigningKey { id: "key 1", .. }"#);
        assert_ne!(*SigningKey::generate(), *SigningKey::generate());
    }

    #[test]
    fn a_huge_token_is_not_looked_at() {
        assert_eq!(key_id(&format!("{}.b.c", "a".repeat(MOST_TOKEN))), None);
        assert_eq!(key_id("garbage"), None);
    }
}
