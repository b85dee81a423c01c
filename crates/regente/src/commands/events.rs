//! `regente events`.

use std::io;

use api_types::{Event, EventFilter};
use chrono::SecondsFormat;
use clap::Args;
use client::LiveEvent;
use domain::ids::JobId;
use futures_util::TryStreamExt as _;
use serde_json::{Map, Value};

use super::{Exit, Outcome, automation, interrupt::Interrupts, output::plain, remote::Remote};
use crate::terminal;

/// Arguments of `events`.
#[derive(Args)]
pub(crate) struct EventsArgs {
    #[command(flatten)]
    remote: Remote,
    /// Only these kinds: job.failed, or 'job.*' for all of a noun.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<String>,
    /// Only events of these jobs.
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    job: Vec<JobId>,
    /// Only events of these automations, their jobs and their queues.
    #[arg(long, value_name = "NAME")]
    automation: Vec<String>,
    /// Only events of automations of these domains.
    #[arg(long, value_name = "SLUG", value_delimiter = ',')]
    domain: Vec<String>,
    /// Go on after the event with this id.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
    /// Exit after this many events.
    #[arg(long, value_name = "N")]
    count: Option<usize>,
}

/// Prints events until it is interrupted.
pub(super) async fn run(args: EventsArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    let mut automations = Vec::new();
    for name in &args.automation {
        automations.push(automation::find(&hub, name).await?.id);
    }
    let filter = EventFilter { kinds: args.kind, jobs: args.job, automations, domains: args.domain, last_event_id: args.after };
    let (mut events, mut interrupts) = (hub.client.events(&filter), Interrupts::listen()?);
    let mut left = args.count.unwrap_or(usize::MAX);
    while left > 0 {
        let event = tokio::select! {
            event = events.try_next() => event.map_err(|error| hub.fault(error))?,
            _ = interrupts.next() => return Ok(Exit::Interrupted),
        };
        match event {
            Some(LiveEvent::Happened(event)) => {
                print(&event, is_json)?;
                left -= 1;
            }
            Some(LiveEvent::Missed) => terminal::note("events were missed"),
            Some(LiveEvent::Interrupted(error)) => terminal::note(&format!("{error}; trying again")),
            None => break,
        }
    }
    Ok(Exit::Done)
}

fn print(event: &Event, is_json: bool) -> io::Result<()> {
    if is_json {
        return terminal::line(&serde_json::to_string(event)?);
    }
    let at = event.occurred_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    terminal::line(&plain(&format!("{at} {:<20} {} {}", event.kind, event.subject, facts(&event.data))))
}

/// The fields of its kind that the subject does not say, as `name=value`.
fn facts(data: &Map<String, Value>) -> String {
    let shown = ["automation_id", "status", "error_class", "worker_id", "name", "queue_name", "queues"];
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let fact = |name: &&str| {
        let value = data.get(*name).filter(|value| !value.is_null()).map(text).filter(|text| !text.is_empty())?;
        Some(format!("{name}={value}"))
    };
    shown.iter().filter_map(fact).collect::<Vec<_>>().join(" ")
}
