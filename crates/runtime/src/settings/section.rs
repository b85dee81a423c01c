//! Sections of the settings that belong to one service. The service defines them, and they are read and validated with all others, so that
//! every fault is reported at once.

use std::{any::Any, collections::BTreeMap, fmt, sync::Arc};

use secrecy::SecretString;
use serde::{Serialize, Serializer, de::DeserializeOwned};

use super::load::Reading;

/// Settings of a service in `[name]` of `regente.toml` or `REGENTE__NAME__KEY`.
pub trait SectionSettings: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// Its name: the service's, in snake_case.
    const NAME: &'static str;
    /// The section with its heading, a comment and a value for each key.
    const DEFAULTS: &'static str;

    /// Faults of values that have the right type; each begins with `name.key`.
    fn faults(&self) -> Vec<String> {
        Vec::new()
    }

    /// Keys that are secret, which are not serialized, with their values: they are not printed.
    fn secrets(&self) -> Vec<(&'static str, SecretString)> {
        Vec::new()
    }
}

/// A section of one service that is to be read.
#[derive(Clone, Copy)]
pub struct Section {
    pub(super) name: &'static str,
    pub(super) defaults: &'static str,
    pub(super) read: Read,
}

/// Reads a section and validates its values.
type Read = fn(&mut Reading) -> Option<(Value, Vec<String>)>;

impl Section {
    /// The section that is read as `T`.
    #[must_use]
    pub const fn of<T: SectionSettings>() -> Self {
        Self { name: T::NAME, defaults: T::DEFAULTS, read: read::<T> }
    }
}

fn read<T: SectionSettings>(reading: &mut Reading) -> Option<(Value, Vec<String>)> {
    let section: T = reading.section(T::NAME)?;
    let faults = section.faults();
    Some((Value::new(section), faults))
}

/// A section that was read.
#[derive(Clone)]
pub(super) struct Value {
    /// As it is printed.
    shown: serde_json::Value,
    /// What is not.
    pub(super) secrets: Vec<(&'static str, SecretString)>,
    typed: Arc<dyn Any + Send + Sync>,
}

impl Value {
    fn new<T: SectionSettings>(section: T) -> Self {
        let secrets = section.secrets();
        Self { shown: serde_json::to_value(&section).unwrap_or_default(), secrets, typed: Arc::new(section) }
    }
}

/// The sections of services, by name.
#[derive(Clone, Default)]
pub(super) struct Sections {
    pub(super) specs: Vec<Section>,
    pub(super) values: BTreeMap<&'static str, Value>,
}

impl Sections {
    pub(super) fn get<T: SectionSettings>(&self) -> Option<Arc<T>> {
        self.values.get(T::NAME)?.typed.clone().downcast().ok()
    }
}

impl Sections {
    pub(super) fn set<T: SectionSettings>(&mut self, section: T) {
        self.values.insert(T::NAME, Value::new(section));
    }
}

impl fmt::Debug for Sections {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_map().entries(self.values.iter().map(|(name, value)| (name, &value.shown))).finish()
    }
}

impl Serialize for Sections {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.values.iter().map(|(name, value)| (name, &value.shown)))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use config::{File, FileFormat};
    use secrecy::ExposeSecret as _;
    use serde::Deserialize;

    use super::*;
    use crate::{Settings, SettingsError, settings::load::with_defaults};

    #[derive(Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Toy {
        #[serde(with = "humantime_serde")]
        wait: Duration,
        #[serde(skip_serializing)]
        token: SecretString,
    }

    impl SectionSettings for Toy {
        const NAME: &'static str = "toy";
        const DEFAULTS: &'static str = "[toy]\n# How long it waits.\nwait = \"5s\"\n# Its token.\ntoken = \"\"\n";

        fn secrets(&self) -> Vec<(&'static str, SecretString)> {
            vec![("token", self.token.clone())]
        }

        fn faults(&self) -> Vec<String> {
            if self.wait.is_zero() { vec!["toy.wait must not be zero".to_owned()] } else { Vec::new() }
        }
    }

    fn from_toml(text: &str) -> Result<Settings, SettingsError> {
        let sections = [Section::of::<Toy>()];
        let config = with_defaults(&sections).add_source(File::from_str(text, FileFormat::Toml)).build().unwrap();
        Settings::from_config(config, &sections)
    }

    #[test]
    fn a_service_reads_its_section_and_it_is_printed() {
        assert_eq!(from_toml("").unwrap().section::<Toy>().unwrap().wait, Duration::from_secs(5));
        let settings = from_toml("[toy]\nwait = \"7s\"").unwrap();
        assert_eq!(settings.section::<Toy>().unwrap().wait, Duration::from_secs(7));
        let printed = settings.to_toml().unwrap();
        assert!(printed.ends_with("\n[toy]\n# How long it waits.\nwait = \"7s\"\n# Its token.\ntoken = \"\"\n"), "{printed}");
        assert!(Settings::load(None).unwrap().section::<Toy>().is_err(), "read without it");
    }

    #[test]
    fn its_secrets_are_not_printed() {
        let settings = from_toml("[toy]\ntoken = \"hunter2\"").unwrap();
        assert_eq!(settings.section::<Toy>().unwrap().token.expose_secret(), "hunter2");
        let printed = settings.to_toml().unwrap();
        assert!(printed.ends_with("# Its token.\n# token is set, and not shown\n"), "{printed}");
        assert!(!printed.contains("hunter") && !format!("{settings:?}").contains("hunter"));
    }

    #[test]
    fn its_faults_are_reported_with_all_others() {
        let faults = from_toml("[toy]\nwait = \"soon\"\nwiat = 1\n[http]\nbind = \"nowhere\"").unwrap_err().0;
        for key in ["toy.wait: ", "toy.wiat: ", "http.bind"] {
            assert_eq!(faults.iter().filter(|fault| fault.starts_with(key)).count(), 1, "{key} in {faults:#?}");
        }
        assert_eq!(from_toml("[toy]\nwait = \"0s\"").unwrap_err().0, ["toy.wait must not be zero"]);
    }
}
