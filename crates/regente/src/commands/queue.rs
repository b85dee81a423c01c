//! `regente queue`.

use api_types::{Queue, QueueFilter};
use clap::{Args, Subcommand};

use super::{
    Outcome,
    output::{Width, listed},
    pause::{PauseArgs, lasts, pause},
    remote::Remote,
};

/// What to do with queues.
#[derive(Args)]
pub(crate) struct QueueArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: QueueCommand,
}

#[derive(Subcommand)]
enum QueueCommand {
    /// List queues, and how many jobs wait and run.
    List,
    /// Pause a queue: its jobs wait; those that run go on.
    Pause {
        /// Its name.
        name: String,
        #[command(flatten)]
        pause: PauseArgs,
    },
    /// Let the jobs of a paused queue start again.
    Resume {
        /// Its name.
        name: String,
    },
}

const COLUMNS: [(&str, Width); 5] =
    [("queue", Width::Whole), ("waiting", Width::Whole), ("running", Width::Whole), ("state", Width::Whole), ("paused", Width::Cut)];

pub(super) async fn run(args: QueueArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        QueueCommand::List => {
            let queues = hub.client.queues(&QueueFilter { limit: Some(1000), after: None });
            listed(&hub, queues, is_json, &COLUMNS, row).await
        }
        QueueCommand::Pause { name, pause } => {
            let says = |queue: &Queue| format!("Queue {} is paused {}.", queue.name, lasts(queue.paused_until));
            hub.change(hub.client.queue_pause(&name, &pause.into()), is_json, says).await
        }
        QueueCommand::Resume { name } => {
            hub.change(hub.client.queue_resume(&name), is_json, |queue| format!("Queue {} is active.", queue.name)).await
        }
    }
}

fn row(queue: &Queue) -> Vec<String> {
    let paused = pause(queue.paused_at, queue.paused_until, queue.paused_by.as_deref(), queue.paused_reason.as_deref());
    let state = if paused.is_some() { "paused" } else { "active" };
    vec![queue.name.clone(), queue.waiting.to_string(), queue.running.to_string(), state.to_owned(), paused.unwrap_or_default()]
}
