//! Taking everything that is ready out of a set of futures, leaving nothing behind.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::stream::{FuturesUnordered, StreamExt};

/// Futures under way, taken out in batches.
///
/// A batch holds *every* future whose result was there when its last one was taken. `FuturesUnordered` by itself
/// does not promise that: it pauses after a while and may hand out a later result before an earlier one.
pub(super) struct Ready<F: Future> {
    pending: FuturesUnordered<F>,
}

impl<F: Future> Default for Ready<F> {
    fn default() -> Self {
        Self { pending: FuturesUnordered::new() }
    }
}

impl<F: Future> Ready<F> {
    pub(super) fn push(&mut self, future: F) {
        self.pending.push(future);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    pub(super) fn len(&self) -> usize {
        self.pending.len()
    }

    /// Waits until something is ready and takes all that is. Empty only when nothing is under way.
    ///
    /// Cancel safe: results are taken in the same poll that returns them.
    pub(super) async fn next_ready(&mut self) -> Vec<F::Output> {
        let mut batch = Vec::new();
        poll_fn(|cx| {
            while let Poll::Ready(Some(output)) = self.pending.poll_next_unpin(cx) {
                batch.push(output);
            }
            if batch.is_empty() && !self.pending.is_empty() {
                return Poll::Pending;
            }
            self.drain(&mut batch);
            Poll::Ready(())
        })
        .await;
        batch
    }

    /// Polls until the set is found at rest: pending, and nothing woken while it was looked through.
    fn drain(&mut self, batch: &mut Vec<F::Output>) {
        let woken = Arc::new(Woken(AtomicBool::new(true)));
        let waker = Waker::from(woken.clone());
        let mut cx = Context::from_waker(&waker);
        while woken.0.swap(false, Ordering::AcqRel) {
            while let Poll::Ready(Some(output)) = self.pending.poll_next_unpin(&mut cx) {
                batch.push(output);
            }
        }
    }
}

/// A waker that only remembers that it was called.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}
