//! The hub: sign-in, health, status, API description.

use api_types::{
    ChangePasswordRequest, Health, LoginRequest, LoginResponse, LogoutRequest, Me, OidcTokenRequest, OpsStatus, ReconcilerStatus,
    RefreshRequest, Session, SessionFilter, SignInWays, TaskStatus,
};
use domain::ids::SessionId;
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Call, Client, List};

impl Client {
    /// Signs a user in as [`Client::login`] does, by user name or e-mail address, and with an earlier refresh token if there is one.
    pub fn login_with(&self, request: &LoginRequest) -> Call<LoginResponse> {
        self.post(&["auth", "login"]).repeatable().json(request)
    }

    /// Returns the next access token of the session, and the next refresh token. May be repeated within 10 s.
    pub fn refresh(&self, refresh_token: &str) -> Call<LoginResponse> {
        self.post(&["auth", "refresh"]).repeatable().json(&RefreshRequest { refresh_token: refresh_token.to_owned() })
    }

    /// Ends the session of this refresh token.
    pub fn logout(&self, refresh_token: &str) -> Call<()> {
        self.post(&["auth", "logout"]).repeatable().json(&LogoutRequest { refresh_token: Some(refresh_token.to_owned()) })
    }

    /// Changes the caller's password and returns the next tokens of this session; their other sessions end.
    pub fn change_password(&self, request: &ChangePasswordRequest) -> Call<LoginResponse> {
        self.post(&["auth", "change-password"]).json(request)
    }

    /// The caller's sessions, the newest first.
    pub fn sessions(&self, filter: &SessionFilter) -> List<Session> {
        self.list(&["auth", "sessions"], filter)
    }

    /// Ends one of the caller's sessions.
    pub fn session_end(&self, id: SessionId) -> Call<()> {
        self.delete(&["auth", "sessions", &id.to_string()])
    }

    /// The caller: its name, permissions and account.
    pub fn me(&self) -> Call<Me> {
        self.get(&["auth", "me"])
    }

    /// Signs a user in; pass the answer to [`Client::with_sign_in`].
    pub fn login(&self, username: &str, password: impl Into<SecretString>) -> Call<LoginResponse> {
        let password = password.into().expose_secret().to_owned();
        self.post(&["auth", "login"]).repeatable().json(&LoginRequest {
            username: Some(username.to_owned()),
            password,
            ..LoginRequest::default()
        })
    }

    /// How people can sign in; needs no sign-in.
    pub fn sign_in_ways(&self) -> Call<SignInWays> {
        self.get(&["auth", "providers"])
    }

    /// Collects the outcome of a sign-in with the identity provider, once; pass the answer to [`Client::with_sign_in`].
    pub fn oidc_token(&self, request: &OidcTokenRequest) -> Call<LoginResponse> {
        self.post(&["auth", "oidc", "token"]).json(request)
    }

    /// Health of the hub; needs no sign-in.
    pub fn health(&self) -> Call<Health> {
        self.get(&["health"])
    }

    /// Status of the hub, its workers and its queues.
    pub fn ops_status(&self) -> Call<OpsStatus> {
        self.get(&["ops", "status"])
    }

    /// Reconcilers and their last runs.
    pub fn ops_reconcilers(&self) -> Call<Vec<ReconcilerStatus>> {
        self.get(&["ops", "reconcilers"])
    }

    /// Background tasks of the answering replica.
    pub fn ops_tasks(&self) -> Call<Vec<TaskStatus>> {
        self.get(&["ops", "tasks"])
    }

    /// The API description (OpenAPI).
    pub fn openapi(&self) -> Call<serde_json::Value> {
        self.get(&["openapi.json"])
    }
}
