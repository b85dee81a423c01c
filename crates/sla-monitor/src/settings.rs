use std::time::Duration;

use runtime::SectionSettings;
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
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_names_its_key() {
        let fine = Settings { tick: Duration::from_secs(1), alert_retention: Duration::ZERO };
        assert_eq!(fine.faults(), Vec::<String>::new());
        let bad = Settings { tick: Duration::ZERO, alert_retention: Duration::from_secs(1) }.faults();
        assert!(bad[0].starts_with("sla.tick ") && bad[1].starts_with("sla.alert_retention "), "{bad:?}");
    }
}
