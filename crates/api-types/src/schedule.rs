mod bulk;
mod import;
mod request;
mod view;

use chrono::{DateTime, NaiveDateTime, Utc};
use domain::{
    calendar::OnBlackout,
    ids::{AutomationId, CalendarId, ScheduleId, VersionId},
    policy::Overlap,
    schedule::{MisfirePolicy, ScheduleState, StateReason},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub use self::{
    bulk::{ScheduleBulkResponse, SchedulePauseRequest, ScheduleResumeRequest, ScheduleSelection},
    import::{ScheduleChange, ScheduleFieldChange, ScheduleImport, ScheduleImportQuery, ScheduleNamed},
    request::{ScheduleCreate, ScheduleUpdate},
    view::{Fire, FireFilter, ScheduleExportFilter, ScheduleFilter, SchedulePreview, SchedulePreviewQuery},
};
use crate::{examples, schema};

/// When jobs of an automation are created.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::schedule)]
pub struct Schedule {
    /// Id, UUID v7.
    #[schema(value_type = Uuid)]
    pub id: ScheduleId,
    /// Automation whose jobs it creates.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Name of the automation.
    pub automation_name: String,
    /// Name, unique within its automation.
    pub name: String,
    /// When it is due: a cron expression of 5 fields, or of 6 with seconds first. Null: it has `interval_s` or `run_once_at`.
    pub cron_expression: Option<String>,
    /// When it is due: every so many seconds from `start_at`, else from when it was created.
    pub interval_s: Option<i64>,
    /// When it is due: once.
    pub run_once_at: Option<DateTime<Utc>>,
    /// IANA time zone whose clock is meant.
    pub timezone: String,
    /// When it is due, in words.
    pub words: ScheduleWords,
    /// Calendar that it obeys; null: none.
    #[schema(value_type = Option<Uuid>)]
    pub calendar_id: Option<CalendarId>,
    /// What the calendar's days do: `only`, `except`, `next_business_day`, `previous_business_day` or `nth_business_day`.
    #[schema(value_type = schema::CalendarRule)]
    pub calendar_rule: String,
    /// The n of `nth_business_day`; negative: counted from the month's end.
    pub business_day: Option<i32>,
    /// What the calendar's blackouts do to fires in them: `skip` or `hold`.
    #[schema(value_type = schema::OnBlackout)]
    pub on_blackout: OnBlackout,
    /// Begin of the hours in which it fires, as `HH:MM` or `HH:MM:SS` in its time zone; null: all day.
    pub window_start: Option<String>,
    /// End of the hours in which it fires; earlier than `window_start`: on the next day.
    pub window_end: Option<String>,
    /// Each run starts up to so many seconds after its slot.
    pub jitter_s: i64,
    /// It does not fire before this time.
    pub start_at: Option<DateTime<Utc>>,
    /// It does not fire at this time or later.
    pub end_at: Option<DateTime<Utc>>,
    /// Whether it fires at all.
    pub enabled: bool,
    /// What happens to missed slots: `skip`, `last` or `all`.
    #[schema(value_type = schema::MisfirePolicy)]
    pub misfire_policy: MisfirePolicy,
    /// How many missed slots run under `all`: the last ones.
    pub misfire_limit: u32,
    /// A slot that is at most so many seconds late is not missed.
    pub misfire_grace_s: i64,
    /// Parameters of its jobs, with placeholders such as `{{today}}`.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Priority of its jobs; null: the automation's. So with the fields below.
    pub priority: Option<i32>,
    /// Time limit of its jobs in seconds.
    pub timeout_s: Option<i64>,
    /// Maximum attempts of its jobs, the first run included.
    pub max_attempts: Option<u32>,
    /// Seconds before the second attempt.
    pub retry_backoff_s: Option<i64>,
    /// What a fire does while a job of the automation is pending or running.
    #[schema(value_type = Option<schema::Overlap>)]
    pub overlap: Option<Overlap>,
    /// Maximum number of its jobs that run at the same time.
    pub max_concurrency: Option<u32>,
    /// Seconds that a job may stay pending.
    pub queue_timeout_s: Option<i64>,
    /// Seconds that a canceled program has to stop before it is killed.
    pub cancel_grace_s: Option<i64>,
    /// Concurrency key of its jobs.
    pub concurrency_key: Option<String>,
    /// Version that its jobs run; null: the one that is installed on the worker.
    #[schema(value_type = Option<Uuid>)]
    pub version_id: Option<VersionId>,
    /// Environment whose configuration its jobs receive.
    pub environment: Option<String>,
    /// Whether it is going to fire: `active`, `paused`, `disabled`, `blocked` or `ended`.
    #[schema(value_type = schema::ScheduleState)]
    pub state: ScheduleState,
    /// Why it is in its state; null: nothing keeps it from firing.
    #[schema(value_type = Option<schema::StateReason>)]
    pub state_reason: Option<StateReason>,
    /// Its next ten fires, also of a schedule that is paused or disabled.
    pub next_fires: Vec<NextFire>,
    /// Its last ten fires, the newest first. A list has the newest one alone.
    pub last_fires: Vec<Fire>,
    /// When it was paused; null: not paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// When the pause ends; null: when somebody resumes it.
    pub paused_until: Option<DateTime<Utc>>,
    /// Why it is paused.
    pub paused_reason: Option<String>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// Number of its changes. A change that names an outdated one is answered 409.
    pub revision: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who created or last changed it.
    pub updated_by: Option<String>,
}

/// When a schedule is due, in words.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleWords {
    /// In Brazilian Portuguese.
    pub pt_br: String,
    /// In English.
    pub en: String,
}

/// A fire to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NextFire {
    /// The slot: when it is due. With the schedule it identifies the run.
    pub slot_at: DateTime<Utc>,
    /// The same on the clock of the schedule's time zone. Where that skips it, `slot_at` is the first instant after the gap.
    #[schema(value_type = String, pattern = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}$")]
    pub local: NaiveDateTime,
    /// When its job is created: after its jitter, and after a blackout that holds it.
    pub run_at: DateTime<Utc>,
}
