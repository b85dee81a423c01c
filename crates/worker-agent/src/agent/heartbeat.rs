use std::{sync::Arc, time::Duration};

use api_types::{HeartbeatRequest, HeartbeatResponse};

use super::core::Core;
use crate::job::Stop;

/// After a heartbeat that failed the next one comes at the latest after this.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// Prolongs the leases of the held jobs every `interval_s` seconds, until the agent ends.
pub(super) async fn run(core: Arc<Core>, interval_s: f64) {
    let interval =
        Duration::try_from_secs_f64(interval_s).unwrap_or(AFTER_FAILURE).clamp(Duration::from_millis(20), Duration::from_secs(300));
    let mut pause = interval;
    let mut away = false;
    loop {
        tokio::select! {
            () = core.aborted() => return,
            () = tokio::time::sleep(pause) => {}
        }
        let request = HeartbeatRequest { worker_id: core.worker_id(), jobs: core.held.leases(), cpu_percent: None, memory_bytes: None };
        match core.hub.heartbeat(&request).await {
            Ok(answer) => {
                if std::mem::take(&mut away) {
                    tracing::info!("the hub is back");
                }
                obey(&core, &answer);
                pause = interval;
            }
            Err(error) => {
                if error.status() == Some(404) && !error.is_transient() {
                    register(&core).await;
                } else if !std::mem::replace(&mut away, true) {
                    tracing::warn!(%error, "no heartbeat reaches the hub; jobs go on and are reported later");
                }
                pause = interval.min(AFTER_FAILURE);
            }
        }
    }
}

fn obey(core: &Core, answer: &HeartbeatResponse) {
    for job in &answer.cancel {
        tracing::info!(job.id = %job, "somebody asked to stop the job");
        core.held.stop(*job, Stop::Cancel);
    }
    for job in &answer.stale {
        core.held.stop(*job, Stop::Stale);
    }
}

async fn register(core: &Core) {
    tracing::warn!("the hub does not know this worker any more, registering again");
    if let Err(error) = core.register_once().await {
        tracing::warn!(%error, "cannot register again yet");
    }
}
