//! Every service is restarted in order, as an upgrade does it.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use anyhow::{Context as _, Result};
use api_types::{AutomationFilter, ExecuteOptions, ScheduleFilter};
use tokio::time::sleep;
use uuid::Uuid;

use super::Injector;
use crate::{
    api::Request,
    robots,
    world::{START_LIMIT, await_ready},
};

/// Pause between two rounds of the client that works meanwhile.
const BETWEEN: Duration = Duration::from_millis(50);

impl Injector {
    /// Stops and starts gateways, schedulers and orchestrators one after the other; the next one when the one before is ready. A client with the
    /// addresses of both gateways, which repeats what is safe to repeat, notices nothing.
    pub(super) async fn restart_in_turn(&self) -> Result<()> {
        let _schedulers = self.schedulers.lock().await;
        self.await_all_ready().await?;
        let ended = AtomicBool::new(false);
        let restarts = async {
            for process in self.world.services() {
                process.part.stop().await?;
                process.part.up().await?;
                await_ready(&process.address, START_LIMIT).await.with_context(|| process.part.name().to_owned())?;
            }
            anyhow::Ok(())
        };
        let restarts = async {
            let restarted = restarts.await;
            ended.store(true, Ordering::Relaxed);
            restarted
        };
        tokio::join!(restarts, self.work_steadily(&ended)).0
    }

    /// Submits jobs, reads and lists them, and lists schedules; none of these requests may fail.
    async fn work_steadily(&self, ended: &AtomicBool) {
        let mut requests = 0_usize;
        while !ended.load(Ordering::Relaxed) {
            for shape in self.world.shapes.iter().filter(|shape| shape.is_fast()) {
                if let Err(error) = self.work_once(shape.automation).await {
                    self.world.journal.breach(format!("a request failed while services were restarted in turn: {error:#}"));
                }
                requests += 4;
            }
            sleep(BETWEEN).await;
        }
        self.world.journal.say(&format!("{requests} requests while services were restarted in turn"));
    }

    async fn work_once(&self, automation: i32) -> Result<()> {
        let client = self.world.api.steady();
        let parameters = robots::parameters(&self.world.books(), 0, 0);
        let request = Request { automation, parameters, priority: 9, key: format!("steady-{}", Uuid::new_v4()) };
        let options = ExecuteOptions { priority: Some(request.priority), ..ExecuteOptions::default() };
        let job =
            client.automation_execute(automation.into(), &request.parameters, &options, Some(&request.key)).await.context("execute")?;
        self.ledger.note(&request, job.id);
        client.job(job.id).await.context("job")?;
        client.automations(&AutomationFilter::default()).page().await.context("automations")?;
        client.schedules(&ScheduleFilter::default()).page().await.context("schedules").map(drop)
    }
}
