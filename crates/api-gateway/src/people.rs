//! Users, as administrators manage them.
//!
//! What must hold: a password that is generated here is in one answer and nowhere else; what ends somebody's tokens counts at once on this
//! replica.

pub(crate) mod grant_routes;
mod grants;
pub(crate) mod routes;

use api_types::{PasswordReset, UserCreate, UserCreated, UserFilter, UserUpdate};
use chrono::{DateTime, Utc};
use domain::{
    Fault,
    audit::Change,
    ids::UserId,
    user::{DISPLAY_NAME_RULE, EMAIL_RULE, USERNAME_RULE, check_password, is_display_name, is_email, is_reserved, is_username},
};
use runtime::{Failure, Identities, Pool};
use store::{
    Database, Error,
    identity::{User, user_get},
    users::{Filter, NewPassword, Profile, user_insert, user_list, user_reset_password, user_set_active, user_update},
};
use uuid::Uuid;

use crate::{bootstrap::PASSWORD_LENGTH, service::hashed};

/// Manages users.
pub(crate) struct People {
    pub(crate) database: Database,
    pub(crate) identities: Identities,
    pub(crate) hashing: Pool,
    pub(crate) clock: runtime::Clock,
}

impl People {
    pub(crate) async fn list(&self, filter: UserFilter, limit: u32) -> Result<Vec<api_types::User>, Failure> {
        let UserFilter { after, username, search, is_active, .. } = filter;
        if search.as_ref().is_some_and(|text| text.chars().count() > 200) {
            return Err(Failure::BadQuery(vec![Fault::new("search", "must have at most 200 characters")]));
        }
        let found = user_list(&self.database, &Filter { username, search, is_active, after, limit: limit.into() }).await?;
        Ok(found.into_iter().map(to_api).collect())
    }

    pub(crate) async fn get(&self, id: UserId) -> Result<api_types::User, Failure> {
        user_get(&self.database, id).await?.map(to_api).ok_or_else(|| missing(id))
    }

    pub(crate) async fn create(&self, change: &Change, request: UserCreate) -> Result<UserCreated, Failure> {
        let now = self.now();
        check(&request)?;
        let UserCreate { username, email, display_name, password, must_change_password } = request;
        let generated = password.is_none().then(generate);
        let given = password.or_else(|| generated.clone()).unwrap_or_default();
        let user = User {
            id: Uuid::now_v7().into(),
            username,
            email: email.map(|email| email.to_lowercase()),
            display_name,
            password_hash: hashed(&self.hashing, given).await?,
            is_active: true,
            generation: 0,
            must_change_password: must_change_password.unwrap_or(true),
            created_at: now,
        };
        user_insert(&self.database, &user, change).await.map_err(taken)?;
        tracing::info!(user.id = %user.id, user.name = user.username, "user added");
        Ok(UserCreated { password: generated, user: to_api(user) })
    }

    pub(crate) async fn update(&self, change: &Change, id: UserId, request: UserUpdate) -> Result<api_types::User, Failure> {
        let UserUpdate { email, display_name } = request;
        let mut faults = Faults::default();
        faults.check(email.iter().flatten().all(|email| is_email(email)), "email", EMAIL_RULE);
        faults.check(display_name.iter().flatten().all(|name| is_display_name(name)), "display_name", DISPLAY_NAME_RULE);
        faults.into_result()?;
        let changed = user_update(&self.database, id, &Profile { email, display_name }, change, self.now()).await.map_err(taken)?;
        changed.map(to_api).ok_or_else(|| missing(id))
    }

    pub(crate) async fn set_active(&self, change: &Change, id: UserId, is_active: bool) -> Result<api_types::User, Failure> {
        let user = user_set_active(&self.database, id, is_active, change, self.now()).await?.ok_or_else(|| missing(id))?;
        self.identities.refresh().await?;
        tracing::info!(user.id = %id, user.name = user.username, user.is_active = is_active, "user changed");
        Ok(to_api(user))
    }

    pub(crate) async fn reset_password(&self, change: &Change, id: UserId, request: PasswordReset) -> Result<UserCreated, Failure> {
        let user = user_get(&self.database, id).await?.ok_or_else(|| missing(id))?;
        let PasswordReset { password, must_change_password } = request;
        if let Some(password) = &password {
            let fine = check_password(password, &user.username, user.email.as_deref());
            fine.map_err(|message| Failure::field("password", message))?;
        }
        let generated = password.is_none().then(generate);
        let given = password.or_else(|| generated.clone()).unwrap_or_default();
        let hash = hashed(&self.hashing, given).await?;
        let new = NewPassword { hash, must_change: must_change_password.unwrap_or(true) };
        let user = user_reset_password(&self.database, id, new, change, self.now()).await?.ok_or_else(|| missing(id))?;
        self.identities.refresh().await?;
        tracing::info!(user.id = %id, user.name = user.username, "password reset");
        Ok(UserCreated { password: generated, user: to_api(user) })
    }

    fn now(&self) -> DateTime<Utc> {
        (self.clock)()
    }
}

/// What is wrong with a request, field by field.
#[derive(Default)]
struct Faults(Vec<Fault>);

impl Faults {
    fn check(&mut self, fine: bool, field: &str, rule: &str) {
        if !fine {
            self.0.push(Fault::new(field, rule));
        }
    }

    fn into_result(self) -> Result<(), Failure> {
        if self.0.is_empty() { Ok(()) } else { Err(Failure::Invalid(self.0)) }
    }
}

fn check(request: &UserCreate) -> Result<(), Failure> {
    let UserCreate { username, email, display_name, password, .. } = request;
    let mut faults = Faults::default();
    faults.check(is_username(username), "username", USERNAME_RULE);
    faults.check(!is_reserved(username), "username", "is the name of a service or of another kind of caller");
    faults.check(email.as_deref().is_none_or(is_email), "email", EMAIL_RULE);
    faults.check(display_name.as_deref().is_none_or(is_display_name), "display_name", DISPLAY_NAME_RULE);
    if let Some(Err(message)) = password.as_ref().map(|password| check_password(password, username, email.as_deref())) {
        faults.check(false, "password", message);
    }
    faults.into_result()
}

fn generate() -> String {
    auth::random_secret(PASSWORD_LENGTH)
}

fn missing(id: UserId) -> Failure {
    Failure::NotFound(format!("user {id}"))
}

/// Two people have not the same name or address.
fn taken(error: Error) -> Failure {
    match error {
        Error::Duplicate(index) if index.contains("email") => Failure::conflict("email_taken", "another user has this e-mail address"),
        Error::Duplicate(_) => Failure::conflict("username_taken", "another user has this name"),
        other => other.into(),
    }
}

fn to_api(user: User) -> api_types::User {
    let has_password = user.has_password();
    let User { id, username, email, display_name, is_active, must_change_password, created_at, password_hash: _, generation: _ } = user;
    api_types::User { id, username, email, display_name, is_active, must_change_password, has_password, created_at }
}
