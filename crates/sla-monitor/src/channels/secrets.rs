//! Where a channel's secrets are sealed: one JSON object, written anew at each change under an id of its own.

use domain::notification::channel::Sealed;
use runtime::Failure;
use store::{Transaction, secrets::secret_delete_in_txn};
use uuid::Uuid;

use super::{Channels, unsealed};
use crate::senders::{Opened, place};

impl Channels {
    /// The secrets of a channel.
    pub(super) async fn open(&self, sealed: &Sealed) -> Result<Opened, Failure> {
        let Some(id) = sealed.id else { return Ok(Opened::default()) };
        let found = self.secrets.find(place(&id.to_string())).await.map_err(unsealed)?;
        let opened = found.as_ref().and_then(Opened::from_json);
        opened.ok_or_else(|| Failure::Internal(format!("the sealed secrets {id} of a channel are missing or damaged")))
    }

    /// Seals secrets in the place of those before.
    pub(super) async fn seal(&self, txn: &Transaction, before: Option<Uuid>, secrets: &Opened) -> Result<Option<Uuid>, Failure> {
        if let Some(before) = before {
            secret_delete_in_txn(txn, place("").purpose, &before.to_string()).await?;
        }
        if secrets.is_empty() {
            return Ok(None);
        }
        let id = Uuid::now_v7();
        let json = secrets.to_json().map_err(unsealed)?;
        self.secrets.insert_in_txn(txn, place(&id.to_string()), &json).await.map_err(unsealed)?;
        Ok(Some(id))
    }
}
