//! The next access token of a sign-in that is stored in the file of the user.
//!
//! Several commands may run at the same time, some for hours, and a refresh token is good once. What must hold: whoever refreshes holds the lock
//! and reads the file first, so that it uses what another command received, and stores what it received before anybody else reads.

use chrono::Utc;
use client::{Client, Error, Renew};
use futures_util::future::BoxFuture;
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    Fault,
    credentials::{Credentials, Lock, SignIn},
};
use crate::terminal;

/// Renews the access token of one hub.
pub(super) struct Renewal {
    /// Not signed in.
    client: Client,
    url: String,
}

impl Renewal {
    pub(super) fn new(client: Client, url: String) -> Self {
        Self { client, url }
    }

    async fn next(&self, refused: &SecretString) -> Result<Option<SecretString>, Error> {
        let stored = async || -> Result<_, Fault> { Ok((Lock::take().await?, Credentials::load()?)) };
        let (_lock, mut credentials) = match stored().await {
            Ok(stored) => stored,
            Err(fault) => return Ok(unstored(&fault)),
        };
        let Some(known) = credentials.hubs.get(&self.url) else { return Ok(None) };
        if known.token != refused.expose_secret() && known.expires_at > Utc::now() {
            return Ok(Some(known.token.clone().into()));
        }
        let Some(refresh_token) = &known.refresh_token else { return Ok(None) };
        let given = match self.client.refresh(refresh_token).await {
            Err(error) if error.status() == Some(401) => return Ok(None),
            given => given?,
        };
        let sign_in = SignIn::new(known.username.clone(), given, Utc::now());
        let token = sign_in.token.clone();
        credentials.hubs.insert(self.url.clone(), sign_in);
        if let Err(fault) = credentials.save() {
            unstored::<()>(&fault);
        }
        Ok(Some(token.into()))
    }
}

/// Reports why the sign-in cannot be read or stored.
fn unstored<T>(fault: &Fault) -> Option<T> {
    if let Some(text) = &fault.text {
        terminal::note(text);
    }
    None
}

impl Renew for Renewal {
    fn renew<'a>(&'a self, refused: &'a SecretString) -> BoxFuture<'a, Result<Option<SecretString>, Error>> {
        Box::pin(self.next(refused))
    }
}
