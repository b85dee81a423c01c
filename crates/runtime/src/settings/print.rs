//! The effective settings as a file.

use secrecy::{ExposeSecret, SecretString};
use toml_edit::{DocumentMut, Item, TableLike, Value};

use super::{
    Settings, SettingsError,
    load::{DEFAULTS, with_defaults},
};

impl Settings {
    /// Every setting with its value and description, as a valid `regente.toml`. A comment replaces each secret that is set.
    ///
    /// # Errors
    /// When a value cannot be written as TOML, such as a folder whose name is not Unicode.
    pub fn to_toml(&self) -> Result<String, SettingsError> {
        let unwritable = |error: &dyn std::fmt::Display| SettingsError(vec![format!("cannot be written as TOML: {error}")]);
        let specs = &self.sections.specs;
        let usual = with_defaults(specs).build().map_err(|error| unwritable(&error))?;
        let usual = toml_edit::ser::to_document(&Self::from_config(usual, specs)?).map_err(|error| unwritable(&error))?;
        let own = toml_edit::ser::to_document(self).map_err(|error| unwritable(&error))?;
        let text = specs.iter().fold(DEFAULTS.to_owned(), |text, section| format!("{text}\n{}", section.defaults));
        let mut document: DocumentMut = text.parse().map_err(|error| unwritable(&error))?;
        fill(document.as_table_mut(), own.as_table(), usual.as_table());
        Ok(self.without_secrets(&document.to_string()))
    }

    /// Replaces each secret that is set by a comment: an empty value would mean that it must be generated.
    fn without_secrets(&self, text: &str) -> String {
        let mut section = String::new();
        let mut out = String::with_capacity(text.len());
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
                name.clone_into(&mut section);
            }
            let key = line.split_once(" = ").map(|(key, _)| key);
            match self.secrets().into_iter().find(|(at, name, _)| *at == section && key == Some(*name)) {
                Some((_, key, secret)) if !secret.expose_secret().is_empty() => out.push_str(&format!("# {key} is set, and not shown")),
                _ => out.push_str(line),
            }
            out.push('\n');
        }
        out
    }

    /// Section, key and value of each secret.
    fn secrets(&self) -> Vec<(&'static str, &'static str, &SecretString)> {
        let own = [
            ("database", "url", &self.database.url),
            ("broker", "url", &self.broker.url),
            ("admin", "password", &self.admin.password),
            ("worker", "api_key", &self.worker.api_key),
            ("oidc", "client_secret", &self.oidc.client_secret),
        ];
        let of_services = self.sections.values.iter();
        let of_services = of_services.flat_map(|(name, section)| section.secrets.iter().map(move |(key, secret)| (*name, *key, secret)));
        own.into_iter().chain(of_services).collect()
    }
}

/// Sets the values that differ from the defaults in `document`.
fn fill(document: &mut dyn TableLike, own: &dyn TableLike, usual: &dyn TableLike) {
    for (key, item) in own.iter() {
        let (Some(shown), Some(usual)) = (document.get_mut(key), usual.get(key)) else { continue };
        if let (Some(values), Some(usual)) = (item.as_table_like(), usual.as_table_like()) {
            if let Some(section) = shown.as_table_like_mut() {
                fill(section, values, usual);
            }
        } else if let (Some(shown), Some(value)) = (shown.as_value_mut(), item.as_value())
            && !is_same(value, usual)
        {
            let decor = shown.decor().clone();
            *shown = value.clone();
            *shown.decor_mut() = decor;
        }
    }
}

fn is_same(value: &Value, usual: &Item) -> bool {
    usual.as_value().is_some_and(|usual| value.to_string().trim() == usual.to_string().trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::load::tests::from_toml;

    #[test]
    fn the_printed_settings_are_the_effective_ones() {
        assert_eq!(from_toml("").unwrap().to_toml().unwrap(), DEFAULTS, "the defaults as they are");
        let text = "data_dir = \"/x \\\" y\"\n[http]\nworkers = 7\n[lease]\nagent = \"90s\"\n[log]\nformat = \"json\"\nfilter = \"warn\"\n\
            [retention]\njobs = \"400days\"\n[admin]\nusername = \"ops\"";
        let settings = from_toml(text).unwrap();
        let printed = settings.to_toml().unwrap();
        assert!(printed.contains("concurrent readers.\nworkers = 7\n"), "{printed}");
        assert_eq!(format!("{:?}", from_toml(&printed).unwrap()), format!("{settings:?}"));
    }

    #[test]
    fn secrets_are_replaced_by_a_comment() {
        let text = "[database]\nurl = \"postgres://u:hunter2@h/d\"\n[broker]\nurl = \"amqp://u:hunter3@h\"\n[admin]\npassword = \"hunter4\"\n\
            [worker]\napi_key = \"hunter5\"\n[oidc]\nclient_secret = \"hunter6\"";
        let printed = from_toml(text).unwrap().to_toml().unwrap();
        assert!(!printed.contains("hunter"), "{printed}");
        for key in ["url", "password", "api_key", "client_secret"] {
            assert!(
                printed.contains(&format!("\n# {key} is set, and not shown\n")) && !printed.contains(&format!("\n{key} = ")),
                "{printed}"
            );
        }
    }
}
