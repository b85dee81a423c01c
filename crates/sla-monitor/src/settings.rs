use std::{path::PathBuf, time::Duration};

use ipnet::IpNet;
use runtime::{
    SectionSettings, is_safe_url,
    outbound::{Outbound, OutboundSettings},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

/// The section `[sla]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How often the database is asked what is due next.
    #[serde(with = "humantime_serde")]
    pub tick: Duration,
    /// How long resolved alerts are kept; zero: for ever.
    #[serde(with = "humantime_serde")]
    pub alert_retention: Duration,
    /// Networks that are not public and may be sent to, also without encryption.
    #[serde(deserialize_with = "runtime::networks")]
    pub allow_private_addresses: Vec<IpNet>,
    /// Certificates that are trusted beside the system's; empty: none.
    pub ca_file: PathBuf,
    /// Time for one attempt to send.
    #[serde(with = "humantime_serde")]
    pub send_timeout: Duration,
    /// Address of the hub for browsers, which messages lead to; empty: they have no links.
    pub public_url: String,
    /// How long what was sent is kept; zero: for ever.
    #[serde(with = "humantime_serde")]
    pub notification_retention: Duration,
    /// Address that is asked every minute while the monitor is on time; empty: none.
    #[serde(skip_serializing)]
    pub heartbeat_url: SecretString,
}

impl Settings {
    /// Address of the hub for browsers, without a slash at its end.
    pub(crate) fn links(&self) -> Option<String> {
        let url = self.public_url.trim_end_matches('/');
        (!url.is_empty()).then(|| url.to_owned())
    }

    /// How connections to addresses that users choose are made.
    pub(crate) fn outbound(&self) -> Result<Outbound, String> {
        let connect = (self.send_timeout / 2).min(Duration::from_secs(5));
        let (allowed, roots, whole) = (self.allow_private_addresses.clone(), self.roots()?, self.send_timeout);
        Ok(Outbound::new(OutboundSettings { allowed, roots, connect, whole }))
    }

    fn roots(&self) -> Result<Vec<u8>, String> {
        if self.ca_file.as_os_str().is_empty() {
            return Ok(Vec::new());
        }
        let file = self.ca_file.display();
        let roots = std::fs::read(&self.ca_file).map_err(|error| format!("sla.ca_file: {file} cannot be read: {error}"))?;
        match reqwest::Certificate::from_pem_bundle(&roots) {
            Ok(found) if !found.is_empty() => Ok(roots),
            _ => Err(format!("sla.ca_file: {file} has no PEM certificate")),
        }
    }
}

impl SectionSettings for Settings {
    const NAME: &'static str = "sla";
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.tick) {
            faults.push("sla.tick must be 10ms to 1m".to_owned());
        }
        if !self.alert_retention.is_zero() && self.alert_retention < Duration::from_secs(3600) {
            faults.push("sla.alert_retention must be 1h at least, or 0s to keep everything".to_owned());
        }
        if !(Duration::from_millis(100)..=Duration::from_secs(120)).contains(&self.send_timeout) {
            faults.push("sla.send_timeout must be 100ms to 2m".to_owned());
        }
        faults.extend(self.roots().err());
        if !self.public_url.is_empty() && (!is_safe_url(&self.public_url) || self.public_url.contains(['?', '#'])) {
            faults.push("sla.public_url must be the https:// address of this hub for browsers, or http:// on this machine".to_owned());
        }
        let heartbeat = self.heartbeat_url.expose_secret();
        if !heartbeat.is_empty() && !heartbeat.starts_with("https://") && !heartbeat.starts_with("http://") {
            faults.push("sla.heartbeat_url must begin with https:// or http://".to_owned());
        }
        faults
    }

    fn secrets(&self) -> Vec<(&'static str, SecretString)> {
        vec![("heartbeat_url", self.heartbeat_url.clone())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_names_its_key() {
        let fine = Settings {
            tick: Duration::from_secs(1),
            alert_retention: Duration::ZERO,
            allow_private_addresses: Vec::new(),
            ca_file: PathBuf::new(),
            send_timeout: Duration::from_secs(20),
            public_url: "https://hub.example.com/".to_owned(),
            notification_retention: Duration::from_secs(1),
            heartbeat_url: SecretString::default(),
        };
        assert_eq!(fine.faults(), Vec::<String>::new());
        let ca_file = PathBuf::from("/no/such/file.pem");
        let second = Duration::from_secs(1);
        let bad = Settings { tick: Duration::ZERO, alert_retention: second, ca_file, send_timeout: Duration::ZERO, ..fine }.faults();
        let named = ["sla.tick ", "sla.alert_retention ", "sla.send_timeout ", "sla.ca_file: /no/such/file.pem "];
        assert!(bad.len() == 4 && bad.iter().zip(named).all(|(fault, name)| fault.starts_with(name)), "{bad:?}");
    }
}
