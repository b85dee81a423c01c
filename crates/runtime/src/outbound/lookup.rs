//! Names, looked up once: what is returned is checked, and is what is connected to.

use std::{io, net::SocketAddr, sync::Arc};

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::{OutboundError, check::Policy};

/// Where names are looked up.
pub trait Lookup: Send + Sync {
    /// The addresses of a name, or of an IP address in its usual form.
    fn addresses(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;
}

/// By the system.
#[derive(Clone, Copy, Debug)]
pub struct SystemLookup;

impl Lookup for SystemLookup {
    fn addresses(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        Box::pin(async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) })
    }
}

/// A look-up that returns only what may be connected to.
#[derive(Clone)]
pub(super) struct Checked {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) policy: Policy,
    pub(super) is_plain: bool,
}

impl Checked {
    pub(super) async fn addresses(&self, host: &str, port: u16) -> Result<Vec<SocketAddr>, OutboundError> {
        self.policy.check_host(host, self.is_plain)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = |reason: String| OutboundError::Name { host: host.to_owned(), reason };
        let found = self.lookup.addresses(bare, port).await.map_err(|error| name(error.to_string()))?;
        let mut refused = None;
        let mut reachable = Vec::new();
        for address in found {
            match self.policy.check(address.ip(), self.is_plain) {
                Ok(()) => reachable.push(address),
                Err(fault) => refused = Some(fault),
            }
        }
        match refused {
            Some(fault) if reachable.is_empty() => Err(fault.into()),
            None if reachable.is_empty() => Err(name("it has no address".to_owned())),
            _ => Ok(reachable),
        }
    }
}

impl Resolve for Checked {
    fn resolve(&self, name: Name) -> Resolving {
        let (checked, host) = (self.clone(), name.as_str().to_owned());
        Box::pin(async move {
            let found = checked.addresses(&host, 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}
