//! Makes messages of what happened to alerts: which channels are told, in which message, when.
//!
//! What must hold: notices are marked in the transaction that writes the messages which tell them. Any replica may route at any time: one transaction
//! at a time reads the outbox. Events only nudge; what was lost is found at the next tick.

use std::{sync::Arc, time::Duration};

use chrono::TimeDelta;
use domain::{
    ids::NotificationId,
    notification::{
        channel::Channel,
        plan::{Plan, Station},
    },
    schedule::{Zone, Zones},
};
use futures_util::FutureExt as _;
use runtime::{Clock, Context, Events, Shutdown, TaskError, events::Subscription};
use store::{
    Database, Error,
    channels::{self, channel_list},
    notifications::{notification_put_in_txn, notification_read_in_txn},
};
use tokio::sync::Notify;
use uuid::Uuid;

/// Notices of one transaction.
const BATCH: u64 = 1000;
/// Channels that are read; an installation has fewer.
const CHANNELS: u64 = 10_000;
/// What tells that there may be notices.
const KINDS: &[&str] = &["alert."];

/// The router. Clones share what they nudge.
#[derive(Clone)]
pub(crate) struct Router {
    pub(super) database: Database,
    pub(super) clock: Clock,
    pub(super) events: Events,
    pub(super) zones: Arc<Zones>,
    pub(super) zone: Zone,
    pub(super) tick: Duration,
    /// There are messages to be sent.
    pub(super) planned: Arc<Notify>,
}

impl Router {
    pub(crate) fn new(context: &Context, tick: Duration, planned: Arc<Notify>) -> Self {
        let Context { database, clock, events, zones, zone, .. } = context.clone();
        Self { database, clock, events, zones, zone, tick, planned }
    }

    /// Routes until the shutdown. While the database is away it tries again every tick.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), TaskError> {
        let mut alerts = self.events.subscribe(KINDS);
        let mut is_away = false;
        while !shutdown.is_triggered() {
            match self.run_once().await {
                Ok(_) => is_away = false,
                Err(error) => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(%error, "what happened to alerts cannot be routed; it is tried again");
                    }
                }
            }
            tokio::select! {
                () = shutdown.wait() => {}
                () = heard(&mut alerts) => {}
                () = tokio::time::sleep(self.tick) => {}
            }
        }
        Ok(())
    }

    /// Routes everything that waits; returns how many notices that were.
    pub(crate) async fn run_once(&self) -> Result<usize, Error> {
        let mut routed = 0;
        loop {
            let batch = match self.route().await {
                // Another replica changed what this one read.
                Err(Error::Conflict(_)) => self.route().await?,
                outcome => outcome?,
            };
            if batch == 0 {
                return Ok(routed);
            }
            routed += batch;
            self.planned.notify_one();
        }
    }

    async fn route(&self) -> Result<usize, Error> {
        let filter = channels::Filter { enabled: Some(true), limit: CHANNELS, ..channels::Filter::default() };
        let channels = channel_list(&self.database, &filter).await?;
        let stations: Vec<Station> = channels.iter().map(|channel| station(channel, &self.zones, &self.zone)).collect();
        let now = (self.clock)();
        let txn = self.database.begin().await?;
        let batch = notification_read_in_txn(&txn, BATCH, now).await?;
        if batch.notices.is_empty() {
            return Ok(0);
        }
        let ids: Vec<Uuid> = batch.notices.iter().map(|(notice, _)| notice.id).collect();
        // The alert of a notice without one is gone: nobody is told.
        let notices: Vec<_> = batch.notices.into_iter().filter_map(|(notice, alert)| Some((notice, alert?))).collect();
        let mut plan = Plan::new(&stations, batch.waiting, batch.told, now);
        plan.add(&notices, &mut || NotificationId::from(Uuid::now_v7()));
        notification_put_in_txn(&txn, &ids, &plan.finish(), now).await?;
        txn.commit().await?;
        Ok(ids.len())
    }
}

/// A channel as routing sees it.
fn station(channel: &Channel, zones: &Zones, hub: &Zone) -> Station {
    let zone = |name: &str| zones.get(name).unwrap_or_else(|_| hub.clone());
    Station {
        id: channel.id,
        kind: channel.kind(),
        routing: channel.draft.routing.clone(),
        quiet: channel.draft.quiet_hours.clone().map(|quiet| (quiet.clone(), zone(&quiet.timezone))),
        wait: TimeDelta::seconds(channel.draft.group_wait_s.into()),
    }
}

/// Waits for an event, and forgets those that came with it: one look finds the notices of all.
async fn heard(alerts: &mut Subscription) {
    alerts.next().await;
    while alerts.next().now_or_never().is_some() {}
}
