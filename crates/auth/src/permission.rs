//! What may be done: one permission per resource and action. A route needs exactly one.

/// Permissions with the type that stands for each in a route's signature.
macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// One action on one kind of resource.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $name,)+
        }

        impl Permission {
            /// Every permission, in the order of its resources.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// `resource:action`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }

        /// A type for each permission, for extractors by need.
        pub mod need {
            use super::{Need, Permission};

            $(
                $(#[$doc])*
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl Need for $name {
                    const PERMISSION: Permission = Permission::$name;
                }
            )+
        }
    };
}

/// A type that stands for a permission.
pub trait Need {
    /// The permission.
    const PERMISSION: Permission;
}

permissions! {
    /// See automations.
    AutomationsRead = "automations:read",
    /// Create, change and archive automations.
    AutomationsWrite = "automations:write",
    /// Pause and resume automations.
    AutomationsPause = "automations:pause",
    /// See queues.
    QueuesRead = "queues:read",
    /// Pause and resume queues.
    QueuesPause = "queues:pause",
    /// See jobs with their parameters, results, events and logs.
    JobsRead = "jobs:read",
    /// Request jobs, and retry those that ended.
    JobsCreate = "jobs:create",
    /// Cancel, pause and resume jobs.
    JobsControl = "jobs:control",
    /// Take jobs and report on them, as workers do.
    JobsWork = "jobs:work",
    /// See workers.
    WorkersRead = "workers:read",
    /// Pause and resume workers.
    WorkersPause = "workers:pause",
    /// Forget workers that are gone.
    WorkersDelete = "workers:delete",
    /// See worker tokens, never their secrets.
    WorkerTokensRead = "worker_tokens:read",
    /// Create and revoke worker tokens.
    WorkerTokensWrite = "worker_tokens:write",
    /// See dead letters.
    DeadLettersRead = "dead_letters:read",
    /// Replay dead letters.
    DeadLettersReplay = "dead_letters:replay",
    /// Delete dead letters.
    DeadLettersDelete = "dead_letters:delete",
    /// See how the hub and its reconcilers are.
    OpsRead = "ops:read",
}

impl std::fmt::Display for Permission {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// A set of permissions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Permissions(u64);

impl Permissions {
    /// Of an administrator.
    pub const ALL: Self = Self::of(Permission::ALL);
    /// Of a worker.
    pub const WORKER: Self = Self::of(&[Permission::JobsWork]);
    /// Of a service of the house: it looks at everything and requests jobs; what belongs to people stays theirs.
    pub const SERVICE: Self = Self::of(&[
        Permission::AutomationsRead,
        Permission::QueuesRead,
        Permission::JobsRead,
        Permission::JobsCreate,
        Permission::WorkersRead,
        Permission::DeadLettersRead,
        Permission::OpsRead,
    ]);

    /// These.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let (mut bits, mut nth) = (0, 0);
        while nth < permissions.len() {
            bits |= bit(permissions[nth]);
            nth += 1;
        }
        Self(bits)
    }

    /// Whether this one is among them.
    #[must_use]
    pub const fn has(self, permission: Permission) -> bool {
        self.0 & bit(permission) != 0
    }
}

const fn bit(permission: Permission) -> u64 {
    1 << permission as u32
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn names(permissions: Permissions) -> Vec<&'static str> {
        Permission::ALL.iter().filter(|permission| permissions.has(**permission)).map(|permission| permission.as_str()).collect()
    }

    #[test]
    fn each_permission_is_a_resource_and_an_action_of_its_own() {
        let names: BTreeSet<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
        assert_eq!(names.len(), Permission::ALL.len());
        assert!(names.iter().all(|name| name.split(':').count() == 2), "{names:?}");
        assert!(Permission::ALL.len() <= 64, "a set has 64 bits");
        assert_eq!(need::JobsCreate::PERMISSION.to_string(), "jobs:create");
    }

    #[test]
    fn a_set_has_its_permissions_alone() {
        assert_eq!(names(Permissions::WORKER), ["jobs:work"]);
        assert_eq!(names(Permissions::ALL).len(), Permission::ALL.len());
        assert_eq!(names(Permissions::default()), [""; 0]);
        let service = ["automations:read", "queues:read", "jobs:read", "jobs:create", "workers:read", "dead_letters:read", "ops:read"];
        assert_eq!(names(Permissions::SERVICE), service);
    }
}
