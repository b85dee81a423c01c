use domain::ids::TokenId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use auth::{Principal, TokenDigest, WorkerLimits};
use chrono::TimeDelta;
use store::{Database, worker_tokens::WorkerToken};

use crate::{Clock, Failure};

/// Maximum time for which this replica still accepts a token that was revoked through another one.
const FRESH_FOR: Duration = Duration::from_secs(2);
/// Maximum number of cached tokens.
const MOST_REMEMBERED: usize = 10_000;
/// Resolution of the time of the last use.
const USE_NOTED_EVERY: TimeDelta = TimeDelta::minutes(1);

/// Checks worker tokens. Tokens are cached for 2 s; a token that this process revoked is evicted at once. Clones share the cache.
#[derive(Clone)]
pub struct WorkerTokens {
    database: Database,
    clock: Clock,
    memory: Arc<Mutex<Memory>>,
}

#[derive(Default)]
struct Memory {
    tokens: HashMap<TokenDigest, Remembered>,
    /// Number of evictions: a read that began before one must not restore the token.
    forgotten: u64,
}

#[derive(Clone)]
struct Remembered {
    token: Arc<WorkerToken>,
    read_at: Instant,
}

impl WorkerTokens {
    /// Checks the tokens of `database`; `clock` decides whether one has expired.
    pub fn new(database: Database, clock: Clock) -> Self {
        Self { database, clock, memory: Arc::default() }
    }

    /// The principal of the bearer of `token`.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`] for a token that is unknown, revoked or expired, and [`Failure::Unavailable`].
    pub async fn check(&self, token: &str) -> Result<Principal, Failure> {
        let known = self.find(TokenDigest::of_text(token)).await?;
        let known = known.ok_or(Failure::Unauthorized("the worker token is unknown; ask an administrator for another one"))?;
        if known.revoked_at.is_some() {
            return Err(Failure::Unauthorized("the worker token was revoked; ask an administrator for another one"));
        }
        if known.expires_at.is_some_and(|at| at <= (self.clock)()) {
            return Err(Failure::Unauthorized("the worker token has expired; ask an administrator for another one"));
        }
        let limits = WorkerLimits { worker_name: known.worker_name.clone(), queues: known.queues.clone() };
        Ok(Principal::worker_token(known.id, limits))
    }

    /// Evicts a revoked token from the cache.
    pub fn forget(&self, id: TokenId) {
        let mut memory = self.memory();
        memory.forgotten += 1;
        memory.tokens.retain(|_, known| known.token.id != id);
    }

    async fn find(&self, digest: TokenDigest) -> Result<Option<Arc<WorkerToken>>, Failure> {
        let forgotten = {
            let memory = self.memory();
            let fresh = memory.tokens.get(&digest).filter(|known| known.read_at.elapsed() < FRESH_FOR);
            if let Some(known) = fresh {
                return Ok(Some(known.token.clone()));
            }
            memory.forgotten
        };
        let read_at = Instant::now();
        let found = store::worker_tokens::worker_token_find_unscoped(&self.database, &digest.to_hex()).await?;
        let Some(token) = found.filter(|found| digest.matches_hex(&found.digest)).map(Arc::new) else { return Ok(None) };
        let now = (self.clock)();
        if token.revoked_at.is_none() && token.last_used_at.is_none_or(|at| at <= now - USE_NOTED_EVERY) {
            store::worker_tokens::worker_token_note_use(&self.database, token.id, now, USE_NOTED_EVERY).await?;
        }
        let mut memory = self.memory();
        if memory.forgotten == forgotten {
            if memory.tokens.len() >= MOST_REMEMBERED {
                memory.tokens.clear();
            }
            memory.tokens.insert(digest, Remembered { token: token.clone(), read_at });
        }
        Ok(Some(token))
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
