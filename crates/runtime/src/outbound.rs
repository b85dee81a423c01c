//! Requests to addresses that users choose, such as those of webhooks: they must not become a way into the hub's own network.
//!
//! What must hold: a connection goes only to an address that was checked, which is the one that the name had at its only look-up; addresses that are
//! not public are refused unless the settings have them; no redirect is followed and no proxy asked; an answer takes bounded time and memory; no
//! error has the path or the query of an address, which may be secret.
//!
//! Everything that connects on a user's behalf takes its way here: HTTP by [`Outbound::send`], other protocols by [`Outbound::resolve`].

mod address;
mod check;
mod lookup;

use std::{
    error::Error,
    net::SocketAddr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use ipnet::IpNet;
use reqwest::{Certificate, Client, Method, Url, header::HeaderMap, redirect};

pub use self::{
    address::is_public,
    check::AddressFault,
    lookup::{Lookup, SystemLookup},
};
use self::{check::Policy, lookup::Checked};

/// Bytes of an answer that are read; the rest is cut.
pub const MOST_ANSWER: usize = 64 * 1024;

/// How connections are made.
#[derive(Clone, Debug)]
pub struct OutboundSettings {
    /// Networks that are not public and may be reached, and without encryption.
    pub allowed: Vec<IpNet>,
    /// PEM certificates that are trusted beside the system's; empty: none.
    pub roots: Vec<u8>,
    /// Time for a connection, with the look-up of the name.
    pub connect: Duration,
    /// Time for the whole.
    pub whole: Duration,
}

/// Connects to addresses that users choose. Clones are the same one.
#[derive(Clone)]
pub struct Outbound(Arc<Parts>);

struct Parts {
    policy: Policy,
    settings: OutboundSettings,
    lookup: Arc<dyn Lookup>,
    encrypted: OnceLock<Client>,
    plain: OnceLock<Client>,
}

/// A request.
#[derive(Clone, Debug)]
pub struct OutboundRequest {
    /// Its method.
    pub method: Method,
    /// Where it goes, as [`Outbound::check_url`] returned it.
    pub url: Url,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub body: Vec<u8>,
}

/// An answer, whatever its status. A redirect is one.
#[derive(Clone, Debug)]
pub struct OutboundAnswer {
    /// Its status.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, [`MOST_ANSWER`] bytes at most.
    pub body: Vec<u8>,
}

/// Why there is no answer. Has no path and no query.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OutboundError {
    /// The address may not be reached.
    #[error("{0}")]
    Address(#[from] AddressFault),
    /// The name has no address.
    #[error("the name {host} was not found: {reason}")]
    Name {
        /// The name.
        host: String,
        /// Why.
        reason: String,
    },
    /// There was no whole answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// Nobody answered, or not to the end.
    #[error("no answer: {0}")]
    Connection(String),
    /// This host cannot encrypt.
    #[error("this host cannot connect with TLS: {0}")]
    Tls(String),
}

impl Outbound {
    /// Connects as these settings say.
    #[must_use]
    pub fn new(settings: OutboundSettings) -> Self {
        Self::with_lookup(settings, Arc::new(SystemLookup))
    }

    /// The same, with names looked up elsewhere.
    #[must_use]
    pub fn with_lookup(settings: OutboundSettings, lookup: Arc<dyn Lookup>) -> Self {
        let policy = Policy::new(settings.allowed.clone());
        Self(Arc::new(Parts { policy, settings, lookup, encrypted: OnceLock::new(), plain: OnceLock::new() }))
    }

    /// Reads an address, and checks what can be known of it without looking its name up.
    ///
    /// # Errors
    /// Why nothing may be sent there.
    pub fn check_url(&self, url: &str) -> Result<Url, AddressFault> {
        self.0.policy.check_url(url)
    }

    /// Checks what can be known of a host without looking its name up; `is_plain`: the connection is not encrypted.
    ///
    /// # Errors
    /// Why it may not be reached.
    pub fn check_host(&self, host: &str, is_plain: bool) -> Result<(), AddressFault> {
        self.0.policy.check_host(host, is_plain)
    }

    /// Addresses of a host that may be connected to, and no others: who connects to one of them must not look the name up again.
    ///
    /// # Errors
    /// [`OutboundError::Address`] when the host has none that may be reached, [`OutboundError::Name`] when it has none.
    pub async fn resolve(&self, host: &str, port: u16, is_plain: bool) -> Result<Vec<SocketAddr>, OutboundError> {
        let checked = Checked { lookup: self.0.lookup.clone(), policy: self.0.policy.clone(), is_plain };
        match tokio::time::timeout(self.0.settings.connect, checked.addresses(host, port)).await {
            Ok(found) => found,
            Err(_) => Err(OutboundError::Timeout(self.0.settings.connect)),
        }
    }

    /// How it connects.
    #[must_use]
    pub fn settings(&self) -> &OutboundSettings {
        &self.0.settings
    }

    /// Sends a request on a connection of its own.
    ///
    /// # Errors
    /// [`OutboundError`] when there is no answer.
    pub async fn send(&self, request: OutboundRequest) -> Result<OutboundAnswer, OutboundError> {
        let OutboundRequest { method, url, headers, body } = request;
        // An IP address is not looked up, and would pass the check of names.
        let url = self.0.policy.check_parsed(url)?;
        let client = self.client(url.scheme() == "http")?;
        let mut answer = client.request(method, url).headers(headers).body(body).send().await.map_err(|error| self.broken(error))?;
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let mut body = Vec::new();
        while body.len() < MOST_ANSWER {
            let Some(chunk) = answer.chunk().await.map_err(|error| self.broken(error))? else { break };
            body.extend_from_slice(&chunk);
        }
        body.truncate(MOST_ANSWER);
        Ok(OutboundAnswer { status, headers, body })
    }

    fn client(&self, is_plain: bool) -> Result<&Client, OutboundError> {
        let kept = if is_plain { &self.0.plain } else { &self.0.encrypted };
        if let Some(client) = kept.get() {
            return Ok(client);
        }
        let client = self.build(is_plain)?;
        Ok(kept.get_or_init(|| client))
    }

    fn build(&self, is_plain: bool) -> Result<Client, OutboundError> {
        // A second call finds the provider that the first, or the embedding program, has set: that one is as good.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let Parts { policy, settings, lookup, .. } = &*self.0;
        let tls = |error: reqwest::Error| OutboundError::Tls(causes(&error.without_url()));
        let mut builder = Client::builder()
            .user_agent(concat!("Regente/", env!("CARGO_PKG_VERSION")))
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            // An idle connection would outlive what was checked for it.
            .pool_max_idle_per_host(0)
            .connect_timeout(settings.connect)
            .timeout(settings.whole)
            .dns_resolver(Checked { lookup: lookup.clone(), policy: policy.clone(), is_plain });
        if is_plain {
            // Loading CA certificates fails on hosts without any.
            builder = builder.tls_certs_only([]);
        } else if !settings.roots.is_empty() {
            builder = builder.tls_certs_merge(Certificate::from_pem_bundle(&settings.roots).map_err(tls)?);
        }
        builder.build().map_err(tls)
    }

    fn broken(&self, error: reqwest::Error) -> OutboundError {
        if let Some(known) = cause::<OutboundError>(&error) {
            return known.clone();
        }
        if error.is_timeout() {
            let OutboundSettings { connect, whole, .. } = self.0.settings;
            return OutboundError::Timeout(if error.is_connect() { connect } else { whole });
        }
        OutboundError::Connection(causes(&error.without_url()))
    }
}

/// The first cause of this type.
fn cause<'e, E: Error + 'static>(error: &'e (dyn Error + 'static)) -> Option<&'e E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}

/// An error with what caused it, on one line.
fn causes(error: &dyn Error) -> String {
    let (mut text, mut next) = (error.to_string(), error.source());
    while let Some(cause) = next {
        text = format!("{text}: {cause}");
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests;
