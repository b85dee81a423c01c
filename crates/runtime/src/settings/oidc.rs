//! The section `[oidc]`: sign-in with an identity provider.

use std::{path::PathBuf, time::Duration};

use actix_web::http::Uri;
use domain::{
    business_domain::{SLUG_RULE, is_slug},
    permission::Role,
    policy::labels,
    single_sign_on::GroupRole,
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};

use super::{RETENTION_MOST, list};

section!(
    /// Sign-in with an identity provider (OpenID Connect).
    Oidc {
        /// The provider, as it calls itself; empty: off.
        issuer: String,
        /// What people read where they choose it.
        name: String,
        /// The hub's name at the provider.
        client_id: String,
        /// The hub's secret at the provider.
        #[serde(skip_serializing)]
        client_secret: SecretString,
        /// File with that secret.
        client_secret_file: PathBuf,
        /// Address under which browsers reach the hub.
        public_url: String,
        /// What the provider is asked for.
        #[serde(deserialize_with = "list::texts")]
        scopes: Vec<String>,
        /// Claim that the name of a new user is made of.
        username_claim: String,
        /// Claim with the e-mail address.
        email_claim: String,
        /// Claim with the groups.
        groups_claim: String,
        /// Roles of the members of groups.
        #[serde(deserialize_with = "list::items")]
        group_roles: Vec<GroupRole>,
        /// Role of everybody who signs in.
        #[serde(with = "optional_role")]
        default_role: Option<Role>,
        /// What a token without the claim of groups means.
        missing_groups: MissingGroups,
        /// For whom a user is made at the first sign-in.
        new_users: NewUsers,
        /// Whether a verified e-mail address links to the user who has it.
        link_verified_email: bool,
        /// Audiences of a token beside the client that are all right.
        #[serde(deserialize_with = "list::texts")]
        trusted_audiences: Vec<String>,
        /// How far the provider's clock may be from the hub's.
        #[serde(with = "humantime_serde")]
        leeway: Duration,
        /// Time limit of a request to the provider.
        #[serde(with = "humantime_serde")]
        timeout: Duration,
        /// Maximum lifetime of a session that the provider began.
        #[serde(with = "humantime_serde")]
        session_lifetime: Duration,
    }
);

/// What a token without the claim of groups means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MissingGroups {
    /// A fault of the settings or of the provider: the sign-in is refused, and nobody's roles change.
    Refuse,
    /// That somebody is in no group.
    Empty,
}

/// For whom a user is made at the first sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NewUsers {
    /// For whom a group or the default gives a role.
    Granted,
    /// For everybody whom the provider signs in.
    Anyone,
    /// For nobody.
    Nobody,
}

impl Oidc {
    /// Whether people can sign in with an identity provider.
    #[must_use]
    pub const fn is_on(&self) -> bool {
        !self.issuer.is_empty()
    }

    pub(super) fn faults(&self) -> Vec<String> {
        if !self.is_on() {
            return Vec::new();
        }
        let mut faults = Vec::new();
        let mut check = |fine: bool, text: &str| {
            if !fine {
                faults.push(text.to_owned());
            }
        };
        check(is_safe_url(&self.issuer), "oidc.issuer must be an https:// address as the provider tells it, or http:// on this machine");
        let is_public = is_safe_url(&self.public_url) && !self.public_url.contains('?');
        check(is_public, "oidc.public_url must be the https:// address of this hub for browsers, or http:// on this machine");
        check(!self.client_id.is_empty(), "oidc.client_id must not be empty");
        let has_two = !self.client_secret.expose_secret().is_empty() && !self.client_secret_file.as_os_str().is_empty();
        check(!has_two, "oidc.client_secret_file must be empty where client_secret is set");
        check(!self.name.trim().is_empty() && self.name.chars().count() <= 100, "oidc.name must have 1 to 100 characters");
        check(self.scopes.iter().any(|scope| scope == "openid"), "oidc.scopes must have \"openid\"");
        for (key, claim) in
            [("username_claim", &self.username_claim), ("email_claim", &self.email_claim), ("groups_claim", &self.groups_claim)]
        {
            check(!claim.is_empty(), &format!("oidc.{key} must not be empty"));
        }
        check(self.leeway <= Duration::from_secs(600), "oidc.leeway must be at most 10m");
        let timeout = Duration::from_millis(100)..=Duration::from_secs(60);
        check(timeout.contains(&self.timeout), "oidc.timeout must be 100ms to 1m");
        let lifetime = Duration::from_secs(60)..=RETENTION_MOST;
        check(lifetime.contains(&self.session_lifetime), "oidc.session_lifetime must be 1m to 100years");
        faults.extend(self.group_roles.iter().zip(1..).filter_map(|(rule, nth)| rule_fault(rule, nth)));
        faults
    }
}

fn rule_fault(GroupRole { group, role, domain, label }: &GroupRole, nth: usize) -> Option<String> {
    let fault = |text: &str| Some(format!("oidc.group_roles: item {nth}: {text}"));
    match (domain, label) {
        _ if group.is_empty() => fault("group must not be empty"),
        (Some(_), Some(_)) => fault("at most one of domain and label narrows a role"),
        (Some(_), _) | (_, Some(_)) if *role == Role::Admin => fault("admin is about the hub as a whole and cannot be narrowed"),
        (Some(slug), _) if !is_slug(slug) => fault(&format!("domain {SLUG_RULE}")),
        (_, Some(label)) if labels(std::slice::from_ref(label)).is_err() => fault("label is none that an automation can have"),
        _ => None,
    }
}

/// Whether nobody between can read or change what is sent there. Without a name, a password or a fragment in it.
#[must_use]
pub fn is_safe_url(text: &str) -> bool {
    let Ok(url) = text.parse::<Uri>() else { return false };
    let host = url.host().unwrap_or_default();
    let is_here = host == "localhost" || host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let has_user = url.authority().is_some_and(|authority| authority.as_str().contains('@'));
    let is_plain = !host.is_empty() && !has_user && !text.contains('#');
    is_plain && (url.scheme_str() == Some("https") || (url.scheme_str() == Some("http") && is_here))
}

mod optional_role {
    use super::{Deserialize as _, Role};
    use serde::{Deserializer, Serializer, de::Error as _};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
    pub(super) fn serialize<S: Serializer>(role: &Option<Role>, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(role.map_or("", Role::as_str))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Role>, D::Error> {
        let name = String::deserialize(input)?;
        let unknown = || D::Error::custom(format!("\"{name}\" is no role: viewer, operator, maintainer, admin, or empty for none"));
        if name.is_empty() { Ok(None) } else { Role::parse(&name).map(Some).ok_or_else(unknown) }
    }
}
