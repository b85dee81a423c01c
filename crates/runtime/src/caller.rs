//! The address that a request comes from.
//!
//! Anybody can write `X-Forwarded-For`: only what a trusted proxy appended counts, hop by hop from the right.

use std::{
    fmt,
    net::{IpAddr, Ipv6Addr},
    sync::Arc,
};

use actix_web::HttpRequest;
use ipnet::IpNet;

/// App data: the proxies whose `X-Forwarded-For` is believed. Clones are the same list.
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies(Arc<[IpNet]>);

impl TrustedProxies {
    /// These networks.
    #[must_use]
    pub fn new(networks: &[IpNet]) -> Self {
        Self(networks.into())
    }

    /// Whether `address` is one of them.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(&address))
    }

    /// Who sent a request that arrived from `peer` with these lines of `X-Forwarded-For`: the rightmost address that no trusted proxy has. An
    /// entry that is no address ends the search at the hop that reported it.
    #[must_use]
    pub fn caller<'a>(&self, peer: IpAddr, lines: impl DoubleEndedIterator<Item = &'a str>) -> IpAddr {
        let mut caller = peer.to_canonical();
        for entry in lines.rev().flat_map(|line| line.rsplit(',')) {
            if !self.contains(caller) {
                break;
            }
            let Some(hop) = address(entry.trim()) else { break };
            caller = hop;
        }
        caller
    }
}

/// Where somebody comes from: an address, or the network of 64 bits that one site has of IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Origin(IpAddr);

impl Origin {
    /// That of an address.
    #[must_use]
    pub fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into())
            }
            v4 => Self(v4),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            IpAddr::V4(address) => address.fmt(formatter),
            IpAddr::V6(network) => write!(formatter, "{network}/64"),
        }
    }
}

/// An address, with or without a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = || text.parse::<IpAddr>().ok();
    let with_port = || text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip());
    let in_brackets = || text.strip_prefix('[')?.strip_suffix(']')?.parse().ok();
    bare().or_else(with_port).or_else(in_brackets).map(|address| address.to_canonical())
}

/// The address that a request comes from, behind the proxies that the settings trust; `None` when its connection has none.
#[must_use]
pub fn caller_address(request: &HttpRequest) -> Option<IpAddr> {
    let peer = request.peer_addr()?.ip();
    let Some(proxies) = request.app_data::<TrustedProxies>() else { return Some(peer.to_canonical()) };
    // Most requests have none: no list is made for them.
    let lines: Vec<&str> = request.headers().get_all("x-forwarded-for").map(|line| line.to_str().unwrap_or("unknown")).collect();
    Some(proxies.caller(peer, lines.into_iter()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn caller(peer: &str, lines: &[&str]) -> String {
        let proxies = TrustedProxies::new(&["10.0.0.0/8".parse().unwrap()]);
        proxies.caller(peer.parse().unwrap(), lines.iter().copied()).to_string()
    }

    #[test]
    fn only_hops_of_trusted_proxies_count() {
        assert_eq!(caller("10.0.0.5", &["1.2.3.4, 198.51.100.7, 10.0.0.9"]), "198.51.100.7");
        assert_eq!(caller("203.0.113.9", &["1.2.3.4, 198.51.100.7, 10.0.0.9"]), "203.0.113.9");
        assert_eq!(caller("10.0.0.5", &["1.2.3.4, 198.51.100.7", "10.0.0.9"]), "198.51.100.7", "lines join in order");
        assert_eq!(caller("10.0.0.5", &["10.0.0.9", "198.51.100.7"]), "198.51.100.7");
        assert_eq!(caller("10.0.0.5", &["198.51.100.7, unknown"]), "10.0.0.5", "what is no address ends the search");
        assert_eq!(caller("10.0.0.5", &["198.51.100.7, unknown, 10.0.0.9"]), "10.0.0.9");
        assert_eq!(caller("10.0.0.5", &[]), "10.0.0.5");
        assert_eq!(caller("10.0.0.5", &["10.0.0.7, 10.0.0.6"]), "10.0.0.7", "all trusted: the first");
    }

    #[test]
    fn addresses_come_with_ports_and_in_both_families() {
        assert_eq!(caller("::ffff:10.0.0.5", &["198.51.100.7:4711"]), "198.51.100.7");
        assert_eq!(caller("10.0.0.5", &["[2001:db8::1]:4711"]), "2001:db8::1");
        assert_eq!(caller("10.0.0.5", &["[2001:db8::1]"]), "2001:db8::1");
        assert_eq!(caller("10.0.0.5", &["2001:db8::1"]), "2001:db8::1");
    }
}
