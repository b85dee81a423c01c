//! Takes everything that is ready out of a set of futures; settlement relies on complete batches.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::stream::{FuturesUnordered, StreamExt};

/// Pending futures, taken out in batches.
///
/// A batch contains *every* future whose result was there when its last one was taken. `FuturesUnordered` alone does not guarantee that: it
/// yields after a while, and may return a later result before an earlier one.
pub(super) struct Ready<F: Future> {
    pending: FuturesUnordered<F>,
    woken: Arc<Woken>,
}

impl<F: Future> Default for Ready<F> {
    fn default() -> Self {
        Self { pending: FuturesUnordered::new(), woken: Arc::new(Woken(AtomicBool::new(false))) }
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

    /// Waits until something is ready and takes everything that is. Empty only when nothing is pending.
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

    /// Polls until the set is at rest: pending, and nothing woken during the pass.
    fn drain(&mut self, batch: &mut Vec<F::Output>) {
        let waker = Waker::from(self.woken.clone());
        let mut cx = Context::from_waker(&waker);
        self.woken.0.store(true, Ordering::Release);
        while self.woken.0.swap(false, Ordering::AcqRel) {
            while let Poll::Ready(Some(output)) = self.pending.poll_next_unpin(&mut cx) {
                batch.push(output);
            }
        }
    }
}

/// A waker that only records that it was called.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;
    use futures_util::future::BoxFuture;
    use tokio::sync::oneshot;

    use super::*;

    // Outside a runtime, whose channels return "pending" after many uses so that other tasks run.
    #[test]
    fn a_batch_holds_all_that_is_ready() {
        let mut ready: Ready<BoxFuture<'static, u32>> = Ready::default();
        let mut senders = Vec::new();
        for number in 0..200 {
            let (sender, receiver) = oneshot::channel();
            senders.push(sender);
            ready.push(Box::pin(async move {
                let received = receiver.await.unwrap_or(u32::MAX);
                // Several in a row that wake themselves make the set yield before it has polled all of them.
                if number % 5 < 3 {
                    tokio::task::yield_now().await;
                }
                received
            }));
        }
        assert!(ready.next_ready().now_or_never().is_none());
        for (number, sender) in (0..).zip(senders).skip(1) {
            sender.send(number).unwrap();
        }
        let mut batch = std::iter::repeat_with(|| ready.next_ready().now_or_never()).flatten().next().unwrap();
        batch.sort_unstable();
        // The sender of the first was dropped, which counts as well.
        let expected: Vec<u32> = (1..200).chain([u32::MAX]).collect();
        assert_eq!(batch, expected);
        assert!(ready.is_empty());
    }

    #[test]
    fn a_set_without_futures_has_an_empty_batch() {
        let mut ready: Ready<BoxFuture<'static, u32>> = Ready::default();
        assert_eq!(ready.next_ready().now_or_never(), Some(Vec::new()));
    }
}
