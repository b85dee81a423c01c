//! Where a hub is reached: at the addresses of its replicas, any of which is as good as another.

use std::sync::atomic::{AtomicUsize, Ordering};

use reqwest::Url;

use crate::{Error, Settings, link::CONNECT, link::SILENCE};

/// One address.
#[derive(Debug)]
pub(crate) struct Endpoint {
    pub(crate) http: reqwest::Client,
    /// As it was given.
    pub(crate) url: String,
    /// The API below it.
    pub(crate) base: Url,
}

/// All addresses, and which of them connected last.
#[derive(Debug)]
pub(crate) struct Endpoints {
    first: Endpoint,
    others: Vec<Endpoint>,
    current: AtomicUsize,
}

impl Endpoints {
    pub(crate) fn new(settings: &Settings) -> Result<Self, Error> {
        let others = settings.others.iter().map(|url| Endpoint::new(url, settings)).collect::<Result<_, _>>()?;
        Ok(Self { first: Endpoint::new(&settings.url, settings)?, others, current: AtomicUsize::new(0) })
    }

    pub(crate) const fn count(&self) -> usize {
        1 + self.others.len()
    }

    /// The address that connected last.
    pub(crate) fn current(&self) -> usize {
        self.current.load(Ordering::Relaxed)
    }

    /// Requests begin with this address from now on.
    pub(crate) fn prefer(&self, nth: usize) {
        self.current.store(nth, Ordering::Relaxed);
    }

    /// The `nth` address; they go round.
    pub(crate) fn get(&self, nth: usize) -> &Endpoint {
        (nth % self.count()).checked_sub(1).and_then(|nth| self.others.get(nth)).unwrap_or(&self.first)
    }

    /// The address at `endpoint` of what `url` is at the first.
    pub(crate) fn at(&self, endpoint: &Endpoint, url: &Url) -> Url {
        let (from, mut target) = (self.first.base.path(), endpoint.base.clone());
        let below = url.path().strip_prefix(from).unwrap_or_else(|| url.path());
        target.set_path(&format!("{}{below}", endpoint.base.path()));
        target.set_query(url.query());
        target
    }
}

impl Endpoint {
    fn new(url: &str, settings: &Settings) -> Result<Self, Error> {
        let base = base(url)?;
        // The embedding program or an earlier call may have set a provider: that one is as good.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("regente-client/", env!("CARGO_PKG_VERSION")))
            // A redirect would change a POST and could send the token elsewhere.
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(settings.timeout.min(CONNECT))
            .read_timeout(settings.timeout.max(SILENCE));
        if base.scheme() == "http" {
            // Plain HTTP needs no CA certificates; loading them fails on hosts without any.
            builder = builder.tls_certs_only([]);
        }
        if is_this_machine(&base) {
            builder = builder.no_proxy();
        }
        let http = builder.build().map_err(|error| Error::Address { url: url.to_owned(), reason: error.to_string() })?;
        Ok(Self { http, url: url.to_owned(), base })
    }
}

/// Checks that this can be the address of a hub: `http` or `https`, and no user or password in it.
///
/// # Errors
/// [`Error::Address`] when it cannot.
pub fn check_address(url: &str) -> Result<(), Error> {
    let base = base(url)?;
    if base.username().is_empty() && base.password().is_none() {
        return Ok(());
    }
    Err(Error::Address { url: base.host_str().unwrap_or_default().to_owned(), reason: "it must not have a user or password".to_owned() })
}

/// The API below this address.
pub(crate) fn base(url: &str) -> Result<Url, Error> {
    let address = |reason: String| Error::Address { url: url.to_owned(), reason };
    let mut base = Url::parse(url).map_err(|error| address(error.to_string()))?;
    if !matches!(base.scheme(), "http" | "https") {
        return Err(address("it must begin with http:// or https://".to_owned()));
    }
    base.set_query(None);
    base.set_fragment(None);
    base.set_path(&format!("{}/api/v1/", base.path().trim_end_matches('/')));
    Ok(base)
}

/// Loopback addresses are never reached through a proxy, whatever the environment says.
fn is_this_machine(url: &Url) -> bool {
    let name = url.host_str().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost") || name.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_address_is_named() {
        for url in ["", "hub:8080", "http://", "http://hub:port", "ftp://hub", "http://[::1", "não é"] {
            let refused = Endpoints::new(&Settings::new(url)).unwrap_err();
            assert!(matches!(&refused, Error::Address { .. }) && refused.to_string().contains(url), "{url}: {refused}");
            let other = Settings { others: vec![url.to_owned()], ..Settings::new("http://hub") };
            assert_eq!(Endpoints::new(&other).unwrap_err().to_string(), refused.to_string());
            assert_eq!(check_address(url).unwrap_err().to_string(), refused.to_string());
        }
        let refused = check_address("http://ana:secret@hub").unwrap_err().to_string();
        assert!(refused.contains("hub") && refused.contains("password") && !refused.contains("secret"), "{refused}");
        assert!(check_address("https://hub/regente").is_ok());
    }

    #[test]
    fn what_is_at_one_address_is_at_each() {
        let settings = Settings { others: vec!["https://b/regente".into(), "http://c".into()], ..Settings::new("http://a/x/") };
        let all = Endpoints::new(&settings).unwrap();
        let url = all.get(0).base.join("queues/a%2Fb/pause?x=1").unwrap();
        let places: Vec<String> = (0..4).map(|nth| all.at(all.get(nth), &url).into()).collect();
        assert_eq!(
            places,
            [
                "http://a/x/api/v1/queues/a%2Fb/pause?x=1",
                "https://b/regente/api/v1/queues/a%2Fb/pause?x=1",
                "http://c/api/v1/queues/a%2Fb/pause?x=1",
                "http://a/x/api/v1/queues/a%2Fb/pause?x=1"
            ]
        );
    }

    #[test]
    fn loopback_needs_no_proxy() {
        let here = |url: &str| is_this_machine(&Url::parse(url).unwrap());
        assert!(here("http://localhost:1") && here("http://127.0.0.9") && here("http://[::1]:8080"));
        assert!(!here("http://hub") && !here("http://10.0.0.1"));
    }
}
