//! Whether a request to a hook comes from who has its secret.
//!
//! What must hold: signatures are of the body's own bytes and are compared in constant time; a signature with a time counts for five minutes on
//! either side of the hub's; why a signature is refused says nothing of the right one. During a rotation two secrets count.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, STANDARD_NO_PAD},
};
use chrono::{DateTime, Utc};
use domain::hook::{Encoding, Scheme, Signature, TOLERANCE};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use crate::random_secret;

/// What a secret of Standard Webhooks begins with; base64 follows.
const STANDARD_PREFIX: &str = "whsec_";
/// Most signatures of one request that are compared.
const MOST: usize = 16;

/// Why a request is not from who has the secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignatureFault {
    /// It shows nothing.
    #[error("the header {0} is missing")]
    Missing(String),
    /// What it shows has not the form of the scheme.
    #[error("the header {header} must be {form}")]
    Malformed {
        /// Which header.
        header: String,
        /// What it should look like.
        form: &'static str,
    },
    /// It was signed too long ago, or in the future.
    #[error(
        "the time in the header {0} is more than five minutes from the hub's: the request is old, was sent before, or a clock is wrong"
    )]
    Old(String),
    /// It is not of this body, or was made with another secret.
    #[error("the signature in the header {0} is wrong: it was made with another secret, or of another body")]
    Wrong(String),
}

/// A new secret for a scheme: one that senders take as it is.
#[must_use]
pub fn hook_secret(scheme: Scheme) -> SecretString {
    match scheme {
        Scheme::StandardWebhooks => format!("{STANDARD_PREFIX}{}", STANDARD.encode(rand::random::<[u8; 32]>())).into(),
        _ => random_secret(43).into(),
    }
}

/// What is wrong with a secret that somebody chose, as the end of a sentence.
#[must_use]
pub fn hook_secret_fault(scheme: Scheme, secret: &SecretString) -> Option<&'static str> {
    let secret = secret.expose_secret();
    match scheme {
        Scheme::StandardWebhooks => {
            let is_fine = standard_key(secret.as_bytes()).is_some_and(|key| (24..=64).contains(&key.len()));
            (!is_fine).then_some("must be whsec_ and the base64 of 24 to 64 bytes")
        }
        _ => {
            let is_fine = (16..=256).contains(&secret.len()) && secret.bytes().all(|byte| byte.is_ascii_graphic());
            (!is_fine).then_some("must be 16 to 256 visible ASCII characters")
        }
    }
}

/// Verifies a request: `header` finds a header by its name in lower case, `secrets` are those that count.
///
/// # Errors
/// Why it is refused.
pub fn verify_hook<'a>(
    signature: &Signature,
    secrets: &[SecretSlice<u8>],
    header: impl Fn(&str) -> Option<&'a str>,
    body: &[u8],
    now: DateTime<Utc>,
) -> Result<(), SignatureFault> {
    let Some(name) = signature.header() else { return Ok(()) };
    let shown =
        |name: &str| header(name).map(str::trim).filter(|text| !text.is_empty()).ok_or_else(|| SignatureFault::Missing(name.to_owned()));
    let proof = shown(&name)?;
    let is_good = match signature.scheme {
        Scheme::None => true,
        Scheme::Bearer => is_bearer(signature, secrets, proof),
        Scheme::Github => {
            let form = "sha256= and 64 hexadecimal digits";
            let tag = proof.strip_prefix("sha256=").and_then(from_hex).ok_or_else(|| malformed(&name, form))?;
            secrets.iter().any(|secret| is_mac(secret.expose_secret(), &[body], &tag))
        }
        Scheme::Hmac => {
            let prefix = signature.prefix.as_deref().unwrap_or_default();
            let decoded = proof.strip_prefix(prefix).and_then(|text| match signature.encoding() {
                Encoding::Hex => from_hex(text),
                Encoding::Base64 => STANDARD.decode(text).ok(),
            });
            let tag = decoded.ok_or_else(|| malformed(&name, "the prefix and encoding that the hook is set to"))?;
            secrets.iter().any(|secret| is_mac(secret.expose_secret(), &[body], &tag))
        }
        Scheme::Stripe => {
            let form = "t=TIME,v1=HEX";
            let field = |wanted: &'static str| proof.split(',').filter_map(move |part| part.trim().strip_prefix(wanted));
            let time = field("t=").next().ok_or_else(|| malformed(&name, form))?;
            check_time(time, now, &name, form)?;
            let tags: Vec<_> = field("v1=").filter_map(from_hex).take(MOST).collect();
            any_mac(secrets.iter().map(|secret| secret.expose_secret().to_vec()), &[time.as_bytes(), b".", body], &tags)
        }
        Scheme::StandardWebhooks => {
            let (id, time) = (shown("webhook-id")?, shown("webhook-timestamp")?);
            check_time(time, now, "webhook-timestamp", "seconds since 1970")?;
            let tags: Vec<_> = proof.split(' ').filter_map(|part| STANDARD.decode(part.strip_prefix("v1,")?).ok()).take(MOST).collect();
            let keys = secrets.iter().filter_map(|secret| standard_key(secret.expose_secret()));
            any_mac(keys, &[id.as_bytes(), b".", time.as_bytes(), b".", body], &tags)
        }
    };
    if is_good { Ok(()) } else { Err(SignatureFault::Wrong(name)) }
}

fn malformed(header: &str, form: &'static str) -> SignatureFault {
    SignatureFault::Malformed { header: header.to_owned(), form }
}

fn is_bearer(signature: &Signature, secrets: &[SecretSlice<u8>], proof: &str) -> bool {
    let token = match (&signature.header, proof.split_once(' ')) {
        (Some(_), _) => proof,
        (None, Some((scheme, token))) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
        (None, _) => return false,
    };
    let digest = Sha256::digest(token.as_bytes());
    secrets.iter().any(|secret| Sha256::digest(secret.expose_secret()).ct_eq(&digest).into())
}

fn check_time(text: &str, now: DateTime<Utc>, header: &str, form: &'static str) -> Result<(), SignatureFault> {
    let at = text.parse().ok().and_then(|seconds| DateTime::from_timestamp(seconds, 0)).ok_or_else(|| malformed(header, form))?;
    if (now - at).abs() > TOLERANCE { Err(SignatureFault::Old(header.to_owned())) } else { Ok(()) }
}

fn any_mac(keys: impl Iterator<Item = Vec<u8>>, parts: &[&[u8]], tags: &[Vec<u8>]) -> bool {
    keys.map(zeroize::Zeroizing::new).any(|key| tags.iter().any(|tag| is_mac(&key, parts, tag)))
}

/// Whether `tag` is the HMAC-SHA256 of the parts together, in constant time.
fn is_mac(key: &[u8], parts: &[&[u8]], tag: &[u8]) -> bool {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return false };
    parts.iter().for_each(|part| mac.update(part));
    mac.verify_slice(tag).is_ok()
}

pub(crate) fn standard_key(secret: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(secret).ok()?.strip_prefix(STANDARD_PREFIX)?;
    STANDARD.decode(text).or_else(|_| STANDARD_NO_PAD.decode(text)).ok()
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let (pairs, rest) = text.as_bytes().as_chunks::<2>();
    if !rest.is_empty() || pairs.is_empty() {
        return None;
    }
    pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?)).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    const NOW: i64 = 1_795_651_200;

    struct Request<'a> {
        scheme: Scheme,
        secrets: Vec<&'a str>,
        headers: BTreeMap<&'a str, String>,
        body: &'a [u8],
        at: i64,
    }

    impl Request<'_> {
        fn verify(&self) -> Result<(), SignatureFault> {
            self.verify_as(&Signature { scheme: self.scheme, ..Signature::default() })
        }

        fn verify_as(&self, signature: &Signature) -> Result<(), SignatureFault> {
            let secrets: Vec<SecretSlice<u8>> = self.secrets.iter().map(|secret| secret.as_bytes().to_vec().into()).collect();
            let now = DateTime::from_timestamp(self.at, 0).unwrap();
            verify_hook(signature, &secrets, |name| self.headers.get(name).map(String::as_str), self.body, now)
        }
    }

    fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text);
        mac.finalize().into_bytes().to_vec()
    }

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    fn request<'a>(scheme: Scheme, secret: &'a str, headers: &[(&'a str, &str)], body: &'a [u8]) -> Request<'a> {
        let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Request { scheme, secrets: vec![secret], headers, body, at: NOW }
    }

    /// The example of GitHub's documentation.
    fn github() -> Request<'static> {
        let tag = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
        request(Scheme::Github, "It's a Secret to Everybody", &[("x-hub-signature-256", tag)], b"Hello, World!")
    }

    /// The vector of the specification of Standard Webhooks' rules that the house keeps.
    fn standard() -> Request<'static> {
        let headers = [
            ("webhook-id", "msg_0001"),
            ("webhook-timestamp", "1795651200"),
            ("webhook-signature", "v1,/mCPVYRhinFXpRjxAhCUs87U1lCtYE6UOz6gsk2mqhw="),
        ];
        request(Scheme::StandardWebhooks, "whsec_cmVnZW50ZS1waXRmYWxscy10ZXN0LWtleS0wMDAx", &headers, br#"{"run":"42","ok":true}"#)
    }

    fn stripe() -> Request<'static> {
        let tag = hex(&mac(b"whsec_of_an_endpoint", format!("{NOW}.{{}}").as_bytes()));
        let header = format!("t={NOW},v1={tag},v0=6ffbb59b2300aae63f272406069a9788598b792a944a07aba816edb039989a39");
        request(Scheme::Stripe, "whsec_of_an_endpoint", &[("stripe-signature", &header)], b"{}")
    }

    #[test]
    fn the_vectors_of_the_senders_are_good() {
        assert_eq!([github().verify(), standard().verify(), stripe().verify()], [Ok(()), Ok(()), Ok(())]);
    }

    #[test]
    fn another_body_secret_or_signature_is_refused() {
        for good in [github, standard, stripe] {
            let wrong = |request: Request<'_>| matches!(request.verify(), Err(SignatureFault::Wrong(_)));
            assert!(wrong(Request { body: b"{ }", ..good() }));
            assert!(wrong(Request { secrets: vec!["whsec_cmVnZW50ZS1waXRmYWxscy10ZXN0LWtleS0wMDAy"], ..good() }));
            assert!(wrong(Request { secrets: vec![], ..good() }));
            assert!(Request { headers: BTreeMap::new(), ..good() }.verify().unwrap_err().to_string().contains("is missing"));
        }
    }

    #[test]
    fn two_secrets_count_while_one_replaces_the_other() {
        for good in [github, standard, stripe] {
            let old = good().secrets[0];
            for secrets in [vec![old, "another-secret-1"], vec!["another-secret-1", old]] {
                assert_eq!(Request { secrets, ..good() }.verify(), Ok(()));
            }
        }
        let both = Request {
            headers: standard()
                .headers
                .into_iter()
                .map(|(name, value)| (name, if name == "webhook-signature" { format!("v1a,x v1,AAAA {value}") } else { value }))
                .collect(),
            ..standard()
        };
        assert_eq!(both.verify(), Ok(()), "either of a sender's signatures verifies");
    }

    #[test]
    fn a_time_counts_for_five_minutes_on_either_side() {
        for good in [standard, stripe] {
            for (seconds, is_good) in [(300, true), (-300, true), (301, false), (-301, false)] {
                let verdict = Request { at: NOW + seconds, ..good() }.verify();
                assert_eq!(verdict.is_ok(), is_good, "{seconds}: {verdict:?}");
                assert!(is_good || matches!(verdict, Err(SignatureFault::Old(_))));
            }
        }
        assert_eq!(Request { at: NOW + 1_000_000, ..github() }.verify(), Ok(()), "it has no time");
    }

    #[test]
    fn what_has_not_the_form_of_its_scheme_says_so() {
        for (scheme, name, value) in [
            (Scheme::Github, "x-hub-signature-256", "757107ea"),
            (Scheme::Github, "x-hub-signature-256", "sha256="),
            (Scheme::Github, "x-hub-signature-256", "sha256=75710"),
            (Scheme::Github, "x-hub-signature-256", "sha256=zz"),
            (Scheme::Stripe, "stripe-signature", "v1=00"),
            (Scheme::Stripe, "stripe-signature", "t=yesterday,v1=00"),
            (Scheme::Stripe, "stripe-signature", "t=99999999999999999999,v1=00"),
        ] {
            let verdict = request(scheme, "s", &[(name, value)], b"").verify();
            assert!(matches!(verdict, Err(SignatureFault::Malformed { .. })), "{value}: {verdict:?}");
        }
        let cut = request(Scheme::Github, "s", &[("x-hub-signature-256", "sha256=7571")], b"").verify();
        assert!(matches!(cut, Err(SignatureFault::Wrong(_))));
    }

    #[test]
    fn a_bearer_shows_the_secret_itself() {
        let verify = |headers: &[(&'static str, &str)], signature: &Signature| {
            request(Scheme::Bearer, "secret-of-a-sender", headers, b"").verify_as(signature)
        };
        let usual = Signature { scheme: Scheme::Bearer, ..Signature::default() };
        assert_eq!(verify(&[("authorization", "bearer secret-of-a-sender")], &usual), Ok(()));
        for wrong in
            ["secret-of-a-sender", "Basic secret-of-a-sender", "Bearer secret-of-a-sende", "Bearer  ", "Bearer secret-of-a-sender2"]
        {
            assert!(verify(&[("authorization", wrong)], &usual).is_err(), "{wrong}");
        }
        let own = Signature { header: Some("X-Gitlab-Token".to_owned()), ..usual };
        assert_eq!(verify(&[("x-gitlab-token", "secret-of-a-sender")], &own), Ok(()));
        assert!(verify(&[("authorization", "Bearer secret-of-a-sender")], &own).is_err());
    }

    #[test]
    fn a_header_of_one_s_choice_is_hexadecimal_or_base64() {
        let tag = mac(b"secret-of-a-sender", b"{}");
        let signature = |encoding, prefix: &str| Signature {
            scheme: Scheme::Hmac,
            header: Some("X-Line-Signature".to_owned()),
            encoding: Some(encoding),
            prefix: Some(prefix.to_owned()),
        };
        let verify = |value: &str, signature: &Signature| {
            request(Scheme::Hmac, "secret-of-a-sender", &[("x-line-signature", value)], b"{}").verify_as(signature)
        };
        assert_eq!(verify(&STANDARD.encode(&tag), &signature(Encoding::Base64, "")), Ok(()));
        assert_eq!(verify(&format!("v0={}", hex(&tag).to_uppercase()), &signature(Encoding::Hex, "v0=")), Ok(()));
        assert!(verify(&hex(&tag), &signature(Encoding::Hex, "v0=")).is_err());
        assert!(verify(&hex(&tag), &signature(Encoding::Base64, "")).is_err());
    }

    #[test]
    fn a_hook_without_a_scheme_asks_for_nothing() {
        assert_eq!(request(Scheme::None, "", &[], b"x").verify(), Ok(()));
    }

    #[test]
    fn made_secrets_are_good_and_weak_ones_are_refused() {
        for scheme in Scheme::ALL {
            let (one, two) = (hook_secret(scheme), hook_secret(scheme));
            assert_ne!(one.expose_secret(), two.expose_secret());
            assert_eq!(hook_secret_fault(scheme, &one), None, "{scheme}");
            for weak in ["", "short", "with space in it 1234", "whsec_", "whsec_AAAA", "ünicode-secret-123"] {
                assert!(hook_secret_fault(scheme, &weak.into()).is_some(), "{scheme}: {weak}");
            }
        }
    }
}
