//! The body of a request on its way to an upstream: chunk by chunk, never whole.
//!
//! What it must hold: nothing of the body is read before the upstream takes it, so that a request whose connection failed can be sent elsewhere; a
//! body that breaks off ends the upstream's request as broken, never as complete.

use std::{
    cell::{Cell, RefCell},
    pin::pin,
    rc::Rc,
    time::Duration,
};

use actix_web::{rt, web::Payload};
use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use runtime::Failure;
use tokio::{
    sync::{mpsc, oneshot},
    task::JoinHandle,
    time::{Instant, sleep_until, timeout},
};

use super::upstream::Lease;

/// The client's body ended before its end.
#[derive(Debug, thiserror::Error)]
#[error("the body broke off")]
struct BrokenOff;

/// A body, and how far it is.
pub(super) struct Upload {
    payload: Option<Payload>,
    limit: usize,
    idle: Duration,
    progress: Rc<Progress>,
    task: Option<JoinHandle<()>>,
}

/// Outcome of the pump.
struct Progress {
    moved: Cell<Instant>,
    failure: RefCell<Option<Failure>>,
}

/// The end of a body that the upstream's client reads; the other end feeds it once it is polled.
struct Feed {
    chunks: mpsc::Sender<Result<Bytes, BrokenOff>>,
    wanted: oneshot::Receiver<()>,
}

/// Why there is no answer.
pub(super) enum Trouble {
    /// The upstream's fault.
    Upstream(reqwest::Error),
    /// It was silent for too long.
    Silent,
    /// The client's fault.
    Client(Failure),
}

impl Upload {
    /// Of a request that has a body when `payload` is given. Longer than `limit`: 413; silent for longer than `idle`: 408.
    pub(super) fn new(payload: Option<Payload>, limit: usize, idle: Duration) -> Self {
        let progress = Progress { moved: Cell::new(Instant::now()), failure: RefCell::default() };
        Self { payload, limit, idle, progress: Rc::new(progress), task: None }
    }

    /// Whether something of the body was read, so that it cannot be sent again.
    pub(super) const fn is_begun(&self) -> bool {
        self.task.is_some()
    }

    /// Sends `request` with the body, and waits for the head of the answer.
    pub(super) async fn send(
        &mut self,
        client: &reqwest::Client,
        mut request: reqwest::Request,
        lease: &Lease,
    ) -> Result<reqwest::Response, Trouble> {
        let feed = self.payload.is_some().then(|| {
            let (body, feed) = body();
            *request.body_mut() = Some(body);
            feed
        });
        self.progress.moved.set(Instant::now());
        let mut answer = pin!(client.execute(request));
        if let Some(feed) = feed {
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(Trouble::Upstream),
                wanted = feed.wanted => if wanted.is_ok() && let Some(payload) = self.payload.take() {
                    self.start(payload, feed.chunks, lease);
                }
            }
        }
        loop {
            let patience = self.progress.moved.get() + self.idle;
            tokio::select! {
                biased;
                answer = &mut answer => return answer.map_err(|error| self.trouble(error)),
                () = sleep_until(patience) => if self.progress.moved.get() + self.idle <= Instant::now() {
                    return Err(Trouble::Silent);
                }
            }
        }
    }

    fn trouble(&self, error: reqwest::Error) -> Trouble {
        self.progress.failure.take().map_or(Trouble::Upstream(error), Trouble::Client)
    }

    fn start(&mut self, payload: Payload, chunks: mpsc::Sender<Result<Bytes, BrokenOff>>, lease: &Lease) {
        let (limit, idle, progress, sent) = (self.limit, self.idle, self.progress.clone(), lease.sent());
        self.task = Some(rt::spawn(async move {
            if let Err(failure) = pump(payload, &chunks, (limit, idle), &progress.moved, sent).await {
                progress.failure.replace(Some(failure));
                // The reader does not need the reason.
                drop(chunks.send(Err(BrokenOff)).await);
            }
        }));
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// Passes a body on until its end, or until nobody takes more.
async fn pump(
    mut payload: Payload,
    chunks: &mpsc::Sender<Result<Bytes, BrokenOff>>,
    (limit, idle): (usize, Duration),
    moved: &Cell<Instant>,
    sent: impl Fn(usize),
) -> Result<(), Failure> {
    let mut total = 0;
    while let Some(chunk) = timeout(idle, payload.next()).await.map_err(|_| Failure::TooSlow(idle))? {
        let chunk = chunk.map_err(|error| Failure::BadRequest(format!("the body cannot be read: {error}")))?;
        total += chunk.len();
        if total > limit {
            return Err(Failure::TooLarge(limit));
        }
        sent(chunk.len());
        if chunks.send(Ok(chunk)).await.is_err() {
            break;
        }
        moved.set(Instant::now());
    }
    Ok(())
}

fn body() -> (reqwest::Body, Feed) {
    let (chunks, source) = mpsc::channel(1);
    let (want, wanted) = oneshot::channel();
    (reqwest::Body::wrap_stream(fed(source, want)), Feed { chunks, wanted })
}

/// What comes out of `source`; the first that is asked for sends `want`.
fn fed(source: mpsc::Receiver<Result<Bytes, BrokenOff>>, want: oneshot::Sender<()>) -> impl Stream<Item = Result<Bytes, BrokenOff>> {
    stream::unfold((source, Some(want)), |(mut source, mut want)| async move {
        if let Some(want) = want.take() {
            // The receiver may be gone.
            let _gone = want.send(());
        }
        source.recv().await.map(|chunk| (chunk, (source, want)))
    })
}
