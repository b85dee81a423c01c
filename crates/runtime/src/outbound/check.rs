//! What may be reached, by name and by address.

use std::{net::IpAddr, sync::Arc};

use ipnet::IpNet;
use reqwest::Url;

use super::is_public;

/// Why an address may not be reached, as the end of a sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressFault {
    /// It is none.
    #[error("is no address: {0}")]
    Invalid(String),
    /// Its scheme is another one.
    #[error("must begin with https://")]
    Scheme,
    /// It has a user name or a password, which would be in logs.
    #[error("must not have a user name or a password before the host")]
    Credentials,
    /// It is not public.
    #[error("leads to an address that is not public (private, loopback, link-local, reserved); `sla.allow_private_addresses` can allow it")]
    Private,
    /// It is not encrypted.
    #[error("must be encrypted (https://, TLS): without, only addresses in `sla.allow_private_addresses` are reached")]
    Plain,
}

/// Which addresses may be reached.
#[derive(Clone, Debug)]
pub(super) struct Policy(Arc<[IpNet]>);

impl Policy {
    pub(super) fn new(allowed: Vec<IpNet>) -> Self {
        Self(allowed.into())
    }

    pub(super) fn check_url(&self, text: &str) -> Result<Url, AddressFault> {
        self.check_parsed(Url::parse(text).map_err(|error| AddressFault::Invalid(error.to_string()))?)
    }

    /// The parser has read every spelling of an IP address (decimal, octal, hexadecimal, shortened), so that what is checked is what is connected to.
    pub(super) fn check_parsed(&self, mut url: Url) -> Result<Url, AddressFault> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(AddressFault::Scheme);
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(AddressFault::Credentials);
        }
        self.check_host(url.host_str().unwrap_or_default(), url.scheme() == "http")?;
        url.set_fragment(None);
        Ok(url)
    }

    pub(super) fn check_host(&self, host: &str, is_plain: bool) -> Result<(), AddressFault> {
        match literal(host)? {
            Some(address) => self.check(address, is_plain),
            None if is_local(host) => self.check(IpAddr::from([127, 0, 0, 1]), is_plain),
            // Judged when its address is known, but for what no address can allow.
            None if is_plain && self.0.is_empty() => Err(AddressFault::Plain),
            None => Ok(()),
        }
    }

    pub(super) fn check(&self, address: IpAddr, is_plain: bool) -> Result<(), AddressFault> {
        let address = address.to_canonical();
        if self.0.iter().any(|network| network.contains(&address)) {
            Ok(())
        } else if !is_public(address) {
            Err(AddressFault::Private)
        } else if is_plain {
            Err(AddressFault::Plain)
        } else {
            Ok(())
        }
    }
}

/// The IP address that a host is, in any spelling that somebody might connect to. Read as in an address of HTTP, for every protocol.
fn literal(host: &str) -> Result<Option<IpAddr>, AddressFault> {
    let is_bare_v6 = host.contains(':') && !host.starts_with('[');
    let text = if is_bare_v6 { format!("http://[{host}]/") } else { format!("http://{host}/") };
    let url = Url::parse(&text).map_err(|error| AddressFault::Invalid(error.to_string()))?;
    let read = url.host_str().unwrap_or_default();
    if url.path() != "/" || url.port().is_some() || url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err(AddressFault::Invalid("a name or an IP address was expected".to_owned()));
    }
    if url.domain().is_some() {
        return Ok(None);
    }
    let address = read.trim_start_matches('[').trim_end_matches(']').parse();
    address.map(Some).map_err(|_| AddressFault::Invalid("the IP address cannot be read".to_owned()))
}

/// Whether a name always means this machine.
fn is_local(host: &str) -> bool {
    let host = host.trim_end_matches('.').to_ascii_lowercase();
    host == "localhost" || host.ends_with(".localhost")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(allowed: &[&str]) -> Policy {
        Policy::new(allowed.iter().map(|network| network.parse().unwrap()).collect())
    }

    #[test]
    fn every_spelling_of_a_private_address_is_refused() {
        let policy = policy(&[]);
        for host in [
            "127.0.0.1",
            "127.1",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "017700000001",
            "0177.0.0.1",
            "127.0.0.1.",
            "[::1]",
            "[::]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[0:0:0:0:0:ffff:a9fe:a9fe]",
            "[64:ff9b::7f00:1]",
            "[2002:7f00:1::]",
            "[fd00::1]",
            "[fe80::1]",
            "0.0.0.0",
            "0",
            "10.0.0.1",
            "100.64.0.1",
            "169.254.169.254",
            "192.0.2.1",
            "224.0.0.1",
            "localhost",
            "LOCALHOST.",
            "x.localhost",
            "127。0。0。1",
            "①②⑦.0.0.1",
        ] {
            assert_eq!(policy.check_url(&format!("https://{host}/x")), Err(AddressFault::Private), "{host}");
        }
        for host in ["::1", "::ffff:127.0.0.1", "fd00::1", "2130706433", "0x7f000001"] {
            assert_eq!(policy.check_host(host, false), Err(AddressFault::Private), "{host}");
        }
        for host in ["smtp.example.com", "1.1.1.1", "2606:4700::1111"] {
            assert_eq!(policy.check_host(host, false), Ok(()), "{host}");
        }
        for host in ["", "a b", "user@example.com", "example.com/x", "example.com:25", "example.com?x", "example.com#x", "1.2.3.256"] {
            assert!(matches!(policy.check_host(host, false), Err(AddressFault::Invalid(_))), "{host}");
        }
    }

    #[test]
    fn what_is_allowed_may_be_reached_and_without_encryption() {
        let some = policy(&["127.0.0.0/8", "fd00::/8", "10.1.2.3"].map(|text| if text.contains('/') { text } else { "10.1.2.3/32" }));
        for url in ["http://127.0.0.1:8080/x", "https://127.9.9.9/", "http://[::ffff:127.0.0.1]/", "http://[fd12::1]/", "http://10.1.2.3/"]
        {
            assert!(some.check_url(url).is_ok(), "{url}");
        }
        assert_eq!(some.check_url("http://10.1.2.4/"), Err(AddressFault::Private));
        assert_eq!(some.check_url("http://1.1.1.1/"), Err(AddressFault::Plain));
        assert!(some.check_url("http://intranet.example.com/").is_ok(), "judged when its address is known");
        assert_eq!(policy(&[]).check_url("http://intranet.example.com/"), Err(AddressFault::Plain));
    }

    #[test]
    fn an_address_is_of_the_web_and_has_no_credentials() {
        let policy = policy(&[]);
        for (url, expected) in [
            ("ftp://example.com/", AddressFault::Scheme),
            ("file:///etc/passwd", AddressFault::Scheme),
            ("https://user@example.com/", AddressFault::Credentials),
            ("https://:secret@example.com/", AddressFault::Credentials),
        ] {
            assert_eq!(policy.check_url(url), Err(expected), "{url}");
        }
        for url in ["", "example.com", "https://", "https://a b/", "https://1.2.3.256/"] {
            assert!(matches!(policy.check_url(url), Err(AddressFault::Invalid(_))), "{url}");
        }
    }

    #[test]
    fn path_and_query_stay_as_they_are_byte_for_byte() {
        let given = "https://prod-1.westeurope.logic.azure.com:443/workflows/9f/triggers/manual/paths/invoke?api-version=2016-06-01&sp=%2Ftriggers%2Fmanual%2Frun&sv=1.0&sig=Ab%2Fc%2Bd_-~%3D";
        let read = policy(&[]).check_url(&format!("{given}#x")).unwrap();
        assert_eq!(read.as_str(), given.replace(":443", ""));
    }
}
