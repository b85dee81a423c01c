use std::time::Duration;

use runtime::SectionSettings;
use serde::{Deserialize, Serialize};

/// The section `[gateway]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address of the admin API; `auto`: 127.0.0.1:8001 while something is proxied; empty: none.
    pub admin_bind: String,
    /// How long a connection to an upstream may take.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// How long an upstream, or a client that uploads, may be silent.
    #[serde(with = "humantime_serde")]
    pub idle_timeout: Duration,
    /// How long an unused connection to an upstream is kept.
    #[serde(with = "humantime_serde")]
    pub keep_alive: Duration,
    /// How often each upstream's readiness is checked; zero: never.
    #[serde(with = "humantime_serde")]
    pub health_interval: Duration,
    /// How long the answer to a check may take.
    #[serde(with = "humantime_serde")]
    pub health_timeout: Duration,
    /// Checks in a row that fail before an upstream gets no more requests.
    pub unhealthy_after: u32,
    /// Checks in a row that succeed before it gets requests again.
    pub healthy_after: u32,
    /// Requests in a row that fail before an upstream is ejected.
    pub eject_after: u32,
    /// How long it is ejected, unless checks succeed before.
    #[serde(with = "humantime_serde")]
    pub eject_for: Duration,
    /// Live events that are kept for clients that reconnect. A client for which twice as many wait is disconnected.
    pub event_window: usize,
    /// Streams of live events at once.
    pub event_streams: usize,
    /// Streams of live events of one caller at once.
    pub event_streams_per_caller: usize,
    /// How often a silent stream of live events says that it lives.
    #[serde(with = "humantime_serde")]
    pub event_heartbeat: Duration,
}

/// The address of the admin API where the settings say `auto`.
const ADMIN: &str = "127.0.0.1:8001";

impl Settings {
    /// Where the admin API is served, if at all.
    #[must_use]
    pub fn admin_address(&self, proxies: bool) -> Option<&str> {
        match self.admin_bind.as_str() {
            "" => None,
            "auto" => proxies.then_some(ADMIN),
            address => Some(address),
        }
    }
}

impl SectionSettings for Settings {
    const NAME: &'static str = "gateway";
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        let mut check = |fine: bool, text: &str| {
            if !fine {
                faults.push(text.to_owned());
            }
        };
        let has_port = |address: &str| address.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
        check(self.admin_address(true).is_none_or(has_port), "gateway.admin_bind must be ADDRESS:PORT, auto or empty");
        let (tenth, hour) = (Duration::from_millis(100), Duration::from_secs(3600));
        for (key, time) in [
            ("connect_timeout", self.connect_timeout),
            ("idle_timeout", self.idle_timeout),
            ("keep_alive", self.keep_alive),
            ("health_timeout", self.health_timeout),
            ("eject_for", self.eject_for),
        ] {
            check((tenth..=hour).contains(&time), &format!("gateway.{key} must be 100ms to 1h"));
        }
        let interval = self.health_interval;
        check(interval.is_zero() || (tenth..=hour).contains(&interval), "gateway.health_interval must be 100ms to 1h, or 0s for no checks");
        for (key, times) in
            [("unhealthy_after", self.unhealthy_after), ("healthy_after", self.healthy_after), ("eject_after", self.eject_after)]
        {
            check((1..=1000).contains(&times), &format!("gateway.{key} must be 1 to 1000"));
        }
        for (key, count) in [
            ("event_window", self.event_window),
            ("event_streams", self.event_streams),
            ("event_streams_per_caller", self.event_streams_per_caller),
        ] {
            check((1..=100_000).contains(&count), &format!("gateway.{key} must be 1 to 100000"));
        }
        check((tenth..=hour).contains(&self.event_heartbeat), "gateway.event_heartbeat must be 100ms to 1h");
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(change: impl FnOnce(&mut Settings)) -> Vec<String> {
        let settings = runtime::Settings::load_with(None, &[runtime::Section::of::<Settings>()]).unwrap();
        let mut section = (*settings.section::<Settings>().unwrap()).clone();
        change(&mut section);
        section.faults()
    }

    #[test]
    fn every_fault_is_named() {
        assert_eq!(faults(|_| {}), [""; 0]);
        let told = faults(|settings| {
            settings.admin_bind = "nowhere".to_owned();
            settings.idle_timeout = Duration::ZERO;
            settings.health_interval = Duration::from_millis(1);
            settings.eject_after = 0;
            settings.event_window = 0;
            settings.event_heartbeat = Duration::ZERO;
        });
        let keys: Vec<&str> = told.iter().filter_map(|fault| fault.split(' ').next()).collect();
        assert_eq!(
            keys,
            [
                "gateway.admin_bind",
                "gateway.idle_timeout",
                "gateway.health_interval",
                "gateway.eject_after",
                "gateway.event_window",
                "gateway.event_heartbeat"
            ]
        );
    }

    #[test]
    fn the_admin_api_is_served_where_something_is_proxied_or_it_is_asked_for() {
        let address = |bind: &str, proxies| {
            let mut section = None;
            let _faults = faults(|settings| {
                settings.admin_bind = bind.to_owned();
                section = Some(settings.clone());
            });
            section.unwrap().admin_address(proxies).map(str::to_owned)
        };
        assert_eq!((address("auto", true).as_deref(), address("auto", false)), (Some(ADMIN), None));
        assert_eq!((address("[::1]:1", false).as_deref(), address("", true)), (Some("[::1]:1"), None));
    }
}
