use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    calendar::{
        DayChanged, DayReason, HolidaySet,
        import::{Format, Mode},
    },
    ids::CalendarId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{automation::given, examples, schema, worker::is_false};

/// Working hours of each day of the week. A day that is absent has none.
///
/// Each is a list of ranges such as `08:00-12:00`; a range ends before its last second, `00:00-24:00` is the whole day.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CalendarWeek {
    /// Hours of Sundays.
    #[schema(value_type = Vec<schema::HourRange>, max_items = 24)]
    pub sunday: Vec<String>,
    /// Hours of Mondays.
    #[schema(value_type = Vec<schema::HourRange>, max_items = 24)]
    pub monday: Vec<String>,
    /// Hours of Tuesdays.
    #[schema(value_type = Vec<schema::HourRange>, max_items = 24)]
    pub tuesday: Vec<String>,
    /// Hours of Wednesdays.
    #[schema(value_type = Vec<schema::HourRange>, max_items = 24)]
    pub wednesday: Vec<String>,
    /// Hours of Thursdays.
    #[schema(value_type = Vec<schema::HourRange>, max_items = 24)]
    pub thursday: Vec<String>,
    /// Hours of Fridays.
    #[schema(value_type = Vec<schema::HourRange>, max_items = 24)]
    pub friday: Vec<String>,
    /// Hours of Saturdays.
    #[schema(value_type = Vec<schema::HourRange>, max_items = 24)]
    pub saturday: Vec<String>,
}

impl CalendarWeek {
    /// Names of the days with their hours, from Sunday.
    #[must_use]
    pub fn days(&self) -> [(&'static str, &Vec<String>); 7] {
        let Self { sunday, monday, tuesday, wednesday, thursday, friday, saturday } = self;
        [
            ("sunday", sunday),
            ("monday", monday),
            ("tuesday", tuesday),
            ("wednesday", wednesday),
            ("thursday", thursday),
            ("friday", friday),
            ("saturday", saturday),
        ]
    }

    /// The week with these hours, from Sunday.
    #[must_use]
    pub fn of(days: [Vec<String>; 7]) -> Self {
        let [sunday, monday, tuesday, wednesday, thursday, friday, saturday] = days;
        Self { sunday, monday, tuesday, wednesday, thursday, friday, saturday }
    }
}

/// A day of a calendar's own. It counts instead of the hours of the week and the holidays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CalendarDay {
    /// The day.
    pub date: NaiveDate,
    /// What is celebrated, or why it is different.
    #[serde(default)]
    #[schema(value_type = schema::ShortText, required = false)]
    pub name: String,
    /// Whether people work on it. By default they do if `hours` are given. True without hours: the whole day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub works: Option<bool>,
    /// Its working hours.
    #[serde(default)]
    #[schema(value_type = Vec<schema::HourRange>, required = false, max_items = 24)]
    pub hours: Vec<String>,
}

/// A time in which nothing starts: once, from `from` until before `to`, or for `minutes` whenever `cron_expression` fires.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct CalendarBlackout {
    /// What it is for.
    #[schema(value_type = schema::ShortText, required = false)]
    pub name: String,
    /// Its first instant.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Moment>)]
    pub from: Option<DateTime<Utc>>,
    /// The instant after its last.
    #[serde(deserialize_with = "crate::moment::optional", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Moment>)]
    pub to: Option<DateTime<Utc>>,
    /// When it begins, in the zone of the schedule: an expression of five or six fields.
    #[serde(alias = "cronExpression", skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000, pattern = r"^[^\u0000]*$")]
    pub cron_expression: Option<String>,
    /// How long it lasts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 44_640)]
    pub minutes: Option<u32>,
}

/// A named set of working days and hours. Schedules refer to it; it has no time zone of its own: its days and hours are those of a
/// schedule's zone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::calendar)]
pub struct Calendar {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: CalendarId,
    /// Unique name.
    pub name: String,
    /// Working hours of each day of the week.
    pub week: CalendarWeek,
    /// Sets of holidays, on which nobody works.
    #[schema(value_type = Vec<schema::HolidaySet>)]
    pub holidays: Vec<HolidaySet>,
    /// Its own days, by date.
    pub days: Vec<CalendarDay>,
    /// When nothing starts.
    pub blackouts: Vec<CalendarBlackout>,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last; null: every hub begins with it.
    pub updated_by: Option<String>,
}

/// A calendar in a list.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::calendar_summary)]
pub struct CalendarSummary {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: CalendarId,
    /// Unique name.
    pub name: String,
    /// Working hours of each day of the week.
    pub week: CalendarWeek,
    /// Sets of holidays, on which nobody works.
    #[schema(value_type = Vec<schema::HolidaySet>)]
    pub holidays: Vec<HolidaySet>,
    /// Number of its own days.
    pub day_count: u32,
    /// Number of its blackouts.
    pub blackout_count: u32,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last; null: every hub begins with it.
    pub updated_by: Option<String>,
}

/// A new calendar.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::calendar_create)]
pub struct CalendarCreate {
    /// Unique name.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// Working hours of each day of the week; by default Monday to Friday, the whole day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub week: Option<CalendarWeek>,
    /// Sets of holidays; by default none.
    #[serde(default)]
    #[schema(value_type = Vec<schema::HolidaySet>, required = false, max_items = 31)]
    pub holidays: Vec<HolidaySet>,
    /// Days of its own.
    #[serde(default)]
    #[schema(value_type = Vec<CalendarDay>, required = false, max_items = 20_000)]
    pub days: Vec<CalendarDay>,
    /// When nothing starts.
    #[serde(default)]
    #[schema(value_type = Vec<CalendarBlackout>, required = false, max_items = 100)]
    pub blackouts: Vec<CalendarBlackout>,
}

/// A change to a calendar. Absent fields keep their values; `week`, `holidays`, `days` and `blackouts` are replaced whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::calendar_update)]
pub struct CalendarUpdate {
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::GivenName>)]
    pub name: Option<String>,
    /// New working hours of each day of the week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub week: Option<CalendarWeek>,
    /// New sets of holidays.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::HolidaySet>>, max_items = 31)]
    pub holidays: Option<Vec<HolidaySet>>,
    /// New days of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 20_000)]
    pub days: Option<Vec<CalendarDay>>,
    /// New blackouts.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 100)]
    pub blackouts: Option<Vec<CalendarBlackout>>,
    /// `updated_at` of the calendar as it was read: another one is answered 409.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<DateTime<Utc>>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub id: Option<Value>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub created_at: Option<Value>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub updated_by: Option<Value>,
}

/// Query of the list of calendars.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CalendarFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only the one with this name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub name: Option<String>,
    /// Id of the last calendar of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<CalendarId>,
}

/// Query of the days of a calendar.
#[derive(Clone, Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CalendarDaysFilter {
    /// The first day.
    pub from: NaiveDate,
    /// The last day; at most 3660 days are answered.
    pub to: NaiveDate,
}

/// Whether a day is a business day, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::explained_day)]
pub struct ExplainedDay {
    /// The day.
    pub date: NaiveDate,
    /// Whether it has working hours.
    pub business_day: bool,
    /// Its working hours.
    pub hours: Vec<String>,
    /// What decides about them.
    #[schema(value_type = schema::DayReason)]
    pub reason: DayReason,
    /// Name of the calendar's own day, else of the holidays.
    pub names: Vec<String>,
}

/// Query of the holidays of a year.
#[derive(Clone, Debug, Deserialize, Serialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HolidayFilter {
    /// The set.
    #[param(value_type = schema::HolidaySet)]
    pub set: HolidaySet,
    /// The year.
    #[param(minimum = 1900, maximum = 2199)]
    pub year: i32,
}

/// A holiday.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::holiday)]
pub struct Holiday {
    /// The day.
    pub date: NaiveDate,
    /// Its name, in Portuguese.
    pub name: String,
    /// The time of day at which it ends, where it is not the whole day.
    pub until: Option<String>,
}

/// How a file of days is imported.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct CalendarImportOptions {
    /// Form of the file; by default it is seen at its beginning.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::CalendarFormat>)]
    pub format: Option<Format>,
    /// What becomes of the days that the calendar has; by default `merge`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline, value_type = Option<schema::CalendarImportMode>)]
    pub mode: Option<Mode>,
    /// Whether the answer only says what would change.
    #[serde(skip_serializing_if = "is_false")]
    pub dry_run: bool,
    /// Zone of the times of an iCalendar file; by default that of the settings. Times with a zone of their own become times of this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 100, pattern = r"^[^\u0000]*$")]
    pub timezone: Option<String>,
    /// The last day to which recurring events without an end are expanded; by default the end of the tenth year from now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<NaiveDate>,
}

/// What an import changes, or would change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::calendar_import)]
pub struct CalendarImport {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Form of the file.
    #[schema(value_type = schema::CalendarFormat)]
    pub format: Format,
    /// Number of days that are new.
    pub added: u32,
    /// Number of days whose name or hours change.
    pub changed: u32,
    /// Number of days that go.
    pub removed: u32,
    /// Those days, by date.
    pub days: Vec<ImportedDay>,
}

/// A day that an import changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ImportedDay {
    /// What happens to it.
    #[schema(value_type = schema::DayChanged)]
    pub change: DayChanged,
    /// The day.
    pub date: NaiveDate,
    /// Its name.
    pub name: String,
    /// Its working hours; none: nobody works.
    pub hours: Vec<String>,
}
