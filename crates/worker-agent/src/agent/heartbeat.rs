//! Keeps the leases of held jobs alive.
//!
//! A heartbeat carries every lease that this worker holds, and its answer the desired state of all of them, so that one lost request or
//! answer is repaired by the next. Heartbeats go on through a drain and until every end is reported: without them the hub would count the
//! jobs as lost. One that is not answered is given up soon: behind a gateway the next one reaches another replica, while the leases last.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use api_types::HeartbeatRequest;

use super::core::Core;
use crate::{HubError, host::Load};

/// Maximum pause after a failed heartbeat.
const AFTER_FAILURE: Duration = Duration::from_secs(2);

/// How long the answer to one may take, in intervals between two, and at least.
const PATIENCE: u32 = 2;
const LEAST_PATIENCE: Duration = Duration::from_secs(1);

/// Sends heartbeats.
pub(super) struct Heart {
    core: Arc<Core>,
    load: Load,
    interval: Duration,
    unreachable: bool,
}

impl Heart {
    pub(super) fn new(core: Arc<Core>, interval_s: f64) -> Self {
        let interval = Duration::try_from_secs_f64(interval_s).unwrap_or(AFTER_FAILURE);
        let interval = interval.clamp(Duration::from_millis(20), Duration::from_secs(300));
        Self { core, load: Load::default(), interval, unreachable: false }
    }

    /// Renews the leases of the held jobs until the agent ends.
    pub(super) async fn run(mut self) {
        let mut pause = self.interval;
        loop {
            tokio::select! {
                () = self.core.aborted() => return,
                () = tokio::time::sleep(pause) => {}
            }
            pause = self.beat().await;
        }
    }

    /// Sends one heartbeat and applies its answer. Returns the time until the next one.
    pub(super) async fn beat(&mut self) -> Duration {
        let core = &self.core;
        let load = self.load.measure();
        let request = HeartbeatRequest {
            worker_id: core.worker_id(),
            jobs: core.held.leases(),
            cpu_percent: load.cpu_percent,
            memory_bytes: load.memory_bytes,
        };
        let asked = Instant::now();
        match core.hub.heartbeat(&request, (self.interval * PATIENCE).max(LEAST_PATIENCE)).await {
            Ok(answer) => {
                if std::mem::take(&mut self.unreachable) {
                    tracing::info!("the hub is reachable again");
                }
                core.apply_heartbeat(&request, &answer, asked);
                self.interval
            }
            Err(error) => {
                self.after_failure(&error).await;
                self.interval.min(AFTER_FAILURE)
            }
        }
    }

    async fn after_failure(&mut self, error: &HubError) {
        if error.status() == Some(404) && !error.is_transient() {
            // The next heartbeat tries again.
            let _again = self.core.register_again().await;
        } else if std::mem::replace(&mut self.unreachable, true) {
            // Logged when it began.
        } else if error.is_unauthorized() {
            tracing::error!(
                %error,
                "the hub refuses this worker, and its jobs are lost when their leases expire: restart it with a key or token that the \
                 hub accepts"
            );
        } else {
            tracing::warn!(%error, "no heartbeat reaches the hub; jobs keep running and are reported later");
        }
    }
}
