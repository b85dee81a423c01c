use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::examples;

/// How people can sign in at this hub.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::sign_in_ways)]
pub struct SignInWays {
    /// With a user name or e-mail address and a password.
    pub password: bool,
    /// Whether nobody has to: the hub serves its own machine alone, for trying things out.
    pub anonymous: bool,
    /// With an identity provider; `null`: none is set up.
    pub oidc: Option<OidcWay>,
}

/// Sign-in with an identity provider (OpenID Connect).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OidcWay {
    /// What people call it.
    pub name: String,
    /// Where a browser begins: an address of the hub, to which `return_to` and `code_challenge` are added.
    pub start: String,
}

/// The beginning of a sign-in with an identity provider.
#[derive(Clone, Debug, Default, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct OidcStart {
    /// Where the browser goes in the end: a path of the hub (the default is `/`), or a loopback address with a port, such as
    /// `http://127.0.0.1:51234/done`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(max_length = 2000, pattern = r"^[^\u0000]*$")]
    pub return_to: Option<String>,
    /// SHA-256 of a code verifier that the program keeps, in base64url (method `S256` of RFC 7636).
    #[param(min_length = 43, max_length = 43, pattern = "^[A-Za-z0-9_-]{43}$")]
    pub code_challenge: String,
}

/// What an identity provider sends a browser back with. Other parameters are ignored.
#[derive(Clone, Default, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OidcCallback {
    /// Which sign-in it is.
    #[param(pattern = r"^[^\u0000]*$")]
    pub state: String,
    /// The provider's code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub code: Option<String>,
    /// Why the provider signed nobody in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub error: Option<String>,
    /// The same, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub error_description: Option<String>,
    /// The provider (RFC 9207).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub iss: Option<String>,
}

/// Collects the outcome of a sign-in with an identity provider.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::oidc_token)]
pub struct OidcTokenRequest {
    /// The code that the browser came back with. It is good once, for 60 s.
    pub code: String,
    /// What `code_challenge` is the SHA-256 of.
    pub code_verifier: String,
}
