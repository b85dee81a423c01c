//! Marker types of permissions, for route signatures: an extractor of this type is what the route needs.

use domain::permission::Permission;

/// A marker type of a permission.
pub trait Need {
    /// The permission.
    const PERMISSION: Permission;
}

macro_rules! needs {
    ($($name:ident),+ $(,)?) => {
        /// Marker types of permissions, for extractors.
        pub mod need {
            use super::{Need, Permission};

            $(
                #[doc = concat!("[`Permission::", stringify!($name), "`].")]
                #[derive(Clone, Copy, Debug)]
                pub struct $name;

                impl Need for $name {
                    const PERMISSION: Permission = Permission::$name;
                }
            )+
        }
    };
}

needs!(
    RobotRead,
    RobotRun,
    RobotPublish,
    RunRead,
    RunCancel,
    ArtifactDownload,
    ServiceRead,
    ServiceRun,
    ServiceManage,
    WorkerRead,
    WorkerManage,
    WorkerWork,
    AdminManage,
);
