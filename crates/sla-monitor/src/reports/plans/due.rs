//! Sends the plans that are due.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::schedule::input;
use futures_util::future::BoxFuture;
use runtime::{Counts, Failure, Reconciler, Shutdown, TaskError};
use store::report_plans::{Stored, report_plan_list_due_unscoped, report_plan_send};

use super::Plans;

/// Plans that a run reads.
const BATCH: u64 = 100;

/// The reconciler.
pub(crate) struct Due {
    pub(super) plans: Plans,
    pub(super) shutdown: Shutdown,
}

impl Due {
    /// `false`: another replica was faster, or somebody changed it.
    async fn send(&self, stored: &Stored, now: DateTime<Utc>) -> Result<bool, Failure> {
        let reports = &self.plans.reports;
        let next = match input::zone(&stored.plan.timezone, &reports.zones) {
            Ok(zone) => stored.plan.due_after(now, &zone),
            Err(fault) => {
                tracing::error!(report_plan.id = %stored.id, fault = fault.message, "a report plan is not sent any more");
                return Ok(report_plan_send(&reports.database, stored, (&[], None), now).await?);
            }
        };
        let messages = self.plans.messages(&stored.plan, now).await?;
        let is_sent = report_plan_send(&reports.database, stored, (&messages, next), now).await?;
        if is_sent {
            tracing::info!(report_plan.id = %stored.id, messages = messages.len(), "a report is on its way");
            self.plans.planned.notify_one();
        }
        Ok(is_sent)
    }
}

impl Reconciler for Due {
    fn name(&self) -> &'static str {
        "report_plans"
    }

    fn interval(&self) -> Duration {
        Duration::from_secs(15)
    }

    fn limit(&self) -> Duration {
        Duration::from_secs(60)
    }

    fn run_once(&self, now: DateTime<Utc>) -> BoxFuture<'_, Result<Counts, TaskError>> {
        Box::pin(async move {
            let (mut sent, mut failed) = (0, None);
            for stored in report_plan_list_due_unscoped(&self.plans.reports.database, now, BATCH).await? {
                if self.shutdown.is_triggered() {
                    break;
                }
                match self.send(&stored, now).await {
                    Ok(is_sent) => sent += u64::from(is_sent),
                    // One that fails does not keep the others from being sent.
                    Err(error) => failed = Some(format!("report plan {} was not sent: {error}", stored.id)),
                }
            }
            failed.map_or_else(|| Ok(Counts::from([("plans_sent", sent)])), |error| Err(error.into()))
        })
    }
}
