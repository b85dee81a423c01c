//! The shared worker key, which is generated at the first start of an installation and sealed in the database, so that all replicas with the
//! master key accept the same key. A process without the master key needs `worker.api_key`.
//!
//! Earlier versions kept the key in plain. A start seals that one; the plain row stays while a replica of another version lives, which may be
//! started again and would generate a key of its own, and goes with the first start after.

use auth::secrets::{Place, WORKER_KEY};
use secrecy::{ExposeSecret, SecretString};
use store::{
    Database, Error,
    identity::{instance_setting_delete, instance_setting_find},
};

use crate::{Replica, Secrets, SecretsError, Settings};

/// Length of the shared worker key, in characters.
const WORKER_KEY_LENGTH: usize = 43;
/// Where the key is sealed.
const PLACE: Place<'static> = Place { purpose: WORKER_KEY, id: "shared" };
/// Name of the setting that has it in plain.
const PLAIN: &str = "worker_key";

/// Reads the shared worker key, or generates it. A key in the settings takes precedence over the database; `found` is sealed if the database
/// has none.
pub(crate) async fn worker_key(
    (database, secrets): (&Database, &Secrets),
    replica: &Replica,
    settings: &Settings,
    found: Option<SecretString>,
) -> Result<SecretString, SecretsError> {
    let configured = &settings.worker.api_key;
    if !configured.expose_secret().is_empty() {
        return Ok(configured.clone());
    }
    let plain = instance_setting_find(database, PLAIN).await?.map(SecretString::from);
    if let Err(error) = secrets.check().await {
        return plain.ok_or_else(|| SecretsError::WorkerKey(Box::new(error)));
    }
    let is_plain = plain.is_some();
    let fresh = plain.or(found).unwrap_or_else(|| auth::random_secret(WORKER_KEY_LENGTH).into());
    let key = secrets.get_or_insert(PLACE, fresh.expose_secret().as_bytes()).await?;
    if is_plain && !replica.lives_beside_other_versions().await? {
        instance_setting_delete(database, PLAIN).await?;
        tracing::info!("the shared worker key is sealed now; the plain one was deleted");
    }
    let text = String::from_utf8(key.expose_secret().to_vec());
    Ok(text.map_err(|_| Error::Corrupt("the sealed worker key is no text".to_owned()))?.into())
}
