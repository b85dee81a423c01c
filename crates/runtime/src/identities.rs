//! Who the bearer of an access token is now. The token says whose it is; whether that one may still come in is in the database.
//!
//! What it must hold: a change of users, grants, sessions or keys counts at once on the replica that made it ([`Identities::refresh`]) and within a
//! second on every other, because a check uses state that is at most [`STALE_AT_MOST`] old, or waits for newer; who is refused by the
//! database's word is not let in from memory. A check of a token that was seen before is two look-ups in memory. Memory is bounded.

mod api_keys;

use std::{
    collections::HashMap,
    str::FromStr as _,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
    time::{Duration, Instant},
};

use auth::{Actor, Claims, Kind, Principal, TokenDigest, VerifyingKey, key_id};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ids::{ApiKeyId, ReplicaId, SessionId, UserId},
    permission::Grantee,
};
use store::{
    Database,
    changes::{Subject, change_count},
    grants::grant_list_unscoped,
    identity::{User, user_get},
    sessions::session_find,
    signing_keys::{SigningKey, signing_key_list},
};

use crate::{Clock, Failure, Replica, replica::SERVICE_KEY_PREFIX};

/// State that is younger is not asked for again.
const FRESH_FOR: Duration = Duration::from_millis(500);
/// While one request asks, others go on with state that is not older.
const STALE_AT_MOST: Duration = Duration::from_millis(900);
/// Sessions, and tokens, that are remembered at once.
const MOST_REMEMBERED: usize = 10_000;
/// How long after the last token of a retired key has ended the key still checks: replicas notice a new one a little later.
const RETIRED_SLACK: TimeDelta = TimeDelta::minutes(1);

const NOT_VALID: Failure = Failure::Unauthorized("the bearer token is not valid; sign in again");
const SESSION_OVER: Failure = Failure::Unauthorized("the sign-in has ended; sign in again");
const OUTDATED: Failure = Failure::Unauthorized("the access token has ended; refresh it, or sign in again");

/// Checks access tokens. Clones share the memory.
#[derive(Clone)]
pub struct Identities(Arc<Inner>);

struct Inner {
    database: Database,
    clock: Clock,
    replica: Replica,
    token_lifetime: TimeDelta,
    state: RwLock<State>,
    /// Held while the state is refreshed from the database.
    refreshing: tokio::sync::Mutex<()>,
    verified: Mutex<Remembered>,
    /// When API keys were used, to be written.
    uses: Mutex<HashMap<ApiKeyId, DateTime<Utc>>>,
}

/// Tokens whose signatures are good, with when they end.
type Remembered = HashMap<TokenDigest, (DateTime<Utc>, Arc<Verified>)>;

/// What the database said when it was asked last.
struct State {
    asked_at: Option<Instant>,
    /// Changes counted so far.
    count: i64,
    keys: HashMap<String, Key>,
    /// The one that signs.
    signing: Option<String>,
    sessions: HashMap<SessionId, Arc<Known>>,
    api_keys: HashMap<TokenDigest, Arc<api_keys::Known>>,
}

struct Key {
    key: VerifyingKey,
    retired_at: Option<DateTime<Utc>>,
}

/// A session that goes on, and whose it is.
struct Known {
    user: UserId,
    must_change_password: bool,
    generation: i64,
    expires_at: DateTime<Utc>,
    principal: Arc<Principal>,
}

/// A token whose signature is good.
enum Verified {
    Person { user: UserId, session: SessionId, generation: i64 },
    Service { replica: ReplicaId, name: String, principal: Arc<Principal> },
}

/// Who makes a request.
#[derive(Clone, Debug)]
pub struct Caller {
    /// What they may do.
    pub principal: Arc<Principal>,
    /// The person, when it is one who signed in.
    pub person: Option<Person>,
}

/// A person who signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    /// Who.
    pub user: UserId,
    /// On which device.
    pub session: SessionId,
    /// Whether they may only change their password until they have.
    pub must_change_password: bool,
}

impl From<Principal> for Caller {
    fn from(principal: Principal) -> Self {
        Self { principal: Arc::new(principal), person: None }
    }
}

impl Identities {
    /// Those of this database; access tokens last `token_lifetime`.
    #[must_use]
    pub fn new(database: Database, clock: Clock, replica: Replica, token_lifetime: Duration) -> Self {
        let state =
            State { asked_at: None, count: -1, keys: HashMap::new(), signing: None, sessions: HashMap::new(), api_keys: HashMap::new() };
        Self(Arc::new(Inner {
            database,
            clock,
            replica,
            token_lifetime: TimeDelta::from_std(token_lifetime).unwrap_or(TimeDelta::MAX),
            state: RwLock::new(state),
            refreshing: tokio::sync::Mutex::new(()),
            verified: Mutex::default(),
            uses: Mutex::default(),
        }))
    }

    /// Who bears this token.
    ///
    /// # Errors
    /// [`Failure::Unauthorized`] when nobody does any more, [`Failure::Unavailable`] when the database does not say.
    pub async fn check(&self, token: &str) -> Result<Caller, Failure> {
        let (now, digest) = ((self.0.clock)(), TokenDigest::of_text(token));
        let known = self.verified().get(&digest).filter(|(ends_at, _)| now < *ends_at).map(|(_, verified)| verified.clone());
        let verified = match known {
            Some(verified) => verified,
            None => self.verify(token, digest, now).await?,
        };
        match &*verified {
            Verified::Person { user, session, generation } => self.person((*user, *session), *generation, now).await,
            Verified::Service { replica, name, principal } => {
                let peer = self.0.replica.peer(*replica, now).await?;
                let runs_it = peer.is_some_and(|peer| peer.runs(name));
                if runs_it { Ok(Caller { principal: principal.clone(), person: None }) } else { Err(NOT_VALID) }
            }
        }
    }

    /// Takes notice of a change now, because this process made it.
    ///
    /// # Errors
    /// [`Failure::Unavailable`]: then the next check asks again before it lets anybody in.
    pub async fn refresh(&self) -> Result<(), Failure> {
        self.state_mut().asked_at = None;
        let _one = self.0.refreshing.lock().await;
        self.ask().await
    }

    /// Asks now how many changes there were: whoever is checked afterwards is checked by what was committed before this call.
    ///
    /// # Errors
    /// [`Failure::Unavailable`].
    pub async fn changes(&self) -> Result<i64, Failure> {
        let arrived = Instant::now();
        let _one = self.0.refreshing.lock().await;
        // Of many who wait, one asks for all.
        if self.state().asked_at.is_none_or(|at| at < arrived) {
            self.ask().await?;
        }
        Ok(self.state().count)
    }

    /// How many changes were counted when the database was last asked: whoever is checked afterwards is checked by these at least.
    #[must_use]
    pub fn known_changes(&self) -> i64 {
        self.state().count
    }

    /// The id of the key that signs access tokens, when there is one.
    ///
    /// # Errors
    /// [`Failure::Unavailable`].
    pub async fn signing_key_id(&self) -> Result<Option<String>, Failure> {
        self.be_fresh().await?;
        Ok(self.state().signing.clone())
    }

    async fn person(&self, (user, session): (UserId, SessionId), generation: i64, now: DateTime<Utc>) -> Result<Caller, Failure> {
        self.be_fresh().await?;
        // A token that is newer than what is remembered was signed by another replica a moment ago.
        let known = self.state().sessions.get(&session).filter(|known| known.generation >= generation).cloned();
        let known = match known {
            Some(known) => known,
            None => self.load(session, now).await?.ok_or(SESSION_OVER)?,
        };
        if known.user != user || known.expires_at <= now {
            return Err(SESSION_OVER);
        }
        if known.generation != generation {
            return Err(OUTDATED);
        }
        let person = Person { user, session, must_change_password: known.must_change_password };
        Ok(Caller { principal: known.principal.clone(), person: Some(person) })
    }

    /// Reads a session; it is remembered unless something changed meanwhile.
    async fn load(&self, id: SessionId, now: DateTime<Utc>) -> Result<Option<Arc<Known>>, Failure> {
        let count = self.state().count;
        let Some(session) = session_find(&self.0.database, id).await?.filter(|session| session.is_live(now)) else { return Ok(None) };
        let user = user_get(&self.0.database, session.user_id).await?;
        let Some(user) = user.filter(|user| user.is_active) else { return Ok(None) };
        let User { id: user, username, generation, must_change_password, .. } = user;
        let grants = grant_list_unscoped(&self.0.database, Grantee::User(user)).await?;
        let principal = Arc::new(Principal::of_grants(Actor::User(username), grants.iter().map(|held| &held.grant)));
        let known = Arc::new(Known { user, must_change_password, generation, expires_at: session.expires_at, principal });
        let mut state = self.state_mut();
        if state.count == count {
            if state.sessions.len() >= MOST_REMEMBERED {
                state.sessions.clear();
            }
            state.sessions.insert(id, known.clone());
        }
        Ok(Some(known))
    }

    /// Checks a token that was not seen before.
    async fn verify(&self, token: &str, digest: TokenDigest, now: DateTime<Utc>) -> Result<Arc<Verified>, Failure> {
        let key = key_id(token).ok_or(NOT_VALID)?;
        let (claims, verified) = match key.strip_prefix(SERVICE_KEY_PREFIX) {
            Some(replica) => self.verify_service(token, replica, now).await?,
            None => self.verify_person(token, &key, now).await?,
        };
        let ends_at = DateTime::from_timestamp(claims.exp, 0).unwrap_or(now);
        let verified = Arc::new(verified);
        let mut remembered = self.verified();
        if remembered.len() >= MOST_REMEMBERED {
            remembered.retain(|_, (ends_at, _)| now < *ends_at);
        }
        if remembered.len() >= MOST_REMEMBERED {
            remembered.clear();
        }
        remembered.insert(digest, (ends_at, verified.clone()));
        Ok(verified)
    }

    async fn verify_person(&self, token: &str, key: &str, now: DateTime<Utc>) -> Result<(Claims, Verified), Failure> {
        self.be_fresh().await?;
        if !self.state().keys.contains_key(key) {
            self.ask_after(Instant::now()).await?;
        }
        let until = |retired: DateTime<Utc>| retired.checked_add_signed(self.0.token_lifetime + RETIRED_SLACK);
        let is_good = |key: &&Key| key.retired_at.is_none_or(|retired| until(retired).is_none_or(|until| now < until));
        let key = self.state().keys.get(key).filter(is_good).map(|key| key.key.clone()).ok_or(NOT_VALID)?;
        let claims = key.check(token, now.timestamp()).map_err(|_| NOT_VALID)?;
        let (Kind::User, Ok(user), Some(session)) = (claims.kind, UserId::from_str(&claims.sub), claims.sid) else { return Err(NOT_VALID) };
        let verified = Verified::Person { user, session: session.into(), generation: claims.generation };
        Ok((claims, verified))
    }

    async fn verify_service(&self, token: &str, replica: &str, now: DateTime<Utc>) -> Result<(Claims, Verified), Failure> {
        let replica = replica.parse().map_err(|_| NOT_VALID)?;
        let peer = self.0.replica.peer(replica, now).await?.ok_or(NOT_VALID)?;
        let claims = peer.check(token, now).ok_or(NOT_VALID)?;
        let (name, principal) = (claims.sub.clone(), Arc::new(Principal::service(claims.sub.clone())));
        Ok((claims, Verified::Service { replica, name, principal }))
    }

    /// Refreshes the state if it is too old.
    async fn be_fresh(&self) -> Result<(), Failure> {
        if self.age().is_some_and(|age| age < FRESH_FOR) {
            return Ok(());
        }
        let _one = match self.0.refreshing.try_lock() {
            Ok(one) => one,
            Err(_) if self.age().is_some_and(|age| age < STALE_AT_MOST) => return Ok(()),
            Err(_) => self.0.refreshing.lock().await,
        };
        if self.age().is_some_and(|age| age < FRESH_FOR) {
            return Ok(());
        }
        self.ask().await
    }

    /// Asks what was committed before `moment`, because another replica may have signed with a key that is not known here yet. Made-up keys
    /// cost their senders time, and the database little.
    async fn ask_after(&self, moment: Instant) -> Result<(), Failure> {
        tokio::time::sleep(FRESH_FOR.saturating_sub(self.age().unwrap_or_default())).await;
        let _one = self.0.refreshing.lock().await;
        if self.state().asked_at.is_some_and(|at| at >= moment) {
            return Ok(());
        }
        self.ask().await
    }

    /// How long ago the database was asked.
    fn age(&self) -> Option<Duration> {
        self.state().asked_at.map(|at| at.elapsed())
    }

    /// Asks the database whether anything changed, and forgets what may have.
    async fn ask(&self) -> Result<(), Failure> {
        let asked_at = Instant::now();
        let count = change_count(&self.0.database, Subject::Identities).await?;
        if count != self.state().count {
            let keys = signing_key_list(&self.0.database).await?;
            let mut state = self.state_mut();
            state.signing = keys.iter().find(|key| key.retired_at.is_none()).map(|key| key.id.clone());
            state.keys = keys.into_iter().filter_map(usable).collect();
            state.sessions.clear();
            state.api_keys.clear();
            state.count = count;
        }
        self.state_mut().asked_at = Some(asked_at);
        Ok(())
    }

    fn state(&self) -> RwLockReadGuard<'_, State> {
        self.0.state.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn state_mut(&self) -> RwLockWriteGuard<'_, State> {
        self.0.state.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn uses(&self) -> MutexGuard<'_, HashMap<ApiKeyId, DateTime<Utc>>> {
        self.0.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn verified(&self) -> MutexGuard<'_, Remembered> {
        self.0.verified.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn usable(key: SigningKey) -> Option<(String, Key)> {
    let SigningKey { id, public_key, retired_at, .. } = key;
    match VerifyingKey::new(&id, &public_key) {
        Ok(key) => Some((id, Key { key, retired_at })),
        Err(error) => {
            tracing::error!(%error, "a signing key cannot be read; its tokens are refused");
            None
        }
    }
}
