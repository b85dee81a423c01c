//! Sessions: how one begins, gets its next tokens, and ends.
//!
//! What must hold: the refresh token that was given last is the one that counts, in whichever replica; several refreshes with it at once get the
//! same successor; one that was replaced before ends the session, once.

pub(crate) mod routes;

use api_types::LoginResponse;
use auth::{Bearer, Claims, Presented};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    audit::{ActorKind, Change},
    ids::{SessionId, UserId},
};
use runtime::{Clock, Failure, Identities, Source};
use secrecy::ExposeSecret as _;
use store::{
    identity::{User, user_get},
    sessions::{Ending, Session, session_end, session_find, session_insert, session_rotate},
};
use uuid::Uuid;

use crate::keys::Keys;

/// Rounds of reading a session and making its next number before somebody else does.
const ROUNDS: usize = 5;
const NOT_VALID: Failure = Failure::Unauthorized("the refresh token is not valid; sign in again");
const OVER: Failure = Failure::Unauthorized("the sign-in has ended; sign in again");

/// Begins, continues and ends sessions.
pub(crate) struct Sessions {
    pub(crate) keys: Keys,
    pub(crate) identities: Identities,
    pub(crate) clock: Clock,
    /// How long an access token lasts.
    pub(crate) token_lifetime: std::time::Duration,
    /// How long a session goes on without being used.
    pub(crate) idle: TimeDelta,
    /// How long it goes on at most.
    pub(crate) lifetime: TimeDelta,
    /// The same for one that an identity provider began.
    pub(crate) provider_lifetime: TimeDelta,
}

/// From where, and how, somebody signs in.
#[derive(Clone, Debug, Default)]
pub(crate) struct Beginning {
    pub(crate) address: Option<String>,
    /// The program, as it calls itself.
    pub(crate) device: Option<String>,
    /// The identity provider's issuer; `None`: with a password.
    pub(crate) provider: Option<String>,
}

/// A change by the bearer of a session's token.
pub(crate) fn by_session(source: Source, user: &User, session: SessionId) -> Change {
    source.change(user.username.clone(), ActorKind::User, Some(format!("session:{session}")))
}

impl Sessions {
    /// A new session of somebody who has shown who they are.
    pub(crate) async fn begin(
        &self,
        user: &User,
        Beginning { address, device, provider }: Beginning,
        change: impl FnOnce(SessionId) -> Change,
    ) -> Result<LoginResponse, Failure> {
        let now = (self.clock)();
        let session = Session {
            id: Uuid::now_v7().into(),
            user_id: user.id,
            number: 0,
            created_at: now,
            rotated_at: None,
            last_used_at: now,
            expires_at: self.expiry(now, provider.is_some(), now),
            ended_at: None,
            end_reason: None,
            address,
            device,
            provider,
        };
        session_insert(self.keys.database(), &change(session.id), &session).await?;
        self.tokens(user, &session, now).await
    }

    /// The next tokens of the session whose refresh token is shown.
    pub(crate) async fn refresh(&self, token: &str, source: Source) -> Result<LoginResponse, Failure> {
        let shown = self.keys.refresh.read(token).ok_or(NOT_VALID)?;
        let database = self.keys.database();
        for _ in 0..ROUNDS {
            let now = (self.clock)();
            let mut session = session_find(database, shown.session.into()).await?.filter(|session| session.is_live(now)).ok_or(OVER)?;
            let user = user_get(database, session.user_id).await?.filter(|user| user.is_active).ok_or(OVER)?;
            match shown.judge(session.number, session.rotated_at, now) {
                Presented::Current => {
                    let expires_at = self.expiry(session.created_at, session.provider.is_some(), now);
                    if session_rotate(database, session.id, session.number, now, expires_at).await? {
                        (session.number, session.expires_at) = (session.number.saturating_add(1), expires_at);
                        return self.tokens(&user, &session, now).await;
                    }
                    // Somebody else was faster: what they made is this one's too.
                }
                Presented::Repeated => return self.tokens(&user, &session, now).await,
                Presented::Reused => return Err(self.end_reused(&session, &user, source, now).await?),
                Presented::Unknown => return Err(NOT_VALID),
            }
        }
        Err(Failure::Overloaded)
    }

    /// Ends a session of this user.
    pub(crate) async fn end(&self, change: &Change, session: &Session, ending: Ending) -> Result<bool, Failure> {
        let whose = (session.id, session.user_id);
        let ended = session_end(self.keys.database(), change, whose, ending, (self.clock)()).await?;
        if ended {
            self.identities.refresh().await?;
        }
        Ok(ended)
    }

    /// Ends one of this user's sessions that go on.
    pub(crate) async fn end_of(&self, change: &Change, user: UserId, id: SessionId) -> Result<(), Failure> {
        let missing = || Failure::NotFound(format!("session {id}"));
        let found = session_find(self.keys.database(), id).await?.filter(|session| session.user_id == user).ok_or_else(missing)?;
        if self.end(change, &found, Ending::Revoked).await? { Ok(()) } else { Err(missing()) }
    }

    /// The session whose refresh token this is, whatever became of it since.
    pub(crate) async fn of_refresh_token(&self, token: &str) -> Result<Option<Session>, Failure> {
        let Some(shown) = self.keys.refresh.read(token) else { return Ok(None) };
        Ok(session_find(self.keys.database(), shown.session.into()).await?)
    }

    /// Tokens of a session: an access token from `now` on, and the refresh token that counts.
    pub(crate) async fn tokens(&self, user: &User, session: &Session, now: DateTime<Utc>) -> Result<LoginResponse, Failure> {
        let bearer = Bearer { user: user.id.get(), name: &user.username, session: session.id.get(), generation: user.generation };
        let claims = Claims::user(&bearer, now.timestamp(), self.token_lifetime);
        let key = self.keys.signing().await?;
        let access_token = key.sign(&claims).map_err(|error| Failure::Internal(error.to_string()))?;
        let refresh = self.keys.refresh.token(auth::RefreshToken { session: session.id.get(), number: session.number });
        Ok(LoginResponse {
            access_token,
            token_type: "bearer".to_owned(),
            expires_in: self.token_lifetime.as_secs(),
            refresh_token: Some(refresh.expose_secret().to_owned()),
            refresh_expires_in: u64::try_from((session.expires_at - now).num_seconds()).ok(),
            must_change_password: user.must_change_password,
        })
    }

    async fn end_reused(&self, session: &Session, user: &User, source: Source, now: DateTime<Utc>) -> Result<Failure, Failure> {
        let change = by_session(source, user, session.id);
        if session_end(self.keys.database(), &change, (session.id, user.id), Ending::RefreshReuse, now).await? {
            let (id, name) = (session.id, &user.username);
            tracing::warn!(session.id = %id, user.name = name, "refresh_reuse: a refresh token was used twice, so its session was ended");
            self.identities.refresh().await?;
        }
        Ok(Failure::Unauthorized("the refresh token was used before, so the sign-in was ended; sign in again"))
    }

    fn expiry(&self, began: DateTime<Utc>, by_provider: bool, now: DateTime<Utc>) -> DateTime<Utc> {
        let lifetime = if by_provider { self.lifetime.min(self.provider_lifetime) } else { self.lifetime };
        let most = began.checked_add_signed(lifetime).unwrap_or(DateTime::<Utc>::MAX_UTC);
        now.checked_add_signed(self.idle).unwrap_or(most).min(most)
    }
}
