//! `regente run`.

use api_types::{Job, JobCreate};
use chrono::{DateTime, Utc};
use clap::Args;
use uuid::Uuid;

use super::{
    Exit, Outcome, automation,
    interrupt::OnInterrupt,
    job::status,
    output::LogPrinter,
    parameters::ParameterArgs,
    remote::Remote,
    watch::{self, Lines},
};
use crate::terminal;

/// Arguments of `run`.
#[derive(Args)]
pub(crate) struct RunArgs {
    /// Name or id of the automation.
    #[arg(value_name = "NAME")]
    automation: String,
    #[command(flatten)]
    parameters: ParameterArgs,
    /// Priority, 0 to 9; higher is dispatched first.
    #[arg(long, value_name = "N")]
    priority: Option<i32>,
    /// Do not start before this time: 2026-11-26T08:30:00-03:00, or a date (UTC).
    #[arg(long, value_name = "TIME", value_parser = api_types::parse_moment)]
    not_before: Option<DateTime<Utc>>,
    /// Makes the request repeatable: the same key returns the same job.
    #[arg(long, value_name = "KEY")]
    idempotency_key: Option<String>,
    #[command(flatten)]
    follow: FollowArgs,
    #[command(flatten)]
    remote: Remote,
}

/// How a new job is followed.
#[derive(Args)]
pub(super) struct FollowArgs {
    /// Show the live log of each attempt and a progress bar; the exit code is the outcome of the last attempt.
    #[arg(long, short)]
    follow: bool,
    /// Ctrl-C cancels the job, without asking.
    #[arg(long, requires = "follow")]
    cancel_on_interrupt: bool,
}

pub(super) async fn run(args: RunArgs) -> Outcome {
    let from_file = args.parameters.file()?;
    let hub = args.remote.hub()?;
    let automation = automation::find(&hub, &args.automation).await?;
    let mut parameters = from_file.unwrap_or_default();
    args.parameters.set(&mut parameters, automation.parameter_schema.as_ref())?;
    let request = JobCreate {
        automation_id: automation.id,
        parameters,
        priority: args.priority,
        not_before: args.not_before,
        // With a key the request can be repeated when its answer is lost.
        idempotency_key: Some(args.idempotency_key.unwrap_or_else(|| Uuid::new_v4().to_string())),
        ..JobCreate::default()
    };
    let text = hub.client.job_create(&request).text().await.map_err(|error| hub.fault(error))?;
    accepted(&hub, &text, &args.follow, args.remote.is_json()).await
}

/// Handles an accepted job, whose body is `text`.
pub(super) async fn accepted(hub: &super::remote::Hub, text: &str, args: &FollowArgs, is_json: bool) -> Outcome {
    let job: Job = super::remote::parse(text)?;
    if !args.follow {
        if is_json {
            terminal::line(text)?;
        } else {
            terminal::line(&format!("Job {} is {}. `regente job logs -f {}` follows it.", job.id, status(job.status), job.id))?;
        }
        return Ok(Exit::Done);
    }
    terminal::note(&format!("job {} is {}", job.id, status(job.status)));
    let on_interrupt = if args.cancel_on_interrupt { OnInterrupt::Cancel } else { OnInterrupt::Ask };
    let lines = || Lines::Text(if is_json { LogPrinter::beside() } else { LogPrinter::live() });
    let left = watch::follow_attempts(hub, job.id, lines, on_interrupt).await?;
    watch::conclude(hub, left, is_json).await
}
