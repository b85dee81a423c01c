//! Decides which of the confirmed messages were returned as unroutable.
//!
//! The broker returns an unroutable message before it confirms it, but may confirm others in between, or many at once. The client library
//! attaches a returned message to whichever confirm it sees next, so a confirm may carry the return of another message. Trusting it would
//! report a lost message as delivered. Hence returned messages are matched by their id, and a message counts as routed only when its own
//! return can no longer be under way.

use std::collections::HashSet;

/// Verdict on a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is in its queue, and on disk.
    Routed,
    /// It was returned: there is no such queue.
    Unroutable,
    /// The broker rejected it.
    Nacked,
}

/// A confirmed message.
pub(super) struct Confirmed<R> {
    /// Its id on this channel.
    pub(super) id: u64,
    /// Whether it was acked or nacked.
    pub(super) acked: bool,
    /// The id of the returned message that came with the confirm: this message or another.
    pub(super) returned: Option<u64>,
    /// Where the verdict goes.
    pub(super) reply: R,
}

impl<R> Confirmed<R> {
    fn verdict(&self) -> Verdict {
        if self.acked { Verdict::Routed } else { Verdict::Nacked }
    }
}

/// The confirms of one channel.
///
/// The library queues returns, and each confirm takes the first. So a confirm without a return shows that the queue was empty, and a
/// confirm with another message's return shows nothing about its own message.
pub(super) struct Settlement<R> {
    /// Confirmed with the return of another message: their own may still be queued.
    held: Vec<Confirmed<R>>,
    /// Returned, and not confirmed yet.
    returned: HashSet<u64>,
}

impl<R> Default for Settlement<R> {
    fn default() -> Self {
        Self { held: Vec::new(), returned: HashSet::new() }
    }
}

impl<R> Settlement<R> {
    /// Decides about messages confirmed since the last call and about those held back then, as far as possible.
    ///
    /// `batch` must contain all confirms that arrived before its last one; their order does not matter. `idle` means that no other message
    /// waits for a confirm; then nothing stays undecided.
    pub(super) fn settle(&mut self, batch: Vec<Confirmed<R>>, idle: bool) -> Vec<(R, Verdict)> {
        let returns_exhausted = idle || batch.iter().any(|confirmed| confirmed.returned.is_none());
        self.returned.extend(batch.iter().filter_map(|confirmed| confirmed.returned));
        let mut settled = Vec::with_capacity(batch.len());
        for confirmed in std::mem::take(&mut self.held) {
            self.decide(confirmed, returns_exhausted, &mut settled);
        }
        for confirmed in batch {
            let certain = idle || confirmed.returned.is_none();
            self.decide(confirmed, certain, &mut settled);
        }
        settled
    }

    fn decide(&mut self, confirmed: Confirmed<R>, certain: bool, settled: &mut Vec<(R, Verdict)>) {
        if self.returned.remove(&confirmed.id) {
            settled.push((confirmed.reply, Verdict::Unroutable));
        } else if certain {
            let verdict = confirmed.verdict();
            settled.push((confirmed.reply, verdict));
        } else {
            self.held.push(confirmed);
        }
    }
}

#[cfg(test)]
mod tests;
