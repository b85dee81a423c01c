//! The task that keeps a connection alive.
//!
//! There is at most one link, and its users see one state: down, up, closing or closed. A dead link is replaced as a whole, caches
//! included, so that nothing learned on one connection is believed on the next. Closing drains first, for at most 5 s: confirms that are
//! under way still reach their callers.

use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use lapin::Connection;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{interval, sleep, timeout};

use crate::backoff::Backoff;
use crate::link::{Link, Plan};
use crate::publisher::closing;

/// Time limit of one attempt to connect and open the first channel.
const CONNECT_LIMIT: Duration = Duration::from_secs(20);

/// Time limit for the confirms of accepted messages when closing.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// Time limit for the broker to answer the close.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// How often the connection's state is checked, in case the event of its end is lost.
const CHECK_EVERY: Duration = Duration::from_secs(1);

/// State of the connection, as its users see it.
#[derive(Clone)]
pub(crate) enum State {
    /// Not connected.
    Down,
    /// Usable.
    Up(Arc<Link>),
    /// Drains accepted messages; accepts no new ones.
    Closing,
    /// Closed for good.
    Closed,
}

/// Reconnects until closed.
pub(crate) struct Supervisor {
    plan: Plan,
    state: watch::Sender<State>,
    connected: watch::Sender<bool>,
}

/// Why a connection is no longer served.
#[derive(PartialEq, Eq)]
enum End {
    Lost,
    Closing,
}

impl Supervisor {
    pub(crate) fn new(plan: Plan, state: watch::Sender<State>, connected: watch::Sender<bool>) -> Self {
        Self { plan, state, connected }
    }

    /// Runs until the owner closes the connection or is dropped.
    pub(crate) async fn run(mut self) {
        let mut closing_signal = self.plan.closing.clone();
        let mut backoff = Backoff::default();
        loop {
            let started = Instant::now();
            let end = tokio::select! {
                biased;
                () = closing(&mut closing_signal) => End::Closing,
                opened = timeout(CONNECT_LIMIT, Link::open(&self.plan)) => match opened {
                    Ok(Ok((link, publishing))) => self.serve(link, tokio::spawn(publishing)).await,
                    Ok(Err(error)) => failed(&error),
                    // The library's own thread stays with a peer that accepted the connection and sends nothing. It ends when that peer
                    // answers or disconnects.
                    Err(elapsed) => failed(&elapsed),
                },
            };
            if end == End::Closing {
                break;
            }
            backoff.reset_after(started.elapsed());
            tokio::select! {
                () = closing(&mut closing_signal) => break,
                () = sleep(backoff.next(rand::random())) => {}
            }
        }
        self.state.send_replace(State::Closed);
    }

    async fn serve(&mut self, link: Link, mut publishing: JoinHandle<()>) -> End {
        let connection = link.connection().clone();
        tracing::info!(connection.name = %self.plan.connection_name, "broker connected");
        self.state.send_replace(State::Up(Arc::new(link)));
        self.connected.send_replace(true);
        let end = tokio::select! {
            // First, because the publishing task follows the same signal and may have ended already.
            biased;
            () = closing(&mut self.plan.closing) => End::Closing,
            () = lost(&connection) => End::Lost,
            // The publishing task ends by itself only when it cannot open a channel.
            _ = &mut publishing => End::Lost,
        };
        match end {
            End::Closing => {
                self.state.send_replace(State::Closing);
                drain(&mut publishing).await;
            }
            End::Lost => {
                tracing::warn!(connection.name = %self.plan.connection_name, "broker connection lost");
                self.state.send_replace(State::Down);
            }
        }
        // Drops the replies of messages under way, which reports the loss to their callers.
        publishing.abort();
        self.connected.send_replace(false);
        close(&connection).await;
        end
    }
}

fn failed(error: &dyn std::error::Error) -> End {
    tracing::warn!(%error, "broker unreachable");
    End::Lost
}

/// Resolves when the connection is no longer usable.
async fn lost(connection: &Connection) {
    let mut events = pin!(connection.events_listener());
    let mut check = interval(CHECK_EVERY);
    while connection.status().connected() {
        tokio::select! {
            // Channel errors are events here too, hence the check of the state.
            event = events.next() => tracing::trace!(?event, "broker connection event"),
            _ = check.tick() => {}
        }
    }
}

/// Waits for the confirms of accepted messages.
async fn drain(publishing: &mut JoinHandle<()>) {
    if timeout(DRAIN_LIMIT, publishing).await.is_err() {
        tracing::warn!("broker connection closed with unconfirmed messages");
    }
}

/// Closes the connection if there is one, so that channels still held do not keep it open.
async fn close(connection: &Connection) {
    if connection.status().connected() {
        let closed = timeout(CLOSE_LIMIT, connection.close(200, "OK".into())).await;
        tracing::debug!(?closed, "broker connection closed");
    }
}
