//! The caller of a request. Identity and permissions come only from the credential, never from the request's own statements; each change
//! records the name of its [`Actor`].

use domain::{
    Scope,
    ids::{ApiKeyId, TokenId},
};
use std::fmt;

use uuid::Uuid;

use crate::{Permission, Permissions, WorkerLimits};

/// The caller of a request: what it may do, and to which automations.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Identity.
    pub actor: Actor,
    /// Permissions.
    pub permissions: Permissions,
    /// The automations that it may access; use cases pass it to every query.
    pub scope: Scope,
    /// Limits of a worker token; no limits for other callers.
    pub limits: WorkerLimits,
}

/// Identity of a caller. Its text form is the name that is recorded with changes: a user's is the plain user name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Not identified: the hub allows everything without sign-in, on its own machine.
    Anybody,
    /// A signed-in user, by name.
    User(String),
    /// A program with an API key.
    ApiKey {
        /// The key.
        id: ApiKeyId,
        /// Name of the key.
        name: String,
    },
    /// Another service of the hub, by name.
    Service(String),
    /// A worker with the shared key.
    SharedKey,
    /// A worker with a worker token, by the token's id.
    WorkerToken(TokenId),
}

/// Why a principal was denied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// It lacks a permission.
    #[error("{actor} lacks the permission {permission}; sign in as somebody who has it")]
    Lacks {
        /// Who.
        actor: Actor,
        /// Which.
        permission: Permission,
    },
    /// Its token does not allow it.
    #[error("{0}")]
    OutOfReach(String),
}

impl Principal {
    /// The caller of a hub without sign-in.
    #[must_use]
    pub fn anybody() -> Self {
        Self::new(Actor::Anybody, Permissions::ALL)
    }

    /// An administrator.
    #[must_use]
    pub fn admin(name: String) -> Self {
        Self::new(Actor::User(name), Permissions::ALL)
    }

    /// A service of the hub.
    #[must_use]
    pub fn service(name: String) -> Self {
        Self::new(Actor::Service(name), Permissions::SERVICE)
    }

    /// A worker with the shared key.
    #[must_use]
    pub fn shared_key() -> Self {
        Self::new(Actor::SharedKey, Permissions::WORKER)
    }

    /// A worker with a token of its own.
    #[must_use]
    pub fn worker_token(id: TokenId, limits: WorkerLimits) -> Self {
        Self { limits, ..Self::new(Actor::WorkerToken(id), Permissions::WORKER) }
    }

    fn new(actor: Actor, permissions: Permissions) -> Self {
        Self { actor, permissions, scope: Scope::All, limits: WorkerLimits::default() }
    }

    /// The name that is recorded with its changes.
    #[must_use]
    pub fn name(&self) -> String {
        self.actor.to_string()
    }

    /// Checks a permission.
    ///
    /// # Errors
    /// [`Denied::Lacks`] without it.
    pub fn require(&self, permission: Permission) -> Result<(), Denied> {
        if self.permissions.has(permission) { Ok(()) } else { Err(Denied::Lacks { actor: self.actor.clone(), permission }) }
    }
}

impl Actor {
    /// Whether it may name another requester and the origin of a request: a service of the hub, and everybody on a hub without sign-in.
    #[must_use]
    pub const fn asks_for_others(&self) -> bool {
        matches!(self, Self::Service(_) | Self::Anybody)
    }

    /// The credential that is recorded with a worker that it registers, as the worker's owner; `None` on a hub without sign-in.
    #[must_use]
    pub fn credential(&self) -> Option<String> {
        match self {
            Self::Anybody => None,
            Self::SharedKey => Some("key".to_owned()),
            Self::User(name) => Some(format!("person:{name}")),
            Self::ApiKey { id, .. } => Some(format!("api-key:{id}")),
            Self::Service(name) => Some(format!("service:{name}")),
            Self::WorkerToken(id) => Some(format!("token:{id}")),
        }
    }

    /// Whether its [`Actor::credential`] is `kept`; always on a hub without sign-in.
    #[must_use]
    pub fn has_credential(&self, kept: &str) -> bool {
        let is_id = |prefix, id: &Uuid| kept.strip_prefix(prefix).and_then(|text| text.parse().ok()) == Some(*id);
        match self {
            Self::Anybody => true,
            Self::SharedKey => kept == "key",
            Self::User(name) => kept.strip_prefix("person:") == Some(name),
            Self::ApiKey { id, .. } => is_id("api-key:", &id.get()),
            Self::Service(name) => kept.strip_prefix("service:") == Some(name),
            Self::WorkerToken(id) => is_id("token:", &id.get()),
        }
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anybody => formatter.write_str("insecure-dev"),
            Self::User(name) => formatter.write_str(name),
            Self::ApiKey { name, .. } => write!(formatter, "key:{name}"),
            Self::Service(name) => write!(formatter, "service:{name}"),
            Self::SharedKey => formatter.write_str("worker-key"),
            Self::WorkerToken(id) => write!(formatter, "worker-token:{id}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn actors() -> [Actor; 6] {
        let id = Uuid::from_u128(7);
        let user = Actor::User("ana".to_owned());
        let key = Actor::ApiKey { id: id.into(), name: "portal".to_owned() };
        [Actor::Anybody, user, key, Actor::Service("scheduler".to_owned()), Actor::SharedKey, Actor::WorkerToken(id.into())]
    }

    #[test]
    fn each_kind_has_a_distinct_name() {
        let id = Uuid::from_u128(7);
        let names = actors().map(|actor| actor.to_string());
        assert_eq!(names, ["insecure-dev", "ana", "key:portal", "service:scheduler", "worker-key", &format!("worker-token:{id}")]);
    }

    #[test]
    fn a_worker_belongs_to_its_registrant_and_without_sign_in_to_everybody() {
        for (nth, holder) in actors().iter().enumerate() {
            let Some(kept) = holder.credential() else { continue };
            for (other, actor) in actors().iter().enumerate() {
                assert_eq!(actor.has_credential(&kept), nth == other || *actor == Actor::Anybody, "{actor} {kept}");
            }
        }
        assert_eq!(actors().map(|actor| actor.credential().is_none()), [true, false, false, false, false, false]);
    }

    #[test]
    fn a_denial_names_the_actor_and_the_permission() {
        let service = Principal::service("scheduler".to_owned());
        assert_eq!(service.require(Permission::JobsCreate), Ok(()));
        let denied = service.require(Permission::WorkerTokensWrite).unwrap_err();
        assert_eq!(denied.to_string(), "service:scheduler lacks the permission worker_tokens:write; sign in as somebody who has it");
        assert!(Permission::ALL.iter().all(|permission| Principal::admin("ana".to_owned()).require(*permission).is_ok()));
        let token = Principal::worker_token(Uuid::nil().into(), WorkerLimits::default());
        let all = [Principal::anybody(), Principal::admin("ana".to_owned()), service, Principal::shared_key(), token];
        assert!(all.iter().all(|principal| principal.scope == Scope::All));
    }
}
