//! The first administrator.

use chrono::{DateTime, Utc};
use domain::audit::Change;
use runtime::{Admin, Failure, Pool};
use secrecy::ExposeSecret;
use store::{
    Database,
    identity::{User, user_find, user_insert_if_absent, user_set_password},
};

use crate::service::{hashed, matches};

/// Characters of a password that is made here: 22 letters and digits have 130 bits.
pub(crate) const PASSWORD_LENGTH: usize = 22;

/// Outcome of the first start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bootstrap {
    /// The administrator was there, or the settings name the password.
    Ready,
    /// The administrator was made with this password, which is kept nowhere: show it.
    Created(String),
}

/// Makes sure that there is an administrator: with the password of the settings, else with one made here at the first start.
///
/// # Errors
/// [`Failure::Unavailable`] or [`Failure::Internal`] when the database or hashing fails.
pub(crate) async fn bootstrap_admin(database: &Database, hashing: &Pool, admin: &Admin, now: DateTime<Utc>) -> Result<Bootstrap, Failure> {
    let configured = admin.password.expose_secret();
    match user_find(database, &admin.username).await? {
        Some(_) if configured.is_empty() => Ok(Bootstrap::Ready),
        Some(User { id, password_hash, .. }) => {
            if !matches(hashing, configured.to_owned(), password_hash.clone()).await? {
                let hash = hashed(hashing, configured.to_owned()).await?;
                // Another replica may have been first, with the same settings.
                let _replaced = user_set_password(database, &Change::by_hub(), (id, None), (&password_hash, &hash), now).await?;
            }
            Ok(Bootstrap::Ready)
        }
        None => {
            let made = configured.is_empty().then(|| auth::random_secret(PASSWORD_LENGTH));
            let hash = hashed(hashing, made.clone().unwrap_or_else(|| configured.to_owned())).await?;
            let inserted = user_insert_if_absent(database, &Change::by_hub(), &admin.username, &hash, now).await?;
            // Another replica may have been first: then its password counts.
            Ok(made.filter(|_| inserted).map_or(Bootstrap::Ready, Bootstrap::Created))
        }
    }
}
