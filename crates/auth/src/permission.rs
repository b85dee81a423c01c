//! Permissions: one per resource and action. Every route requires exactly one, so that roles can be composed freely.

/// Defines the permissions and a marker type for each, for route signatures.
macro_rules! permissions {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)+) => {
        /// One action on one kind of resource.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub enum Permission {
            $($(#[$doc])* $name,)+
        }

        impl Permission {
            /// Every permission, by resource.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];

            /// `resource:action`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => $text,)+
                }
            }
        }

        /// Marker types of permissions, for extractors.
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

/// A marker type of a permission.
pub trait Need {
    /// The permission.
    const PERMISSION: Permission;
}

permissions! {
    /// Read automations.
    AutomationsRead = "automations:read",
    /// Create, change and archive automations.
    AutomationsWrite = "automations:write",
    /// Pause and resume automations.
    AutomationsPause = "automations:pause",
    /// Read queues.
    QueuesRead = "queues:read",
    /// Pause and resume queues.
    QueuesPause = "queues:pause",
    /// Read jobs with their parameters, results, events and logs.
    JobsRead = "jobs:read",
    /// Request jobs, and retry ended ones.
    JobsCreate = "jobs:create",
    /// Cancel, pause and resume jobs.
    JobsControl = "jobs:control",
    /// Take jobs and report on them, as a worker.
    JobsWork = "jobs:work",
    /// Read workers.
    WorkersRead = "workers:read",
    /// Pause and resume workers.
    WorkersPause = "workers:pause",
    /// Delete stopped and lost workers.
    WorkersDelete = "workers:delete",
    /// Read worker tokens, without their secrets.
    WorkerTokensRead = "worker_tokens:read",
    /// Create and revoke worker tokens.
    WorkerTokensWrite = "worker_tokens:write",
    /// Read dead letters.
    DeadLettersRead = "dead_letters:read",
    /// Replay dead letters.
    DeadLettersReplay = "dead_letters:replay",
    /// Delete dead letters.
    DeadLettersDelete = "dead_letters:delete",
    /// Read the state of the hub and its reconcilers.
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
    /// Permissions of an administrator.
    pub const ALL: Self = Self::of(Permission::ALL);
    /// Permissions of a worker.
    pub const WORKER: Self = Self::of(&[Permission::JobsWork]);
    /// Permissions of a service of the hub: it reads everything and requests jobs, and changes nothing that people manage.
    pub const SERVICE: Self = Self::of(&[
        Permission::AutomationsRead,
        Permission::QueuesRead,
        Permission::JobsRead,
        Permission::JobsCreate,
        Permission::WorkersRead,
        Permission::DeadLettersRead,
        Permission::OpsRead,
    ]);

    /// A set of these permissions.
    #[must_use]
    pub const fn of(permissions: &[Permission]) -> Self {
        let (mut bits, mut nth) = (0, 0);
        while nth < permissions.len() {
            bits |= bit(permissions[nth]);
            nth += 1;
        }
        Self(bits)
    }

    /// Whether the set contains this permission.
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
    fn each_permission_is_a_distinct_resource_and_action() {
        let names: BTreeSet<&str> = Permission::ALL.iter().map(|permission| permission.as_str()).collect();
        assert_eq!(names.len(), Permission::ALL.len());
        assert!(names.iter().all(|name| name.split(':').count() == 2), "{names:?}");
        assert!(Permission::ALL.len() <= 64, "a set has 64 bits");
        assert_eq!(need::JobsCreate::PERMISSION.to_string(), "jobs:create");
    }

    #[test]
    fn a_set_contains_only_its_permissions() {
        assert_eq!(names(Permissions::WORKER), ["jobs:work"]);
        assert_eq!(names(Permissions::ALL).len(), Permission::ALL.len());
        assert_eq!(names(Permissions::default()), [""; 0]);
        let service = ["automations:read", "queues:read", "jobs:read", "jobs:create", "workers:read", "dead_letters:read", "ops:read"];
        assert_eq!(names(Permissions::SERVICE), service);
    }
}
