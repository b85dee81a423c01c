//! What a request of a signed-in user pays for the check of its access token, after the first one with it.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use auth::{Bearer, Claims, SigningKey};
use chrono::{TimeDelta, Utc};
use runtime::{Clocks, Identities, Replica};
use store::{
    Database,
    identity::{user_find, user_insert_if_absent},
    sessions::{Session, session_insert},
    signing_keys::signing_key_replace_in_txn,
};
use uuid::Uuid;

const LIFETIME: Duration = Duration::from_secs(900);

/// Microseconds of one check among `checks`, the look-ups in the database between them included.
pub(crate) async fn check_us(checks: u32) -> Result<f64> {
    let folder = tempfile::tempdir()?;
    let database = Database::connect(&store::Settings::new(&format!("sqlite://{}", folder.path().join("db").display()))).await?;
    database.migrate().await?;
    let token = signed_in(&database).await?;
    let clocks = Clocks::default();
    let replica = Replica::new(database.clone(), clocks.clone(), Vec::new()).await?;
    let identities = Identities::new(database.clone(), clocks.now, replica, LIFETIME);
    identities.check(&token).await?;
    let begun = Instant::now();
    for _ in 0..checks {
        identities.check(&token).await?;
    }
    let us = begun.elapsed().as_secs_f64() * 1e6 / f64::from(checks);
    database.close().await?;
    Ok(us)
}

/// The access token of a user of this database.
async fn signed_in(database: &Database) -> Result<String> {
    let (now, private) = (Utc::now(), SigningKey::generate());
    user_insert_if_absent(database, &test_support::change(), "admin", "none", now).await?;
    let user = user_find(database, "admin").await?.context("the user is gone")?;
    let session = Session {
        id: Uuid::now_v7().into(),
        user_id: user.id,
        number: 0,
        created_at: now,
        rotated_at: None,
        last_used_at: now,
        expires_at: now + TimeDelta::days(1),
        ended_at: None,
        end_reason: None,
        address: None,
        device: None,
        provider: None,
    };
    session_insert(database, &test_support::change(), &session).await?;
    let key = SigningKey::new("bench", &*private)?;
    let row =
        store::signing_keys::SigningKey { id: key.id().to_owned(), public_key: key.public().to_vec(), created_at: now, retired_at: None };
    let txn = database.begin().await?;
    signing_key_replace_in_txn(&txn, &test_support::change(), &row, now).await?;
    txn.commit().await?;
    let bearer = Bearer { user: user.id.get(), name: &user.username, session: session.id.get(), generation: user.generation };
    Ok(key.sign(&Claims::user(&bearer, now.timestamp(), LIFETIME))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_check_is_timed() {
        assert!(check_us(10).await.unwrap() > 0.0);
    }
}
