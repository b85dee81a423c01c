//! `regente job`.

use std::collections::{HashMap, HashSet};

use api_types::{AutomationFilter, ControlRequest, Job, JobFilter, LogFilter, Progress, RetryRequest};
use chrono::{DateTime, Utc};
use clap::{Args, Subcommand};
use domain::{
    ids::{AutomationId, JobId},
    job::Status,
};
use futures_util::TryStreamExt as _;

use super::{
    Exit, Fault, Outcome, automation,
    interrupt::{Interrupts, OnInterrupt},
    output::{LogPrinter, Width, age, duration, facts, json_list, moment, pretty, table},
    parameters::ParameterArgs,
    remote::{Hub, Remote, parse},
    run::{FollowArgs, accepted},
    watch::{self, Lines},
};
use crate::terminal;

/// Default number of listed jobs.
const DEFAULT_LIMIT: usize = 50;
/// Maximum number of items in a page.
const PAGE: usize = 1000;

/// Arguments of `job`.
#[derive(Args)]
pub(crate) struct JobArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: JobCommand,
}

#[derive(Subcommand)]
enum JobCommand {
    /// List jobs, newest first.
    List(Box<ListArgs>),
    /// Show one job.
    Show {
        /// Id of the job.
        id: JobId,
    },
    /// Print the log of a job.
    Logs {
        /// Id of the job.
        id: JobId,
        /// Print new lines until the job ends; the exit code is the job's outcome.
        #[arg(long, short)]
        follow: bool,
    },
    /// Cancel a job: a pending one at once, a running one by asking its program to stop.
    Cancel {
        /// Id of the job.
        id: JobId,
        /// Reason, recorded in the job's events.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Pause a job that runs: its processes are suspended.
    Pause {
        /// Its id.
        id: JobId,
        /// Why, for the job's events.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Let a paused job go on; one that is parked is dispatched again.
    Resume {
        /// Its id.
        id: JobId,
        /// Why, for the job's events.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
    },
    /// Retry an ended job as a new job.
    Retry(Box<RetryArgs>),
}

/// Filters of the list.
#[derive(Args)]
struct ListArgs {
    /// Only these statuses, separated by commas: pending, running, paused, completed, completed_no_invoices, failed, canceled.
    #[arg(long, value_name = "STATUS")]
    status: Option<String>,
    /// Only jobs of this automation.
    #[arg(long, value_name = "NAME")]
    automation: Option<String>,
    /// Only jobs of this domain's automations.
    #[arg(long, value_name = "SLUG")]
    domain: Option<String>,
    /// Only jobs of this queue.
    #[arg(long, value_name = "NAME")]
    queue: Option<String>,
    /// Only jobs that failed with this error class.
    #[arg(long, value_name = "CLASS")]
    error_class: Option<String>,
    /// Only jobs with this trigger.
    #[arg(long, value_name = "TRIGGER")]
    trigger: Option<String>,
    /// Only jobs accepted at this time or later: 2026-11-26T08:30:00-03:00, or a date (UTC).
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    from: Option<DateTime<Utc>>,
    /// Only jobs accepted before this time.
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    to: Option<DateTime<Utc>>,
    /// Maximum number of jobs.
    #[arg(long, default_value_t = DEFAULT_LIMIT, value_name = "N", conflicts_with = "all")]
    limit: usize,
    /// List all jobs.
    #[arg(long)]
    all: bool,
}

/// Arguments of `job retry`.
#[derive(Args)]
struct RetryArgs {
    /// Id of the job.
    id: JobId,
    /// Parameters that override the job's.
    #[command(flatten)]
    parameters: ParameterArgs,
    /// Priority, 0 to 9; by default the job's.
    #[arg(long, value_name = "N")]
    priority: Option<i32>,
    #[command(flatten)]
    follow: FollowArgs,
}

pub(super) async fn run(args: JobArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        JobCommand::List(args) => list(&hub, *args, is_json).await,
        JobCommand::Show { id } => show(&hub, id, is_json).await,
        JobCommand::Logs { id, follow: false } => logs(&hub, id, is_json).await,
        JobCommand::Logs { id, follow: true } => {
            let lines = if is_json { Lines::Json } else { Lines::Text(LogPrinter::dated()) };
            let ended = watch::follow(&hub, id, lines, OnInterrupt::Detach, &mut Interrupts::listen()?).await?;
            Ok(ended.map_or(Exit::Interrupted, |job| job.status.into()))
        }
        JobCommand::Cancel { id, reason } => {
            let says = |job: &Job| match job.status.is_terminal() {
                true => format!("Job {id} is {}.", status(job.status)),
                false => format!("Job {id} was asked to stop."),
            };
            hub.change(hub.client.job_cancel(id, &ControlRequest { reason }), is_json, says).await
        }
        JobCommand::Pause { id, reason } => hub.change(hub.client.job_pause(id, &ControlRequest { reason }), is_json, is_now).await,
        JobCommand::Resume { id, reason } => hub.change(hub.client.job_resume(id, &ControlRequest { reason }), is_json, is_now).await,
        JobCommand::Retry(args) => retry(&hub, *args, is_json).await,
    }
}

fn is_now(job: &Job) -> String {
    format!("Job {} is {}.", job.id, status(job.status))
}

async fn list(hub: &Hub, args: ListArgs, is_json: bool) -> Outcome {
    let automation_id = match &args.automation {
        Some(name) => Some(automation::find(hub, name).await?.id),
        None => None,
    };
    let most = if args.all { usize::MAX } else { args.limit };
    let filter = JobFilter {
        status: args.status,
        automation_id,
        domain: args.domain,
        queue_name: args.queue,
        error_class: args.error_class,
        trigger: args.trigger,
        created_from: args.from,
        created_to: args.to,
        limit: u32::try_from(most.clamp(1, PAGE)).ok(),
        ..JobFilter::default()
    };
    let jobs = hub.client.jobs(&filter);
    if is_json {
        json_list(hub, jobs, most).await?;
        return Ok(Exit::Done);
    }
    let mut jobs = jobs.take(most.saturating_add(1)).await.map_err(|error| hub.fault(error))?;
    let are_more = jobs.len() > most;
    jobs.truncate(most);
    let names = names(hub, &jobs).await?;
    let columns = [
        ("job", Width::Whole),
        ("automation", Width::AtLeast(12)),
        ("status", Width::Whole),
        ("age", Width::Whole),
        ("took", Width::Whole),
        ("remark", Width::Cut),
    ];
    let now = Utc::now();
    let row = |job: &Job| {
        let name = names.get(&job.automation_id).cloned().unwrap_or_else(|| job.automation_id.to_string());
        let took = job.started_at.map(|from| duration(job.completed_at.unwrap_or(now) - from));
        vec![job.id.to_string(), name, status(job.status), age(now - job.created_at), took.unwrap_or_default(), remark(job)]
    };
    table(&columns, &jobs.iter().map(row).collect::<Vec<_>>())?;
    if are_more {
        terminal::note(&format!("there are more than these {most}: --limit N or --all shows them"));
    }
    Ok(Exit::Done)
}

/// Names of these jobs' automations, including archived ones.
async fn names(hub: &Hub, jobs: &[Job]) -> Result<HashMap<AutomationId, String>, Fault> {
    let mut missing: HashSet<AutomationId> = jobs.iter().map(|job| job.automation_id).collect();
    let mut names = HashMap::new();
    let mut all = hub.client.automations(&AutomationFilter { limit: Some(1000), archived: true, ..AutomationFilter::default() }).items();
    while !missing.is_empty() {
        let Some(automation) = all.try_next().await.map_err(|error| hub.fault(error))? else { break };
        if missing.remove(&automation.id) {
            names.insert(automation.id, automation.name);
        }
    }
    Ok(names)
}

/// The status for people.
pub(super) fn status(status: Status) -> String {
    match status {
        Status::CompletedNoInvoices => "completed, no data".to_owned(),
        status => status.to_string(),
    }
}

/// Remark on a job in a list.
fn remark(job: &Job) -> String {
    if let Some(reason) = &job.waiting_reason {
        return reason.message.clone();
    }
    if job.status.is_terminal() {
        return failure(job).unwrap_or_default();
    }
    job.progress.as_ref().map(progress).unwrap_or_default()
}

fn failure(job: &Job) -> Option<String> {
    let class = job.error_class.as_ref().map(|class| class.as_str().to_owned());
    let parts: Vec<String> = class.into_iter().chain(job.error_message.clone()).collect();
    Some(parts.join(": ")).filter(|text| !text.is_empty())
}

fn progress(progress: &Progress) -> String {
    let steps = progress.step.map(|step| match progress.total_steps {
        Some(total) => format!("step {step} of {total}"),
        None => format!("step {step}"),
    });
    let percent = progress.percent.map(|percent| format!("{percent} %"));
    [steps, percent, progress.message.clone()].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

async fn show(hub: &Hub, id: JobId, is_json: bool) -> Outcome {
    let text = hub.client.job(id).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    let job: Job = parse(&text)?;
    // It stays for ever, also after its automation was archived.
    let automation = hub.client.automation(job.automation_id).await.map_err(|error| hub.fault(error))?;
    let took = job.started_at.zip(job.completed_at).map(|(from, to)| duration(to - from));
    facts([
        ("job", Some(job.id.to_string())),
        ("automation", Some(format!("{} (id {})", automation.name, automation.id))),
        ("queue", Some(job.queue_name.clone())),
        ("status", Some(status(job.status))),
        ("waits", job.waiting_reason.as_ref().map(|reason| reason.message.clone())),
        ("error", failure(&job)),
        ("progress", job.progress.as_ref().map(progress)),
        ("trigger", Some(job.trigger.as_str().to_owned())),
        ("priority", Some(job.priority.to_string())),
        ("attempt", Some(job.attempt.to_string())),
        ("retry of", job.retry_of.map(|id| id.to_string())),
        ("worker", job.worker_id.map(|id| id.to_string())),
        ("accepted", Some(moment(job.created_at))),
        ("not before", job.not_before.map(moment)),
        ("started", job.started_at.map(moment)),
        ("ended", job.completed_at.map(moment)),
        ("took", took),
        ("cancel asked", job.cancellation_requested_at.map(moment)),
        ("parameters", Some(pretty(&serde_json::Value::Object(job.parameters.clone())))),
        ("result", job.result.as_ref().map(pretty)),
    ])?;
    Ok(Exit::Done)
}

async fn logs(hub: &Hub, id: JobId, is_json: bool) -> Outcome {
    let lines = hub.client.job_logs(id, &LogFilter::default());
    if is_json {
        json_list(hub, lines, usize::MAX).await?;
        return Ok(Exit::Done);
    }
    let (printer, mut lines) = (LogPrinter::dated(), lines.items());
    while let Some(line) = lines.try_next().await.map_err(|error| hub.fault(error))? {
        printer.print(&line)?;
    }
    Ok(Exit::Done)
}

async fn retry(hub: &Hub, args: RetryArgs, is_json: bool) -> Outcome {
    let mut request = RetryRequest { parameters: args.parameters.file()?, priority: args.priority };
    if !args.parameters.is_empty() {
        let job = hub.client.job(args.id).await.map_err(|error| hub.fault(error))?;
        let automation = hub.client.automation(job.automation_id).await.map_err(|error| hub.fault(error))?;
        // A file has all parameters; -p overrides those of the job.
        let parameters = request.parameters.get_or_insert(job.parameters);
        args.parameters.set(parameters, automation.parameter_schema.as_ref())?;
    }
    let text = hub.client.job_retry(args.id, &request).text().await.map_err(|error| hub.fault(error))?;
    accepted(hub, &text, &args.follow, is_json).await
}
