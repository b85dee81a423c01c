//! Open connections: how many there may be, in all and of one address, and whether a request is under way on each.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use crate::{Origin, TrustedProxies};

/// Minimum time between log lines about refused connections.
const LOG_EVERY: Duration = Duration::from_secs(60);

/// The open connections of a process. Clones share them.
#[derive(Clone)]
pub(crate) struct Connections(Arc<Inner>);

struct Inner {
    most: usize,
    most_of_one: usize,
    proxies: TrustedProxies,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    all: usize,
    of: HashMap<Origin, usize>,
    logged: Option<Instant>,
}

/// One connection. It counts as open while this lives.
pub(crate) struct Connection {
    /// Whether it is encrypted.
    pub(crate) is_secure: bool,
    begun: Instant,
    /// Requests under way.
    requests: AtomicU32,
    /// When the last one ended, in milliseconds since `begun`.
    idle_since: AtomicU64,
    _place: Place,
}

/// A place among the open connections.
struct Place {
    of: Connections,
    origin: Option<Origin>,
}

/// A request that is under way, until the end of its answer.
pub(crate) struct InFlight(Arc<Connection>);

impl Connections {
    pub(crate) fn new(most: usize, most_of_one: usize, proxies: TrustedProxies) -> Self {
        Self(Arc::new(Inner { most, most_of_one, proxies, counts: Mutex::default() }))
    }

    /// Admits a connection; `None` when there are too many.
    pub(crate) fn open(&self, peer: Option<SocketAddr>, is_secure: bool) -> Option<Arc<Connection>> {
        let address = peer.map(|peer| peer.ip().to_canonical());
        // A proxy brings many clients.
        let origin = address.filter(|address| !self.0.proxies.contains(*address)).map(Origin::of);
        let mut counts = self.counts();
        let of_one = origin.and_then(|origin| counts.of.get(&origin)).copied().unwrap_or_default();
        if counts.all >= self.0.most || of_one >= self.0.most_of_one {
            counts.log(origin, of_one);
            return None;
        }
        counts.all += 1;
        if let Some(origin) = origin {
            counts.of.insert(origin, of_one + 1);
        }
        drop(counts);
        let place = Place { of: self.clone(), origin };
        let (requests, idle_since) = (AtomicU32::new(0), AtomicU64::new(0));
        Some(Arc::new(Connection { is_secure, begun: Instant::now(), requests, idle_since, _place: place }))
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn log(&mut self, origin: Option<Origin>, of_one: usize) {
        if self.logged.is_some_and(|at| at.elapsed() < LOG_EVERY) {
            return;
        }
        self.logged = Some(Instant::now());
        let address = origin.map_or_else(|| "a trusted proxy".to_owned(), |origin| origin.to_string());
        tracing::warn!(
            client.address = address,
            connections = self.all,
            of_this_address = of_one,
            "too many connections; new ones are closed"
        );
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.of.counts();
        counts.all = counts.all.saturating_sub(1);
        let Some(origin) = self.origin else { return };
        match counts.of.get_mut(&origin) {
            Some(open) if *open > 1 => *open -= 1,
            _ => drop(counts.of.remove(&origin)),
        }
    }
}

impl Connection {
    /// A request begins.
    pub(crate) fn begin(self: &Arc<Self>) -> InFlight {
        self.requests.fetch_add(1, Relaxed);
        InFlight(self.clone())
    }

    /// How long no request has been under way; `None` while one is.
    pub(super) fn idle_for(&self) -> Option<Duration> {
        let since = Duration::from_millis(self.idle_since.load(Relaxed));
        (self.requests.load(Relaxed) == 0).then(|| self.begun.elapsed().saturating_sub(since))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        let now = u64::try_from(self.0.begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.idle_since.store(now, Relaxed);
        self.0.requests.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connections(most: usize, most_of_one: usize) -> Connections {
        Connections::new(most, most_of_one, TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()]))
    }

    fn open(connections: &Connections, address: &str) -> Option<Arc<Connection>> {
        connections.open(Some(SocketAddr::new(address.parse().unwrap(), 1)), false)
    }

    #[test]
    fn an_address_has_so_many_and_a_trusted_proxy_more() {
        let all = connections(6, 2);
        let first = open(&all, "192.0.2.1");
        let held = [open(&all, "192.0.2.1"), open(&all, "2001:db8::1"), open(&all, "2001:db8::2")];
        assert!(first.is_some() && held.iter().all(Option::is_some));
        assert!(open(&all, "192.0.2.1").is_none() && open(&all, "2001:db8::3").is_none(), "of one address, of one network");
        drop(first);
        let again = open(&all, "::ffff:192.0.2.1");
        assert!(again.is_some() && open(&all, "192.0.2.1").is_none());
        let proxied = [open(&all, "10.0.0.1"), open(&all, "10.0.0.1")];
        assert!(proxied.iter().all(Option::is_some));
        assert!(open(&all, "10.0.0.1").is_none() && open(&all, "192.0.2.9").is_none(), "in all");
        drop((held, proxied, again));
        let counts = all.counts();
        assert_eq!((counts.all, counts.of.len()), (0, 0), "nothing stays of those that ended");
    }

    #[test]
    fn a_connection_is_idle_between_requests() {
        let connection = open(&connections(1, 1), "192.0.2.1").unwrap();
        assert!(connection.idle_for().is_some());
        let (one, other) = (connection.begin(), connection.begin());
        assert_eq!(connection.idle_for(), None);
        drop(one);
        assert_eq!(connection.idle_for(), None);
        drop(other);
        assert!(connection.idle_for().is_some());
    }
}
