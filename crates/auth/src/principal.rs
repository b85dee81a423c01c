//! The caller of a request. Identity and permissions come only from the credential, never from the request's own statements; each change
//! records the name of its [`Actor`].

use std::{fmt, ops::Deref, sync::Arc};

use domain::{
    Scope,
    ids::{ApiKeyId, TokenId},
    permission::{Grant, Permission, Scopes},
};
use uuid::Uuid;

use crate::WorkerLimits;

/// Permissions of a service of the hub: it reads everything and requests jobs, and changes nothing that people manage.
const SERVICE: [Permission; 4] = [Permission::RobotRead, Permission::RobotRun, Permission::RunRead, Permission::WorkerRead];

/// The caller of a request: what it may do, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Identity.
    pub actor: Actor,
    /// Where it has each permission.
    pub scopes: Scopes,
    /// Limits of a worker token; no limits for other callers.
    pub limits: WorkerLimits,
}

/// A caller with the permission that its request needs. Use cases pass [`Permitted::scope`] to every query.
#[derive(Clone, Debug)]
pub struct Permitted {
    principal: Arc<Principal>,
    permission: Permission,
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
    /// It has a permission, but not for what it asked for.
    #[error("{actor} lacks the permission {permission} for {what}")]
    LacksFor {
        /// Who.
        actor: Actor,
        /// Which.
        permission: Permission,
        /// For what.
        what: String,
    },
    /// Its token does not allow it.
    #[error("{0}")]
    OutOfReach(String),
}

impl Principal {
    /// The caller of a hub without sign-in.
    #[must_use]
    pub fn anybody() -> Self {
        Self::new(Actor::Anybody, Scopes::everywhere(&Permission::ALL))
    }

    /// Somebody with these grants.
    #[must_use]
    pub fn of_grants<'a>(actor: Actor, grants: impl IntoIterator<Item = &'a Grant>) -> Self {
        Self::new(actor, Scopes::of_grants(grants))
    }

    /// A program with an API key, which may do this.
    #[must_use]
    pub fn api_key(key: Actor, scopes: Scopes) -> Self {
        Self::new(key, scopes)
    }

    /// A service of the hub.
    #[must_use]
    pub fn service(name: String) -> Self {
        Self::new(Actor::Service(name), Scopes::everywhere(&SERVICE))
    }

    /// A worker with the shared key.
    #[must_use]
    pub fn shared_key() -> Self {
        Self::new(Actor::SharedKey, Scopes::everywhere(&[Permission::WorkerWork]))
    }

    /// A worker with a token of its own.
    #[must_use]
    pub fn worker_token(id: TokenId, limits: WorkerLimits) -> Self {
        Self { limits, ..Self::new(Actor::WorkerToken(id), Scopes::everywhere(&[Permission::WorkerWork])) }
    }

    fn new(actor: Actor, scopes: Scopes) -> Self {
        Self { actor, scopes, limits: WorkerLimits::default() }
    }

    /// The name that is recorded with its changes.
    #[must_use]
    pub fn name(&self) -> String {
        self.actor.to_string()
    }

    /// Where it has a permission: nowhere without it.
    #[must_use]
    pub fn scope_of(&self, permission: Permission) -> &Scope {
        self.scopes.of(permission)
    }

    /// Checks a permission: it must have it somewhere, and one that is about the hub, everywhere.
    ///
    /// # Errors
    /// [`Denied::Lacks`] without it.
    pub fn require(&self, permission: Permission) -> Result<(), Denied> {
        if self.scopes.has(permission) { Ok(()) } else { Err(Denied::Lacks { actor: self.actor.clone(), permission }) }
    }
}

impl Permitted {
    /// The caller, if it has this permission.
    ///
    /// # Errors
    /// [`Denied::Lacks`] without it.
    pub fn new(principal: Arc<Principal>, permission: Permission) -> Result<Self, Denied> {
        principal.require(permission)?;
        Ok(Self { principal, permission })
    }

    /// Where the caller has the permission of the request.
    #[must_use]
    pub fn scope(&self) -> &Scope {
        self.principal.scope_of(self.permission)
    }

    /// What the caller may read by `reading`, if it is more than the request's permission is for: of what is there, it may know that it
    /// lacks that permission.
    #[must_use]
    pub fn sees_more(&self, reading: Permission) -> Option<&Scope> {
        Some(self.principal.scope_of(reading)).filter(|seen| *seen != self.scope())
    }

    /// Checks that the caller has the permission of the request everywhere, for what is about the hub as a whole.
    ///
    /// # Errors
    /// [`Denied::LacksFor`].
    pub fn require_everywhere(&self) -> Result<(), Denied> {
        if *self.scope() == Scope::All { Ok(()) } else { Err(self.denied("the hub as a whole")) }
    }

    /// The denial of the request for `what`, which is outside of its permission's scope.
    #[must_use]
    pub fn denied(&self, what: impl Into<String>) -> Denied {
        Denied::LacksFor { actor: self.principal.actor.clone(), permission: self.permission, what: what.into() }
    }
}

impl Deref for Permitted {
    type Target = Principal;

    fn deref(&self) -> &Principal {
        &self.principal
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
    use domain::permission::{Right, Role, Where};

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

    fn permitted(grants: &[Grant], permission: Permission) -> Result<Permitted, Denied> {
        Permitted::new(Arc::new(Principal::of_grants(Actor::User("ana".to_owned()), grants)), permission)
    }

    #[test]
    fn a_denial_names_the_actor_and_the_permission() {
        let service = Principal::service("scheduler".to_owned());
        assert_eq!(service.require(Permission::RobotRun), Ok(()));
        let denied = service.require(Permission::AdminManage).unwrap_err();
        assert_eq!(denied.to_string(), "service:scheduler lacks the permission admin.manage; sign in as somebody who has it");
        let viewer = permitted(&[Grant::everywhere(Role::Viewer)], Permission::RobotRead).unwrap();
        assert_eq!(viewer.denied("automation 7").to_string(), "ana lacks the permission robot.read for automation 7");
    }

    #[test]
    fn the_scope_is_that_of_the_request_s_permission() {
        let run_7 = Grant { right: Right::Permission(Permission::RobotRun), place: Where::Automation(7.into()) };
        let grants = [Grant::everywhere(Role::Viewer), run_7];
        let run = permitted(&grants, Permission::RobotRun).unwrap();
        assert!(run.require_everywhere().is_err());
        assert_eq!((run.scope(), run.sees_more(Permission::RobotRead)), (&Scope::automations([7.into()]), Some(&Scope::All)));
        let read = permitted(&grants, Permission::RobotRead).unwrap();
        assert_eq!(read.require_everywhere(), Ok(()));
        assert_eq!((read.scope(), read.sees_more(Permission::RobotRead)), (&Scope::All, None));
        assert!(permitted(&grants, Permission::RobotPublish).is_err());
    }

    #[test]
    fn a_service_reads_and_requests_jobs_alone() {
        let service = Principal::service("scheduler".to_owned());
        let has: Vec<_> = Permission::ALL.into_iter().filter(|permission| service.require(*permission).is_ok()).collect();
        assert_eq!(has, SERVICE);
        assert!(has.iter().all(|permission| permission.as_str().ends_with(".read") || *permission == Permission::RobotRun));
    }

    #[test]
    fn workers_only_work_and_nobody_signed_in_does() {
        let token = Principal::worker_token(Uuid::nil().into(), WorkerLimits::default());
        for worker in [Principal::shared_key(), token] {
            let has: Vec<_> = Permission::ALL.into_iter().filter(|permission| worker.require(*permission).is_ok()).collect();
            assert_eq!(has, [Permission::WorkerWork]);
        }
        assert!(permitted(&[Grant::everywhere(Role::Admin)], Permission::WorkerWork).is_err());
        assert!(Permission::ALL.iter().all(|permission| Principal::anybody().require(*permission).is_ok()));
    }
}
