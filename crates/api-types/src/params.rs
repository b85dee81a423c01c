//! Parameters that several operations share. `openapi.json` has each once, as a component, so that a generated client has one type for it.

use utoipa::{
    IntoParams,
    openapi::path::{Parameter, ParameterIn},
};
use uuid::Uuid;

macro_rules! shared {
    ($($(#[$doc:meta])+ $place:ident $Struct:ident { $(#[$field_doc:meta])+ $name:literal $field:ident: $type:ty $(, $attribute:ident = $value:tt)* })+) => {
        $(
            $(#[$doc])+
            #[derive(Debug, IntoParams)]
            #[into_params(parameter_in = $place)]
            pub struct $Struct {
                $(#[$field_doc])+
                #[param(rename = $name $(, $attribute = $value)*)]
                #[expect(dead_code, reason = "only described")]
                $field: $type,
            }
        )+

        /// Every shared parameter, by the name of its component.
        #[must_use]
        pub fn shared() -> Vec<(&'static str, Parameter)> {
            let of = [$((stringify!($Struct), $Struct::into_params(|| Some(ParameterIn::$place)))),+];
            of.into_iter().flat_map(|(name, parameters)| parameters.into_iter().map(move |parameter| (name, parameter))).collect()
        }
    };
}

shared! {
    /// `{id}` of an automation.
    Path AutomationId {
        /// Id of the automation.
        "id" id: i32, minimum = 1
    }
    /// `{id}` of a domain.
    Path DomainId {
        /// Id of the domain.
        "id" id: Uuid
    }
    /// `{id}` of a calendar.
    Path CalendarId {
        /// Id of the calendar.
        "id" id: Uuid
    }
    /// `{id}` of a job.
    Path JobId {
        /// Id of the job.
        "id" id: Uuid
    }
    /// `{id}` of a schedule.
    Path ScheduleId {
        /// Id of the schedule.
        "id" id: Uuid
    }
    /// `{id}` of a worker.
    Path WorkerId {
        /// Id of the worker.
        "id" id: Uuid
    }
    /// `{id}` of a worker token.
    Path WorkerTokenId {
        /// Id of the token.
        "id" id: Uuid
    }
    /// `{id}` of a user.
    Path UserId {
        /// Id of the user.
        "id" id: Uuid
    }
    /// `{id}` of an API key.
    Path ApiKeyId {
        /// Id of the API key.
        "id" id: Uuid
    }
    /// `{id}` of a chain.
    Path ChainId {
        /// Id of the chain.
        "id" id: Uuid
    }
    /// `{id}` of an alert.
    Path AlertId {
        /// Id of the alert.
        "id" id: Uuid
    }
    /// `{id}` of an SLA rule.
    Path SlaId {
        /// Id of the SLA rule.
        "id" id: Uuid
    }
    /// `{id}` of a channel.
    Path ChannelId {
        /// Id of the channel.
        "id" id: Uuid
    }
    /// `{id}` of a report plan.
    Path ReportPlanId {
        /// Id of the report plan.
        "id" id: Uuid
    }
    /// `{hook}` of a hook.
    Path HookId {
        /// Id of the hook.
        "hook" hook: Uuid
    }
    /// `{id}` of a notification.
    Path NotificationId {
        /// Id of the notification.
        "id" id: Uuid
    }
    /// `{id}` of a dead letter.
    Path DeadLetterId {
        /// Id of the dead letter.
        "id" id: Uuid
    }
    /// `{name}` of a queue.
    Path QueueName {
        /// Name of the queue.
        "name" name: String
    }
    /// Header with a lease token.
    Header LeaseToken {
        /// Lease token that `start` or `claim` returned. A request with an outdated token is refused; one without a token is identified by
        /// the job's id alone.
        "X-Lease-Token" lease_token: Option<Uuid>
    }
    /// Header that makes a request repeatable.
    Header IdempotencyKey {
        /// Makes the request repeatable: the same key with the same request returns the same job; with a different request it is refused
        /// with 422. 1 to 255 ASCII characters.
        "Idempotency-Key" idempotency_key: Option<String>, min_length = 1, max_length = 255
    }
    /// Header that joins a job to the caller's trace.
    Header Traceparent {
        /// W3C trace context. The job's events, its message and its program carry it; an invalid one is ignored.
        "traceparent" traceparent: Option<String>
    }
    /// `limit` of most lists.
    Query PageSize {
        /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
        "limit" limit: Option<u32>, minimum = 1, maximum = 1000
    }
    /// `after` of lists whose items have UUIDs.
    Query AfterId {
        /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
        "after" after: Option<Uuid>
    }
}
