//! Secrets that must be readable again, sealed in the database under this process's master keys.

use std::sync::Arc;

use auth::secrets::{MasterKeys, Place, Sealed, SecretFault};
use domain::audit::{Change, Target};
use secrecy::SecretSlice;
use serde_json::json;
use store::{
    Database, Transaction,
    audit::audit_insert,
    secrets::{
        Secret, secret_find, secret_insert_if_absent, secret_insert_if_absent_in_txn, secret_list_wrapped_otherwise, secret_master_key_ids,
        secret_rewrap,
    },
};

use crate::Clock;

/// Secrets whose keys are wrapped anew before the database is asked for more.
const PAGE: u64 = 100;

/// Seals and opens secrets. Clones are the same one.
#[derive(Clone)]
pub struct Secrets {
    database: Database,
    clock: Clock,
    keys: Option<Arc<MasterKeys>>,
}

/// Why a secret cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// This process was given no master key.
    #[error(
        "there is no master key to seal secrets with: set REGENTE_MASTER_KEY or secrets.key_file (`regente secrets key` makes a key), the same \
         for every replica, and keep a copy apart from the database's"
    )]
    NoKey,
    /// The database has secrets that none of this process's keys opens.
    #[error(
        "the database has secrets sealed with the master key {id}, which is not here ({here}): give that key as well, in REGENTE_MASTER_KEY, \
         secrets.key_file or master.key in the data folder"
    )]
    OtherKey {
        /// Of the key that is missing.
        id: String,
        /// Ids of the keys that are here.
        here: String,
    },
    /// The shared worker key is sealed, and cannot be had.
    #[error("{0}; a process without that key needs worker.api_key, the same for all")]
    WorkerKey(Box<Self>),
    /// It was not sealed or opened.
    #[error(transparent)]
    Secret(#[from] SecretFault),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl Secrets {
    /// Those of this database, with these keys.
    #[must_use]
    pub fn new(database: Database, clock: Clock, keys: Option<MasterKeys>) -> Self {
        Self { database, clock, keys: keys.map(Arc::new) }
    }

    /// Checks that there is a key, and that the keys open what the database has: a service that needs secrets does not start without.
    ///
    /// # Errors
    /// [`SecretsError::NoKey`], [`SecretsError::OtherKey`] and [`SecretsError::Store`].
    pub async fn check(&self) -> Result<(), SecretsError> {
        let needed = secret_master_key_ids(&self.database).await?;
        let here: Vec<&str> = self.keys.iter().flat_map(|keys| keys.ids()).collect();
        match needed.into_iter().find(|id| !here.contains(&id.as_str())) {
            Some(id) if here.is_empty() => Err(SecretsError::OtherKey { id, here: "there is none here".to_owned() }),
            Some(id) => Err(SecretsError::OtherKey { id, here: format!("here: {}", here.join(", ")) }),
            None => self.keys().map(drop),
        }
    }

    /// The secret at `place`.
    ///
    /// # Errors
    /// Any [`SecretsError`].
    pub async fn find(&self, place: Place<'_>) -> Result<Option<SecretSlice<u8>>, SecretsError> {
        let Some(secret) = secret_find(&self.database, place.purpose, place.id).await? else { return Ok(None) };
        Ok(Some(self.keys()?.open(place, &sealed(&secret))?))
    }

    /// Keeps `fresh` at `place` unless there is a secret, and returns the one that is there then: all replicas have the same.
    ///
    /// # Errors
    /// Any [`SecretsError`].
    pub async fn get_or_insert(&self, place: Place<'_>, fresh: &[u8]) -> Result<SecretSlice<u8>, SecretsError> {
        if let Some(secret) = self.find(place).await? {
            return Ok(secret);
        }
        secret_insert_if_absent(&self.database, &self.seal(place, fresh)?).await?;
        let stored = self.find(place).await?;
        stored.ok_or_else(|| store::Error::Corrupt(format!("the secret {} {} vanished", place.purpose, place.id)).into())
    }

    /// Keeps a secret at `place`, in a transaction, unless there is one.
    ///
    /// # Errors
    /// Any [`SecretsError`].
    pub async fn insert_in_txn(&self, txn: &Transaction, place: Place<'_>, secret: &[u8]) -> Result<bool, SecretsError> {
        Ok(secret_insert_if_absent_in_txn(txn, &self.seal(place, secret)?).await?)
    }

    /// Wraps the data key of every secret with the first master key, while others read them; returns how many it wrapped. One that stopped in
    /// the midst is taken up by the next.
    ///
    /// # Errors
    /// Any [`SecretsError`]; what was wrapped before it stays so.
    pub async fn rotate(&self, change: &Change) -> Result<u64, SecretsError> {
        let keys = self.keys()?;
        let first = keys.ids().next().unwrap_or_default();
        let (mut wrapped, mut after) = (0, None::<(String, String)>);
        loop {
            let behind = after.as_ref().map(|(purpose, id)| (purpose.as_str(), id.as_str()));
            let page = secret_list_wrapped_otherwise(&self.database, first, behind, PAGE).await?;
            let Some(last) = page.last() else { return Ok(wrapped) };
            if after.is_none() {
                // Before the first row changes: each is a transaction of its own.
                let (before, now) = (json!({"wraps": last.master_key_id}), json!({"wraps": first}));
                let entry = change.entry("master_key.rotate", Target::new("master_key", first), Some(before), Some(now));
                audit_insert(&self.database, &entry, (self.clock)()).await?;
            }
            after = Some((last.purpose.clone(), last.id.clone()));
            for secret in &page {
                let place = Place { purpose: &secret.purpose, id: &secret.id };
                let Some(anew) = keys.rewrap(place, &sealed(secret))? else { continue };
                let anew = Secret { master_key_id: anew.master_key_id, wrapped_key: anew.wrapped_key, ..secret.clone() };
                // One that somebody wrapped or replaced meanwhile is theirs.
                wrapped += u64::from(secret_rewrap(&self.database, secret, &anew).await?);
            }
        }
    }

    fn seal(&self, place: Place<'_>, secret: &[u8]) -> Result<Secret, SecretsError> {
        let Sealed { master_key_id, wrapped_key, ciphertext } = self.keys()?.seal(place, secret)?;
        let (purpose, id) = (place.purpose.to_owned(), place.id.to_owned());
        Ok(Secret { purpose, id, master_key_id, wrapped_key, ciphertext, created_at: (self.clock)() })
    }

    fn keys(&self) -> Result<&MasterKeys, SecretsError> {
        self.keys.as_deref().ok_or(SecretsError::NoKey)
    }
}

fn sealed(secret: &Secret) -> Sealed {
    let Secret { master_key_id, wrapped_key, ciphertext, .. } = secret;
    Sealed { master_key_id: master_key_id.clone(), wrapped_key: wrapped_key.clone(), ciphertext: ciphertext.clone() }
}
