//! Access tokens that are renewed: they last some minutes, and a client for longer.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
};

use api_types::LoginResponse;
use futures_util::future::BoxFuture;
use reqwest::header::HeaderValue;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Mutex;

use crate::{Client, Error};

/// Gets the next access token when the hub refuses one.
pub trait Renew: Send + Sync {
    /// Returns the access token that replaces `refused`; `None` if there is none, and the user has to sign in again. A client calls it once at a
    /// time.
    fn renew<'a>(&'a self, refused: &'a SecretString) -> BoxFuture<'a, Result<Option<SecretString>, Error>>;
}

/// The access token of a client. Clones share it.
#[derive(Clone)]
pub(crate) struct Token {
    current: Arc<RwLock<SecretString>>,
    renew: Option<Arc<dyn Renew>>,
    renewing: Arc<Mutex<()>>,
}

impl Token {
    pub(crate) fn new(token: &SecretString, renew: Option<Arc<dyn Renew>>) -> Result<Self, Error> {
        header(token)?;
        Ok(Self { current: Arc::new(RwLock::new(token.clone())), renew, renewing: Arc::default() })
    }

    pub(crate) fn current(&self) -> SecretString {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The token after `refused`, which the hub refused; `None` if there is none.
    pub(crate) async fn after(&self, refused: &SecretString) -> Result<Option<SecretString>, Error> {
        let Some(renew) = &self.renew else { return Ok(None) };
        let _one = self.renewing.lock().await;
        let current = self.current();
        if current.expose_secret() != refused.expose_secret() {
            return Ok(Some(current));
        }
        let Some(next) = renew.renew(refused).await? else { return Ok(None) };
        header(&next)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = next.clone();
        Ok(Some(next))
    }
}

/// The value of the `Authorization` header.
pub(crate) fn header(token: &SecretString) -> Result<HeaderValue, Error> {
    let mut value = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret())).map_err(|_| Error::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

impl fmt::Debug for Token {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Token").field("renews", &self.renew.is_some()).finish_non_exhaustive()
    }
}

/// Keeps the refresh token in memory.
pub(crate) struct InMemory {
    /// Not signed in.
    client: Client,
    refresh_token: Mutex<Option<String>>,
}

impl InMemory {
    pub(crate) fn new(client: Client, given: &LoginResponse) -> Self {
        Self { client, refresh_token: Mutex::new(given.refresh_token.clone()) }
    }
}

impl Renew for InMemory {
    fn renew<'a>(&'a self, _: &'a SecretString) -> BoxFuture<'a, Result<Option<SecretString>, Error>> {
        Box::pin(async move {
            let mut token = self.refresh_token.lock().await;
            let Some(last) = token.clone() else { return Ok(None) };
            let given = match self.client.refresh(&last).await {
                Err(error) if error.status() == Some(401) => return Ok(None),
                given => given?,
            };
            *token = given.refresh_token;
            Ok(Some(given.access_token.into()))
        })
    }
}
