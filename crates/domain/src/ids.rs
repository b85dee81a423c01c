//! Ids as types of their own, so that none is taken for another's. On the wire and in the database they are the number or UUID alone.

use std::{fmt, num::ParseIntError, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty, $error:ty);)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name($inner);

        impl $name {
            /// The id with this value.
            #[must_use]
            pub const fn new(value: $inner) -> Self {
                Self(value)
            }

            /// Its value.
            #[must_use]
            pub const fn get(self) -> $inner {
                self.0
            }
        }

        impl From<$inner> for $name {
            fn from(value: $inner) -> Self {
                Self(value)
            }
        }

        impl From<$name> for $inner {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }

        impl FromStr for $name {
            type Err = $error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )+};
}

ids! {
    /// An automation's.
    AutomationId(i32, ParseIntError);
    /// A job event's, UUID v7.
    JobEventId(Uuid, uuid::Error);
    /// A worker token's, UUID v7.
    TokenId(Uuid, uuid::Error);
    /// A dead letter's, UUID v7.
    DeadLetterId(Uuid, uuid::Error);
    /// A hub process's, new at each start.
    ReplicaId(Uuid, uuid::Error);
    /// A user's.
    UserId(Uuid, uuid::Error);
    /// A schedule's, UUID v7.
    ScheduleId(Uuid, uuid::Error);
    /// A version's, UUID v7.
    VersionId(Uuid, uuid::Error);
}

/// A job's, UUID v7: the order of ids is that of acceptance.
pub type JobId = Uuid;

/// A registered worker's, kept while it registers again.
pub type WorkerId = Uuid;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_value_alone_in_json_and_text() {
        let job = JobEventId::new(Uuid::from_u128(9));
        let text = "00000000-0000-0000-0000-000000000009";
        assert_eq!(serde_json::to_string(&job).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<JobEventId>(&format!("\"{text}\"")).unwrap(), job);
        assert_eq!((job.to_string().as_str(), text.parse()), (text, Ok(job)));
        let automation = AutomationId::new(7);
        assert_eq!(serde_json::to_string(&automation).unwrap(), "7");
        assert_eq!((format!("{automation:>3}"), "7".parse()), ("  7".to_owned(), Ok(automation)));
        assert!("x".parse::<AutomationId>().is_err());
    }
}
