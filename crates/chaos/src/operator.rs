//! A person who cancels and pauses while everything breaks.

use std::{
    convert::Infallible,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use reqwest::StatusCode;
use tokio::{
    task::JoinSet,
    time::{Instant, sleep},
};
use uuid::Uuid;

use crate::{
    api::is_to_be_repeated,
    load::Ledger,
    observer::Target,
    world::{HUBS, World},
};

/// Least and most pause between two acts, in milliseconds.
const EVERY_MS: (u64, u64) = (500, 2_000);
/// Least and most time that something stays paused, in milliseconds.
const PAUSED_MS: (u64, u64) = (1_000, 3_000);
const BEFORE_REPEAT: Duration = Duration::from_millis(200);

/// Asks the hubs for what people ask for. Only what it asked counts: any of it may be refused, or not be answered.
pub(crate) struct Operator {
    pub(crate) world: Arc<World>,
    pub(crate) ledger: Arc<Ledger>,
    /// Jobs and automations that were paused.
    pub(crate) job_pauses: AtomicUsize,
    pub(crate) automation_pauses: AtomicUsize,
}

impl Operator {
    pub(crate) fn new(world: Arc<World>, ledger: Arc<Ledger>) -> Arc<Self> {
        Arc::new(Self { world, ledger, job_pauses: AtomicUsize::default(), automation_pauses: AtomicUsize::default() })
    }

    /// Acts until then, and ends what it paused.
    pub(crate) async fn run(self: Arc<Self>, seed: u64, until: Instant) {
        let mut random = StdRng::seed_from_u64(seed ^ 0x0be5);
        let mut pauses = JoinSet::new();
        while Instant::now() < until {
            sleep(Duration::from_millis(random.random_range(EVERY_MS.0..=EVERY_MS.1))).await;
            let hub = random.random_range(0..HUBS);
            let hold = Duration::from_millis(random.random_range(PAUSED_MS.0..=PAUSED_MS.1));
            match random.random_range(0..3) {
                0 => self.cancel(hub, &mut random).await,
                1 => {
                    if let Some(job) = self.choose(&mut random, |target| target.status == "running").await {
                        pauses.spawn(self.clone().pause(hub, format!("jobs/{job}"), hold, |this| &this.job_pauses));
                    }
                }
                _ => {
                    // Whether work goes on is measured by the fast ones.
                    let slow: Vec<_> = self.world.shapes.iter().filter(|shape| !shape.measures()).collect();
                    let automation = slow[random.random_range(0..slow.len())].automation;
                    pauses.spawn(self.clone().pause(hub, format!("automations/{automation}"), hold, |this| &this.automation_pauses));
                }
            }
        }
        pauses.join_all().await;
    }

    /// Ends every pause that is left, for ever: a request to pause whose answer nobody waited for may be carried out late.
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
            // Before it is asked: it may be done before the answer is here.
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

    /// Asks one hub after the other until one answers.
    async fn resume(&self, path: &str) {
        let resume = format!("{path}/resume");
        for hub in (0..HUBS).cycle() {
            match self.ask(hub, &resume).await {
                Some(status) if !is_to_be_repeated(status) => break,
                _ => sleep(BEFORE_REPEAT).await,
            }
        }
    }

    /// A job of a client that has not ended; none when the database does not say.
    async fn choose(&self, random: &mut StdRng, wanted: impl Fn(&Target) -> bool) -> Option<Uuid> {
        let fast: Vec<_> = self.world.shapes.iter().filter(|shape| shape.measures()).map(|shape| shape.automation).collect();
        let targets: Vec<_> = self.world.observer.targets(&fast).await.ok()?.into_iter().filter(wanted).collect();
        if targets.is_empty() { None } else { Some(targets[random.random_range(0..targets.len())].id) }
    }

    /// Asks a hub once; `None` when nobody knows what came of it.
    async fn ask(&self, hub: usize, path: &str) -> Option<StatusCode> {
        let answer = self.world.api.act(hub, path).await;
        let (status, text) = answer.ok()?;
        if !is_allowed(status) {
            self.world.journal.breach(format!("{path} at hub {hub}: {status}: {text}"));
        }
        Some(status)
    }
}

/// What a hub may say to somebody who acts on what others change meanwhile.
fn is_allowed(status: StatusCode) -> bool {
    let refusals = [StatusCode::NOT_FOUND, StatusCode::CONFLICT, StatusCode::UNPROCESSABLE_ENTITY];
    let later = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::REQUEST_TIMEOUT];
    status.is_success() || refusals.contains(&status) || later.contains(&status)
}
