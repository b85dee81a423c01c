//! Schemas of values with rules of their own: enums, names, queues, labels. Fields refer to them by `value_type`. The rules are enforced
//! elsewhere (in `domain` and the services), and the tests here hold the schemas to them, so that a generated client accepts what the hub
//! does.

mod channel;
mod hook;
mod policy;
mod text;
mod time;

use std::{borrow::Cow, marker::PhantomData};

use domain::{job::Status, log::Level, wire::WireName};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AnyOfBuilder, ArrayBuilder, ObjectBuilder, SchemaType, Type},
    },
};

pub(crate) use self::{
    channel::{ChannelRouting, ChannelSettings, QuietHours},
    hook::{HookDedup, HookFilter, HookMapped, HookSignature},
    policy::{RateLimit, RetryPolicy},
    text::{ConcurrencyKey, Email, GivenName, Label, Password, QueueName, QueueOrEvery, ScriptPath, ShortText, Slug, Username},
    time::{HourRange, Moment, TimeOfDay},
};

/// An enum of `domain` with its names on the wire and their descriptions.
pub(crate) struct Name<E>(PhantomData<E>);

impl<E: WireName> PartialSchema for Name<E> {
    fn schema() -> RefOr<Schema> {
        enumeration(E::VARIANTS, E::VARIANTS.iter().map(|variant| variant.as_str()))
    }
}

impl<E: WireName> ToSchema for Name<E> {
    fn name() -> Cow<'static, str> {
        E::NAME.into()
    }
}

/// Status of a job.
pub(crate) type JobStatus = Name<Status>;
/// What created a job.
pub(crate) type JobTrigger = Name<domain::job::Trigger>;
/// Why a job failed.
pub(crate) type ErrorClass = Name<domain::job::ErrorClass>;
/// Level of a log line.
pub(crate) type LogLevel = Name<Level>;
/// How a robot's program is started.
pub(crate) type EntrypointType = Name<domain::automation::EntrypointType>;
/// How a queue is declared.
pub(crate) type QueueProfile = Name<domain::automation::QueueProfile>;
/// What a request does while another job is pending or running.
pub(crate) type Overlap = Name<domain::policy::Overlap>;
/// What happens to a job whose worker is lost.
pub(crate) type OnWorkerLost = Name<domain::policy::OnWorkerLost>;
/// How the delay between attempts grows.
pub(crate) type Backoff = Name<domain::retry::Backoff>;
/// What keeps a job from starting.
pub(crate) type WaitingCode = Name<domain::waiting::WaitingCode>;
/// How the hub is.
pub(crate) type HealthStatus = Name<domain::health::Status>;
/// How the database is.
pub(crate) type DatabaseHealth = Name<domain::health::Database>;
/// How the broker is.
pub(crate) type BrokerHealth = Name<domain::health::Broker>;
/// How a task is.
pub(crate) type TaskState = Name<domain::health::TaskState>;
/// Holidays that belong together.
pub(crate) type HolidaySet = Name<domain::calendar::HolidaySet>;
/// What decides about the hours of a day.
pub(crate) type DayReason = Name<domain::calendar::DayReason>;
/// What an import does to a day.
pub(crate) type DayChanged = Name<domain::calendar::DayChanged>;
/// Form of a file of days.
pub(crate) type CalendarFormat = Name<domain::calendar::import::Format>;
/// What becomes of the days that a calendar has.
pub(crate) type CalendarImportMode = Name<domain::calendar::import::Mode>;
/// What a calendar's blackouts do to fires in them.
pub(crate) type OnBlackout = Name<domain::calendar::OnBlackout>;
/// What happens to missed slots.
pub(crate) type MisfirePolicy = Name<domain::schedule::MisfirePolicy>;
/// Whether a schedule is going to fire.
pub(crate) type ScheduleState = Name<domain::schedule::ScheduleState>;
/// Why a schedule is in its state.
pub(crate) type StateReason = Name<domain::schedule::StateReason>;
/// What became of a slot.
pub(crate) type FireState = Name<domain::schedule::FireState>;
/// State of a worker.
pub(crate) type WorkerState = Name<domain::worker::State>;
/// How a condition compares.
pub(crate) type ConditionOperator = Name<domain::condition::Operator>;
/// Which ends count for a chain.
pub(crate) type ChainEnding = Name<domain::chain::Ending>;
/// How many inputs of a chain must have ended.
pub(crate) type ChainJoin = Name<domain::chain::Join>;
/// Whether a chain is going to run.
pub(crate) type ChainState = Name<domain::chain::ChainState>;
/// Why a chain is in its state.
pub(crate) type ChainStateReason = Name<domain::chain::ChainStateReason>;
/// What became of a run of a chain.
pub(crate) type ChainRunState = Name<domain::chain::RunState>;
/// How an expectation of a subject is.
pub(crate) type AnomalySensitivity = Name<domain::duration::Sensitivity>;
pub(crate) type SlaStanding = Name<domain::sla::Standing>;
/// How senders of a hook prove themselves.
pub(crate) type HookScheme = Name<domain::hook::Scheme>;
/// How a signature is written.
pub(crate) type HookEncoding = Name<domain::hook::Encoding>;
/// What became of a request to a hook.
pub(crate) type HookOutcome = Name<domain::hook::Outcome>;
/// Where messages of a channel go.
pub(crate) type ChannelKind = Name<domain::notification::ChannelKind>;
/// Language of messages.
pub(crate) type Language = Name<domain::schedule::words::Language>;
/// How a connection to an SMTP server is encrypted.
pub(crate) type SmtpSecurity = Name<domain::notification::channel::SmtpSecurity>;
/// A day of the week.
pub(crate) type Weekday = Name<domain::notification::channel::Weekday>;
/// What a message tells.
pub(crate) type NoticeKind = Name<domain::notification::NoticeKind>;
/// What became of a message.
pub(crate) type NotificationState = Name<domain::notification::NotificationState>;
/// Length of a report's period.
pub(crate) type ReportPeriod = Name<domain::report::Period>;
/// What a rotation replaces.
pub(crate) type HookRotated = Name<domain::hook::Rotated>;

/// What is wrong.
pub(crate) type AlertType = Name<domain::alert::AlertType>;
/// Who found an alert.
pub(crate) type AlertSource = Name<domain::alert::AlertSource>;
/// How bad it is.
pub(crate) type Severity = Name<domain::alert::Severity>;
/// Where an alert is in its life.
pub(crate) type AlertStatus = Name<domain::alert::AlertStatus>;
/// Why an alert is over.
pub(crate) type AlertResolution = Name<domain::alert::Resolution>;
/// What happened to an alert.
pub(crate) type AlertEventKind = Name<domain::alert::AlertEventKind>;
/// Unit of what was measured.
pub(crate) type AlertUnit = Name<domain::alert::Unit>;
/// Whether an alert of Alertmanager burns.
pub(crate) type AlertmanagerStatus = Name<domain::alert::heard::Firing>;

fn enumeration<E: WireName>(meanings: &[E], names: impl Iterator<Item = &'static str>) -> RefOr<Schema> {
    let lines = meanings.iter().map(|variant| format!("`{}`:{}", variant.as_str(), variant.meaning()));
    let description = lines.collect::<Vec<_>>().join("\n\n");
    ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names)).description(Some(description)).into()
}

/// A status that a job can end with.
pub(crate) struct JobEnd;

impl PartialSchema for JobEnd {
    fn schema() -> RefOr<Schema> {
        let ends: Vec<Status> = Status::ALL.into_iter().filter(|status| status.is_terminal()).collect();
        enumeration(&ends, ends.iter().map(|status| status.as_str()))
    }
}

impl ToSchema for JobEnd {}

/// A level in a request, with the other spellings that are accepted.
pub(crate) struct LogLevelGiven;

impl PartialSchema for LogLevelGiven {
    fn schema() -> RefOr<Schema> {
        enumeration(
            &Level::ALL,
            Level::ALL.into_iter().flat_map(|level| [level.as_str()].into_iter().chain(level.aliases().iter().copied())),
        )
    }
}

impl ToSchema for LogLevelGiven {}

/// A role or a permission.
pub(crate) struct RightName;

impl PartialSchema for RightName {
    fn schema() -> RefOr<Schema> {
        use domain::permission::{Permission, Role};
        let names = Role::ALL.into_iter().map(|role| role.as_str()).chain(Permission::ALL.into_iter().map(|one| one.as_str()));
        let right = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(names));
        right.description(Some("A role, which is a set of permissions, or one permission.")).into()
    }
}

impl ToSchema for RightName {
    fn name() -> Cow<'static, str> {
        "Right".into()
    }
}

/// What the days of a calendar do to a schedule.
pub(crate) struct CalendarRule;

impl PartialSchema for CalendarRule {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(domain::calendar::DayRule::NAMES)).into()
    }
}

impl ToSchema for CalendarRule {}

/// A field that a list of jobs omits unless it is requested.
pub(crate) struct JobPart;

impl PartialSchema for JobPart {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(["result"])).into()
    }
}

impl ToSchema for JobPart {}

/// A JSON Schema, or the list of fields that is converted to one.
pub(crate) struct ParameterSchema;

impl PartialSchema for ParameterSchema {
    fn schema() -> RefOr<Schema> {
        let description = "A JSON Schema, or a list of fields `[{name, label, type, placeholder, …}]`, which is converted to one.";
        let text = || ObjectBuilder::new().schema_type(SchemaType::from_iter([Type::String, Type::Null]));
        let field = ObjectBuilder::new()
            .schema_type(Type::Object)
            .property("name", ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)))
            .property("type", text())
            .property("itemType", text())
            .required("name");
        AnyOfBuilder::new()
            .item(ObjectBuilder::new().schema_type(Type::Object))
            .item(ArrayBuilder::new().items(field))
            .description(Some(description))
            .into()
    }
}

impl ToSchema for ParameterSchema {}

/// Whether the schema of a text accepts `value`.
#[cfg(test)]
fn takes<S: PartialSchema>(value: &str) -> bool {
    let schema = serde_json::to_value(S::schema()).unwrap();
    jsonschema::validator_for(&schema).unwrap().is_valid(&serde_json::json!(value))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn enums_are_those_of_domain() {
        let names = |schema: RefOr<Schema>| serde_json::to_value(schema).unwrap()["enum"].clone();
        assert_eq!(names(JobEnd::schema()), json!(["completed", "completed_no_invoices", "failed", "canceled"]));
        assert_eq!(names(LogLevelGiven::schema()), json!(["DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL"]));
        assert_eq!(names(JobStatus::schema()), json!(Status::ALL));
    }
}
