//! The hub itself: signing in, how it is.

use api_types::{Health, LoginRequest, LoginResponse, OpsStatus, ReconcilerStatus, TaskStatus};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Call, Client};

impl Client {
    /// Signs a person in; [`Client::with_token`] takes what comes of it.
    pub fn login(&self, username: &str, password: impl Into<SecretString>) -> Call<LoginResponse> {
        let password = password.into().expose_secret().to_owned();
        self.post(&["auth", "login"]).repeatable().json(&LoginRequest { username: username.to_owned(), password })
    }

    /// How the hub is; needs no sign-in.
    pub fn health(&self) -> Call<Health> {
        self.get(&["health"])
    }

    /// What the hub holds and waits for.
    pub fn ops_status(&self) -> Call<OpsStatus> {
        self.get(&["ops", "status"])
    }

    /// What the reconcilers did last.
    pub fn ops_reconcilers(&self) -> Call<Vec<ReconcilerStatus>> {
        self.get(&["ops", "reconcilers"])
    }

    /// What the background tasks of a replica do.
    pub fn ops_tasks(&self) -> Call<Vec<TaskStatus>> {
        self.get(&["ops", "tasks"])
    }

    /// The description of the API.
    pub fn openapi(&self) -> Call<serde_json::Value> {
        self.get(&["openapi.json"])
    }
}
