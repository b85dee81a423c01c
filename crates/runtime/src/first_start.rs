//! Keys that are generated at the first start of an installation. They are stored in the database, so that all replicas, whichever services
//! they run, sign with and accept the same keys.

use auth::Tokens;
use secrecy::{ExposeSecret, SecretString};
use store::{Database, Error, identity::instance_setting_get_or_insert};

use crate::Settings;

/// Length of the shared worker key, in characters.
const WORKER_KEY_LENGTH: usize = 43;
/// Length of the signing key of access tokens, in characters.
const SIGNING_KEY_LENGTH: usize = 64;

/// The keys of an installation.
pub(crate) struct Keys {
    /// Signs and checks access tokens.
    pub(crate) tokens: Tokens,
    /// The shared worker key.
    pub(crate) worker_key: SecretString,
}

impl Keys {
    /// Reads the keys and generates missing ones. A worker key in the settings takes precedence over the database; `found` is stored in the
    /// database if it has none.
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
