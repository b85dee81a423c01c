//! Signatures of outgoing webhooks, as Standard Webhooks says.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use chrono::{DateTime, Utc};
use hmac::{Hmac, KeyInit as _, Mac as _};
use secrecy::{ExposeSecret as _, SecretString};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::hook_signature::standard_key;

/// The header `webhook-signature` of a request: one signature for each of the secrets, either of which a receiver may have while one replaces the
/// other. `None`: there is no secret, or one has not the form of Standard Webhooks.
#[must_use]
pub fn sign_standard_webhook(secrets: &[SecretString], id: &str, at: DateTime<Utc>, body: &[u8]) -> Option<String> {
    let sign = |secret: &SecretString| {
        let key = Zeroizing::new(standard_key(secret.expose_secret().as_bytes())?);
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        for part in [id.as_bytes(), b".", at.timestamp().to_string().as_bytes(), b".", body] {
            mac.update(part);
        }
        Some(format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes())))
    };
    let signatures = secrets.iter().map(sign).collect::<Option<Vec<String>>>()?;
    (!signatures.is_empty()).then(|| signatures.join(" "))
}

#[cfg(test)]
mod tests {
    use domain::hook::{Scheme, Signature};
    use secrecy::SecretSlice;

    use super::*;
    use crate::{hook_secret, verify_hook};

    const SECRET: &str = "whsec_cmVnZW50ZS1waXRmYWxscy10ZXN0LWtleS0wMDAx";
    const BODY: &[u8] = br#"{"run":"42","ok":true}"#;

    fn at() -> DateTime<Utc> {
        DateTime::from_timestamp(1_795_651_200, 0).unwrap()
    }

    #[test]
    fn the_vector_of_the_rules_is_signed_as_it_says() {
        let signed = sign_standard_webhook(&[SECRET.into()], "msg_0001", at(), BODY).unwrap();
        assert_eq!(signed, "v1,/mCPVYRhinFXpRjxAhCUs87U1lCtYE6UOz6gsk2mqhw=");
        assert_eq!(sign_standard_webhook(&[], "msg_0001", at(), BODY), None);
        assert_eq!(sign_standard_webhook(&[SECRET.into(), "no secret".into()], "msg_0001", at(), BODY), None);
    }

    #[test]
    fn while_a_secret_is_replaced_either_verifies() {
        let (old, new, other) = (SecretString::from(SECRET), hook_secret(Scheme::StandardWebhooks), hook_secret(Scheme::StandardWebhooks));
        let signed = sign_standard_webhook(&[new.clone(), old.clone()], "msg_0001", at(), BODY).unwrap();
        assert_eq!(signed.split(' ').count(), 2);
        let header = |name: &str| match name {
            "webhook-id" => Some("msg_0001"),
            "webhook-timestamp" => Some("1795651200"),
            "webhook-signature" => Some(signed.as_str()),
            _ => None,
        };
        let signature = Signature { scheme: Scheme::StandardWebhooks, ..Signature::default() };
        for (secret, is_good) in [(&old, true), (&new, true), (&other, false)] {
            let secret = SecretSlice::from(secret.expose_secret().as_bytes().to_vec());
            assert_eq!(verify_hook(&signature, &[secret], header, BODY, at()).is_ok(), is_good);
        }
    }
}
