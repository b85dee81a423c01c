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
}

impl SectionSettings for Settings {
    const NAME: &'static str = "sla";
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn faults(&self) -> Vec<String> {
        let is_valid = (Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.tick);
        if is_valid { Vec::new() } else { vec!["sla.tick must be 10ms to 1m".to_owned()] }
    }
}
