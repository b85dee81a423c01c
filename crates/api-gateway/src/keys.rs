//! The keys of sign-in: the one that signs access tokens, whose private part is sealed and leaves this service never, and the one that
//! authenticates refresh tokens.

use std::sync::{Arc, Mutex, PoisonError};

use auth::{
    RefreshKey, SigningKey,
    secrets::{Place, REFRESH_KEY, SIGNING_KEY},
};
use chrono::{DateTime, TimeDelta, Utc};
use domain::audit::Change;
use runtime::{Failure, Identities, Secrets, SecretsError};
use secrecy::ExposeSecret as _;
use store::{Database, secrets::secret_delete_in_txn, signing_keys::signing_key_replace_in_txn};
use uuid::Uuid;

/// How long the public part of a key is kept that signs no more: longer than any access token may last.
const FORGET_AFTER: TimeDelta = TimeDelta::hours(48);
/// The refresh key's place has one.
const REFRESH_KEY_PLACE: Place<'static> = Place { purpose: REFRESH_KEY, id: "1" };

/// Makes a new key that signs access tokens from now on; tokens of the one before stay good until they end. Returns the new key's id.
///
/// # Errors
/// Any [`SecretsError`]; then the key is as it was.
pub async fn rotate_signing_key(
    database: &Database,
    secrets: &Secrets,
    change: &Change,
    now: DateTime<Utc>,
) -> Result<String, SecretsError> {
    let id = Uuid::now_v7().to_string();
    let private = SigningKey::generate();
    let public_key = SigningKey::new(&id, &*private).map_err(|error| store::Error::Corrupt(error.to_string()))?.public().to_vec();
    let key = store::signing_keys::SigningKey { id: id.clone(), public_key, created_at: now, retired_at: None };
    let txn = database.begin().await?;
    secrets.insert_in_txn(&txn, Place { purpose: SIGNING_KEY, id: &id }, &*private).await?;
    for retired in signing_key_replace_in_txn(&txn, change, &key, now - FORGET_AFTER).await? {
        // It signs nothing any more: nobody needs it, and nobody can steal it.
        secret_delete_in_txn(&txn, SIGNING_KEY, &retired).await?;
    }
    txn.commit().await?;
    Ok(id)
}

/// The keys, as this process has them.
pub(crate) struct Keys {
    database: Database,
    secrets: Secrets,
    identities: Identities,
    pub(crate) refresh: RefreshKey,
    signing: Mutex<Option<Arc<SigningKey>>>,
}

impl Keys {
    /// Reads the keys; what is missing is made. All replicas have the same.
    pub(crate) async fn load(
        database: Database,
        secrets: Secrets,
        identities: Identities,
        now: DateTime<Utc>,
    ) -> Result<Self, runtime::StartError> {
        let refresh = secrets.get_or_insert(REFRESH_KEY_PLACE, &*RefreshKey::generate()).await?;
        if identities.signing_key_id().await?.is_none() {
            let id = rotate_signing_key(&database, &secrets, &Change::by_hub(), now).await?;
            tracing::info!(key.id = id, "made a key that signs access tokens");
            identities.refresh().await?;
        }
        let refresh = RefreshKey::new(refresh.expose_secret());
        let keys = Self { database, secrets, identities, refresh, signing: Mutex::default() };
        keys.signing().await?;
        Ok(keys)
    }

    /// The key that signs now.
    pub(crate) async fn signing(&self) -> Result<Arc<SigningKey>, Failure> {
        let missing =
            |id: &str| Failure::Internal(format!("signing key {id} has no private part: `regente keys rotate` makes another key"));
        let id = self.identities.signing_key_id().await?.ok_or_else(|| missing("none"))?;
        if let Some(key) = self.held().filter(|key| key.id() == id) {
            return Ok(key);
        }
        let Some(private) = self.secrets.find(Place { purpose: SIGNING_KEY, id: &id }).await.map_err(internal)? else {
            // It was replaced this moment.
            self.identities.refresh().await?;
            let newer = self.identities.signing_key_id().await?.filter(|newer| *newer != id).ok_or_else(|| missing(&id))?;
            let place = Place { purpose: SIGNING_KEY, id: &newer };
            let private = self.secrets.find(place).await.map_err(internal)?.ok_or_else(|| missing(&newer))?;
            return self.hold(&newer, private.expose_secret());
        };
        self.hold(&id, private.expose_secret())
    }

    pub(crate) const fn database(&self) -> &Database {
        &self.database
    }

    fn held(&self) -> Option<Arc<SigningKey>> {
        self.signing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn hold(&self, id: &str, private: &[u8]) -> Result<Arc<SigningKey>, Failure> {
        let key = Arc::new(SigningKey::new(id, private).map_err(|error| Failure::Internal(error.to_string()))?);
        *self.signing.lock().unwrap_or_else(PoisonError::into_inner) = Some(key.clone());
        Ok(key)
    }
}

fn internal(error: SecretsError) -> Failure {
    match error {
        SecretsError::Store(error) => error.into(),
        other => Failure::Internal(other.to_string()),
    }
}
