//! One reader: the frames that wait for it, and why its stream ends.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use auth::Principal;
use runtime::Credential;
use tokio::sync::Notify;

use super::{filter::Filter, frame::Frame, sight};

/// Why the hub ends a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// The client does not read.
    Slow,
    /// Its credential is no longer good.
    SignedOut,
    /// It may see nothing any more.
    Forbidden,
    /// The process stops.
    Stopping,
}

impl End {
    /// For programs.
    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::Slow => "slow",
            Self::SignedOut => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Stopping => "stopping",
        }
    }

    /// For people.
    pub(super) const fn detail(self) -> &'static str {
        match self {
            Self::Slow => "the client does not read fast enough; reconnect with the last event's id",
            Self::SignedOut => "the access token has ended; refresh it, or sign in again, and reconnect",
            Self::Forbidden => "the caller may not see events any more",
            Self::Stopping => "the gateway stops; reconnect with the last event's id",
        }
    }

    /// As the code of a WebSocket's close.
    pub(super) const fn close_code(self) -> u16 {
        match self {
            Self::Slow => 4408,
            Self::SignedOut => 4401,
            Self::Forbidden => 4403,
            Self::Stopping => 1001,
        }
    }
}

/// What a reader receives.
pub(super) enum Next {
    Frame(Arc<Frame>),
    End(End),
}

/// A reader.
pub(super) struct Reader {
    pub(super) credential: Credential,
    most: usize,
    inner: Mutex<Inner>,
    wake: Notify,
}

struct Inner {
    principal: Arc<Principal>,
    /// The changes of identities that `principal` takes into account.
    as_of: i64,
    filter: Filter,
    waiting: VecDeque<Arc<Frame>>,
    end: Option<End>,
}

impl Reader {
    /// A reader for which at most `most` frames wait.
    pub(super) fn new(credential: Credential, principal: Arc<Principal>, as_of: i64, filter: Filter, most: usize) -> Self {
        let inner = Inner { principal, as_of, filter, waiting: VecDeque::new(), end: None };
        Self { credential, most, inner: Mutex::new(inner), wake: Notify::new() }
    }

    /// Adds a frame, if it is for this reader; ends the stream when too many wait.
    pub(super) fn offer(&self, frame: &Arc<Frame>) {
        let mut inner = self.inner();
        let is_for = |subject| inner.filter.has(subject) && sight::sees(&inner.principal, subject);
        if inner.end.is_some() || !frame.subject.as_ref().is_none_or(is_for) {
            return;
        }
        if inner.waiting.len() >= self.most {
            return self.finish(inner, End::Slow);
        }
        inner.waiting.push_back(frame.clone());
        self.wake.notify_one();
    }

    /// Ends the stream; what waits is not sent.
    pub(super) fn end(&self, end: End) {
        self.finish(self.inner(), end);
    }

    fn finish(&self, mut inner: MutexGuard<'_, Inner>, end: End) {
        inner.end.get_or_insert(end);
        inner.waiting = VecDeque::new();
        self.wake.notify_one();
    }

    /// Whether who it is was not checked since change `count`.
    pub(super) fn is_older_than(&self, count: i64) -> bool {
        self.inner().as_of < count
    }

    /// Takes note of who it is as of change `count`.
    pub(super) fn know(&self, principal: Arc<Principal>, count: i64) {
        let mut inner = self.inner();
        (inner.principal, inner.as_of) = (principal, count);
    }

    /// Takes note that it is nobody as of change `count`.
    pub(super) fn lose(&self, count: i64) {
        self.inner().as_of = count;
    }

    /// Asks for other events.
    pub(super) fn ask(&self, filter: Filter) {
        self.inner().filter = filter;
    }

    /// Waits for the next frame, or the end. Cancel-safe.
    pub(super) async fn next(&self) -> Next {
        loop {
            {
                let mut inner = self.inner();
                if let Some(frame) = inner.waiting.pop_front() {
                    if inner.waiting.is_empty() {
                        // Idle readers keep no memory.
                        inner.waiting = VecDeque::new();
                    }
                    return Next::Frame(frame);
                }
                if let Some(end) = inner.end {
                    return Next::End(end);
                }
            }
            self.wake.notified().await;
        }
    }

    /// Waits for the end. Cancel-safe, but not beside [`Reader::next`].
    pub(super) async fn ended(&self) -> End {
        loop {
            if let Some(end) = self.inner().end {
                return end;
            }
            self.wake.notified().await;
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
