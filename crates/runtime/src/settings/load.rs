//! Reads the settings and reports every fault at once, so that people fix a file in one go.

use std::collections::BTreeSet;

use config::{Config, ConfigBuilder, Environment, File, FileFormat, Map, Value, ValueKind, builder::DefaultState};
use serde::de::DeserializeOwned;

use super::{Section, Settings, SettingsError, section::Sections};

pub(super) const DEFAULTS: &str = include_str!("../defaults.toml");

impl Settings {
    /// Reads the settings: `file` if given, else `regente.toml` if it exists.
    ///
    /// # Errors
    /// Every fault, each with its key.
    pub fn load(file: Option<&str>) -> Result<Self, SettingsError> {
        Self::load_with(file, &[])
    }

    /// Reads the settings with the sections of services.
    ///
    /// # Errors
    /// As [`Settings::load`].
    pub fn load_with(file: Option<&str>, sections: &[Section]) -> Result<Self, SettingsError> {
        let source = match file {
            Some(path) => File::new(path, FileFormat::Toml).required(true),
            None => File::new("regente.toml", FileFormat::Toml).required(false),
        };
        let environment = Environment::with_prefix("REGENTE").prefix_separator("__").separator("__");
        let config = with_defaults(sections).add_source(source).add_source(environment).build();
        Self::from_config(config.map_err(|error| SettingsError(vec![one_line(&error.to_string())]))?, sections)
    }

    pub(super) fn from_config(config: Config, sections: &[Section]) -> Result<Self, SettingsError> {
        let built = with_defaults(sections).build().map_err(|error| SettingsError(vec![error.to_string()]))?;
        let mut reading = Reading { values: tables(config), defaults: tables(built), faults: Vec::new(), keys: BTreeSet::new() };
        reading.refuse_unknown_sections();
        let settings = reading.settings(sections);
        let Reading { mut faults, keys, .. } = reading;
        if let Some(settings) = &settings {
            // A value that could not be parsed has its default here, so faults about it are meaningless.
            let sound = |fault: &String| !keys.iter().any(|key| fault.contains(key.as_str()));
            faults.extend(settings.faults().into_iter().filter(sound));
        }
        match settings {
            Some(settings) if faults.is_empty() => Ok(settings),
            _ => Err(SettingsError(faults)),
        }
    }
}

/// The defaults, including those of `sections`.
pub(super) fn with_defaults(sections: &[Section]) -> ConfigBuilder<DefaultState> {
    let defaults = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
    sections.iter().fold(defaults, |all, section| all.add_source(File::from_str(section.defaults, FileFormat::Toml)))
}

fn tables(config: Config) -> Map<String, Value> {
    // The root of a configuration is always a table.
    config.cache.into_table().unwrap_or_default()
}

/// Settings that are being read, and their faults so far.
pub(super) struct Reading {
    values: Map<String, Value>,
    defaults: Map<String, Value>,
    faults: Vec<String>,
    /// Keys that could not be parsed.
    keys: BTreeSet<String>,
}

impl Reading {
    fn settings(&mut self, sections: &[Section]) -> Option<Settings> {
        // Reads every section before the first missing one returns.
        let (data_dir, time) = (self.value("data_dir"), self.section("time"));
        let (http, edge, services) = (self.section("http"), self.section("edge"), self.section("services"));
        let (database, broker) = (self.section("database"), self.section("broker"));
        let (auth, admin, worker) = (self.section("auth"), self.section("admin"), self.section("worker"));
        let (oidc, secrets) = (self.section("oidc"), self.section("secrets"));
        let (lease, dispatch, limits) = (self.section("lease"), self.section("dispatch"), self.section("limits"));
        let (retention, log) = (self.section("retention"), self.section("log"));
        let sections = self.sections(sections);
        Some(Settings {
            data_dir: data_dir?,
            time: time?,
            http: http?,
            edge: edge?,
            services: services?,
            database: database?,
            broker: broker?,
            auth: auth?,
            oidc: oidc?,
            secrets: secrets?,
            admin: admin?,
            worker: worker?,
            lease: lease?,
            dispatch: dispatch?,
            limits: limits?,
            retention: retention?,
            log: log?,
            sections,
        })
    }

    fn sections(&mut self, specs: &[Section]) -> Sections {
        let mut sections = Sections { specs: specs.to_vec(), ..Sections::default() };
        for spec in specs {
            if let Some((value, mut faults)) = (spec.read)(self) {
                sections.values.insert(spec.name, value);
                self.faults.append(&mut faults);
            }
        }
        sections
    }

    fn refuse_unknown_sections(&mut self) {
        let unknown = self.values.keys().filter(|key| !self.defaults.contains_key(*key));
        let mut unknown: Vec<String> = unknown.map(|key| format!("unknown setting \"{key}\"")).collect();
        unknown.sort_unstable();
        self.faults.append(&mut unknown);
    }

    fn value<T: DeserializeOwned>(&mut self, key: &str) -> Option<T> {
        let value = self.values.get(key).cloned()?;
        value.try_deserialize().map_err(|error| self.refuse(key.to_owned(), &error.to_string())).ok()
    }

    /// Reads a section. An invalid value is recorded and replaced by its default, so that it does not hide other faults.
    pub(super) fn section<T: DeserializeOwned>(&mut self, name: &str) -> Option<T> {
        let mut table = match self.values.get(name).cloned()?.into_table() {
            Ok(table) => table,
            Err(error) => {
                self.refuse(name.to_owned(), &error.to_string());
                return None;
            }
        };
        let defaults = self.defaults.get(name).cloned()?.into_table().unwrap_or_default();
        // Each iteration replaces one key.
        for _ in 0..=table.len() {
            let error = match serde_path_to_error::deserialize(Value::new(None, ValueKind::Table(table.clone()))) {
                Ok(section) => return Some(section),
                Err(error) => error,
            };
            let key = error.path().to_string();
            self.refuse(format!("{name}.{key}"), &error.into_inner().to_string());
            // The key of the section, whatever is wrong inside its value.
            let key = key.split(['.', '[']).next().unwrap_or_default();
            match defaults.get(key) {
                Some(default) => drop(table.insert(key.to_owned(), default.clone())),
                None => drop(table.remove(key)),
            }
        }
        None
    }

    fn refuse(&mut self, key: String, message: &str) {
        self.faults.push(format!("{key}: {}", one_line(message)));
        self.keys.insert(key);
    }
}

/// Joins the multi-line messages of file parsers.
fn one_line(text: &str) -> String {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
pub(super) mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    pub(in crate::settings) fn from_toml(text: &str) -> Result<Settings, SettingsError> {
        let builder = with_defaults(&[]).add_source(File::from_str(text, FileFormat::Toml));
        Settings::from_config(builder.build().unwrap(), &[])
    }

    fn faults(text: &str) -> Vec<String> {
        from_toml(text).unwrap_err().0
    }

    #[test]
    fn defaults_are_valid() {
        let settings = from_toml("").unwrap();
        assert_eq!(settings.database_url().expose_secret(), "sqlite://data/regente.db");
        assert!(settings.broker_url().is_none() && settings.is_loopback());
    }

    #[test]
    fn all_faults_are_reported_at_once() {
        assert_eq!(faults("[http]\nbind = \"nowhere\"\n[lease]\nagent = \"5s\"\n[log]\nfilter = \"a=b=c\"").len(), 3);
        let found = faults(
            "[http]\nworkers = \"many\"\nbody_limit = \"large\"\nport = 1\n[lease]\nagent = \"soon\"\n[log]\nfilter = \"a=b=c\"\n[htp]\nx = 1",
        );
        for key in ["unknown setting \"htp\"", "http.workers: ", "http.body_limit: ", "http.port: ", "lease.agent: ", "log.filter: "] {
            assert_eq!(found.iter().filter(|fault| fault.starts_with(key)).count(), 1, "{key} in {found:#?}");
        }
        assert_eq!(found.len(), 6, "{found:#?}");
    }

    #[test]
    fn unknown_keys_are_refused() {
        assert!(faults("[http]\nport = 1")[0].starts_with("http.port: unknown field"));
        assert_eq!(faults("[htp]\nport = 1"), ["unknown setting \"htp\""]);
        assert!(faults("http = 3")[0].starts_with("http: "));
    }

    #[test]
    fn retention_is_for_ever_or_long_enough() {
        let settings = from_toml("[retention]\njobs = \"0s\"\nlogs = \"1h\"").unwrap();
        assert!(settings.retention.jobs.is_zero());
        assert_eq!(settings.retention.dead_letters.as_secs(), 30 * 86_400);
        let found = faults("[retention]\njobs = \"59m\"\nlogs = \"90\"\ndead_letters = \"2000years\"");
        let keys: Vec<&str> = found.iter().filter_map(|fault| fault.split([':', ' ']).next()).collect();
        assert_eq!(keys, ["retention.logs", "retention.jobs", "retention.dead_letters"], "{found:#?}");
    }

    #[test]
    fn a_job_has_room_for_a_log() {
        let limits = from_toml("[limits]\nlog_lines = 100\nlog_bytes = 65536").unwrap().limits;
        assert_eq!((limits.log_lines, limits.log_bytes), (100, 65_536));
        let found = faults("[limits]\nlog_lines = -1\nlog_bytes = 65535\nlogs = 1");
        let keys: Vec<&str> = found.iter().filter_map(|fault| fault.split([':', ' ']).next()).collect();
        assert_eq!(keys, ["limits.logs", "limits.log_lines", "limits.log_bytes"], "{found:#?}");
    }

    #[test]
    fn lists_are_arrays_or_commas_and_each_item_is_checked() {
        let settings =
            from_toml("[http]\ntrusted_proxies = \"10.0.0.0/8, 192.0.2.7\"\n[services]\norchestrator = [\"http://a:1\", \"https://b\"]")
                .unwrap();
        assert_eq!(settings.services.addresses("orchestrator"), ["http://a:1", "https://b"]);
        assert!(settings.services.addresses("toy").is_empty());
        assert_eq!(settings.http.trusted_proxies.iter().map(ToString::to_string).collect::<Vec<_>>(), ["10.0.0.0/8", "192.0.2.7/32"]);
        let from_environment = from_toml("[services]\norchestrator = \"http://a:1,http://b:2\"").unwrap();
        assert_eq!(from_environment.services.orchestrator, ["http://a:1", "http://b:2"]);
        assert_eq!(from_toml(&settings.to_toml().unwrap()).unwrap().services.orchestrator, ["http://a:1", "https://b"]);
        for bad in ["ftp://a", "a:1", "http://a/path", "http://", "http://u:p@a", "http://a?x"] {
            let found = faults(&format!("[services]\norchestrator = [\"http://a\", \"{bad}\"]"));
            assert!(found[0].starts_with("services.orchestrator: address 2 must be") && !found[0].contains("u:p"), "{found:?}");
        }
        assert!(faults("[http]\ntrusted_proxies = [\"10.0.0.0/33\"]")[0].starts_with("http.trusted_proxies: "));
    }

    #[test]
    fn the_edge_has_bounds_and_every_fault_of_it_is_named() {
        let fine = "[http]\ntls_certificate = \"c.pem\"\ntls_key = \"k.pem\"\n[edge]\nanonymous_per_minute = 0\nallow = \"10.0.0.0/8\"\n\
            cors_origins = [\"https://a.example\", \"http://localhost:5173\"]\nhsts = \"0s\"";
        let settings = from_toml(fine).unwrap();
        assert!(settings.tls_is_on() && !from_toml("").unwrap().tls_is_on());
        assert_eq!(settings.edge.cors_origins, ["https://a.example", "http://localhost:5173"]);
        let found = faults(
            "[http]\nheader_limit = 200000\nheader_count = 97\nheader_timeout = \"0s\"\nwrite_timeout = \"2h\"\nmax_connections = 0\n\
            max_connections_per_address = 0\ntls_key = \"k.pem\"\n\
            [edge]\nperson_per_minute = -1\nworker_requests = 0\nhsts = \"200years\"\ndeny = [\"10.0.0.0/33\"]\nrate = 1",
        );
        let mut keys: Vec<&str> = found.iter().filter_map(|fault| fault.split([':', ' ']).next()).collect();
        keys.sort_unstable();
        let expected = [
            "edge.deny",
            "edge.hsts",
            "edge.person_per_minute",
            "edge.rate",
            "edge.worker_requests",
            "http.header_count",
            "http.header_limit",
            "http.header_timeout",
            "http.max_connections",
            "http.max_connections_per_address",
            "http.tls_certificate",
            "http.write_timeout",
        ];
        assert_eq!(keys, expected, "{found:#?}");
        for bad in ["https://a.example/", "https://a.example/x", "*", "null", "https://A.example", "a.example", "https://a.example:443"] {
            let found = faults(&format!("[edge]\ncors_origins = [\"https://b.example\", \"{bad}\"]"));
            assert!(found[0].starts_with("edge.cors_origins: origin 2 must be"), "{bad}: {found:?}");
        }
    }

    #[test]
    fn an_identity_provider_is_off_until_it_is_named_and_then_every_fault_is() {
        assert!(!from_toml("[oidc]\npublic_url = \"nowhere\"").unwrap().oidc.is_on());
        let fine = "[oidc]\nissuer = \"https://id.example/realms/a\"\nclient_id = \"regente\"\npublic_url = \"https://hub.example\"\n\
            default_role = \"viewer\"\ngroup_roles = [{ group = \"/ops\", role = \"operator\", domain = \"finance\" }, { group = \"it\", role = \"admin\" }]";
        let settings = from_toml(fine).unwrap();
        assert!(settings.oidc.is_on() && settings.oidc.group_roles.len() == 2);
        let printed = settings.to_toml().unwrap();
        assert_eq!(format!("{:?}", from_toml(&printed).unwrap()), format!("{settings:?}"), "{printed}");
        let json = r#"[{"group": "it", "role": "admin"}]"#;
        let from_environment = from_toml(&format!("[oidc]\ngroup_roles = '{json}'")).unwrap();
        assert_eq!(from_environment.oidc.group_roles, settings.oidc.group_roles[1..]);
        let found = faults(
            "[oidc]\nissuer = \"http://id.example\"\nclient_secret = \"a\"\nclient_secret_file = \"b\"\nname = \"\"\nscopes = []\ngroups_claim = \"\"\n\
            leeway = \"1h\"\ntimeout = \"0s\"\nsession_lifetime = \"0s\"\ngroup_roles = [{ group = \"a\", role = \"admin\", domain = \"x\" }]",
        );
        let mut keys: Vec<&str> = found.iter().filter_map(|fault| fault.split([':', ' ']).next()).collect();
        keys.sort_unstable();
        let expected = [
            "oidc.client_id",
            "oidc.client_secret_file",
            "oidc.group_roles",
            "oidc.groups_claim",
            "oidc.issuer",
            "oidc.leeway",
            "oidc.name",
            "oidc.public_url",
            "oidc.scopes",
            "oidc.session_lifetime",
            "oidc.timeout",
        ];
        assert_eq!(keys, expected, "{found:#?}");
        for bad in
            ["[{ group = \"a\" }]", "[{ group = \"a\", role = \"boss\" }]", "[{ group = \"a\", role = \"viewer\", x = 1 }]", "\"no JSON\""]
        {
            let found = faults(&format!("[oidc]\ngroup_roles = {bad}"));
            assert!(found[0].starts_with("oidc.group_roles: "), "{bad}: {found:?}");
        }
        assert!(faults("[oidc]\ndefault_role = \"boss\"")[0].starts_with("oidc.default_role: "));
    }

    #[test]
    fn secrets_are_not_in_debug_output() {
        let settings = from_toml("[database]\nurl = \"postgres://u:hunter2@h/d\"").unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
    }

    #[test]
    fn a_local_worker_is_for_one_machine_alone_unless_set() {
        for (text, expected) in [
            ("", true),
            ("[broker]\nurl = \"amqp://h\"", false),
            ("[http]\nbind = \"0.0.0.0:8080\"", false),
            ("[worker]\nlocal = \"off\"", false),
            ("[worker]\nlocal = \"on\"\n[http]\nbind = \"0.0.0.0:8080\"\n[broker]\nurl = \"amqp://h\"", true),
        ] {
            assert_eq!(from_toml(text).unwrap().has_local_worker(), expected, "{text}");
        }
    }

    #[test]
    fn loopback_addresses_are_recognised() {
        for (bind, expected) in
            [("127.0.0.1:1", true), ("[::1]:1", true), ("localhost:1", true), ("0.0.0.0:1", false), ("10.0.0.1:1", false)]
        {
            let settings = from_toml(&format!("[http]\nbind = \"{bind}\"")).unwrap();
            assert_eq!(settings.is_loopback(), expected, "{bind}");
        }
    }
}
