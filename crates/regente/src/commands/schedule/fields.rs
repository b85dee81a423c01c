//! What people set of a schedule.

use api_types::{Schedule, SchedulePreviewQuery, ScheduleUpdate};
use chrono::{DateTime, Utc};
use clap::Args;
use domain::{calendar::OnBlackout, policy::Overlap, schedule::MisfirePolicy};

use super::{Which, find};
use crate::commands::{
    Fault, Outcome, automation, calendar,
    output::moment,
    parameters::{ParameterArgs, read_json},
    remote::Hub,
};

/// A new schedule. Omitted options have the API's defaults.
#[derive(Args)]
pub(super) struct CreateArgs {
    /// Name or id of the automation whose jobs it creates.
    automation: String,
    /// Name of the schedule; by default Schedule and a number.
    name: Option<String>,
    /// File with the schedule in the API's JSON, - for standard input; options override it.
    #[arg(long, short = 'F', value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    parameters: ParameterArgs,
}

/// Changes of a schedule. What is not given stays as it is.
#[derive(Args)]
pub(super) struct UpdateArgs {
    #[command(flatten)]
    which: Which,
    /// New name.
    #[arg(long = "name", value_name = "NAME")]
    new_name: Option<String>,
    /// Switch it on (true) or off (false).
    #[arg(long, value_name = "BOOL")]
    enabled: Option<bool>,
    /// File with the fields to change in the API's JSON (null: none), - for standard input; options override it.
    #[arg(long, short = 'F', value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    fields: Fields,
    #[command(flatten)]
    parameters: ParameterArgs,
}

/// What people set most.
#[derive(Args)]
struct Fields {
    /// When: a cron expression, such as "30 7 * * 1-5".
    #[arg(long, value_name = "EXPRESSION", conflicts_with_all = ["every_s", "at"])]
    cron: Option<String>,
    /// When: every so many seconds.
    #[arg(long, value_name = "SECONDS", conflicts_with = "at")]
    every_s: Option<i64>,
    /// When: once, at this time: 2026-12-01T08:30:00-03:00.
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    at: Option<DateTime<Utc>>,
    /// IANA time zone; by default that of the hub's settings.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    #[command(flatten)]
    days: Days,
    /// It does not fire before this time.
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    start_at: Option<DateTime<Utc>>,
    /// It does not fire at this time or later.
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    end_at: Option<DateTime<Utc>>,
    /// Each run starts up to so many seconds late.
    #[arg(long, value_name = "SECONDS")]
    jitter_s: Option<i64>,
    /// What happens to missed slots: skip, last or all.
    #[arg(long, value_name = "POLICY")]
    misfire: Option<MisfirePolicy>,
    /// What a fire does while a job is pending or running: queue, skip, replace or coalesce.
    #[arg(long, value_name = "RULE")]
    overlap: Option<Overlap>,
    /// Priority of its jobs, 0 to 9.
    #[arg(long, value_name = "N")]
    priority: Option<i32>,
    /// Time limit of its jobs in seconds.
    #[arg(long, value_name = "SECONDS")]
    timeout_s: Option<i64>,
}

/// Which days and hours.
#[derive(Args)]
struct Days {
    /// Name or id of a calendar.
    #[arg(long, value_name = "NAME")]
    calendar: Option<String>,
    /// What its days do: only, except, next_business_day, previous_business_day or nth_business_day.
    #[arg(long, value_name = "RULE")]
    calendar_rule: Option<String>,
    /// The n of nth_business_day; -1: the last one of the month.
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    business_day: Option<i32>,
    /// What its blackouts do: skip or hold.
    #[arg(long, value_name = "WHAT")]
    on_blackout: Option<OnBlackout>,
    /// Begin of the hours in which it fires, such as 08:00.
    #[arg(long, value_name = "TIME")]
    window_start: Option<String>,
    /// End of the hours in which it fires.
    #[arg(long, value_name = "TIME")]
    window_end: Option<String>,
}

/// An expression to try.
#[derive(Args)]
pub(super) struct PreviewArgs {
    /// The expression, such as "30 7 * * 1-5".
    cron: String,
    /// IANA time zone; by default that of the hub's settings.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    #[command(flatten)]
    days: Days,
    /// Fires after this time; by default now.
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    from: Option<DateTime<Utc>>,
    /// How many fires.
    #[arg(short, default_value_t = 10, value_name = "N")]
    n: u32,
}

impl PreviewArgs {
    pub(super) fn query(self) -> SchedulePreviewQuery {
        let Self { cron, timezone, days, from, n } = self;
        let Days { calendar, calendar_rule, business_day, on_blackout, window_start, window_end } = days;
        SchedulePreviewQuery {
            cron,
            timezone,
            calendar,
            calendar_rule,
            business_day,
            on_blackout,
            window_start,
            window_end,
            from,
            n: Some(n),
        }
    }
}

pub(super) async fn create(hub: &Hub, args: CreateArgs, is_json: bool) -> Outcome {
    let automation = automation::find(hub, &args.automation).await?;
    let mut request = from_file(args.file.as_deref())?;
    request.automation_id = Some(automation.id);
    request.name = args.name.or(request.name);
    args.fields.set(hub, &mut request).await?;
    if let Some(parameters) = args.parameters.file()? {
        request.parameters = Some(parameters);
    }
    args.parameters.set(request.parameters.get_or_insert_default(), automation.parameter_schema.as_ref())?;
    let says = |schedule: &Schedule| {
        let next = schedule.next_fires.first().map_or_else(|| "never".to_owned(), |fire| moment(fire.run_at));
        format!("Schedule {} of {} fires {}: next {next}.", schedule.name, schedule.automation_name, schedule.words.en)
    };
    hub.change(hub.client.schedule_create(&request), is_json, says).await
}

pub(super) async fn update(hub: &Hub, args: UpdateArgs, is_json: bool) -> Outcome {
    let schedule = find(hub, &args.which).await?;
    let mut request = from_file(args.file.as_deref())?;
    request.name = args.new_name.or(request.name);
    request.enabled = args.enabled.or(request.enabled);
    args.fields.set(hub, &mut request).await?;
    if !args.parameters.is_empty() {
        let automation = hub.client.automation(schedule.automation_id).await.map_err(|error| hub.fault(error))?;
        let before = request.parameters.take().unwrap_or(schedule.parameters);
        let mut parameters = args.parameters.file()?.unwrap_or(before);
        args.parameters.set(&mut parameters, automation.parameter_schema.as_ref())?;
        request.parameters = Some(parameters);
    }
    let says = |schedule: &Schedule| format!("Schedule {} is changed: {}.", schedule.name, schedule.words.en);
    hub.change(hub.client.schedule_update(schedule.id, &request), is_json, says).await
}

fn from_file(name: Option<&str>) -> Result<ScheduleUpdate, Fault> {
    name.map_or_else(|| Ok(ScheduleUpdate::default()), |name| read_json(name, "a schedule"))
}

impl Fields {
    /// Sets what is given.
    async fn set(self, hub: &Hub, request: &mut ScheduleUpdate) -> Result<(), Fault> {
        let Self { cron, every_s, at, timezone, days, start_at, end_at, jitter_s, misfire, overlap, priority, timeout_s } = self;
        let Days { calendar, calendar_rule, business_day, on_blackout, window_start, window_end } = days;
        if cron.is_some() || every_s.is_some() || at.is_some() {
            (request.cron_expression, request.interval_s, request.run_once_at) = (cron.map(Some), every_s.map(Some), at.map(Some));
        }
        if let Some(name) = calendar {
            request.calendar_id = Some(Some(calendar::find(hub, &name).await?.id));
        }
        request.timezone = timezone.or(request.timezone.take());
        request.calendar_rule = calendar_rule.or(request.calendar_rule.take());
        request.business_day = business_day.map(Some).or(request.business_day);
        request.on_blackout = on_blackout.or(request.on_blackout);
        request.window_start = window_start.map(Some).or(request.window_start.take());
        request.window_end = window_end.map(Some).or(request.window_end.take());
        request.start_at = start_at.map(Some).or(request.start_at);
        request.end_at = end_at.map(Some).or(request.end_at);
        request.jitter_s = jitter_s.or(request.jitter_s);
        request.misfire_policy = misfire.or(request.misfire_policy);
        request.overlap = overlap.map(Some).or(request.overlap);
        request.priority = priority.map(Some).or(request.priority);
        request.timeout_s = timeout_s.map(Some).or(request.timeout_s);
        Ok(())
    }
}
