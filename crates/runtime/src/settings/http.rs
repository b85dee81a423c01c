//! The sections `[http]` and `[edge]`: how the server listens, and what it lets in.

use std::{path::PathBuf, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

use super::{RETENTION_LEAST, RETENTION_MOST, is_base_url, list};

section!(
    /// HTTP server.
    Http {
        /// Address to serve on.
        bind: String,
        /// Maximum size of a request body, in bytes.
        body_limit: usize,
        /// Time limit for a body to arrive.
        #[serde(with = "humantime_serde")]
        body_timeout: Duration,
        /// Memory of all request bodies together, in bytes; at least twice `body_limit`.
        body_memory: usize,
        /// Threads that serve requests.
        workers: usize,
        /// A client of a log stream that does not read within this time is disconnected.
        #[serde(with = "humantime_serde")]
        stream_patience: Duration,
        /// Proxies whose `X-Forwarded-For` is believed.
        #[serde(deserialize_with = "list::networks")]
        trusted_proxies: Vec<IpNet>,
        /// Addresses whose requests for metrics need no credential.
        #[serde(deserialize_with = "list::networks")]
        metrics_from: Vec<IpNet>,
        /// Maximum size of a request's target and headers, in bytes.
        header_limit: usize,
        /// Maximum number of a request's headers.
        header_count: usize,
        /// Time limit for the headers, and for a TLS handshake.
        #[serde(with = "humantime_serde")]
        header_timeout: Duration,
        /// How long a connection is kept for the next request.
        #[serde(with = "humantime_serde")]
        keep_alive: Duration,
        /// A client that takes nothing of an answer for this long is disconnected.
        #[serde(with = "humantime_serde")]
        write_timeout: Duration,
        /// Maximum number of open connections.
        max_connections: usize,
        /// Maximum number of open connections of an address; trusted proxies have no limit of their own.
        max_connections_per_address: usize,
        /// File with the certificate chain (PEM); empty: plain HTTP.
        tls_certificate: PathBuf,
        /// File with its private key (PEM).
        tls_key: PathBuf,
    }
);
section!(
    /// What the process lets in, and how often.
    EdgeSettings {
        /// Requests a minute of an address without a good credential; 0: unlimited.
        anonymous_per_minute: u32,
        /// Sign-ins a minute from an address; 0: unlimited.
        sign_ins_per_minute: u32,
        /// Requests a minute of a signed-in user; 0: unlimited.
        person_per_minute: u32,
        /// Requests a minute of a key or token of a machine; 0: unlimited.
        key_per_minute: u32,
        /// Requests a minute to an inbound webhook; 0: unlimited.
        hook_per_minute: u32,
        /// Requests to the worker API at once.
        worker_requests: usize,
        /// Memory of the bodies of requests to the worker API together, in bytes; at least twice `http.body_limit`.
        worker_memory: usize,
        /// Addresses that are let in; empty: all.
        #[serde(deserialize_with = "list::networks")]
        allow: Vec<IpNet>,
        /// Addresses that are not, even if `allow` has them.
        #[serde(deserialize_with = "list::networks")]
        deny: Vec<IpNet>,
        /// Origins of other sites whose pages may call the API.
        #[serde(deserialize_with = "list::texts")]
        cors_origins: Vec<String>,
        /// How long browsers must use HTTPS, told to them over HTTPS; zero: not told.
        #[serde(with = "humantime_serde")]
        hsts: Duration,
        /// Whether answers are compressed.
        compression: bool,
    }
);
impl Http {
    /// Whether the server has a certificate.
    pub(super) fn has_certificate(&self) -> bool {
        !self.tls_certificate.as_os_str().is_empty()
    }

    /// Faults of values that have the right type; each begins with its key.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |fine: bool, text: &str| {
            if !fine {
                faults.push(text.to_owned());
            }
        };
        check(self.bind.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok()), "http.bind must be ADDRESS:PORT");
        check((1024..=1 << 30).contains(&self.body_limit), "http.body_limit must be 1 KiB to 1 GiB");
        check((Duration::from_secs(1)..=RETENTION_LEAST).contains(&self.body_timeout), "http.body_timeout must be 1s to 1h");
        check(self.body_memory <= 1 << 40, "http.body_memory must be at most 1 TiB");
        check((1..=256).contains(&self.workers), "http.workers must be 1 to 256");
        check((1024..=128 << 10).contains(&self.header_limit), "http.header_limit must be 1 KiB to 128 KiB");
        check((8..=96).contains(&self.header_count), "http.header_count must be 8 to 96");
        for (key, time) in [("header_timeout", self.header_timeout), ("keep_alive", self.keep_alive), ("write_timeout", self.write_timeout)]
        {
            check((Duration::from_secs(1)..=RETENTION_LEAST).contains(&time), &format!("http.{key} must be 1s to 1h"));
        }
        check(self.max_connections >= 1, "http.max_connections must be at least 1");
        check(self.max_connections_per_address >= 1, "http.max_connections_per_address must be at least 1");
        let has_key = !self.tls_key.as_os_str().is_empty();
        check(self.has_certificate() == has_key, "http.tls_certificate and http.tls_key must both be set, or neither");
        faults
    }
}

impl EdgeSettings {
    /// Faults of values that have the right type; each begins with its key.
    pub(super) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |fine: bool, text: &str| {
            if !fine {
                faults.push(text.to_owned());
            }
        };
        check(self.worker_requests >= 1, "edge.worker_requests must be at least 1");
        check(self.worker_memory <= 1 << 40, "edge.worker_memory must be at most 1 TiB");
        check(self.hsts <= RETENTION_MOST, "edge.hsts must be at most 100years");
        for (origin, nth) in self.cors_origins.iter().zip(1..) {
            check(
                is_origin(origin),
                &format!("edge.cors_origins: origin {nth} must be http://HOST or https://HOST, in lower case, without path"),
            );
        }
        faults
    }
}

/// Whether it is what browsers send in `Origin`.
fn is_origin(text: &str) -> bool {
    let has_usual_port = (text.starts_with("http://") && text.ends_with(":80")) || (text.starts_with("https://") && text.ends_with(":443"));
    is_base_url(text) && !text.ends_with('/') && !has_usual_port && !text.bytes().any(|byte| byte.is_ascii_uppercase())
}
