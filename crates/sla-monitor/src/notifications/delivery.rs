//! Sends the messages that are due.
//!
//! What must hold:
//! - Of a channel one message is sent at a time, in order of its incidents, by whoever has claimed its lane; the others go on meanwhile, and a
//!   receiver that hangs holds nobody up but itself.
//! - A message is rendered once, before its first attempt: every attempt sends the same, with the same id.
//! - What was sent is noted only while the lane is claimed. A process that dies, or is slower than its claim, has the message sent again.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    audit::Change,
    notification::{
        Fate, Message, Receipt, SendError,
        channel::Channel,
        retry::{GIVE_UP_AFTER, next_attempt},
    },
};
use futures_util::{StreamExt as _, future::BoxFuture, stream::FuturesUnordered};
use runtime::{Clock, Context, Shutdown, TaskError};
use store::{
    Database, Error,
    channels::{channel_disable, channel_get},
    notifications::{
        Claimed, Finish, Sending, Step, lane_claim, lane_drop, lane_finish, lane_next, lane_next_wake_unscoped, lane_release,
        notification_keep_message,
    },
};
use tokio::sync::Notify;

use super::Renderer;
use crate::{Settings, senders::Senders};

/// Channels that are sent to at the same time.
const AT_ONCE: usize = 64;
/// Requests of an attempt: to some vendors a message is several.
const REQUESTS: u32 = 3;
/// How much longer a claim lasts than an attempt, for what is read and noted.
const SPARE: Duration = Duration::from_secs(15);
/// How long a lane is served before others get a turn.
const TURN: Duration = Duration::from_secs(20);
/// The shortest sleep, so that a clock that is read a moment early does not spin.
const LEAST_SLEEP: Duration = Duration::from_millis(5);

/// Where messages leave: the senders of the vendors.
pub(crate) trait Outlet: Send + Sync {
    /// Sends a message and says what became of it.
    fn send<'a>(&'a self, channel: &'a Channel, message: &'a Message) -> BoxFuture<'a, Result<Receipt, SendError>>;
}

impl Outlet for Senders {
    fn send<'a>(&'a self, channel: &'a Channel, message: &'a Message) -> BoxFuture<'a, Result<Receipt, SendError>> {
        Box::pin(Self::send(self, channel, message))
    }
}

/// Sends what is due. Clones share everything.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(super) database: Database,
    pub(super) clock: Clock,
    pub(super) renderer: Renderer,
    pub(super) outlet: Arc<dyn Outlet>,
    pub(super) tick: Duration,
    /// Time limit of an attempt.
    pub(super) limit: Duration,
    /// How long a claim lasts: longer than an attempt.
    pub(super) claim_for: TimeDelta,
    /// There are messages to be sent.
    pub(super) planned: Arc<Notify>,
}

impl Delivery {
    pub(crate) fn new(context: &Context, renderer: Renderer, outlet: Arc<dyn Outlet>, settings: &Settings, planned: Arc<Notify>) -> Self {
        let Context { database, clock, .. } = context.clone();
        let limit = settings.send_timeout * REQUESTS;
        let claim_for = TimeDelta::from_std(limit + SPARE).unwrap_or(TimeDelta::MAX);
        Self { database, clock, renderer, outlet, tick: settings.tick, limit, claim_for, planned }
    }

    /// Sends until the shutdown. While the database is away it tries again every tick.
    pub(crate) async fn run(self, shutdown: Shutdown) -> Result<(), TaskError> {
        let mut lanes: FuturesUnordered<BoxFuture<'static, ()>> = FuturesUnordered::new();
        let mut is_away = false;
        while !shutdown.is_triggered() {
            let sleep = match self.claim(AT_ONCE - lanes.len()).await {
                Ok((claimed, sleep)) => {
                    is_away = false;
                    lanes.extend(claimed.into_iter().map(|claimed| self.clone().serve(claimed, shutdown.clone())));
                    sleep
                }
                Err(error) => {
                    if !std::mem::replace(&mut is_away, true) {
                        tracing::warn!(%error, "messages cannot be sent; it is tried again");
                    }
                    self.tick
                }
            };
            tokio::select! {
                () = shutdown.wait() => {}
                () = self.planned.notified(), if lanes.len() < AT_ONCE => {}
                Some(()) = lanes.next(), if !lanes.is_empty() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
        // What is being sent may still be noted.
        while lanes.next().await.is_some() {}
        Ok(())
    }

    /// Claims lanes that have something to send, and says how long to sleep when there are no more.
    async fn claim(&self, most: usize) -> Result<(Vec<Claimed>, Duration), Error> {
        let now = (self.clock)();
        let Some(at) = lane_next_wake_unscoped(&self.database).await? else { return Ok((Vec::new(), self.tick)) };
        if at > now || most == 0 {
            let sleep = (at - now).to_std().unwrap_or_default();
            return Ok((Vec::new(), sleep.clamp(LEAST_SLEEP, self.tick.max(LEAST_SLEEP))));
        }
        let claimed = lane_claim(&self.database, (now, now + self.claim_for), u64::try_from(most).unwrap_or(u64::MAX)).await?;
        Ok((claimed, LEAST_SLEEP))
    }

    fn serve(self, claimed: Claimed, shutdown: Shutdown) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if let Err(error) = self.serve_lane(claimed, &shutdown).await {
                // The claim ends by itself, and whoever is next sends it.
                tracing::warn!(channel.id = %claimed.channel_id, %error, "a channel could not be served");
            }
        })
    }

    /// Sends what is due on a lane, one message after the other.
    async fn serve_lane(&self, claimed: Claimed, shutdown: &Shutdown) -> Result<(), Error> {
        let begun = Instant::now();
        while begun.elapsed() < TURN && !shutdown.is_triggered() {
            if !self.send_next(claimed).await? {
                return Ok(());
            }
        }
        lane_release(&self.database, claimed, (self.clock)()).await
    }

    /// Everything that is due, lane by lane; returns how many messages were tried. For tests, whose clock stands.
    #[cfg(test)]
    pub(crate) async fn run_once(&self) -> Result<usize, Error> {
        let mut tried = 0;
        loop {
            let (claimed, _) = self.claim(AT_ONCE).await?;
            if claimed.is_empty() {
                return Ok(tried);
            }
            for claimed in claimed {
                while self.send_next(claimed).await? {
                    tried += 1;
                }
            }
        }
    }

    /// Sends the next message of a lane; `false`: there is none now, and the claim is given up or was lost.
    async fn send_next(&self, claimed: Claimed) -> Result<bool, Error> {
        let channel = channel_get(&self.database, claimed.channel_id).await?;
        let now = (self.clock)();
        let Some(channel) = channel.filter(|channel| channel.enabled) else {
            lane_drop(&self.database, claimed, "the channel is switched off or was deleted", now).await?;
            return Ok(false);
        };
        let times = (now, now + self.claim_for, now + GIVE_UP_AFTER);
        let sending = match lane_next(&self.database, claimed, channel.kind().rate_limit(), times).await? {
            Step::Send(sending) => sending,
            Step::Wait | Step::Lost => return Ok(false),
        };
        let begun = Instant::now();
        let outcome = match self.message(&channel, &sending, now).await? {
            Some(message) => self.attempt(&channel, &message).await,
            None => Err(SendError { fate: Fate::Drop, status: None, message: "the alerts that it tells of were deleted".to_owned() }),
        };
        let took_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now = (self.clock)();
        let disables = outcome.as_ref().err().filter(|error| error.fate == Fate::Disable).cloned();
        let finish = finish(outcome, &sending, now);
        let is_noted = lane_finish(&self.database, claimed, &sending, (&finish, took_ms), now).await?;
        self.log(&channel, &sending, &finish, is_noted);
        if let Some(error) = disables {
            self.switch_off(&channel, &error, now).await?;
        }
        Ok(is_noted)
    }

    /// The message as it is sent: rendered and kept before its first attempt.
    async fn message(&self, channel: &Channel, sending: &Sending, now: DateTime<Utc>) -> Result<Option<Message>, Error> {
        if let Some(kept) = &sending.notification.message {
            return Ok(Some(kept.clone()));
        }
        let Some(message) = self.renderer.message(channel, sending, now).await? else { return Ok(None) };
        notification_keep_message(&self.database, message.id, &message).await?;
        Ok(Some(message))
    }

    async fn attempt(&self, channel: &Channel, message: &Message) -> Result<Receipt, SendError> {
        match tokio::time::timeout(self.limit, self.outlet.send(channel, message)).await {
            Ok(outcome) => outcome,
            Err(_elapsed) => {
                let message = format!("the receiver did not answer within {} s", self.limit.as_secs());
                Err(SendError { fate: Fate::Retry(None), status: None, message })
            }
        }
    }

    async fn switch_off(&self, channel: &Channel, error: &SendError, now: DateTime<Utc>) -> Result<(), Error> {
        if channel_disable(&self.database, &Change::by_hub(), (channel.id, &error.message), now).await? {
            tracing::error!(channel.id = %channel.id, channel.name = channel.draft.name, reason = error.message,
                "a channel is switched off: its receiver wants no message any more");
        }
        Ok(())
    }

    fn log(&self, channel: &Channel, sending: &Sending, finish: &Finish, is_noted: bool) {
        let (id, attempts) = (sending.notification.id, sending.notification.attempts);
        match finish {
            _ if !is_noted => {
                tracing::warn!(notification.id = %id, channel.id = %channel.id, "a message took longer than its claim; it is sent again");
            }
            Finish::Sent(_) => tracing::info!(notification.id = %id, channel.id = %channel.id, attempts, "message sent"),
            Finish::Again(at, _, error) => {
                tracing::warn!(notification.id = %id, channel.id = %channel.id, attempts, error, next_attempt_at = %at, "a message was not taken");
            }
            Finish::Failed(_, error) => {
                tracing::error!(notification.id = %id, channel.id = %channel.id, attempts, error, "a message is given up")
            }
            Finish::Dropped(reason) => tracing::info!(notification.id = %id, channel.id = %channel.id, reason, "a message was dropped"),
        }
    }
}

/// What becomes of a message after an attempt.
fn finish(outcome: Result<Receipt, SendError>, sending: &Sending, now: DateTime<Utc>) -> Finish {
    let SendError { fate, status, message } = match outcome {
        Ok(receipt) => return Finish::Sent(receipt),
        Err(error) => error,
    };
    let asked = match fate {
        Fate::Drop | Fate::Disable => return Finish::Failed(status, message),
        Fate::Retry(asked) => asked,
    };
    let give_up_at = sending.notification.give_up_at.unwrap_or(now + GIVE_UP_AFTER);
    match next_attempt(sending.notification.attempts, (now, give_up_at), asked, rand::random()) {
        Some(at) => Finish::Again(at, status, message),
        None => Finish::Failed(status, format!("{message} (given up after 24 hours)")),
    }
}
