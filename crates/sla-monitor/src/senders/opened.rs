//! Secrets of one channel while a message is sent.
//!
//! What must hold: they are never printed, and [`Opened::redact`] takes them out of what a receiver says.

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use runtime::SecretsError;
use secrecy::{ExposeSecret as _, SecretSlice, SecretString};
use zeroize::Zeroizing;

/// Name of the signing secret that a rotation replaced.
pub(crate) const OLD_SIGNING_SECRET: &str = "old_signing_secret";
/// Shorter parts are no secrets by themselves, and would be found in every text.
const SHORTEST: usize = 6;

/// Secrets by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Opened(BTreeMap<String, SecretString>);

impl Opened {
    /// Those that were given.
    pub(crate) fn new(secrets: BTreeMap<String, SecretString>) -> Self {
        Self(secrets)
    }

    /// Those that were sealed as [`Opened::to_json`] wrote them.
    pub(crate) fn from_json(sealed: &SecretSlice<u8>) -> Option<Self> {
        serde_json::from_slice(sealed.expose_secret()).ok().map(Self)
    }

    /// One JSON object, to be sealed.
    pub(crate) fn to_json(&self) -> Result<Zeroizing<Vec<u8>>, SecretsError> {
        let texts: BTreeMap<&str, &str> = self.0.iter().map(|(name, secret)| (name.as_str(), secret.expose_secret())).collect();
        let json = serde_json::to_vec(&texts).map_err(|error| store::Error::Refused(error.to_string()))?;
        Ok(Zeroizing::new(json))
    }

    /// Their names, without that of what a rotation replaced.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.keys().filter(|name| *name != OLD_SIGNING_SECRET).cloned().collect()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(|secret| secret.expose_secret())
    }

    pub(crate) fn set(&mut self, name: &str, secret: SecretString) {
        self.0.insert(name.to_owned(), secret);
    }

    pub(crate) fn remove(&mut self, name: &str) -> Option<SecretString> {
        self.0.remove(name)
    }

    /// A text without secrets, and without parts of addresses that are secret.
    pub(crate) fn redact(&self, text: &str) -> String {
        let mut parts: Vec<String> = Vec::new();
        for secret in self.0.values().map(|secret| secret.expose_secret()) {
            parts.push(secret.to_owned());
            parts.push(STANDARD.encode(secret));
            if let Some((_, rest)) = secret.split_once("://") {
                parts.extend(rest.split(['/', '?', '&', '=']).skip(1).filter(|part| part.len() >= 16).map(str::to_owned));
            }
        }
        parts.retain(|part| part.len() >= SHORTEST);
        parts.sort_by_key(|part| std::cmp::Reverse(part.len()));
        parts.iter().fold(text.to_owned(), |text, part| text.replace(part.as_str(), "[secret]"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_comes_back_and_is_not_printed() {
        let mut opened = Opened::default();
        opened.set("password", SecretString::from("hunter2-hunter2"));
        opened.set(OLD_SIGNING_SECRET, SecretString::from("whsec_old"));
        let json = opened.to_json().unwrap();
        let again = Opened::from_json(&SecretSlice::from(json.to_vec())).unwrap();
        assert_eq!((again.get("password"), again.names()), (Some("hunter2-hunter2"), vec!["password".to_owned()]));
        assert!(!format!("{again:?}").contains("hunter2"));
    }

    #[test]
    fn an_echo_of_a_secret_is_taken_out() {
        let mut opened = Opened::default();
        // Of no workspace.
        let (path, token) = ("T00000000/B00000000", "abcdefghijklmnopqrstuvwx");
        opened.set("url", SecretString::from(format!("https://hooks.slack.com/services/{path}/{token}?x=1")));
        opened.set("password", SecretString::from("hunter2"));
        opened.set("short", SecretString::from("abc"));
        let said = format!("no route {path}/{token}, aHVudGVyMg== hunter2 abc https://hooks.slack.com/services/{path}/{token}?x=1");
        let shown = opened.redact(&said);
        assert_eq!(shown, format!("no route {path}/[secret], [secret] [secret] abc [secret]"));
    }
}
