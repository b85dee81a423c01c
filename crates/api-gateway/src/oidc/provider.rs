//! The provider, as it describes itself. What must hold: it is asked when somebody signs in and not before, by one request at a time; one that is
//! away, or that sends nonsense, costs its own sign-ins alone.

use std::sync::Arc;

use auth::BrowserSecret;
use chrono::{DateTime, TimeDelta, Utc};
use openidconnect::{
    AdditionalProviderMetadata, AuthType, AuthorizationCode, ClientId, ClientSecret, CsrfToken, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, ProviderMetadata, RedirectUrl, RequestTokenError, Scope, TokenResponse as _,
    core::{
        CoreAuthDisplay, CoreAuthenticationFlow, CoreClaimName, CoreClaimType, CoreClient, CoreClientAuthMethod, CoreGrantType,
        CoreIdToken, CoreJsonWebKey, CoreJsonWebKeySet, CoreJweContentEncryptionAlgorithm, CoreJweKeyManagementAlgorithm, CoreResponseMode,
        CoreResponseType, CoreSubjectIdentifierType,
    },
};
use runtime::{Clock, Failure, Oidc, StartError, is_safe_url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex;

use super::{
    http::{Http, HttpFault, causes},
    id_token::{self, Claims, Expected},
    refusal::{RETRY_AFTER, Refusal},
    shown,
};

/// Age at which the description is read again.
const FRESH_FOR: TimeDelta = TimeDelta::hours(1);
/// Time between two requests for it, when the first failed or had not what was looked for.
const PAUSE: TimeDelta = TimeDelta::seconds(RETRY_AFTER.cast_signed());

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Extra {
    /// Whether the way back names the issuer (RFC 9207).
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
}

impl AdditionalProviderMetadata for Extra {}

type Metadata = ProviderMetadata<
    Extra,
    CoreAuthDisplay,
    CoreClientAuthMethod,
    CoreClaimName,
    CoreClaimType,
    CoreGrantType,
    CoreJweContentEncryptionAlgorithm,
    CoreJweKeyManagementAlgorithm,
    CoreJsonWebKey,
    CoreResponseMode,
    CoreResponseType,
    CoreSubjectIdentifierType,
>;

/// The provider of the settings.
pub(super) struct Provider {
    settings: Arc<Oidc>,
    http: Http,
    issuer: IssuerUrl,
    redirect: RedirectUrl,
    secret: Option<SecretString>,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    known: Option<Arc<Known>>,
    /// It is not asked before.
    not_before: Option<DateTime<Utc>>,
}

/// What it said of itself.
struct Known {
    metadata: Metadata,
    read_at: DateTime<Utc>,
}

impl Known {
    fn keys(&self) -> &CoreJsonWebKeySet {
        self.metadata.jwks()
    }
}

/// It is out of reach, or what it says of itself is not usable.
struct Away;

impl From<Away> for Refusal {
    fn from(Away: Away) -> Self {
        Self::Away
    }
}

/// What a browser brought, and what goes with it.
pub(super) struct Flow {
    pub(super) code: String,
    pub(super) code_verifier: String,
}

impl Provider {
    pub(super) fn new(
        settings: Arc<Oidc>,
        http: Http,
        secret: Option<SecretString>,
        redirect: String,
        clock: Clock,
    ) -> Result<Self, StartError> {
        let issuer = IssuerUrl::new(settings.issuer.clone())?;
        Ok(Self { settings, http, issuer, redirect: RedirectUrl::new(redirect)?, secret, clock, state: Mutex::default() })
    }

    /// Where a browser signs in.
    pub(super) async fn authorize_url(&self, state: &str, secret: &BrowserSecret) -> Result<String, Failure> {
        let away = |Away: Away| Refusal::Away.failure(&self.settings);
        let known = self.known(|_| true).await.map_err(away)?;
        let client = self.client(&known);
        let (state, nonce) = (state.to_owned(), secret.nonce());
        let challenge = PkceCodeChallenge::from_code_verifier_sha256(&PkceCodeVerifier::new(secret.code_verifier()));
        let request = client
            .authorize_url(CoreAuthenticationFlow::AuthorizationCode, || CsrfToken::new(state), || Nonce::new(nonce))
            .add_scopes(self.settings.scopes.iter().filter(|scope| *scope != "openid").cloned().map(Scope::new))
            .set_pkce_challenge(challenge);
        Ok(request.url().0.into())
    }

    /// Checks who sent a browser back, as far as they say so.
    pub(super) async fn check_issuer(&self, told: Option<&str>) -> Result<(), Refusal> {
        let fine = match told {
            Some(told) => told == self.settings.issuer,
            None => !self.known(|_| true).await?.metadata.additional_metadata().authorization_response_iss_parameter_supported,
        };
        if !fine {
            tracing::warn!(oidc.issuer = %shown(told.unwrap_or("none")), "a browser came back from another identity provider");
        }
        if fine { Ok(()) } else { Err(Refusal::Token) }
    }

    /// What the provider says of whom it signed in.
    pub(super) async fn redeem(&self, flow: Flow, expected: &Expected) -> Result<Claims, Refusal> {
        let known = self.known(|_| true).await?;
        let token = self.id_token(&known, flow).await?;
        let now = (self.clock)();
        let verified = match id_token::verify(&token, known.keys(), expected, &self.settings, now) {
            // It signs with a new key.
            Err(id_token::Fault::UnknownKey) => {
                let newer = self.known(|newer| newer.read_at > known.read_at).await?;
                id_token::verify(&token, newer.keys(), expected, &self.settings, now)
            }
            other => other,
        };
        verified.map_err(|fault| {
            tracing::warn!(error = %shown(&fault.to_string()), "the identity provider's token is not valid");
            Refusal::Token
        })
    }

    async fn id_token(&self, known: &Known, Flow { code, code_verifier }: Flow) -> Result<CoreIdToken, Refusal> {
        let client = self.client(known);
        let request = client.exchange_code(AuthorizationCode::new(code)).map_err(|error| {
            tracing::warn!(error = %error, "the identity provider has no token endpoint");
            Refusal::Away
        })?;
        let answer = request.set_pkce_verifier(PkceCodeVerifier::new(code_verifier)).request_async(&self.http).await;
        // An answer that cannot be read is not logged: there may be a token in it.
        let answer = answer.map_err(|error| match &error {
            RequestTokenError::Request(fault @ HttpFault::TooLarge) => refused(fault, Refusal::Provider),
            RequestTokenError::Request(fault) => refused(fault, Refusal::Away),
            RequestTokenError::ServerResponse(_) | RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
                refused(&error, Refusal::Provider)
            }
        })?;
        answer.id_token().cloned().ok_or_else(|| refused(&"the answer has no ID token", Refusal::Token))
    }

    fn client(
        &self,
        known: &Known,
    ) -> CoreClient<
        openidconnect::EndpointSet,
        openidconnect::EndpointNotSet,
        openidconnect::EndpointNotSet,
        openidconnect::EndpointNotSet,
        openidconnect::EndpointMaybeSet,
        openidconnect::EndpointMaybeSet,
    > {
        let id = ClientId::new(self.settings.client_id.clone());
        let secret = self.secret.as_ref().map(|secret| ClientSecret::new(secret.expose_secret().to_owned()));
        let methods = known.metadata.token_endpoint_auth_methods_supported();
        // Without a list it is the standard's, which the header is.
        let takes_header = methods.is_none_or(|methods| methods.contains(&CoreClientAuthMethod::ClientSecretBasic));
        let auth_type = if takes_header { AuthType::BasicAuth } else { AuthType::RequestBody };
        let client = CoreClient::from_provider_metadata(known.metadata.clone(), id, secret);
        client.set_redirect_uri(self.redirect.clone()).set_auth_type(auth_type)
    }

    /// What it says of itself: what is known, if that is fresh and `enough`, else what it says now. When it does not answer, the older counts.
    async fn known(&self, enough: impl Fn(&Known) -> bool) -> Result<Arc<Known>, Away> {
        let mut state = self.state.lock().await;
        let now = (self.clock)();
        let is_enough = |known: &Arc<Known>| now - known.read_at < FRESH_FOR && enough(known);
        if let Some(known) = state.known.as_ref().filter(|known| is_enough(known)) {
            return Ok(known.clone());
        }
        let must_wait = state.not_before.is_some_and(|at| now < at && at - now <= PAUSE);
        if !must_wait {
            if state.known.is_some() {
                state.not_before = Some(now + PAUSE);
            }
            match self.discover().await {
                Ok(metadata) => state.known = Some(Arc::new(Known { metadata, read_at: (self.clock)() })),
                Err(error) => {
                    tracing::warn!(oidc.issuer = self.settings.issuer, error = %shown(&error), "the identity provider is not available");
                    state.not_before = Some((self.clock)() + PAUSE);
                }
            }
        }
        state.known.clone().ok_or(Away)
    }

    async fn discover(&self) -> Result<Metadata, String> {
        let metadata = Metadata::discover_async(self.issuer.clone(), &self.http).await.map_err(|error| causes(&error))?;
        let token = metadata.token_endpoint().ok_or("it has no token endpoint")?;
        let scheme = self.issuer.url().scheme();
        for endpoint in [metadata.authorization_endpoint().url(), token.url(), metadata.jwks_uri().url()] {
            if endpoint.scheme() != scheme || !is_safe_url(endpoint.as_str()) {
                return Err(format!("its endpoint {endpoint} is not {scheme}"));
            }
        }
        Ok(metadata)
    }
}

fn refused(error: &impl std::fmt::Display, refusal: Refusal) -> Refusal {
    tracing::warn!(error = %shown(&error.to_string()), "the identity provider did not redeem a code");
    refusal
}
