//! Whether an ID token proves who somebody is. The crate checks signature, issuer, audience, end and nonce; what it leaves open is checked here: the
//! time of issue, its beginning, the authorised party, and the algorithms.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::{
    ClaimsVerificationError, ClientId, IssuerUrl, Nonce, SignatureVerificationError,
    core::{CoreIdToken, CoreIdTokenVerifier, CoreJsonWebKeySet, CoreJwsSigningAlgorithm as Algorithm},
};
use runtime::Oidc;
use serde_json::{Map, Value};

/// Signatures that only the provider can make. Never a MAC: its key would be the client's secret, and a public client has none.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RsaSsaPkcs1V15Sha256,
    Algorithm::RsaSsaPkcs1V15Sha384,
    Algorithm::RsaSsaPkcs1V15Sha512,
    Algorithm::RsaSsaPssSha256,
    Algorithm::RsaSsaPssSha384,
    Algorithm::RsaSsaPssSha512,
    Algorithm::EcdsaP256Sha256,
    Algorithm::EcdsaP384Sha384,
    Algorithm::EdDsa,
];
/// Bytes of a subject, by the standard.
const MOST_SUBJECT: usize = 255;

/// What a verified token says.
#[derive(Clone, Debug)]
pub(super) struct Claims {
    /// The provider's name for somebody.
    pub(super) subject: String,
    /// All of it.
    pub(super) all: Map<String, Value>,
}

/// What the token of a sign-in must agree with.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) nonce: String,
    pub(super) began_at: DateTime<Utc>,
}

/// Why a token does not count.
#[derive(Debug, thiserror::Error)]
pub(super) enum Fault {
    /// It is signed with a key that is not known.
    #[error("it is signed with a key that the provider does not have")]
    UnknownKey,
    /// Anything else.
    #[error("{0}")]
    Invalid(String),
}

/// What the token says, if it counts at `now`.
pub(super) fn verify(
    token: &CoreIdToken,
    keys: &CoreJsonWebKeySet,
    expected: &Expected,
    settings: &Oidc,
    now: DateTime<Utc>,
) -> Result<Claims, Fault> {
    let leeway = TimeDelta::from_std(settings.leeway).unwrap_or(TimeDelta::zero());
    let issuer = IssuerUrl::new(settings.issuer.clone()).map_err(|error| Fault::Invalid(error.to_string()))?;
    let issued = |at: DateTime<Utc>| match at {
        // The provider's clock has whole seconds.
        at if at + leeway + TimeDelta::seconds(1) < expected.began_at => Err(format!("it was issued at {at}, before the sign-in began")),
        at if at > now + leeway => Err(format!("it was issued at {at}, and it is {now}")),
        _ => Ok(()),
    };
    let verifier = CoreIdTokenVerifier::new_public_client(ClientId::new(settings.client_id.clone()), issuer, keys.clone())
        .set_allowed_algs(ALGORITHMS)
        .set_other_audience_verifier_fn(|audience| settings.trusted_audiences.iter().any(|trusted| trusted == audience.as_str()))
        .set_time_fn(move || now - leeway)
        .set_issue_time_verifier_fn(issued);
    let claims = token.claims(&verifier, &Nonce::new(expected.nonce.clone())).map_err(fault)?;
    let subject = claims.subject().as_str().to_owned();
    if subject.is_empty() || subject.len() > MOST_SUBJECT || subject.contains('\0') {
        return Err(Fault::Invalid("its subject is none".to_owned()));
    }
    let all = payload(&token.to_string()).ok_or_else(|| Fault::Invalid("its payload is no object".to_owned()))?;
    if all.get("azp").is_some_and(|party| party.as_str() != Some(&settings.client_id)) {
        return Err(Fault::Invalid("it was made for another client (azp)".to_owned()));
    }
    let begins = all.get("nbf").map(|at| at.as_f64().unwrap_or(f64::INFINITY));
    #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 have few digits")]
    if begins.is_some_and(|at| at > (now + leeway).timestamp() as f64) {
        return Err(Fault::Invalid("it is not valid yet (nbf)".to_owned()));
    }
    Ok(Claims { subject, all })
}

fn fault(error: ClaimsVerificationError) -> Fault {
    match error {
        ClaimsVerificationError::SignatureVerification(SignatureVerificationError::NoMatchingKey) => Fault::UnknownKey,
        ClaimsVerificationError::SignatureVerification(error) => Fault::Invalid(error.to_string()),
        other => Fault::Invalid(other.to_string()),
    }
}

/// The payload of a token whose signature was checked.
fn payload(token: &str) -> Option<Map<String, Value>> {
    let bytes = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}
