use std::{path::PathBuf, time::Duration};

use api_types::TimeZones;
use domain::schedule::Zones;
use runtime::{SectionSettings, ZonesError, zones_from_dir};
use serde::{Deserialize, Serialize};

/// The section `[scheduler]`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Time zone of schedules that name none.
    pub timezone: String,
    /// Folder with time zones that replace those of the program; empty: those of the program.
    pub zoneinfo: PathBuf,
    /// How often the database is asked what is due next.
    #[serde(with = "humantime_serde")]
    pub tick: Duration,
}

impl Settings {
    /// The time zones.
    ///
    /// # Errors
    /// Why the folder has none.
    pub fn zones(&self) -> Result<Zones, ZonesError> {
        if self.zoneinfo.as_os_str().is_empty() { Ok(Zones::bundled()) } else { zones_from_dir(&self.zoneinfo) }
    }

    /// The same for people: version and source.
    pub(crate) fn describe(&self, zones: &Zones) -> TimeZones {
        let is_bundled = self.zoneinfo.as_os_str().is_empty();
        let source = if is_bundled { "bundled".to_owned() } else { self.zoneinfo.display().to_string() };
        TimeZones { version: zones.version().to_owned(), source }
    }
}

impl SectionSettings for Settings {
    const NAME: &'static str = "scheduler";
    const DEFAULTS: &'static str = include_str!("defaults.toml");

    fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        match self.zones() {
            Ok(zones) => faults.extend(zones.get(&self.timezone).err().map(|error| format!("scheduler.timezone: {error}"))),
            Err(error) => faults.push(format!("scheduler.zoneinfo: {error}")),
        }
        if !(Duration::from_millis(10)..=Duration::from_secs(60)).contains(&self.tick) {
            faults.push("scheduler.tick must be 10ms to 1m".to_owned());
        }
        faults
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings { timezone: "America/Sao_Paulo".to_owned(), zoneinfo: PathBuf::new(), tick: Duration::from_secs(1) }
    }

    #[test]
    fn each_fault_names_its_key() {
        assert_eq!(settings().faults(), Vec::<String>::new());
        let bad = Settings { timezone: "America/Sao Paulo".to_owned(), tick: Duration::ZERO, ..settings() };
        let faults = bad.faults();
        assert!(faults[0].starts_with("scheduler.timezone: ") && faults[0].contains("America/Sao_Paulo"), "{faults:?}");
        assert!(faults[1].starts_with("scheduler.tick "), "{faults:?}");
        let faults = Settings { zoneinfo: "/no/such/folder".into(), ..settings() }.faults();
        assert!(faults.len() == 1 && faults[0].starts_with("scheduler.zoneinfo: /no/such/folder"), "{faults:?}");
    }
}
