//! Schemas of values with rules of their own: enums, names, queues, labels. Fields refer to them by `value_type`. The rules are enforced
//! elsewhere (in `domain` and the services), and the tests here hold the schemas to them, so that a generated client accepts what the hub
//! does.

use std::{borrow::Cow, marker::PhantomData};

use domain::{job::Status, log::Level, wire::WireName};
use serde::{Deserialize, Serialize};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{AnyOfBuilder, ArrayBuilder, KnownFormat, Object, ObjectBuilder, SchemaFormat, SchemaType, Type},
    },
};

use crate::examples;

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
/// How senders of a hook prove themselves.
pub(crate) type HookScheme = Name<domain::hook::Scheme>;
/// How a signature is written.
pub(crate) type HookEncoding = Name<domain::hook::Encoding>;
/// What became of a request to a hook.
pub(crate) type HookOutcome = Name<domain::hook::Outcome>;
/// What a rotation replaces.
pub(crate) type HookRotated = Name<domain::hook::Rotated>;

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

/// The characters of [`domain::text::is_hidden`] below U+10000, for use inside a character class.
macro_rules! hidden {
    () => {
        r"\u0000-\u001f\u007f-\u009f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f\u3164\ufeff\uffa0\ufff9-\ufffb"
    };
}

fn text(shortest: Option<usize>, longest: usize, pattern: &str, description: &str) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(shortest)
        .max_length(Some(longest))
        .pattern(Some(pattern))
        .description(Some(description))
        .build()
}

/// A name given by people.
pub(crate) struct GivenName;

impl PartialSchema for GivenName {
    fn schema() -> RefOr<Schema> {
        let pattern = concat!("^[^", hidden!(), "]*[^", hidden!(), r"\s][^", hidden!(), "]*$");
        text(Some(1), 200, pattern, "A name: not blank, without control or invisible characters.").into()
    }
}

impl ToSchema for GivenName {
    fn name() -> Cow<'static, str> {
        "Name".into()
    }
}

/// The name of a user.
pub(crate) struct Username;

impl PartialSchema for Username {
    fn schema() -> RefOr<Schema> {
        text(Some(1), domain::user::MAX_USERNAME, "^[a-z0-9][a-z0-9._-]*$", "The name of a user; no service has it.").into()
    }
}

impl ToSchema for Username {}

/// An e-mail address.
pub(crate) struct Email;

impl PartialSchema for Email {
    fn schema() -> RefOr<Schema> {
        macro_rules! part {
            () => {
                concat!("[^", hidden!(), r#"\s"<>,;:\\()@.]+"#)
            };
        }
        let pattern = concat!("^", part!(), r"(\.", part!(), ")*@", part!(), r"(\.", part!(), ")*$");
        text(Some(3), 254, pattern, "An e-mail address.").into()
    }
}

impl ToSchema for Email {}

/// A password that somebody chooses.
pub(crate) struct Password;

impl PartialSchema for Password {
    fn schema() -> RefOr<Schema> {
        let description = "A password; not one of the commonest, nor the user's name or e-mail address.";
        let length = domain::user::PASSWORD_LENGTH;
        let password = ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(KnownFormat::Password)));
        password.min_length(Some(*length.start())).max_length(Some(*length.end())).description(Some(description)).into()
    }
}

impl ToSchema for Password {}

/// A short text on one line.
pub(crate) struct ShortText;

impl PartialSchema for ShortText {
    fn schema() -> RefOr<Schema> {
        text(None, 200, concat!("^[^", hidden!(), "]*$"), "Text without control or invisible characters.").into()
    }
}

impl ToSchema for ShortText {}

/// A path on a worker.
pub(crate) struct ScriptPath;

impl PartialSchema for ScriptPath {
    fn schema() -> RefOr<Schema> {
        text(None, 1024, concat!("^[^", hidden!(), "]*$"), "A path on a worker, without control or invisible characters.").into()
    }
}

impl ToSchema for ScriptPath {}

/// The name of a queue.
pub(crate) struct QueueName;

impl PartialSchema for QueueName {
    fn schema() -> RefOr<Schema> {
        let pattern = concat!(r"^(?!amq\.|regente\.|\*$)[^", hidden!(), r"\s](?:[^", hidden!(), "]*[^", hidden!(), r"\s])?$");
        let description = "The name of a queue: 1 to 200 bytes in UTF-8, no control or invisible characters, no space at its ends. Names that \
                           start with `amq.` or `regente.` are reserved.";
        text(Some(1), 200, pattern, description).into()
    }
}

impl ToSchema for QueueName {}

/// The name of a queue, or `*`.
pub(crate) struct QueueOrEvery;

impl PartialSchema for QueueOrEvery {
    fn schema() -> RefOr<Schema> {
        let pattern = concat!(r"^(?!amq\.|regente\.)[^", hidden!(), r"\s](?:[^", hidden!(), "]*[^", hidden!(), r"\s])?$");
        text(Some(1), 200, pattern, "The name of a queue; `*` as the only item of the list means every queue.").into()
    }
}

impl ToSchema for QueueOrEvery {}

/// A label of a worker.
pub(crate) struct Label;

impl PartialSchema for Label {
    fn schema() -> RefOr<Schema> {
        text(Some(1), 64, "^[A-Za-z0-9._-]+$", "A label; case-insensitive.").into()
    }
}

impl ToSchema for Label {}

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

/// A slug.
pub(crate) struct Slug;

impl PartialSchema for Slug {
    fn schema() -> RefOr<Schema> {
        text(Some(1), domain::business_domain::MAX_SLUG, "^[a-z0-9]([a-z0-9-]*[a-z0-9])?$", "Letters a to z, digits and hyphens.").into()
    }
}

impl ToSchema for Slug {}

/// A concurrency key.
pub(crate) struct ConcurrencyKey;

impl PartialSchema for ConcurrencyKey {
    fn schema() -> RefOr<Schema> {
        let description = "Jobs with the same key share a limit. 1 to 256 bytes in UTF-8, no control characters.";
        text(Some(1), domain::policy::MAX_KEY, r"^[^\u0000-\u001f\u007f-\u009f]+$", description).into()
    }
}

impl ToSchema for ConcurrencyKey {}

/// Hours of a day.
pub(crate) struct HourRange;

impl PartialSchema for HourRange {
    fn schema() -> RefOr<Schema> {
        let pattern = r"^([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?-(([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?|24:00)$";
        text(None, 17, pattern, "Hours such as `08:00-12:00`, which end before their last second; `24:00` is the end of the day.").into()
    }
}

impl ToSchema for HourRange {}

/// A time, or a date.
pub(crate) struct Moment;

impl PartialSchema for Moment {
    fn schema() -> RefOr<Schema> {
        let of = |format: KnownFormat| ObjectBuilder::new().schema_type(Type::String).format(Some(SchemaFormat::KnownFormat(format)));
        let description = "A time in RFC 3339, or a date, which means 00:00 UTC.";
        AnyOfBuilder::new().item(of(KnownFormat::DateTime)).item(of(KnownFormat::Date)).description(Some(description)).into()
    }
}

impl ToSchema for Moment {}

/// What the days of a calendar do to a schedule.
pub(crate) struct CalendarRule;

impl PartialSchema for CalendarRule {
    fn schema() -> RefOr<Schema> {
        ObjectBuilder::new().schema_type(Type::String).enum_values(Some(domain::calendar::DayRule::NAMES)).into()
    }
}

impl ToSchema for CalendarRule {}

/// A time of day.
pub(crate) struct TimeOfDay;

impl PartialSchema for TimeOfDay {
    fn schema() -> RefOr<Schema> {
        let time = ObjectBuilder::new().schema_type(Type::String).pattern(Some("^([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$"));
        time.description(Some("A time of day, `HH:MM` or `HH:MM:SS`.")).into()
    }
}

impl ToSchema for TimeOfDay {}

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

/// Whether and when a failed job gets another attempt.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::retry_policy)]
pub(crate) struct RetryPolicy {
    /// Maximum attempts, the first run included, 1 to 100; 1: no retry.
    #[schema(minimum = 1, maximum = 100, default = 1)]
    max_attempts: u32,
    /// How the delay between attempts grows.
    #[schema(value_type = Backoff)]
    backoff: domain::retry::Backoff,
    /// Delay before the second attempt, in seconds.
    #[schema(minimum = 0, maximum = 604_800, default = 10)]
    base_s: f64,
    /// Maximum delay in seconds, before jitter.
    #[schema(minimum = 0, maximum = 604_800, default = 600)]
    max_s: f64,
    /// Random share of the delay, 0 to 1: 0.2 spreads it over 80 to 120 %.
    #[schema(minimum = 0, maximum = 1, default = 0.2)]
    jitter: f64,
    /// Error classes that are retried. Empty: all but `QUEUE_TIMEOUT`, `CREDENTIAL_INVALID` and `INVALID_PARAMETERS`.
    #[schema(value_type = Vec<ErrorClass>)]
    on: Vec<domain::job::ErrorClass>,
    /// Error classes that are never retried.
    #[schema(value_type = Vec<ErrorClass>)]
    never_on: Vec<domain::job::ErrorClass>,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        let domain::retry::RetryPolicy { max_attempts, backoff, base_s, max_s, jitter, on, never_on } =
            domain::retry::RetryPolicy::default();
        Self { max_attempts, backoff, base_s, max_s, jitter, on, never_on }
    }
}

/// At most `max` starts in any `per_s` seconds. A tenth of `max` may start at once; the rest is spread over the period.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RateLimit {
    /// Maximum number of starts in a period.
    #[schema(minimum = 1, maximum = 100_000)]
    max: u32,
    /// Length of the period in seconds.
    #[schema(minimum = 0.1, maximum = 86_400)]
    per_s: f64,
}

/// How senders prove themselves, besides knowing the address.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::hook_signature)]
pub(crate) struct HookSignature {
    /// The scheme.
    #[schema(value_type = HookScheme)]
    scheme: domain::hook::Scheme,
    /// The header with the signature, for `hmac`; for `bearer`, the one with the secret instead of `Authorization`.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$")]
    header: Option<String>,
    /// How the signature is written, for `hmac`; absent: hexadecimal.
    #[schema(value_type = Option<HookEncoding>)]
    encoding: Option<domain::hook::Encoding>,
    /// What stands before the signature in its header, for `hmac`.
    #[schema(max_length = 50, pattern = "^[ -~]*$")]
    prefix: Option<String>,
}

/// Where a parameter comes from: `pointer` or `header`.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HookMapped {
    /// JSON pointer into the body, such as `/commits/0/id`; empty: the whole body.
    #[schema(max_length = 512)]
    pointer: Option<String>,
    /// Name of a header; one with a credential cannot be taken.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$")]
    header: Option<String>,
    /// Whether a request without it is refused.
    required: bool,
    /// Value when the request has none. Absent: the parameter is left out, and the automation's default counts.
    default: Option<serde_json::Value>,
}

/// A condition on a place of the request: `pointer` or `header`.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct HookFilter {
    /// JSON pointer into the body.
    #[schema(max_length = 512)]
    pointer: Option<String>,
    /// Name of a header; one with a credential cannot be taken.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$")]
    header: Option<String>,
    /// How it is compared.
    #[schema(value_type = ConditionOperator)]
    operator: domain::condition::Operator,
    /// With what; a list for `in` and `not_in`, absent for `exists` and `missing`.
    value: Option<serde_json::Value>,
}

/// What makes two requests the same one: a header, or places of the body together. Neither: each is one of its own.
#[derive(Debug, Default, Deserialize, Serialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HookDedup {
    /// Name of a header, such as `X-GitHub-Delivery`.
    #[schema(min_length = 1, max_length = 100, pattern = "^[A-Za-z0-9_-]+$")]
    header: Option<String>,
    /// JSON pointers into the body.
    #[schema(max_items = 8)]
    pointers: Vec<String>,
}

#[cfg(test)]
mod tests {
    use domain::{automation::is_queue_name, text::is_hidden};
    use serde_json::{Value, json};

    use super::*;

    fn takes<S: PartialSchema>(value: &str) -> bool {
        let schema: Value = serde_json::to_value(S::schema()).unwrap();
        jsonschema::validator_for(&schema).unwrap().is_valid(&json!(value))
    }

    #[test]
    fn patterns_know_every_hidden_character() {
        let schema = serde_json::to_value(ShortText::schema()).unwrap();
        let validator = jsonschema::validator_for(&schema).unwrap();
        for character in (0..=0xffff).filter_map(char::from_u32) {
            let is_taken = validator.is_valid(&json!(format!("a{character}b")));
            assert_eq!(is_taken, !is_hidden(character), "U+{:04X}", u32::from(character));
        }
    }

    #[test]
    fn queue_names_are_those_of_the_rule() {
        let long = "q".repeat(201);
        for name in ["q", "a b", "emissão", "*a", "amq", "regente-x", "", " a", "a ", "amq.x", "regente.x", "*", "a\nb", "\u{200b}", &long]
        {
            assert_eq!(takes::<QueueName>(name), is_queue_name(name), "{name:?}");
            assert_eq!(takes::<QueueOrEvery>(name), is_queue_name(name) || name == "*", "{name:?}");
        }
    }

    #[test]
    fn times_of_day_are_those_of_the_rule() {
        let read = |text: &str| domain::schedule::input::window(Some(text), Some(text)).is_ok();
        for time in ["07:30", "23:59:59", "00:00", "", "24:00", "23:60", "12:00:60", "07:30 ", "07:30:00.5"] {
            assert_eq!(takes::<TimeOfDay>(time), read(time), "{time}");
        }
    }

    #[test]
    fn labels_and_names_are_those_of_their_rules() {
        for label in ["SAP", "sap-7.70", "a_b", "", "a b", "é", &"x".repeat(64), &"x".repeat(65)] {
            assert_eq!(takes::<Label>(label), domain::policy::labels(&[label.to_owned()]).is_ok(), "{label:?}");
        }
        for slug in ["a", "a-1", "", "-a", "a-", "A", "a_b", &"x".repeat(64), &"x".repeat(65)] {
            assert_eq!(takes::<Slug>(slug), domain::business_domain::is_slug(slug), "{slug:?}");
        }
        for key in ["k", "a b", "{", "\n", "", &"x".repeat(256), &"x".repeat(257)] {
            assert_eq!(takes::<ConcurrencyKey>(key), domain::policy::ConcurrencyKey::check(key).is_ok(), "{key:?}");
        }
        for name in ["ana", "a", "0.a-b_c", "", "Ana", ".a", "a:b", "a@b", "á", &"a".repeat(64), &"a".repeat(65)] {
            assert_eq!(takes::<Username>(name), domain::user::is_username(name), "{name:?}");
        }
        let long = format!("{}@b", "a".repeat(253));
        for address in
            ["a@b", "josé.x+y@b.c", "", "a", "@b", "a@", "a@b@c", "a b@c", ".a@b", "a.@b", "a@b..c", "a@b\u{200b}", "<a@b>", &long]
        {
            assert_eq!(takes::<Email>(address), domain::user::is_email(address), "{address:?}");
        }
        for (name, fine) in [("a", true), (" a ", true), ("São Paulo", true), ("", false), (" ", false), ("a\u{202e}b", false)] {
            assert_eq!(takes::<GivenName>(name), fine, "{name:?}");
        }
    }

    #[test]
    fn hours_are_those_of_their_rule() {
        for range in ["08:00-12:00", "08:00:30-24:00", "8h-9h", "24:00-25:00", "08:60-09:00", "08:00", "", "08:00-12:00:61"] {
            assert_eq!(takes::<HourRange>(range), domain::calendar::Hours::parse(&[range]).is_ok(), "{range:?}");
        }
    }

    /// The value of `key` for each field of the schema.
    fn bounds(schema: RefOr<Schema>, key: &str) -> Vec<f64> {
        let schema: Value = serde_json::to_value(schema).unwrap();
        schema["properties"].as_object().unwrap().values().filter_map(|field| field[key].as_f64()).collect()
    }

    #[test]
    fn the_policies_are_those_of_domain() {
        use domain::{policy, retry};
        let default = json!(retry::RetryPolicy::default());
        assert_eq!(json!(serde_json::from_value::<RetryPolicy>(default.clone()).unwrap()), default);
        let schema = serde_json::to_value(RetryPolicy::schema()).unwrap();
        for (field, value) in
            default.as_object().unwrap().iter().filter(|(field, _)| !["backoff", "on", "never_on"].contains(&field.as_str()))
        {
            assert_eq!(schema["properties"][field]["default"].as_f64(), value.as_f64(), "{field}");
        }
        let at = |max_attempts, base_s, max_s, jitter| retry::RetryPolicy {
            max_attempts,
            base_s,
            max_s,
            jitter,
            ..retry::RetryPolicy::default()
        };
        let longest = retry::RetryPolicy::MAX_DELAY_S;
        let mut highest = bounds(RetryPolicy::schema(), "maximum");
        highest.sort_by(f64::total_cmp);
        assert_eq!(highest, [1.0, f64::from(retry::RetryPolicy::MAX_ATTEMPTS), longest, longest]);
        assert_eq!(bounds(RetryPolicy::schema(), "minimum").iter().sum::<f64>(), 1.0);
        assert_eq!((at(1, 0.0, 0.0, 0.0).faults(), at(100, longest, longest, 1.0).faults()), (vec![], vec![]));
        let limit = json!(policy::RateLimit { max: 1, per_s: 0.5 });
        assert_eq!(json!(serde_json::from_value::<RateLimit>(limit.clone()).unwrap()), limit);
        assert_eq!(
            (bounds(RateLimit::schema(), "minimum"), bounds(RateLimit::schema(), "maximum")),
            (vec![1.0, 0.1], vec![100_000.0, 86_400.0])
        );
        let edges = [policy::RateLimit { max: 1, per_s: 0.1 }, policy::RateLimit { max: policy::RateLimit::MOST, per_s: 86_400.0 }];
        assert!(edges.iter().all(|limit| limit.faults().is_empty()));
    }

    #[test]
    fn enums_are_those_of_domain() {
        let names = |schema: RefOr<Schema>| serde_json::to_value(schema).unwrap()["enum"].clone();
        assert_eq!(names(JobEnd::schema()), json!(["completed", "completed_no_invoices", "failed", "canceled"]));
        assert_eq!(names(LogLevelGiven::schema()), json!(["DEBUG", "INFO", "WARNING", "WARN", "ERROR", "CRITICAL"]));
        assert_eq!(names(JobStatus::schema()), json!(Status::ALL));
    }
}
