//! `regente worker list`, `pause` and `resume`: workers as the hub sees them.

use api_types::{Worker, WorkerFilter};
use chrono::Utc;
use clap::Subcommand;
use domain::worker::State;
use futures_util::TryStreamExt as _;

use super::{
    Fault, Outcome,
    output::{Width, age, listed},
    remote::{Hub, Remote},
};

/// What to do with the workers of a hub.
#[derive(Subcommand)]
pub(crate) enum WorkersCommand {
    /// List the workers of a hub.
    List {
        /// Only those in this state: running, paused, stopped or lost.
        #[arg(long, value_name = "STATE")]
        state: Option<State>,
        /// Only those that take jobs from this queue.
        #[arg(long, value_name = "NAME")]
        queue: Option<String>,
        /// Only those with this label.
        #[arg(long, value_name = "LABEL")]
        label: Option<String>,
        #[command(flatten)]
        remote: Remote,
    },
    /// Pause a worker: it finishes its jobs and takes no new ones.
    Pause {
        /// Its name, or its id.
        name: String,
        #[command(flatten)]
        remote: Remote,
    },
    /// Let a paused worker take jobs again.
    Resume {
        /// Its name, or its id.
        name: String,
        #[command(flatten)]
        remote: Remote,
    },
}

const COLUMNS: [(&str, Width); 8] = [
    ("worker", Width::Whole),
    ("state", Width::Whole),
    ("jobs", Width::Whole),
    ("last seen", Width::Whole),
    ("queues", Width::Cut),
    ("labels", Width::Cut),
    ("version", Width::Cut),
    ("host", Width::Cut),
];

pub(super) async fn run(command: WorkersCommand) -> Outcome {
    match command {
        WorkersCommand::List { state, queue, label, remote } => {
            let state = state.map(|state| state.as_str().to_owned());
            let hub = remote.hub()?;
            let workers = hub.client.workers(&WorkerFilter { state, queue, label, limit: Some(1000), after: None });
            listed(&hub, workers, remote.is_json(), &COLUMNS, row).await
        }
        WorkersCommand::Pause { name, remote } => {
            let hub = remote.hub()?;
            let says = |worker: &Worker| format!("Worker {} is paused until somebody resumes it.", worker.name);
            hub.change(hub.client.worker_pause(find(&hub, &name).await?.id), remote.is_json(), says).await
        }
        WorkersCommand::Resume { name, remote } => {
            let hub = remote.hub()?;
            let says = |worker: &Worker| format!("Worker {} is {}.", worker.name, worker.state);
            hub.change(hub.client.worker_resume(find(&hub, &name).await?.id), remote.is_json(), says).await
        }
    }
}

/// The worker with this name, or with this id.
async fn find(hub: &Hub, name: &str) -> Result<Worker, Fault> {
    let all = hub.client.workers(&WorkerFilter { limit: Some(1000), ..WorkerFilter::default() }).items();
    let wanted = all.try_filter(|worker| std::future::ready(worker.name == name || worker.id.to_string() == name));
    let found = std::pin::pin!(wanted).try_next().await.map_err(|error| hub.fault(error))?;
    let missing = || Fault::here(format!("there is no worker \"{name}\" at {}: `regente worker list` shows them", hub.client.url()));
    found.ok_or_else(missing)
}

fn row(worker: &Worker) -> Vec<String> {
    vec![
        worker.name.clone(),
        worker.state.to_string(),
        format!("{} of {}", worker.running_jobs, worker.slots),
        format!("{} ago", age(Utc::now() - worker.last_heartbeat_at)),
        worker.queues.join(", "),
        worker.labels.join(", "),
        worker.version.clone(),
        worker.hostname.clone(),
    ]
}
