use std::{fmt::Write as _, time::Duration};

use anyhow::{Result, ensure};
use api_types::AutomationCreate;
use chrono::{DateTime, Datelike as _, Utc};
use domain::automation::QueueProfile;
use serde::Deserialize;
use tokio::time::{Instant, sleep};

use super::{FIRES, LIMIT, Scheduler};
use crate::{
    context::Bench,
    hub::{Hub, Site},
};

/// Schedules of an automation.
const EACH: usize = 1_000;
/// Automations of a document, which has at most 5,000 schedules.
const AUTOMATIONS: usize = 5;
/// How long the hub has to see what was created.
const PATIENCE: Duration = Duration::from_secs(300);
/// Between two looks at the database.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Fires of a page.
const PAGE: usize = 1_000;
/// Automations whose schedules are not due, and those whose schedules are.
const IDLE: &str = "bench-idle";
const DUE: &str = "bench-due";

/// `regente up`, whose schedules come by import.
pub(super) struct Regente<'a> {
    bench: &'a Bench,
    site: Site,
    hub: Hub,
}

#[derive(Deserialize)]
struct Listed {
    next_fires: Vec<serde::de::IgnoredAny>,
}

impl<'a> Regente<'a> {
    /// A hub with the automations that all schedules need: what these cost is no schedule's.
    pub(super) async fn start(bench: &'a Bench) -> Result<Self> {
        let site = bench.site(Self::DATABASE).await?;
        let hub = Hub::start(bench, &site).await?;
        for (name, schedules) in [(IDLE, bench.options.schedules), (DUE, bench.options.due)] {
            for number in 0..schedules.div_ceil(EACH) {
                let create = AutomationCreate {
                    name: format!("{name}-{number}"),
                    queue_name: Some("bench-schedules".to_owned()),
                    queue_profile: Some(QueueProfile::Regente),
                    script_path: "noop.py".to_owned(),
                    ..AutomationCreate::default()
                };
                hub.api.automation_create(&create).await?;
            }
        }
        Ok(Self { bench, site, hub })
    }

    pub(super) async fn stop(self) -> Result<()> {
        self.hub.stop().await
    }

    /// How long a page of the coming fires of all schedules takes, in the order of time.
    pub(super) async fn calendar_ms(&self, rounds: usize) -> Result<Vec<f64>> {
        let mut times = Vec::new();
        for _ in 0..rounds {
            let begun = Instant::now();
            let fires: Vec<serde::de::IgnoredAny> = self.hub.api.get(&format!("schedules/fires?limit={PAGE}")).await?;
            times.push(begun.elapsed().as_secs_f64() * 1000.0);
            ensure!(!fires.is_empty(), "no fire is to come");
        }
        Ok(times)
    }

    /// Imports so many schedules that are due by this expression.
    async fn import(&self, name: &str, count: usize, cron: &str) -> Result<()> {
        let automations: Vec<usize> = (0..count.div_ceil(EACH)).collect();
        for some in automations.chunks(AUTOMATIONS) {
            let mut document = "automations:\n".to_owned();
            for automation in some {
                writeln!(document, "  {name}-{automation}:")?;
                for number in (automation * EACH)..((automation + 1) * EACH).min(count) {
                    writeln!(document, "    s{number}: {{cron_expression: \"{cron}\", timezone: UTC}}")?;
                }
            }
            self.hub.api.schedules_import(document).await?;
        }
        Ok(())
    }

    /// Waits until so many schedules are to be looked at then, seconds since 1970.
    async fn await_waking(&self, count: usize, at: i64) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let statement = "SELECT count(*) FROM schedules WHERE wake_at = to_timestamp($1)";
            let waking: i64 = sqlx::query_scalar(statement).bind(as_f64(at)).fetch_one(&self.hub.database).await?;
            if usize::try_from(waking)? == count {
                return Ok(());
            }
            ensure!(Instant::now() < deadline, "only {waking} of {count} schedules are due at {at}");
            sleep(LOOK_EVERY).await;
        }
    }
}

impl Scheduler for Regente<'_> {
    const NAME: &'static str = "Regente";
    const DATABASE: &'static str = "schedules";

    fn pid(&self) -> u32 {
        self.hub.process.pid
    }

    async fn restart(self) -> Result<Self> {
        self.hub.stop().await?;
        let hub = Hub::start(self.bench, &self.site).await?;
        Ok(Self { hub, ..self })
    }

    async fn create(&mut self, count: usize) -> Result<()> {
        self.import(IDLE, count, &format!("30 7 1 {} *", distant_month())).await?;
        // A new schedule is to be looked at since 1970.
        self.await_waking(0, 0).await
    }

    async fn prepare(&mut self, due: usize, at: i64) -> Result<()> {
        let clock = DateTime::from_timestamp(at, 0).unwrap_or_default();
        self.import(DUE, due, &clock.format("%-S %-M %-H * * *").to_string()).await?;
        self.await_waking(due, at).await
    }

    async fn observe(&mut self, due: usize, at: i64) -> Result<Vec<f64>> {
        let deadline = DateTime::from_timestamp(at, 0).unwrap_or_default() + LIMIT;
        loop {
            let statement = "SELECT count(*) FROM schedule_fires WHERE slot_at = to_timestamp($1)";
            let decided: i64 = sqlx::query_scalar(statement).bind(as_f64(at)).fetch_one(&self.hub.database).await?;
            if usize::try_from(decided)? >= due || Utc::now() > deadline {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        // A fire is decided when the intake has answered, which is after the commit of its job.
        let statement = "SELECT extract(epoch FROM f.decided_at - f.run_at)::float8 * 1000 FROM schedule_fires f
            JOIN jobs j ON j.id = f.job_id WHERE f.slot_at = to_timestamp($1) AND f.state = 'created'";
        let late_ms: Vec<f64> = sqlx::query_scalar(statement).bind(as_f64(at)).fetch_all(&self.hub.database).await?;
        Ok(late_ms)
    }

    async fn read(&mut self, schedules: usize) -> Result<()> {
        let listed: Vec<Listed> = self.hub.api.get(&format!("schedules?limit={schedules}")).await?;
        let complete = listed.iter().filter(|schedule| schedule.next_fires.len() == FIRES).count();
        ensure!(complete == schedules, "the hub lists {complete} of {schedules} schedules with {FIRES} fires each");
        Ok(())
    }
}

/// A month that is far away on every day of this one.
pub(super) fn distant_month() -> u32 {
    (Utc::now().month() + 5) % 12 + 1
}

/// Seconds since 1970 as PostgreSQL takes them.
#[expect(clippy::cast_precision_loss, reason = "seconds of this age are far below 2^52")]
const fn as_f64(seconds: i64) -> f64 {
    seconds as f64
}
