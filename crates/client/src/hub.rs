//! The hub: sign-in, health, status, API description.

use api_types::{Health, LoginRequest, LoginResponse, OpsStatus, ReconcilerStatus, TaskStatus};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Call, Client};

impl Client {
    /// Signs a user in; pass the access token to [`Client::with_token`].
    pub fn login(&self, username: &str, password: impl Into<SecretString>) -> Call<LoginResponse> {
        let password = password.into().expose_secret().to_owned();
        self.post(&["auth", "login"]).repeatable().json(&LoginRequest {
            username: Some(username.to_owned()),
            password,
            ..LoginRequest::default()
        })
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
