//! The shared worker key, which is generated at the first start of an installation. It is stored in the database, so that all replicas, whichever
//! services they run, accept the same key.

use secrecy::{ExposeSecret, SecretString};
use store::{Database, Error, identity::instance_setting_get_or_insert};

use crate::Settings;

/// Length of the shared worker key, in characters.
const WORKER_KEY_LENGTH: usize = 43;

/// Reads the shared worker key, or generates it. A key in the settings takes precedence over the database; `found` is stored in the database if
/// it has none.
pub(crate) async fn worker_key(database: &Database, settings: &Settings, found: Option<SecretString>) -> Result<SecretString, Error> {
    let configured = &settings.worker.api_key;
    if !configured.expose_secret().is_empty() {
        return Ok(configured.clone());
    }
    let fresh = found.unwrap_or_else(|| auth::random_secret(WORKER_KEY_LENGTH).into());
    Ok(instance_setting_get_or_insert(database, "worker_key", fresh.expose_secret()).await?.into())
}
