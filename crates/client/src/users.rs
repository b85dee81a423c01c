use api_types::{Grant, GrantCreate, PasswordReset, Session, SessionFilter, User, UserCreate, UserCreated, UserFilter, UserUpdate};
use domain::ids::{GrantId, SessionId, UserId};

use crate::{Call, Client, Error, List};

impl Client {
    /// Users by name.
    pub fn users(&self, filter: &UserFilter) -> List<User> {
        self.list(&["users"], filter)
    }

    /// The user of this name.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn user_named(&self, username: &str) -> Result<Option<User>, Error> {
        let filter = UserFilter { username: Some(username.to_owned()), ..UserFilter::default() };
        Ok(self.users(&filter).page().await?.into_iter().next())
    }

    /// Adds a user. Only this answer contains a generated password.
    pub fn user_create(&self, request: &UserCreate) -> Call<UserCreated> {
        self.post(&["users"]).json(request)
    }

    /// One user.
    pub fn user(&self, id: UserId) -> Call<User> {
        self.get(&["users", &id.to_string()])
    }

    /// Changes what is known of a user.
    pub fn user_update(&self, id: UserId, request: &UserUpdate) -> Call<User> {
        self.put(&["users", &id.to_string()]).json(request)
    }

    /// Ends a user's sessions and refuses further sign-ins.
    pub fn user_deactivate(&self, id: UserId) -> Call<User> {
        self.post(&["users", &id.to_string(), "deactivate"]).repeatable()
    }

    /// Lets a deactivated user sign in again.
    pub fn user_reactivate(&self, id: UserId) -> Call<User> {
        self.post(&["users", &id.to_string(), "reactivate"]).repeatable()
    }

    /// Gives a user another password and ends their sessions. Only this answer contains a generated password.
    pub fn user_reset_password(&self, id: UserId, request: &PasswordReset) -> Call<UserCreated> {
        self.post(&["users", &id.to_string(), "reset-password"]).json(request)
    }

    /// What a user may do, and where.
    pub fn user_grants(&self, id: UserId) -> Call<Vec<Grant>> {
        self.get(&["users", &id.to_string(), "grants"])
    }

    /// Grants a user a role or a permission.
    pub fn user_grant(&self, id: UserId, request: &GrantCreate) -> Call<Grant> {
        self.post(&["users", &id.to_string(), "grants"]).json(request)
    }

    /// Takes a grant away.
    pub fn user_revoke(&self, id: UserId, grant: GrantId) -> Call<()> {
        self.delete(&["users", &id.to_string(), "grants", &grant.to_string()])
    }

    /// A user's sessions, the newest first.
    pub fn user_sessions(&self, id: UserId, filter: &SessionFilter) -> List<Session> {
        self.list(&["users", &id.to_string(), "sessions"], filter)
    }

    /// Ends one of a user's sessions.
    pub fn user_session_end(&self, id: UserId, session: SessionId) -> Call<()> {
        self.delete(&["users", &id.to_string(), "sessions", &session.to_string()])
    }
}
