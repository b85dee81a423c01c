//! The keys that an installation generates at its first start. They live in the database, so that every replica, whichever services it runs,
//! signs with and accepts the same ones.

use auth::Tokens;
use secrecy::{ExposeSecret, SecretString};
use store::{Database, Error, identity::instance_setting_get_or_insert};

use crate::Settings;

/// Characters of the workers' key.
const WORKER_KEY_LENGTH: usize = 43;
/// Characters of the key that access tokens are signed with.
const SIGNING_KEY_LENGTH: usize = 64;

/// The keys of an installation.
pub(crate) struct Keys {
    /// Signs and checks access tokens.
    pub(crate) tokens: Tokens,
    /// What workers share.
    pub(crate) worker_key: SecretString,
}

impl Keys {
    /// Reads the keys; what is missing is generated. A workers' key of the settings goes before that of the database; `found` is one that the
    /// database takes in when it has none.
    pub(crate) async fn load(database: &Database, settings: &Settings, found: Option<SecretString>) -> Result<Self, Error> {
        let signing_key = instance_setting_get_or_insert(database, "jwt_secret", &auth::random_secret(SIGNING_KEY_LENGTH)).await?;
        let configured = &settings.worker.api_key;
        let worker_key = if configured.expose_secret().is_empty() {
            let fresh = found.unwrap_or_else(|| auth::random_secret(WORKER_KEY_LENGTH).into());
            instance_setting_get_or_insert(database, "worker_key", fresh.expose_secret()).await?.into()
        } else {
            configured.clone()
        };
        Ok(Self { tokens: Tokens::new(&signing_key, settings.auth.token_lifetime), worker_key })
    }
}
