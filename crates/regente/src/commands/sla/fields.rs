//! What people set of an SLA rule.

use api_types::{Sla, SlaDurationAnomaly, SlaEscalation, SlaFailureRate, SlaUpdate};
use clap::Args;
use domain::{alert::Severity, duration::Sensitivity, ids::ChannelId};

use super::{Which, expects, find};
use crate::commands::{
    Fault, Outcome, automation, calendar, channel, domain as domains,
    parameters::{read_document, read_text},
    remote::Hub,
};

/// A new rule. Omitted options have the API's defaults.
#[derive(Args)]
pub(super) struct CreateArgs {
    /// Name of the rule; by default what it is about.
    name: Option<String>,
    #[command(flatten)]
    fields: Fields,
}

/// Changes of a rule.
#[derive(Args)]
pub(super) struct UpdateArgs {
    #[command(flatten)]
    which: Which,
    /// New name.
    #[arg(long = "name", value_name = "NAME")]
    new_name: Option<String>,
    /// Expect this no more, or leave this unset: the name of an option, such as daily-time. Repeat it for several.
    #[arg(long = "clear", value_name = "OPTION", value_parser = CLEARED.map(|(option, _)| option))]
    cleared: Vec<String>,
    #[command(flatten)]
    fields: Fields,
}

/// Unsets a field.
type Clear = fn(&mut SlaUpdate);

/// What `--clear` takes, and what it does.
const CLEARED: [(&str, Clear); 14] = [
    ("run-every", |rule| rule.expected_run_every_minutes = Some(None)),
    ("daily-time", |rule| rule.expected_daily_time = Some(None)),
    ("calendar", |rule| rule.calendar_id = Some(None)),
    ("failure-streak", |rule| rule.failure_streak = Some(None)),
    ("failure-rate", |rule| rule.failure_rate = Some(None)),
    ("max-duration-s", |rule| rule.max_duration_s = Some(None)),
    ("min-duration-s", |rule| rule.min_duration_s = Some(None)),
    ("duration-anomaly", |rule| rule.duration_anomaly = Some(None)),
    ("max-pending-age-s", |rule| rule.max_pending_age_s = Some(None)),
    ("max-backlog", |rule| rule.max_backlog = Some(None)),
    ("worker-gone-after-s", |rule| rule.worker_gone_after_s = Some(None)),
    ("escalate", |rule| rule.escalate = Some(Vec::new())),
    ("repeat-every", |rule| rule.repeat_every_minutes = Some(None)),
    ("channel", |rule| rule.notify_channels = Some(Vec::new())),
];

/// What people set.
#[derive(Args)]
struct Fields {
    /// File with fields of the rule as the API has them (null: none), JSON or YAML, - for standard input; options override it.
    #[arg(long, short = 'F', value_name = "FILE")]
    file: Option<String>,
    #[command(flatten)]
    target: TargetArgs,
    #[command(flatten)]
    deadlines: Deadlines,
    #[command(flatten)]
    outcomes: Outcomes,
    #[command(flatten)]
    limits: Limits,
    #[command(flatten)]
    terms: Terms,
}

/// What it is about.
#[derive(Args)]
#[group(multiple = false)]
struct TargetArgs {
    /// About this automation, by name or id.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
    /// About this queue.
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// About the automations of this domain.
    #[arg(long, value_name = "SLUG")]
    domain: Option<String>,
    /// About everything, which is the default of a new rule.
    #[arg(long)]
    everything: bool,
}

/// By when runs are expected.
#[derive(Args)]
struct Deadlines {
    /// A run succeeds at least so often.
    #[arg(long, value_name = "MINUTES")]
    run_every: Option<i64>,
    /// A run has succeeded by this time of each day, such as 06:30.
    #[arg(long, value_name = "TIME")]
    daily_time: Option<String>,
    /// How long before the daily time a run counts that no schedule started.
    #[arg(long, value_name = "MINUTES")]
    early: Option<i64>,
    /// How long after its deadline a run is late.
    #[arg(long, value_name = "MINUTES")]
    late_after: Option<i64>,
    /// Whether a late run is an alert; =false: only the state says so.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    alert_on_late: Option<bool>,
    /// A deadline that will probably be missed is an alert before it is; =false: it is none.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    forecast: Option<bool>,
    /// Name or id of the calendar whose days, hours and blackouts count.
    #[arg(long, value_name = "NAME")]
    calendar: Option<String>,
    /// IANA time zone; by default that of the hub's settings.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
}

/// How runs end, and how long they take.
#[derive(Args)]
struct Outcomes {
    /// A failed run is an alert, after its last retry; =false: it is none.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    alert_on_failure: Option<bool>,
    /// So many failures in a row are an alert.
    #[arg(long, value_name = "RUNS")]
    failure_streak: Option<i64>,
    /// More failures than this are an alert; of the runs of --failure-runs or --failure-window.
    #[arg(long, value_name = "PERCENT")]
    failure_rate: Option<i64>,
    /// --failure-rate is of the last so many runs.
    #[arg(long, value_name = "RUNS", conflicts_with = "failure_window")]
    failure_runs: Option<i64>,
    /// --failure-rate is of the runs of the last so many minutes.
    #[arg(long, value_name = "MINUTES")]
    failure_window: Option<i64>,
    /// --failure-rate does not count before so many runs.
    #[arg(long, value_name = "RUNS")]
    failure_at_least: Option<i64>,
    /// A run takes at most so long.
    #[arg(long, value_name = "SECONDS")]
    max_duration_s: Option<i64>,
    /// A run takes at least so long.
    #[arg(long, value_name = "SECONDS")]
    min_duration_s: Option<i64>,
    /// A run takes about as long as those of its hour and weekday before it; how unusual it must be: low, normal or high.
    #[arg(long, value_name = "SENSITIVITY", num_args = 0..=1, require_equals = true, default_missing_value = "normal")]
    duration_anomaly: Option<Sensitivity>,
}

/// What waits, works and is switched on.
#[derive(Args)]
struct Limits {
    /// A job that may start waits at most so long.
    #[arg(long, value_name = "SECONDS")]
    max_pending_age_s: Option<i64>,
    /// At most so many jobs that may start wait.
    #[arg(long, value_name = "JOBS")]
    max_backlog: Option<i64>,
    /// A worker is heard of at least so often.
    #[arg(long, value_name = "SECONDS")]
    worker_gone_after_s: Option<i64>,
    /// A schedule that is switched on and will not run again is an alert; =false: it is none.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    alert_on_dead_schedule: Option<bool>,
    /// A part of the hub that is stuck is an alert, of a rule for everything; =false: it is none.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    watch_hub: Option<bool>,
}

/// Who is told what.
#[derive(Args)]
struct Terms {
    /// How bad its alerts are at first: info, warning, error or critical.
    #[arg(long, value_name = "SEVERITY")]
    severity: Option<Severity>,
    /// How bad they become while nobody acknowledges them, such as 30:critical after 30 minutes. Repeat it for several steps.
    #[arg(long = "escalate", value_name = "MINUTES:SEVERITY", value_parser = step)]
    escalate: Vec<SlaEscalation>,
    /// How often people are reminded of an open alert.
    #[arg(long, value_name = "MINUTES")]
    repeat_every: Option<u32>,
    /// How long a measured limit must be kept again before its alert is resolved.
    #[arg(long, value_name = "MINUTES")]
    resolve_after: Option<u32>,
    /// Channel that its alerts go to, by name or id; without one, routing decides. Repeat it for several.
    #[arg(long = "channel", value_name = "NAME")]
    channels: Vec<String>,
    /// What to do, in Markdown.
    #[arg(long, value_name = "TEXT", conflicts_with = "note_file")]
    note: Option<String>,
    /// File with what to do, in Markdown, - for standard input.
    #[arg(long, value_name = "FILE")]
    note_file: Option<String>,
}

/// `30:critical`.
fn step(text: &str) -> Result<SlaEscalation, String> {
    let wrong = || "must be MINUTES:SEVERITY, such as 30:critical".to_owned();
    let (minutes, severity) = text.split_once(':').ok_or_else(wrong)?;
    let after_minutes = minutes.parse().map_err(|_| wrong())?;
    let severity = severity.parse().map_err(|error| format!("{}: {error}", wrong()))?;
    Ok(SlaEscalation { after_minutes, severity })
}

pub(super) async fn create(hub: &Hub, args: CreateArgs, is_json: bool) -> Outcome {
    let mut request = args.fields.read(hub, None).await?;
    request.name = args.name.or(request.name);
    let says = |rule: &Sla| format!("SLA rule {} is created: {}.", rule.name, expects(rule).join(", "));
    hub.change(hub.client.sla_create(&request), is_json, says).await
}

pub(super) async fn update(hub: &Hub, args: UpdateArgs, is_json: bool) -> Outcome {
    let rule = find(hub, &args.which).await?;
    let mut request = args.fields.read(hub, Some(&rule)).await?;
    request.name = args.new_name.or(request.name);
    for (_, clear) in CLEARED.iter().filter(|(option, _)| args.cleared.iter().any(|cleared| cleared == option)) {
        clear(&mut request);
    }
    let says = |rule: &Sla| format!("SLA rule {} is changed: {}.", rule.name, expects(rule).join(", "));
    hub.change(hub.client.sla_update(rule.id, &request), is_json, says).await
}

impl Fields {
    /// The fields that are given.
    async fn read(self, hub: &Hub, current: Option<&Sla>) -> Result<SlaUpdate, Fault> {
        let mut request = match self.file.as_deref() {
            Some(file) => read_document(file, "an object with fields of an SLA rule")?,
            None => SlaUpdate::default(),
        };
        self.target.set(hub, &mut request).await?;
        self.deadlines.set(hub, &mut request).await?;
        self.outcomes.set(&mut request, current)?;
        self.limits.set(&mut request);
        self.terms.set(hub, &mut request).await?;
        Ok(request)
    }
}

/// Replaces what is in `place` if there is a value.
fn set<T>(place: &mut Option<T>, value: Option<T>) {
    if value.is_some() {
        *place = value;
    }
}

impl TargetArgs {
    async fn set(self, hub: &Hub, request: &mut SlaUpdate) -> Result<(), Fault> {
        let Self { automation, queue, domain, everything } = self;
        if !everything && automation.is_none() && queue.is_none() && domain.is_none() {
            return Ok(());
        }
        let domain = match domain {
            Some(slug) => Some(domains::find(hub, &slug).await?.id),
            None => None,
        };
        request.automation_id = Some(automation::find_id(hub, automation.as_deref()).await?);
        (request.queue, request.domain_id) = (Some(queue), Some(domain));
        Ok(())
    }
}

impl Deadlines {
    async fn set(self, hub: &Hub, request: &mut SlaUpdate) -> Result<(), Fault> {
        let Self { run_every, daily_time, early, late_after, alert_on_late, forecast, calendar, timezone } = self;
        set(&mut request.expected_run_every_minutes, run_every.map(Some));
        set(&mut request.expected_daily_time, daily_time.map(Some));
        set(&mut request.early_minutes, early);
        set(&mut request.late_after_minutes, late_after);
        set(&mut request.alert_on_late, alert_on_late);
        set(&mut request.forecast, forecast);
        set(&mut request.timezone, timezone);
        if let Some(name) = calendar {
            request.calendar_id = Some(Some(calendar::find(hub, &name).await?.id));
        }
        Ok(())
    }
}

impl Outcomes {
    fn set(self, request: &mut SlaUpdate, current: Option<&Sla>) -> Result<(), Fault> {
        let before = request.failure_rate.flatten().or_else(|| current?.failure_rate);
        set(&mut request.failure_rate, self.rate(before)?.map(Some));
        set(&mut request.alert_on_failure, self.alert_on_failure);
        set(&mut request.failure_streak, self.failure_streak.map(Some));
        set(&mut request.max_duration_s, self.max_duration_s.map(Some));
        set(&mut request.min_duration_s, self.min_duration_s.map(Some));
        set(&mut request.duration_anomaly, self.duration_anomaly.map(|sensitivity| Some(SlaDurationAnomaly { sensitivity })));
        Ok(())
    }

    /// What is given of the rate, in the place of what was `before`.
    fn rate(&self, before: Option<SlaFailureRate>) -> Result<Option<SlaFailureRate>, Fault> {
        let Self { failure_rate, failure_runs, failure_window, failure_at_least, .. } = *self;
        if [failure_rate, failure_runs, failure_window, failure_at_least] == [None; 4] {
            return Ok(None);
        }
        let missing = || Fault::input("--failure-runs, --failure-window and --failure-at-least need --failure-rate");
        let percent = failure_rate.or(before.map(|rate| rate.percent)).ok_or_else(missing)?;
        let is_of_others = failure_runs.is_some() || failure_window.is_some();
        let of = before.filter(|_| !is_of_others);
        Ok(Some(SlaFailureRate {
            percent,
            runs: failure_runs.or(of.and_then(|rate| rate.runs)),
            window_minutes: failure_window.or(of.and_then(|rate| rate.window_minutes)),
            at_least: failure_at_least.or(before.map(|rate| rate.at_least)).unwrap_or(1),
        }))
    }
}

impl Limits {
    fn set(self, request: &mut SlaUpdate) {
        let Self { max_pending_age_s, max_backlog, worker_gone_after_s, alert_on_dead_schedule, watch_hub } = self;
        set(&mut request.max_pending_age_s, max_pending_age_s.map(Some));
        set(&mut request.max_backlog, max_backlog.map(Some));
        set(&mut request.worker_gone_after_s, worker_gone_after_s.map(Some));
        set(&mut request.alert_on_dead_schedule, alert_on_dead_schedule);
        set(&mut request.watch_hub, watch_hub);
    }
}

impl Terms {
    async fn set(self, hub: &Hub, request: &mut SlaUpdate) -> Result<(), Fault> {
        let Self { severity, escalate, repeat_every, resolve_after, channels, note, note_file } = self;
        set(&mut request.severity, severity);
        set(&mut request.escalate, Some(escalate).filter(|steps| !steps.is_empty()));
        set(&mut request.repeat_every_minutes, repeat_every.map(Some));
        set(&mut request.resolve_after_minutes, resolve_after);
        set(&mut request.note, note);
        set(&mut request.note, note_file.as_deref().map(read_text).transpose()?);
        set(&mut request.notify_channels, Some(ids(hub, &channels).await?).filter(|ids| !ids.is_empty()));
        Ok(())
    }
}

async fn ids(hub: &Hub, names: &[String]) -> Result<Vec<ChannelId>, Fault> {
    let mut ids = Vec::with_capacity(names.len());
    for name in names {
        ids.push(channel::find(hub, name).await?.id);
    }
    Ok(ids)
}
