//! Sign-in with an identity provider: the authorization code flow of OpenID Connect with PKCE, discovery, nonce and state.
//!
//! The browser goes to the provider and back; whoever sent it there, a page or a program, collects the outcome with a one-time code and the verifier
//! that only they have. What must hold: the browser that comes back is the one that was sent (its secret is in a cookie, the state in the address), each
//! state and each code is good once, any replica goes on with what another began, and no token is ever in an address. An outcome that is a refusal is
//! collected the same way, so that a program learns why.

mod admission;
mod http;
mod id_token;
mod provider;
mod refusal;
pub(crate) mod routes;

use std::{fs, io, sync::Arc};

use api_types::{LoginResponse, OidcCallback, OidcStart, OidcTokenRequest, OidcWay};
use auth::{BrowserSecret, TokenDigest, code_verifier_matches, random_secret};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Fault,
    single_sign_on::{CODE_CHALLENGE_RULE, RETURN_TO_RULE, ReturnTo, is_code_challenge},
};
use runtime::{Context, Failure, Source, StartError};
use secrecy::{ExposeSecret as _, SecretString};
use store::{
    Database,
    identity::user_get,
    pending_sign_ins::{
        Outcome, PendingSignIn, pending_sign_in_finish, pending_sign_in_insert, pending_sign_in_redeem, pending_sign_in_take,
    },
};
use uuid::Uuid;

use self::{
    http::Http,
    id_token::Expected,
    provider::{Flow, Provider},
    refusal::Refusal,
};
use crate::sessions::{Beginning, Sessions, by_session};

/// Where the provider sends browsers back.
const CALLBACK: &str = "/api/v1/auth/oidc/callback";
/// Where browsers begin.
const START: &str = "/api/v1/auth/oidc/start";
/// How long somebody may take at the provider.
const PATIENCE: TimeDelta = TimeDelta::minutes(10);
/// How long an outcome waits to be collected.
const COLLECTED_WITHIN: TimeDelta = TimeDelta::seconds(60);
/// Sign-ins that are under way at once.
const MOST_PENDING: u64 = 10_000;
/// Letters and digits of a state and of a code: 256 bits.
const SECRET_LENGTH: usize = 43;

const UNKNOWN_SIGN_IN: &str =
    "this sign-in is not known: it was begun in another browser, took longer than 10 minutes, or was used before; begin again";
const UNKNOWN_CODE: Failure = Failure::Unauthorized("the code is not valid, was used before or has expired; sign in again");

/// Signs people in with the identity provider of the settings.
pub(crate) struct Oidc {
    settings: Arc<runtime::Oidc>,
    database: Database,
    sessions: Arc<Sessions>,
    provider: Provider,
}

/// A sign-in that begins: where the browser goes, and its secret.
pub(crate) struct Begun {
    pub(crate) location: String,
    pub(crate) cookie: String,
    pub(crate) secret: BrowserSecret,
}

/// How a browser's way back ended.
pub(crate) struct Returned {
    pub(crate) location: String,
    /// Why it ended without a user, and whose account it would have been.
    pub(crate) refusal: Option<(Refusal, Option<store::identity::User>)>,
}

impl Oidc {
    /// `None`: the settings name no provider. The provider need not be there yet.
    pub(crate) fn new(context: &Context, sessions: Arc<Sessions>) -> Result<Option<Self>, StartError> {
        let settings = Arc::new(context.settings.oidc.clone());
        if !settings.is_on() {
            return Ok(None);
        }
        let secret = client_secret(&settings)?;
        let redirect = format!("{}{CALLBACK}", settings.public_url.trim_end_matches('/'));
        let provider = Provider::new(settings.clone(), Http::new(&settings)?, secret, redirect, context.clock.clone())?;
        Ok(Some(Self { settings, database: context.database.clone(), sessions, provider }))
    }

    pub(crate) fn way(&self) -> OidcWay {
        OidcWay { name: self.settings.name.clone(), start: format!("{}{START}", self.settings.public_url.trim_end_matches('/')) }
    }

    /// Whether browsers reach the hub by HTTPS alone.
    pub(crate) fn is_secure(&self) -> bool {
        self.settings.public_url.starts_with("https://")
    }

    /// Begins a sign-in.
    pub(crate) async fn begin(&self, request: OidcStart) -> Result<Begun, Failure> {
        let OidcStart { return_to, code_challenge } = request;
        let return_to = return_to.unwrap_or_else(|| "/".to_owned());
        let mut faults = Vec::new();
        if ReturnTo::parse(&return_to).is_none() {
            faults.push(Fault::new("return_to", RETURN_TO_RULE));
        }
        if !is_code_challenge(&code_challenge) {
            faults.push(Fault::new("code_challenge", CODE_CHALLENGE_RULE));
        }
        if !faults.is_empty() {
            return Err(Failure::BadQuery(faults));
        }
        let (state, secret, now) = (random_secret(SECRET_LENGTH), BrowserSecret::generate(), self.now());
        let location = self.provider.authorize_url(&state, &secret).await?;
        let state_digest = digest(&state);
        let (browser_digest, expires_at) = (secret.digest(), now + PATIENCE);
        let cookie = self.cookie_name(&state_digest);
        let id = Uuid::now_v7();
        let pending = PendingSignIn { id, state_digest, browser_digest, return_to, code_challenge, created_at: now, expires_at };
        if !pending_sign_in_insert(&self.database, &pending, MOST_PENDING, now).await? {
            return Err(Failure::TooMany { detail: "too many sign in at once; try again", retry_after_s: 60 });
        }
        Ok(Begun { location, cookie, secret })
    }

    /// The cookie with the secret of the browser that comes back with this state.
    pub(crate) fn cookie_of(&self, state: &str) -> String {
        self.cookie_name(&digest(state))
    }

    /// Each sign-in has one of its own, so that several windows do not disturb each other. With the prefix, no other host can set it.
    fn cookie_name(&self, state_digest: &str) -> String {
        let prefix = if self.is_secure() { "__Host-" } else { "" };
        format!("{prefix}regente-oidc-{}", state_digest.get(..16).unwrap_or_default())
    }

    /// Goes on with the sign-in of a browser that comes back with this secret.
    pub(crate) async fn finish(&self, back: OidcCallback, secret: Option<BrowserSecret>, source: &Source) -> Result<Returned, Failure> {
        let unknown = || Failure::BadRequest(UNKNOWN_SIGN_IN.to_owned());
        let secret = secret.ok_or_else(unknown)?;
        let digests = (digest(&back.state), secret.digest());
        let taken = pending_sign_in_take(&self.database, (&digests.0, &digests.1), self.now()).await?;
        let pending = taken.ok_or_else(unknown)?;
        let (outcome, refusal) = match self.identify(back, &pending, &secret).await {
            Ok(claims) => self.admit(&claims, source).await?,
            Err(refusal) => (Outcome::Refused(refusal.as_str().to_owned()), Some((refusal, None))),
        };
        let code = random_secret(SECRET_LENGTH);
        pending_sign_in_finish(&self.database, pending.id, &digest(&code), &outcome, self.now() + COLLECTED_WITHIN).await?;
        let return_to = ReturnTo::parse(&pending.return_to);
        let return_to = return_to.ok_or_else(|| Failure::Internal(format!("pending sign-in {} returns nowhere", pending.id)))?;
        Ok(Returned { location: return_to.with_code(&self.settings.public_url, &code), refusal })
    }

    /// Whom the provider means.
    async fn identify(&self, back: OidcCallback, pending: &PendingSignIn, secret: &BrowserSecret) -> Result<id_token::Claims, Refusal> {
        let OidcCallback { code, error, error_description, iss, .. } = back;
        // Who answered comes first: an error of somebody else says nothing.
        self.provider.check_issuer(iss.as_deref()).await?;
        if let Some(error) = error {
            let description = error_description.unwrap_or_default();
            tracing::info!(oidc.error = %shown(&error), oidc.description = %shown(&description), "the identity provider signed nobody in");
            return Err(if error == "access_denied" { Refusal::Denied } else { Refusal::Provider });
        }
        let code = code.ok_or(Refusal::Provider)?;
        let expected = Expected { nonce: secret.nonce(), began_at: pending.created_at };
        self.provider.redeem(Flow { code, code_verifier: secret.code_verifier() }, &expected).await
    }

    /// Gives the tokens to whoever has the code and its verifier.
    pub(crate) async fn collect(&self, request: OidcTokenRequest, beginning: Beginning, source: Source) -> Result<LoginResponse, Failure> {
        let OidcTokenRequest { code, code_verifier } = request;
        // Whoever has a wrong verifier has seen somebody's code: it is used up.
        let found = pending_sign_in_redeem(&self.database, &digest(&code), self.now()).await?;
        let (pending, outcome) = found.ok_or(UNKNOWN_CODE)?;
        if !code_verifier_matches(&code_verifier, &pending.code_challenge) {
            return Err(UNKNOWN_CODE);
        }
        let id = match outcome {
            Outcome::User(id) => id,
            Outcome::Refused(reason) => return Err(Refusal::parse(&reason).failure(&self.settings)),
        };
        let user = user_get(&self.database, id).await?.filter(|user| user.is_active);
        let user = user.ok_or_else(|| Refusal::Deactivated.failure(&self.settings))?;
        let beginning = Beginning { provider: Some(self.settings.issuer.clone()), ..beginning };
        self.sessions.begin(&user, beginning, |session| by_session(source, &user, session)).await
    }

    fn now(&self) -> DateTime<Utc> {
        (self.sessions.clock)()
    }
}

/// SHA-256 of a secret of 256 bits, which is all that is kept of it.
fn digest(secret: &str) -> String {
    TokenDigest::of_text(secret).to_hex()
}

/// What of another system's text is logged.
fn shown(text: &str) -> String {
    text.chars().filter(|character| !character.is_control()).take(300).collect()
}

fn client_secret(settings: &runtime::Oidc) -> Result<Option<SecretString>, StartError> {
    let file = &settings.client_secret_file;
    if !file.as_os_str().is_empty() {
        let unreadable = |error: io::Error| format!("oidc.client_secret_file: {}: {error}", file.display());
        let text = fs::read_to_string(file).map_err(unreadable)?;
        return Ok(Some(text.trim().to_owned().into()));
    }
    Ok(Some(settings.client_secret.clone()).filter(|secret| !secret.expose_secret().is_empty()))
}
