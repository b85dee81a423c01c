//! Permissions, the roles made of them, and grants that give them to somebody, everywhere or in one place.
//!
//! All of it is data. [`Scopes`] is what a caller's grants come to: the automations, by permission. Two permissions are about the hub, not
//! about automations: they are granted everywhere or not at all.

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use uuid::Uuid;

use crate::{
    Fault, Scope,
    ids::{ApiKeyId, AutomationId, DomainId, UserId},
    policy::labels,
    wire::{WireName, names, wire_names},
};

wire_names! {
    /// One action on one kind of resource.
    pub enum Permission as "Permission" {
        /// Read automations with their schedules, chains and webhooks, queues, domains and calendars.
        RobotRead = "robot.read",
        /// Request jobs, retry ended ones, run schedules now, replay dead letters.
        RobotRun = "robot.run",
        /// Register, change and archive automations with their schedules, chains and webhooks; everywhere, change calendars.
        RobotPublish = "robot.publish",
        /// Read jobs with their parameters, results, events and logs, and dead letters.
        RunRead = "run.read",
        /// Cancel, pause and resume jobs, automations, queues and schedules; delete dead letters.
        RunCancel = "run.cancel",
        /// Download what jobs leave.
        ArtifactDownload = "artifact.download",
        /// Read services of the portal.
        ServiceRead = "service.read",
        /// Run services of the portal.
        ServiceRun = "service.run",
        /// Register and change services of the portal.
        ServiceManage = "service.manage",
        /// Read workers and the state of the hub.
        WorkerRead = "worker.read",
        /// Pause, resume and delete workers; read, create and revoke worker tokens.
        WorkerManage = "worker.manage",
        /// Take jobs and report on them, as a worker.
        WorkerWork = "worker.work",
        /// Manage users, grants, API keys of others, domains, the audit trail and settings.
        AdminManage = "admin.manage",
    }
}

impl Permission {
    /// Whether it is about the hub as a whole, so that it cannot be granted in one place.
    #[must_use]
    pub const fn is_hub_wide(self) -> bool {
        matches!(self, Self::WorkerWork | Self::AdminManage)
    }
}

wire_names! {
    /// A set of permissions.
    pub enum Role as "Role" {
        /// Reads everything but users, grants and keys.
        Viewer = "viewer",
        /// A viewer who requests, cancels, pauses and resumes jobs.
        Operator = "operator",
        /// An operator who registers and changes automations, and manages workers.
        Maintainer = "maintainer",
        /// Everything that people may do.
        Admin = "admin",
    }
}

impl Role {
    /// Its permissions.
    #[must_use]
    pub const fn permissions(self) -> &'static [Permission] {
        use Permission as P;
        match self {
            Self::Viewer => &[P::RobotRead, P::RunRead, P::ArtifactDownload, P::ServiceRead, P::WorkerRead],
            Self::Operator => {
                &[P::RobotRead, P::RobotRun, P::RunRead, P::RunCancel, P::ArtifactDownload, P::ServiceRead, P::ServiceRun, P::WorkerRead]
            }
            Self::Maintainer => &[
                P::RobotRead,
                P::RobotRun,
                P::RobotPublish,
                P::RunRead,
                P::RunCancel,
                P::ArtifactDownload,
                P::ServiceRead,
                P::ServiceRun,
                P::ServiceManage,
                P::WorkerRead,
                P::WorkerManage,
            ],
            Self::Admin => &[
                P::RobotRead,
                P::RobotRun,
                P::RobotPublish,
                P::RunRead,
                P::RunCancel,
                P::ArtifactDownload,
                P::ServiceRead,
                P::ServiceRun,
                P::ServiceManage,
                P::WorkerRead,
                P::WorkerManage,
                P::AdminManage,
            ],
        }
    }
}

/// What a grant gives: a role or a single permission.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Right {
    /// Each permission of a role.
    Role(Role),
    /// One permission.
    Permission(Permission),
}

impl Right {
    /// Its permissions.
    #[must_use]
    pub fn permissions(&self) -> &[Permission] {
        match self {
            Self::Role(role) => role.permissions(),
            Self::Permission(permission) => std::slice::from_ref(permission),
        }
    }

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Role(role) => role.as_str(),
            Self::Permission(permission) => permission.as_str(),
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A name that is neither a role nor a permission.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a role ({}) or a permission ({})", names(Role::VARIANTS), names(Permission::VARIANTS))]
pub struct UnknownRight;

impl FromStr for Right {
    type Err = UnknownRight;

    fn from_str(name: &str) -> Result<Self, UnknownRight> {
        Role::find(name).map(Self::Role).or_else(|| Permission::find(name).map(Self::Permission)).ok_or(UnknownRight)
    }
}

impl Serialize for Right {
    fn serialize<S: Serializer>(&self, output: S) -> Result<S::Ok, S::Error> {
        output.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for Right {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(D::Error::custom)
    }
}

/// Where a grant holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Where {
    /// On every automation, and on the hub itself.
    Everywhere,
    /// On the automations of a domain.
    Domain(DomainId),
    /// On one automation.
    Automation(AutomationId),
    /// On the automations with a label.
    Label(String),
}

/// What a request says where it names two places.
const ONE_PLACE: &str = "must be absent where another place is given: at most one of domain_id, automation_id and label";

impl Where {
    /// The place that a request names: one at most; none is everywhere. The label is normalised.
    ///
    /// # Errors
    /// A fault of the field that names another place, or whose label is none.
    pub fn named(domain_id: Option<DomainId>, automation_id: Option<AutomationId>, label: Option<String>) -> Result<Self, Fault> {
        Ok(match (domain_id, automation_id, label) {
            (None, None, None) => Self::Everywhere,
            (Some(id), None, None) => Self::Domain(id),
            (None, Some(id), None) => Self::Automation(id),
            (None, None, Some(label)) => {
                let mut stored = labels(&[label]).map_err(|fault| Fault::new("label", fault.message))?;
                Self::Label(stored.pop().unwrap_or_default())
            }
            (_, _, Some(_)) => return Err(Fault::new("label", ONE_PLACE)),
            (Some(_), Some(_), None) => return Err(Fault::new("automation_id", ONE_PLACE)),
        })
    }

    /// The place as an answer names it, the opposite of [`Where::named`]: its domain, its automation, its label.
    #[must_use]
    pub fn names(self) -> (Option<DomainId>, Option<AutomationId>, Option<String>) {
        match self {
            Self::Everywhere => (None, None, None),
            Self::Domain(id) => (Some(id), None, None),
            Self::Automation(id) => (None, Some(id), None),
            Self::Label(label) => (None, None, Some(label)),
        }
    }
}

/// What somebody may do, and where.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Grant {
    /// What it gives.
    pub right: Right,
    /// Where.
    pub place: Where,
}

impl Grant {
    /// A role on everything.
    #[must_use]
    pub const fn everywhere(role: Role) -> Self {
        Self { right: Right::Role(role), place: Where::Everywhere }
    }

    /// Every fault of a new grant.
    #[must_use]
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        if self.place != Where::Everywhere && self.right.permissions().iter().any(|permission| permission.is_hub_wide()) {
            faults.push(Fault::new("right", format!("{} is about the hub as a whole and cannot be narrowed to one place", self.right)));
        }
        if let Where::Label(label) = &self.place
            && let Err(fault) = labels(std::slice::from_ref(label))
        {
            faults.push(Fault::new("label", fault.message));
        }
        faults
    }
}

wire_names! {
    /// What a grant comes from.
    pub enum GrantSource as "GrantSource" {
        /// Somebody gave it, and it stays until somebody takes it away.
        Manual = "manual",
        /// The groups that the identity provider told at the last sign-in.
        Oidc = "oidc",
    }
}

/// Who has a grant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Grantee {
    /// A user.
    User(UserId),
    /// An API key.
    ApiKey(ApiKeyId),
}

impl Grantee {
    /// Its kind, as a word.
    #[must_use]
    pub const fn kind(self) -> &'static str {
        match self {
            Self::User(_) => "user",
            Self::ApiKey(_) => "api_key",
        }
    }

    /// Its id among those of its kind.
    #[must_use]
    pub const fn id(self) -> Uuid {
        match self {
            Self::User(id) => id.get(),
            Self::ApiKey(id) => id.get(),
        }
    }
}

const COUNT: usize = Permission::ALL.len();

/// Nobody's automations, for permissions that somebody lacks.
static NOTHING: Scope = Scope::NOTHING;

/// Where somebody has each permission. Clones share the scopes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scopes([Option<Arc<Scope>>; COUNT]);

impl Scopes {
    /// These permissions, everywhere.
    #[must_use]
    pub fn everywhere(permissions: &[Permission]) -> Self {
        let all = Arc::new(Scope::All);
        let mut scopes = Self::default();
        for permission in permissions {
            scopes.0[*permission as usize] = Some(all.clone());
        }
        scopes
    }

    /// What these grants come to.
    #[must_use]
    pub fn of_grants<'a>(grants: impl IntoIterator<Item = &'a Grant>) -> Self {
        let mut made: [Option<Scope>; COUNT] = Default::default();
        for Grant { right, place } in grants {
            for permission in right.permissions() {
                if *place == Where::Everywhere || !permission.is_hub_wide() {
                    widen(made[*permission as usize].get_or_insert(Scope::NOTHING), place);
                }
            }
        }
        let mut shared: Vec<Arc<Scope>> = Vec::new();
        let mut share = |scope: Scope| {
            let known = shared.iter().find(|known| ***known == scope).cloned();
            known.unwrap_or_else(|| {
                let new = Arc::new(scope);
                shared.push(new.clone());
                new
            })
        };
        Self(made.map(|scope| scope.map(&mut share)))
    }

    /// What is in these too: whoever has it acts for somebody with `others`.
    #[must_use]
    pub fn within(&self, others: &Self) -> Self {
        let both = |(own, other): (&Option<Arc<Scope>>, &Option<Arc<Scope>>)| Some(Arc::new(own.as_ref()?.and(other.as_ref()?)));
        let mut scopes = self.0.iter().zip(&others.0).map(both);
        Self(std::array::from_fn(|_| scopes.next().flatten()))
    }

    /// Where somebody has this permission: nowhere without it.
    #[must_use]
    pub fn of(&self, permission: Permission) -> &Scope {
        self.0[permission as usize].as_deref().unwrap_or(&NOTHING)
    }

    /// Whether somebody has this permission anywhere.
    #[must_use]
    pub const fn has(&self, permission: Permission) -> bool {
        self.0[permission as usize].is_some()
    }
}

fn widen(scope: &mut Scope, place: &Where) {
    let Scope::Only(places) = scope else { return };
    match place {
        Where::Everywhere => *scope = Scope::All,
        Where::Domain(id) => drop(places.domains.insert(*id)),
        Where::Automation(id) => drop(places.automations.insert(*id)),
        Where::Label(label) => drop(places.labels.insert(label.clone())),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::scope::Places;

    fn domain(nth: u128) -> DomainId {
        Uuid::from_u128(nth).into()
    }

    fn grant(right: &str, place: Where) -> Grant {
        Grant { right: right.parse().unwrap(), place }
    }

    fn set(role: Role) -> BTreeSet<Permission> {
        role.permissions().iter().copied().collect()
    }

    #[test]
    fn each_role_has_what_the_lesser_one_has_and_none_works_as_a_worker() {
        let [viewer, operator, maintainer, admin] = Role::ALL.map(set);
        assert!(viewer.is_subset(&operator) && operator.is_subset(&maintainer) && maintainer.is_subset(&admin));
        assert_eq!([viewer.len(), operator.len(), maintainer.len(), admin.len()], [5, 8, 11, COUNT - 1]);
        assert!(!admin.contains(&Permission::WorkerWork) && !maintainer.contains(&Permission::AdminManage));
        let reads: BTreeSet<_> = Permission::ALL.into_iter().filter(|permission| permission.as_str().ends_with(".read")).collect();
        assert!(reads.is_subset(&viewer));
    }

    #[test]
    fn a_right_is_a_role_or_a_permission_by_name() {
        for right in Role::ALL.map(Right::Role).into_iter().chain(Permission::ALL.map(Right::Permission)) {
            assert_eq!(right.as_str().parse(), Ok(right));
            assert_eq!(serde_json::from_value::<Right>(serde_json::json!(right)).unwrap(), right);
        }
        let refused = "root".parse::<Right>().unwrap_err().to_string();
        assert!(refused.contains("viewer, operator") && refused.contains("robot.read, robot.run"), "{refused}");
    }

    #[test]
    fn a_place_is_named_by_one_field_at_most() {
        let label = |text: &str| Some(text.to_owned());
        for place in [Where::Everywhere, Where::Domain(domain(1)), Where::Automation(7.into()), Where::Label("nfe".to_owned())] {
            let (in_domain, automation, label) = place.clone().names();
            assert_eq!(Where::named(in_domain, automation, label), Ok(place));
        }
        assert_eq!(Where::named(None, None, label("NFe")), Ok(Where::Label("nfe".to_owned())));
        let (one, other) = (Some(domain(1)), Some(7.into()));
        for (named, field) in [
            (Where::named(one, other, None), "automation_id"),
            (Where::named(one, None, label("a")), "label"),
            (Where::named(None, other, label("a")), "label"),
            (Where::named(one, other, label("a")), "label"),
            (Where::named(None, None, label("a b")), "label"),
            (Where::named(None, None, label("")), "label"),
        ] {
            assert_eq!(named.unwrap_err().field, field);
        }
    }

    #[test]
    fn grants_add_up_by_permission() {
        let scopes = Scopes::of_grants(&[
            grant("viewer", Where::Domain(domain(1))),
            grant("run.cancel", Where::Automation(7.into())),
            grant("robot.read", Where::Label("nfe".to_owned())),
            grant("run.read", Where::Everywhere),
            grant("run.read", Where::Domain(domain(2))),
        ]);
        let in_domain = Places { domains: [domain(1)].into(), ..Places::default() };
        assert_eq!(*scopes.of(Permission::WorkerRead), Scope::Only(in_domain.clone()));
        assert_eq!(*scopes.of(Permission::RobotRead), Scope::Only(Places { labels: ["nfe".to_owned()].into(), ..in_domain }));
        assert_eq!(*scopes.of(Permission::RunCancel), Scope::automations([7.into()]));
        assert_eq!(*scopes.of(Permission::RunRead), Scope::All, "a narrow grant takes nothing from a wide one");
        assert_eq!((scopes.has(Permission::RobotRun), scopes.of(Permission::RobotRun)), (false, &Scope::NOTHING));
    }

    #[test]
    fn who_acts_for_somebody_may_do_no_more_than_they() {
        let key = Scopes::of_grants(&[Grant::everywhere(Role::Maintainer)]);
        let owner = Scopes::of_grants(&[grant("viewer", Where::Everywhere), grant("robot.run", Where::Automation(7.into()))]);
        let both = key.within(&owner);
        assert_eq!((both.of(Permission::RunRead), both.of(Permission::RobotRun)), (&Scope::All, &Scope::automations([7.into()])));
        assert!(!both.has(Permission::RobotPublish) && !both.has(Permission::AdminManage));
        let admin = Scopes::of_grants(&[Grant::everywhere(Role::Admin)]);
        assert!(!key.within(&admin).has(Permission::AdminManage), "nor more than it was granted");
        assert_eq!(key.within(&Scopes::default()), Scopes::default());
    }

    #[test]
    fn equal_scopes_are_one() {
        let scopes = Scopes::of_grants(&[grant("operator", Where::Domain(domain(1)))]);
        assert!(std::ptr::eq(scopes.of(Permission::RobotRun), scopes.of(Permission::WorkerRead)));
        assert_eq!(Scopes::of_grants(&[Grant::everywhere(Role::Admin)]), Scopes::everywhere(Role::Admin.permissions()));
    }

    #[test]
    fn what_is_about_the_hub_is_granted_everywhere_or_not_at_all() {
        for right in ["admin", "admin.manage", "worker.work"] {
            let narrow = grant(right, Where::Domain(domain(1)));
            let fields: Vec<_> = narrow.faults().into_iter().map(|fault| fault.field).collect();
            assert_eq!((fields, grant(right, Where::Everywhere).faults()), (vec!["right".to_owned()], vec![]), "{right}");
            let scopes = Scopes::of_grants(&[narrow]);
            assert!(!scopes.has(Permission::AdminManage) && !scopes.has(Permission::WorkerWork), "{right}");
        }
        assert_eq!(grant("maintainer", Where::Domain(domain(1))).faults(), []);
        assert_eq!(grant("viewer", Where::Label("a b".to_owned())).faults()[0].field, "label");
    }
}
