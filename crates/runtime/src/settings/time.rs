//! The section `[time]`: whose clocks are meant.

use std::path::PathBuf;

use api_types::TimeZones;
use domain::schedule::Zones;
use serde::{Deserialize, Serialize};

use crate::zones::{ZonesError, zones_from_dir};

section!(
    /// Time zones, for all services.
    Time {
        /// Time zone of what names none.
        zone: String,
        /// Folder with time zones that replace those of the program; empty: those of the program.
        zoneinfo: PathBuf,
    }
);

impl Time {
    /// The time zones.
    ///
    /// # Errors
    /// Why the folder has none.
    pub fn zones(&self) -> Result<Zones, ZonesError> {
        if self.is_bundled() { Ok(Zones::bundled()) } else { zones_from_dir(&self.zoneinfo) }
    }

    /// The same for people: version and source.
    pub(crate) fn describe(&self, zones: &Zones) -> TimeZones {
        let source = if self.is_bundled() { "bundled".to_owned() } else { self.zoneinfo.display().to_string() };
        TimeZones { version: zones.version().to_owned(), source }
    }

    fn is_bundled(&self) -> bool {
        self.zoneinfo.as_os_str().is_empty()
    }

    pub(super) fn faults(&self) -> Vec<String> {
        match self.zones() {
            Ok(zones) => zones.get(&self.zone).err().map(|error| format!("time.zone: {error}")).into_iter().collect(),
            Err(error) => vec![format!("time.zoneinfo: {error}")],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Time {
        Time { zone: "America/Sao_Paulo".to_owned(), zoneinfo: PathBuf::new() }
    }

    #[test]
    fn each_fault_names_its_key() {
        assert_eq!(settings().faults(), Vec::<String>::new());
        let faults = Time { zone: "America/Sao Paulo".to_owned(), ..settings() }.faults();
        assert!(faults[0].starts_with("time.zone: ") && faults[0].contains("America/Sao_Paulo"), "{faults:?}");
        let faults = Time { zoneinfo: "/no/such/folder".into(), ..settings() }.faults();
        assert!(faults.len() == 1 && faults[0].starts_with("time.zoneinfo: /no/such/folder"), "{faults:?}");
    }
}
