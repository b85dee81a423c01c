use std::time::Duration;

use runtime::SectionSettings;
use serde::{Deserialize, Serialize};

/// The section `[scheduler]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How often the database is asked what is due next.
    #[serde(with = "humantime_serde")]
    pub tick: Duration,
}

impl SectionSettings for Settings {
    const NAME: &'static str = "scheduler";
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn faults(&self) -> Vec<String> {
        let is_valid = (Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.tick);
        if is_valid { Vec::new() } else { vec!["scheduler.tick must be 10ms to 1m".to_owned()] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fault_names_its_key() {
        assert_eq!(Settings { tick: Duration::from_secs(1) }.faults(), Vec::<String>::new());
        assert!(Settings { tick: Duration::ZERO }.faults()[0].starts_with("scheduler.tick "));
    }
}
