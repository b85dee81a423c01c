//! An operator who cancels, pauses and changes things during the faults.

mod schedules;

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use domain::ids::JobId;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::StatusCode;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};

use crate::{
    api::is_to_be_repeated,
    load::Ledger,
    observer::Target,
    world::{HUBS, World},
};

/// Minimum and maximum pause between two actions, in milliseconds.
const EVERY_MS: (u64, u64) = (500, 2_000);
/// Minimum and maximum duration of a pause, in milliseconds.
const PAUSED_MS: (u64, u64) = (1_000, 3_000);
const BEFORE_REPEAT: Duration = Duration::from_millis(200);

/// Sends the requests of an operator. Only what was requested counts: each may be refused or stay unanswered.
pub(crate) struct Operator {
    pub(crate) world: Arc<World>,
    pub(crate) ledger: Arc<Ledger>,
    /// Jobs and automations that were paused.
    pub(crate) job_pauses: AtomicUsize,
    pub(crate) automation_pauses: AtomicUsize,
    /// Pauses and changes of schedules.
    pub(crate) schedule_pauses: AtomicUsize,
    pub(crate) schedule_changes: AtomicUsize,
}

impl Operator {
    pub(crate) fn new(world: Arc<World>, ledger: Arc<Ledger>) -> Arc<Self> {
        let [job_pauses, automation_pauses, schedule_pauses, schedule_changes] = Default::default();
        Arc::new(Self { world, ledger, job_pauses, automation_pauses, schedule_pauses, schedule_changes })
    }

    /// Acts until then, and resumes what it paused.
    pub(crate) async fn run(self: Arc<Self>, seed: u64, until: Instant) {
        let mut random = StdRng::seed_from_u64(seed ^ 0x0be5);
        let mut pauses = JoinSet::new();
        while Instant::now() < until {
            sleep(Duration::from_millis(random.random_range(EVERY_MS.0..=EVERY_MS.1))).await;
            let hub = random.random_range(0..HUBS);
            let hold = Duration::from_millis(random.random_range(PAUSED_MS.0..=PAUSED_MS.1));
            match random.random_range(0..4) {
                0 => self.cancel(hub, &mut random).await,
                1 => {
                    if let Some(job) = self.choose(&mut random, |target| target.status == "running").await {
                        pauses.spawn(self.clone().pause(hub, format!("jobs/{job}"), hold, |this| &this.job_pauses));
                    }
                }
                2 => self.act_on_schedule(hub, &mut random).await,
                _ => {
                    // The fast jobs measure whether work resumes.
                    let slow: Vec<_> = self.world.shapes.iter().filter(|shape| !shape.measures()).collect();
                    let automation = slow[random.random_range(0..slow.len())].automation;
                    pauses.spawn(self.clone().pause(hub, format!("automations/{automation}"), hold, |this| &this.automation_pauses));
                }
            }
        }
        pauses.join_all().await;
    }

    /// Resumes every remaining pause, repeatedly: an unanswered request to pause may be carried out late.
    pub(crate) async fn keep_resumed(&self) -> Infallible {
        loop {
            for path in self.world.observer.paused().await.unwrap_or_default() {
                self.world.journal.say(&format!("{path} is still paused"));
                self.resume(&path).await;
            }
            sleep(BEFORE_REPEAT).await;
        }
    }

    async fn cancel(&self, hub: usize, random: &mut StdRng) {
        if let Some(job) = self.choose(random, |_| true).await {
            // Before the request: it may be carried out before the answer arrives.
            self.ledger.note_cancel(job);
            self.ask(hub, &format!("jobs/{job}/cancel")).await;
        }
    }

    async fn pause(self: Arc<Self>, hub: usize, path: String, hold: Duration, count: fn(&Self) -> &AtomicUsize) {
        if self.ask(hub, &format!("{path}/pause")).await.is_some_and(|status| status.is_success()) {
            count(&self).fetch_add(1, Ordering::Relaxed);
        }
        sleep(hold).await;
        self.resume(&path).await;
    }

    /// Tries one hub after the other until one answers.
    async fn resume(&self, path: &str) {
        let resume = format!("{path}/resume");
        for hub in (0..HUBS).cycle() {
            match self.ask(hub, &resume).await {
                Some(status) if !is_to_be_repeated(status) => break,
                _ => sleep(BEFORE_REPEAT).await,
            }
        }
    }

    /// A job of a client that has not ended; `None` when the database is unavailable.
    async fn choose(&self, random: &mut StdRng, eligible: impl Fn(&Target) -> bool) -> Option<JobId> {
        let fast: Vec<_> = self.world.shapes.iter().filter(|shape| shape.measures()).map(|shape| shape.automation).collect();
        let targets: Vec<_> = self.world.observer.targets(&fast).await.ok()?.into_iter().filter(eligible).collect();
        if targets.is_empty() { None } else { Some(targets[random.random_range(0..targets.len())].id) }
    }

    /// Sends one request; `None` when its outcome is unknown.
    async fn ask(&self, hub: usize, path: &str) -> Option<StatusCode> {
        let (status, text) = self.world.api.act(hub, path).await.ok()?;
        self.judge(hub, path, status, &text);
        Some(status)
    }

    fn judge(&self, hub: usize, path: &str, status: StatusCode, text: &str) {
        if !is_allowed(status) {
            self.world.journal.breach(format!("{path} at hub {hub}: {status}: {text}"));
        }
    }
}

/// Answers that are allowed when others change the same thing meanwhile.
fn is_allowed(status: StatusCode) -> bool {
    let refusals = [StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY];
    // A gateway whose orchestrator is lost does not know the outcome.
    let later = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::REQUEST_TIMEOUT, StatusCode::BAD_GATEWAY, StatusCode::GATEWAY_TIMEOUT];
    status.is_success() || refusals.contains(&status) || later.contains(&status)
}
