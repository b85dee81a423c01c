//! The audit trail: who changed what, when, from where, with which credential.
//!
//! A [`Change`] says who makes a change. The extractor of a changing route makes it, and functions that change something ask for it, so that no
//! route can forget. What must hold: an entry never has a secret ([`Change::entry`] masks them), and the [`Recorded::canonical`] bytes of a
//! recorded one are the same whenever and wherever it is read, because they are hashed.

use std::{fmt, net::IpAddr, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};

use crate::{ids::AuditId, wire::wire_names};

wire_names! {
    /// Kind of an actor.
    pub enum ActorKind as "ActorKind" {
        /// Not identified: the hub allows everything without sign-in.
        Anybody = "anybody",
        /// A person who signed in.
        User = "user",
        /// A program with an API key.
        ApiKey = "api_key",
        /// A service of the hub.
        Service = "service",
        /// A worker.
        Worker = "worker",
        /// A person with a command that uses the database directly.
        Local = "local",
        /// The hub itself.
        Hub = "hub",
    }
}

/// Who makes a change, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Author {
    /// The name that is recorded with their changes elsewhere too.
    pub actor: String,
    /// What they are.
    pub kind: ActorKind,
    /// Which credential they showed: `session:<id>`, `api-key:<id>`; never the credential itself.
    pub credential: Option<String>,
    /// Address of the request.
    pub address: Option<IpAddr>,
    /// Id of the request, which its log lines have too.
    pub request_id: Option<String>,
}

/// The right to change something, on the record. Clones are the same change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change(Arc<Author>);

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// `automation`, `job`, `user` …
    pub kind: &'static str,
    /// Its id or name.
    pub id: String,
}

impl Target {
    /// The `kind` with this id or name.
    #[must_use]
    pub fn new(kind: &'static str, id: impl fmt::Display) -> Self {
        Self { kind, id: id.to_string() }
    }
}

/// An entry to record. Without secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    author: Arc<Author>,
    action: &'static str,
    target: Target,
    before: Option<Value>,
    after: Option<Value>,
}

impl Change {
    /// A change by this author. For extractors, local commands and the hub; others are handed theirs.
    #[must_use]
    pub fn by(author: Author) -> Self {
        Self(Arc::new(author))
    }

    /// A change that the hub makes by itself.
    #[must_use]
    pub fn by_hub() -> Self {
        Self::by(Author { actor: "hub".to_owned(), kind: ActorKind::Hub, credential: None, address: None, request_id: None })
    }

    /// Who makes it.
    #[must_use]
    pub fn author(&self) -> &Author {
        &self.0
    }

    /// The entry about it. `action` is `<noun>.<imperative>`, as `automation.update`. Of two objects only the fields that differ are kept;
    /// secrets are masked.
    #[must_use]
    pub fn entry(&self, action: &'static str, target: Target, before: Option<Value>, after: Option<Value>) -> Entry {
        let (before, after) = match (before, after) {
            (Some(Value::Object(before)), Some(Value::Object(after))) => {
                let (before, after) = difference(before, after);
                (Some(Value::Object(before)), Some(Value::Object(after)))
            }
            other => other,
        };
        Entry { author: self.0.clone(), action, target, before: before.map(masked), after: after.map(masked) }
    }
}

impl Entry {
    /// It, as it is recorded at `at`.
    #[must_use]
    pub fn recorded(&self, id: AuditId, at: DateTime<Utc>) -> Recorded {
        let Author { actor, kind, credential, address, request_id } = &*self.author;
        Recorded {
            id,
            at,
            actor: actor.clone(),
            actor_kind: *kind,
            credential: credential.clone(),
            address: address.map(|address| address.to_string()),
            request_id: request_id.clone(),
            action: self.action.to_owned(),
            target_kind: self.target.kind.to_owned(),
            target_id: self.target.id.clone(),
            before: self.before.as_ref().map(Value::to_string),
            after: self.after.as_ref().map(Value::to_string),
        }
    }
}

/// A recorded entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recorded {
    /// Id, UUID v7 of `at`.
    pub id: AuditId,
    /// When the change was made, in whole microseconds.
    pub at: DateTime<Utc>,
    /// Who made it.
    pub actor: String,
    /// What they are.
    pub actor_kind: ActorKind,
    /// With which credential.
    pub credential: Option<String>,
    /// From which address.
    pub address: Option<String>,
    /// By which request.
    pub request_id: Option<String>,
    /// What was done: `automation.update`.
    pub action: String,
    /// Kind of what was changed.
    pub target_kind: String,
    /// Its id or name.
    pub target_id: String,
    /// The changed fields as they were, as the text of a JSON value.
    pub before: Option<String>,
    /// The changed fields as they are since, as the text of a JSON value.
    pub after: Option<String>,
}

impl Recorded {
    /// The bytes that are hashed: a JSON array of a version and all fields.
    #[must_use]
    pub fn canonical(&self) -> Vec<u8> {
        let Self { id, at, actor, actor_kind, credential, address, request_id, action, target_kind, target_id, before, after } = self;
        let fields = serde_json::json!([
            1,
            id,
            at.timestamp_micros(),
            actor,
            actor_kind.as_str(),
            credential,
            address,
            request_id,
            action,
            target_kind,
            target_id,
            before,
            after
        ]);
        fields.to_string().into_bytes()
    }
}

/// Selects recorded entries.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only those of this actor.
    pub actor: Option<String>,
    /// Only those of this action.
    pub action: Option<String>,
    /// Only those about this kind of target.
    pub target_kind: Option<String>,
    /// Only those about the target with this id or name.
    pub target_id: Option<String>,
    /// Only those of this moment and later.
    pub from: Option<DateTime<Utc>>,
    /// Only those before this moment.
    pub to: Option<DateTime<Utc>>,
}

/// What stands in the place of a secret.
const MASK: &str = "***";

/// Words in the names of fields that hold secrets.
const SECRET: [&str; 16] = [
    "password",
    "passwd",
    "passphrase",
    "senha",
    "secret",
    "segredo",
    "token",
    "hash",
    "digest",
    "apikey",
    "accesskey",
    "privatekey",
    "wrappedkey",
    "ciphertext",
    "authorization",
    "credentials",
];

/// Whether a field of this name holds a secret: `password_hash`, `apiKey`; not `token_id`, `password_changed_at`.
#[must_use]
pub fn is_secret(name: &str) -> bool {
    let letters: String = name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    let is_about_one = ["_id", "_ids", "_at", "_name", "_s"].iter().any(|ending| name.ends_with(ending));
    !is_about_one && SECRET.iter().any(|word| letters.contains(word))
}

/// Whether a property's schema says that its values are secret.
#[must_use]
pub fn is_secret_property(schema: &Value) -> bool {
    schema["format"] == "password" || schema["writeOnly"] == true
}

/// What a property's schema says of its values.
const OF_VALUES: [&str; 4] = ["default", "const", "enum", "examples"];

fn masked(value: Value) -> Value {
    match value {
        Value::Object(mut fields) => {
            let is_secret =
                fields.get("format").is_some_and(|format| format == "password") || fields.get("writeOnly") == Some(&Value::Bool(true));
            if is_secret {
                fields.iter_mut().filter(|(name, _)| OF_VALUES.contains(&name.as_str())).for_each(|(_, value)| *value = MASK.into());
            }
            fields.into_iter().map(masked_field).collect::<Map<_, _>>().into()
        }
        Value::Array(items) => items.into_iter().map(masked).collect(),
        other => other,
    }
}

/// A yes or no is no secret, whatever its name: `must_change_password`.
fn masked_field((name, value): (String, Value)) -> (String, Value) {
    let value = if !value.is_null() && !value.is_boolean() && is_secret(&name) { MASK.into() } else { masked(value) };
    (name, value)
}

/// The fields that differ.
fn difference(mut before: Map<String, Value>, mut after: Map<String, Value>) -> (Map<String, Value>, Map<String, Value>) {
    after.retain(|name, new| match before.get(name) {
        Some(old) if old == new => {
            before.remove(name);
            false
        }
        _ => true,
    });
    (before, after)
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    fn ana() -> Change {
        Change::by(Author {
            actor: "ana".to_owned(),
            kind: ActorKind::User,
            credential: Some("session:1".to_owned()),
            address: Some([10, 0, 0, 7].into()),
            request_id: Some("r1".to_owned()),
        })
    }

    fn recorded(before: Option<Value>, after: Option<Value>) -> Recorded {
        let at = DateTime::from_timestamp_micros(1_800_000_000_000_001).unwrap();
        ana().entry("user.update", Target::new("user", 7), before, after).recorded(Uuid::from_u128(9).into(), at)
    }

    #[test]
    fn an_entry_of_two_states_has_the_fields_that_differ() {
        let (before, after) = (json!({"name": "a", "queue": "q", "gone": 1}), json!({"name": "b", "queue": "q", "new": null}));
        let recorded = recorded(Some(before), Some(after));
        assert_eq!(recorded.before.as_deref(), Some(r#"{"gone":1,"name":"a"}"#));
        assert_eq!(recorded.after.as_deref(), Some(r#"{"name":"b","new":null}"#));
        assert_eq!((recorded.actor.as_str(), recorded.address.as_deref(), recorded.target_id.as_str()), ("ana", Some("10.0.0.7"), "7"));
    }

    fn recorded_after(after: Value) -> String {
        recorded(None, Some(after)).after.unwrap()
    }

    #[test]
    fn a_secret_never_reaches_an_entry_and_its_change_does() {
        let before = json!({"password_hash": "$argon2id$1", "digest": "d", "params": {"apiKey": "k1", "n": 1}, "list": [{"Senha": "x"}]});
        let after = json!({"password_hash": "$argon2id$2", "digest": "d", "params": {"apiKey": "k2", "n": 1}, "list": [], "token": null});
        let recorded = recorded(Some(before), Some(after));
        assert_eq!(recorded.before.as_deref(), Some(r#"{"list":[{"Senha":"***"}],"params":{"apiKey":"***","n":1},"password_hash":"***"}"#));
        assert_eq!(recorded.after.as_deref(), Some(r#"{"list":[],"params":{"apiKey":"***","n":1},"password_hash":"***","token":null}"#));
        let said = recorded_after(json!({"must_change_password": true, "password": "x", "a": {"token": false, "is_secret": "y"}}));
        assert_eq!(said, r#"{"a":{"is_secret":"***","token":false},"must_change_password":true,"password":"***"}"#);
        let secret = ["password", "new_password", "API-Key", "client_secret", "wrapped_key", "refresh_token", "tokenHash"];
        assert!(secret.iter().all(|name| is_secret(name)));
        let open = ["token_id", "password_changed_at", "secret_name", "token_lifetime_s", "key", "concurrency_key", "name"];
        assert!(open.iter().all(|name| !is_secret(name)));
    }

    #[test]
    fn every_field_is_part_of_what_is_hashed() {
        let one = recorded(None, Some(json!({"a": 1})));
        let text = String::from_utf8(one.canonical()).unwrap();
        assert_eq!(
            text,
            r#"[1,"00000000-0000-0000-0000-000000000009",1800000000000001,"ana","user","session:1","10.0.0.7","r1","user.update","user","7",null,"{\"a\":1}"]"#
        );
        let others = [
            Recorded { id: Uuid::from_u128(8).into(), ..one.clone() },
            Recorded { at: one.at + chrono::TimeDelta::microseconds(1), ..one.clone() },
            Recorded { actor: "bea".to_owned(), ..one.clone() },
            Recorded { actor_kind: ActorKind::Local, ..one.clone() },
            Recorded { credential: None, ..one.clone() },
            Recorded { address: None, ..one.clone() },
            Recorded { request_id: None, ..one.clone() },
            Recorded { action: "user.updat".to_owned(), target_kind: "euser".to_owned(), ..one.clone() },
            Recorded { target_kind: "job".to_owned(), ..one.clone() },
            Recorded { target_id: "8".to_owned(), ..one.clone() },
            Recorded { before: one.after.clone(), after: None, ..one.clone() },
            Recorded { after: Some(r#"{"a":1.0}"#.to_owned()), ..one.clone() },
        ];
        assert!(others.iter().all(|other| other.canonical() != one.canonical()));
    }
}
