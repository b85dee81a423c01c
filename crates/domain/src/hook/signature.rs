use serde::{Deserialize, Serialize};

use crate::wire::wire_names;
use chrono::TimeDelta;

/// How far the time of a signature may be from the hub's, for schemes that have one.
pub const TOLERANCE: TimeDelta = TimeDelta::minutes(5);

wire_names! {
    /// How senders of a hook prove themselves, besides knowing its address.
    pub enum Scheme as "HookScheme" {
        /// Not at all: whoever knows the address may send.
        None = "none",
        /// `X-Hub-Signature-256: sha256=HEX`, the HMAC-SHA256 of the body, as GitHub and WebSub hubs send it.
        Github = "github",
        /// `Stripe-Signature: t=TIME,v1=HEX`, the HMAC-SHA256 of `TIME.BODY`; five minutes of tolerance.
        Stripe = "stripe",
        /// Standard Webhooks: `webhook-id`, `webhook-timestamp` and `webhook-signature: v1,BASE64`; five minutes of tolerance.
        StandardWebhooks = "standard_webhooks",
        /// The secret itself in a header: `Authorization: Bearer SECRET`, or another header.
        Bearer = "bearer",
        /// The HMAC-SHA256 of the body in a header of your choice, hexadecimal or base64.
        Hmac = "hmac",
    }
    default None;
}

wire_names! {
    /// How a signature is written.
    pub enum Encoding as "HookEncoding" {
        /// Hexadecimal digits.
        Hex = "hex",
        /// Base64.
        Base64 = "base64",
    }
    default Hex;
}

/// How the senders of a hook prove themselves.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signature {
    /// The scheme.
    #[serde(default)]
    pub scheme: Scheme,
    /// The header, for `hmac`; for `bearer`, instead of `Authorization`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub header: Option<String>,
    /// How the signature is written, for `hmac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// What stands before the signature in its header, for `hmac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
}

impl Signature {
    /// Whether it needs a secret.
    #[must_use]
    pub fn has_secret(&self) -> bool {
        self.scheme != Scheme::None
    }

    /// The header with the proof, in lower case; `None`: there is none.
    #[must_use]
    pub fn header(&self) -> Option<String> {
        let usual = match self.scheme {
            Scheme::None => return None,
            Scheme::Github => "x-hub-signature-256",
            Scheme::Stripe => "stripe-signature",
            Scheme::StandardWebhooks => "webhook-signature",
            Scheme::Bearer => "authorization",
            Scheme::Hmac => "",
        };
        Some(self.header.as_deref().unwrap_or(usual).to_ascii_lowercase())
    }
}
