//! Sign-in with an identity provider: where a browser may be sent afterwards, and what the groups of somebody give them.
//!
//! What must hold: nobody is sent to a place of an attacker's choice; a provider that did not tell somebody's groups is never read as if they
//! had none.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, Ipv6Addr},
};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::permission::Role;

/// The rule of [`ReturnTo::parse`].
pub const RETURN_TO_RULE: &str =
    "must be a path of this hub, such as /, or a loopback address with a port, such as http://127.0.0.1:51234/done";
/// The rule of [`is_code_challenge`].
pub const CODE_CHALLENGE_RULE: &str = "must be the SHA-256 of the code verifier in base64url, 43 characters (method S256 of RFC 7636)";

/// Bytes of an address to return to.
const MOST_RETURN_TO: usize = 2000;

/// Where a browser goes when its sign-in has ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReturnTo {
    /// A page of the hub: its path.
    Page(String),
    /// A program on the browser's own machine (RFC 8252): its address.
    Loopback(String),
}

impl ReturnTo {
    /// `text`, if it is such a place.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        // No fragment, because a code follows; no backslash, which browsers read as a slash.
        let is_plain = text.len() <= MOST_RETURN_TO && text.bytes().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'\\' | b'#'));
        if !is_plain {
            return None;
        }
        if text.starts_with('/') {
            return (!text.starts_with("//")).then(|| Self::Page(text.to_owned()));
        }
        let (authority, _) = text.strip_prefix("http://")?.split_once('/')?;
        let (host, port) = authority.rsplit_once(':')?;
        let is_loopback = host == format!("{}", Ipv4Addr::LOCALHOST) || host == format!("[{}]", Ipv6Addr::LOCALHOST);
        let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok_and(|port| port > 0);
        (is_loopback && is_port).then(|| Self::Loopback(text.to_owned()))
    }

    /// The address with a code, of a hub at `public_url`.
    #[must_use]
    pub fn with_code(&self, public_url: &str, code: &str) -> String {
        let address = match self {
            Self::Page(path) => format!("{}{path}", public_url.trim_end_matches('/')),
            Self::Loopback(address) => address.clone(),
        };
        let separator = if address.contains('?') { '&' } else { '?' };
        format!("{address}{separator}code={code}")
    }
}

/// Whether a text is a code challenge of the method S256.
#[must_use]
pub fn is_code_challenge(text: &str) -> bool {
    text.len() == 43 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
}

/// Why somebody's groups are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupsFault {
    /// They are too many for a token, which says where they can be asked for. That address is nobody's to call.
    Overage,
    /// The token has no such claim.
    Missing,
    /// The claim is something else.
    Unreadable,
}

/// The groups that the claims of an ID token name.
///
/// # Errors
/// [`GroupsFault`].
pub fn groups(claims: &Map<String, Value>, claim: &str) -> Result<Vec<String>, GroupsFault> {
    match claims.get(claim) {
        Some(Value::Array(items)) => {
            items.iter().map(|item| item.as_str().map(str::to_owned)).collect::<Option<_>>().ok_or(GroupsFault::Unreadable)
        }
        Some(Value::String(one)) => Ok(vec![one.clone()]),
        Some(_) => Err(GroupsFault::Unreadable),
        // "Distributed claims" of OpenID Connect, as Entra ID sends them beyond 200 groups.
        None if claims.get("_claim_names").is_some_and(|names| names.get(claim).is_some()) => Err(GroupsFault::Overage),
        None if claims.get("hasgroups") == Some(&Value::Bool(true)) => Err(GroupsFault::Overage),
        None => Err(GroupsFault::Missing),
    }
}

/// A role that the members of a group have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupRole {
    /// The group, as the provider calls it.
    pub group: String,
    /// Their role.
    pub role: Role,
    /// Only in the domain with this slug.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain: Option<String>,
    /// Only on automations with this label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

/// Where a group has a role: a domain by its slug, or the automations with a label; else everywhere.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Everywhere.
    Everywhere,
    /// In the domain with this slug.
    Domain(String),
    /// On automations with this label.
    Label(String),
}

/// The roles that somebody in these groups has, each once.
#[must_use]
pub fn roles_of(groups: &[String], rules: &[GroupRole], default_role: Option<Role>) -> BTreeSet<(Place, Role)> {
    let place = |rule: &GroupRole| match (&rule.domain, &rule.label) {
        (Some(slug), _) => Place::Domain(slug.clone()),
        (None, Some(label)) => Place::Label(label.clone()),
        (None, None) => Place::Everywhere,
    };
    let of_groups = rules.iter().filter(|rule| groups.contains(&rule.group)).map(|rule| (place(rule), rule.role));
    of_groups.chain(default_role.map(|role| (Place::Everywhere, role))).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_browser_returns_to_this_hub_or_to_its_own_machine() {
        for path in ["/", "/login/done", "/a?b=c&d=//e", "/@x"] {
            assert_eq!(ReturnTo::parse(path), Some(ReturnTo::Page(path.to_owned())), "{path}");
        }
        for address in ["http://127.0.0.1:1/", "http://127.0.0.1:65535/x?y", "http://[::1]:51234/done"] {
            assert_eq!(ReturnTo::parse(address), Some(ReturnTo::Loopback(address.to_owned())), "{address}");
        }
        let long = format!("/{}", "a".repeat(2000));
        for elsewhere in [
            "",
            "//evil.example",
            "/\\evil.example",
            "\\/evil.example",
            "/a\\b",
            "/#x",
            "/a b",
            "/\r\nSet-Cookie: a",
            "/é",
            "x",
            "https://127.0.0.1:1/",
            "http://127.0.0.1/",
            "http://127.0.0.1:1",
            "http://127.0.0.1:0/",
            "http://127.0.0.1:65536/",
            "http://127.0.0.1:+1/",
            "http://127.0.0.1:/",
            "http://127.0.0.2:1/",
            "http://localhost:1/",
            "http://127.0.0.1:1@evil.example/",
            "http://evil.example:1/",
            "http://127.0.0.1.evil.example:1/",
            "http://evil.example/127.0.0.1:1/",
            "http://::1:1/",
            "HTTP://127.0.0.1:1/",
            "javascript:alert(1)",
            &long,
        ] {
            assert_eq!(ReturnTo::parse(elsewhere), None, "{elsewhere:?}");
        }
    }

    #[test]
    fn the_code_follows_in_the_query() {
        let with_code = |text: &str| ReturnTo::parse(text).unwrap().with_code("https://hub.example/", "c");
        assert_eq!(with_code("/done"), "https://hub.example/done?code=c");
        assert_eq!(with_code("/done?a=b"), "https://hub.example/done?a=b&code=c");
        assert_eq!(with_code("http://[::1]:7/x"), "http://[::1]:7/x?code=c");
    }

    #[test]
    fn a_challenge_is_a_digest() {
        assert!(is_code_challenge("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"));
        for text in ["", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-c="] {
            assert!(!is_code_challenge(text), "{text}");
        }
    }

    fn read(claims: Value) -> Result<Vec<String>, GroupsFault> {
        groups(claims.as_object().unwrap(), "groups")
    }

    #[test]
    fn groups_are_listed_or_not_known() {
        assert_eq!(read(json!({"groups": ["a", "b"]})), Ok(vec!["a".to_owned(), "b".to_owned()]));
        assert_eq!(read(json!({"groups": []})), Ok(vec![]));
        assert_eq!(read(json!({"groups": "a"})), Ok(vec!["a".to_owned()]));
        for (claims, fault) in [
            (json!({}), GroupsFault::Missing),
            (json!({"roles": ["a"]}), GroupsFault::Missing),
            (json!({"_claim_names": {"other": "src1"}}), GroupsFault::Missing),
            (json!({"hasgroups": false}), GroupsFault::Missing),
            (json!({"_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "https://x"}}}), GroupsFault::Overage),
            (json!({"hasgroups": true}), GroupsFault::Overage),
            (json!({"groups": {"a": 1}}), GroupsFault::Unreadable),
            (json!({"groups": ["a", 1]}), GroupsFault::Unreadable),
            (json!({"groups": null}), GroupsFault::Unreadable),
        ] {
            assert_eq!(read(claims.clone()), Err(fault), "{claims}");
        }
    }

    #[test]
    fn each_group_has_its_roles_and_everybody_the_default() {
        let rule = |group: &str, role, domain: Option<&str>, label: Option<&str>| GroupRole {
            group: group.to_owned(),
            role,
            domain: domain.map(str::to_owned),
            label: label.map(str::to_owned),
        };
        let rules = [
            rule("ops", Role::Operator, None, None),
            rule("ops", Role::Maintainer, Some("finance"), None),
            rule("dev", Role::Operator, None, None),
            rule("nfe", Role::Viewer, None, Some("nfe")),
        ];
        let roles = |groups: &[&str], default| {
            let groups: Vec<String> = groups.iter().map(|&group| group.to_owned()).collect();
            roles_of(&groups, &rules, default).into_iter().collect::<Vec<_>>()
        };
        assert_eq!(roles(&[], None), []);
        assert_eq!(roles(&["Ops", "op"], None), [], "a group is its exact name");
        assert_eq!(
            roles(&["ops", "dev"], None),
            [(Place::Everywhere, Role::Operator), (Place::Domain("finance".to_owned()), Role::Maintainer)]
        );
        assert_eq!(
            roles(&["nfe"], Some(Role::Viewer)),
            [(Place::Everywhere, Role::Viewer), (Place::Label("nfe".to_owned()), Role::Viewer)]
        );
    }
}
