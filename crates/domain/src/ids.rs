//! Ids as distinct types, so that they cannot be confused. On the wire and in the database they are the plain number or UUID.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A text that is no id; says what one looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidId(&'static str);

const UUID: &str = "must be a UUID, such as 01a21749-2a63-779f-ab46-13353511a248";
const NUMBER: &str = "must be a whole number, such as 7";

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident($inner:ty, $form:expr);)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        #[repr(transparent)]
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
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.parse().map(Self).map_err(|_| InvalidId($form))
            }
        }
    )+};
}

ids! {
    /// Id of an automation.
    AutomationId(i32, NUMBER);
    /// Id of a job, UUID v7: ids sort in order of acceptance.
    JobId(Uuid, UUID);
    /// Id of a job event, UUID v7.
    JobEventId(Uuid, UUID);
    /// Id of a registered worker; it keeps it when it registers again.
    WorkerId(Uuid, UUID);
    /// Id of a worker token, UUID v7.
    TokenId(Uuid, UUID);
    /// Id of an API key, UUID v7.
    ApiKeyId(Uuid, UUID);
    /// Id of a dead letter, UUID v7.
    DeadLetterId(Uuid, UUID);
    /// Id of a hub process, new at each start.
    ReplicaId(Uuid, UUID);
    /// Id of a user.
    UserId(Uuid, UUID);
    /// Id of a session, UUID v7: a user signed in on one device.
    SessionId(Uuid, UUID);
    /// Id of a domain, UUID v7: a business area that owns automations.
    DomainId(Uuid, UUID);
    /// Id of a grant.
    GrantId(Uuid, UUID);
    /// Id of a schedule, UUID v7.
    ScheduleId(Uuid, UUID);
    /// Id of a calendar, UUID v7.
    CalendarId(Uuid, UUID);
    /// Id of a chain, a UUID v7.
    ChainId(Uuid, UUID);
    /// Id of a version, UUID v7.
    VersionId(Uuid, UUID);
    /// Id of an inbound webhook, UUID v7.
    HookId(Uuid, UUID);
    /// Id of a delivery to a hook, UUID v7.
    HookDeliveryId(Uuid, UUID);
    /// Id of an SLA rule, UUID v7.
    SlaId(Uuid, UUID);
    /// Id of an alert, UUID v7: ids sort in order of opening.
    AlertId(Uuid, UUID);
    /// Id of a channel, UUID v7.
    ChannelId(Uuid, UUID);
    /// Id of a notification, UUID v7.
    NotificationId(Uuid, UUID);
    /// Id of a report plan, UUID v7.
    ReportPlanId(Uuid, UUID);
    /// Id of an entry of the audit trail, UUID v7: ids sort in order of time.
    AuditId(Uuid, UUID);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_its_plain_value_in_json_and_text() {
        let job = JobId::new(Uuid::from_u128(9));
        let text = "00000000-0000-0000-0000-000000000009";
        assert_eq!(serde_json::to_string(&job).unwrap(), format!("\"{text}\""));
        assert_eq!(serde_json::from_str::<JobId>(&format!("\"{text}\"")).unwrap(), job);
        assert_eq!((job.to_string().as_str(), text.parse()), (text, Ok(job)));
        let automation = AutomationId::new(7);
        assert_eq!(serde_json::to_string(&automation).unwrap(), "7");
        assert_eq!((format!("{automation:>3}"), "7".parse()), ("  7".to_owned(), Ok(automation)));
        assert_eq!("x".parse::<AutomationId>().unwrap_err().to_string(), "must be a whole number, such as 7");
        assert_eq!("123".parse::<JobId>().unwrap_err().to_string(), "must be a UUID, such as 01a21749-2a63-779f-ab46-13353511a248");
    }
}
