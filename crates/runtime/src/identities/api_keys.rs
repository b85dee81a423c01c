//! Who shows an API key. The key acts for its owner: it may do what it was granted, as far as its owner may do it now.
//!
//! What must hold: a text without a good check sum costs no query; unknown, revoked, expired keys and those of deactivated owners are refused with
//! the same words; uses are noted away from the requests.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use auth::{Actor, Principal, TokenDigest, is_api_key};
use chrono::{DateTime, Utc};
use domain::{
    ids::ApiKeyId,
    permission::{Grantee, Scopes},
};
use store::{
    api_keys::{api_key_find_unscoped, api_key_note_use},
    grants::grant_list_unscoped,
    identity::user_get,
};

use super::{Caller, Identities, MOST_REMEMBERED};
use crate::{Failure, Shutdown, TaskError, Tasks};

/// Resolution of the time of a key's last use, in seconds.
const USE_NOTED_EVERY_S: i64 = 60;
/// How often uses are written.
const USES_WRITTEN_EVERY: Duration = Duration::from_secs(5);

const NOT_VALID: Failure = Failure::Unauthorized("the API key is not valid: it is unknown, revoked or expired");

/// A key that is good, and whom it identifies.
pub(super) struct Known {
    id: ApiKeyId,
    expires_at: Option<DateTime<Utc>>,
    principal: Arc<Principal>,
    /// When its use was noted last, in seconds since 1970.
    noted_at: AtomicI64,
}

impl Identities {
    /// Who shows this API key.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`] when it is not good, [`Failure::Unavailable`] when the database does not say.
    pub async fn check_api_key(&self, key: &str) -> Result<Caller, Failure> {
        if !is_api_key(key) {
            return Err(NOT_VALID);
        }
        let (now, digest) = ((self.0.clock)(), TokenDigest::of_text(key));
        self.be_fresh().await?;
        let known = self.state().api_keys.get(&digest).cloned();
        let known = match known {
            Some(known) => known,
            None => self.load_api_key(digest).await?.ok_or(NOT_VALID)?,
        };
        if known.expires_at.is_some_and(|at| at <= now) {
            return Err(NOT_VALID);
        }
        self.note_use(&known, now);
        Ok(Caller { principal: known.principal.clone(), person: None })
    }

    /// Reads a key; it is remembered unless something changed meanwhile.
    async fn load_api_key(&self, digest: TokenDigest) -> Result<Option<Arc<Known>>, Failure> {
        let (database, count) = (&self.0.database, self.state().count);
        let found = api_key_find_unscoped(database, &digest.to_hex()).await?;
        let Some(key) = found.filter(|key| digest.matches_hex(&key.digest) && key.revoked_at.is_none()) else { return Ok(None) };
        let Some(owner) = user_get(database, key.owner).await?.filter(|owner| owner.is_active) else { return Ok(None) };
        let owners = grant_list_unscoped(database, Grantee::User(owner.id)).await?;
        let owners = Scopes::of_grants(owners.iter().map(|held| &held.grant));
        let own = grant_list_unscoped(database, Grantee::ApiKey(key.id)).await?;
        let own = Scopes::of_grants(own.iter().map(|held| &held.grant));
        let principal = Arc::new(Principal::api_key(Actor::ApiKey { id: key.id, name: key.name }, own.within(&owners)));
        let noted_at = AtomicI64::new(key.last_used_at.map_or(0, |at| at.timestamp()));
        let known = Arc::new(Known { id: key.id, expires_at: key.expires_at, principal, noted_at });
        let mut state = self.state_mut();
        if state.count == count {
            if state.api_keys.len() >= MOST_REMEMBERED {
                state.api_keys.clear();
            }
            state.api_keys.insert(digest, known.clone());
        }
        Ok(Some(known))
    }

    fn note_use(&self, known: &Known, now: DateTime<Utc>) {
        let (seconds, noted_at) = (now.timestamp(), known.noted_at.load(Ordering::Relaxed));
        if seconds.saturating_sub(noted_at) < USE_NOTED_EVERY_S {
            return;
        }
        known.noted_at.store(seconds, Ordering::Relaxed);
        self.uses().insert(known.id, now);
    }

    /// Starts the task that writes when keys were used.
    pub(crate) fn start(&self, tasks: &Tasks, shutdown: &Shutdown) {
        let (this, stop) = (self.clone(), shutdown.clone());
        tasks.spawn("identities.api_key_uses", move || this.clone().keep_writing_uses(stop.clone()));
    }

    async fn keep_writing_uses(self, stop: Shutdown) -> Result<(), TaskError> {
        loop {
            let ends = tokio::time::timeout(USES_WRITTEN_EVERY, stop.wait()).await.is_ok();
            let used = std::mem::take(&mut *self.uses());
            for (id, at) in used {
                api_key_note_use(&self.0.database, id, at).await?;
            }
            if ends {
                return Ok(());
            }
        }
    }
}
