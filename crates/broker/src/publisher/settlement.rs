//! Which of the confirmed messages were returned as unroutable.
//!
//! The broker returns an unroutable message before it confirms it, but may confirm others in between, or many at
//! once. The client library hands a returned message to whichever confirm it sees next, so a confirm may carry the
//! return of another message. Taking it at its word would report a lost message as delivered. Hence returned messages
//! are told apart by their id, and a message is called routed only when its own return cannot be under way any more.

use std::collections::HashSet;

/// What became of a published message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// In its queue, and on disk.
    Routed,
    /// Returned: there is no such queue.
    Unroutable,
    /// Not accepted by the broker.
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
/// The library queues returns and lets each confirm take the first. Therefore a confirm that carries nothing shows
/// that no return was left, and one that carries another message's return shows nothing about its own message.
pub(super) struct Settlement<R> {
    /// Confirmed with the return of another message, so that their own may still be queued.
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
    /// Decides what it can about messages confirmed since the last call, and about those held back then.
    ///
    /// `batch` must hold all the confirms that arrived before its last one; their order does not matter. `idle` tells
    /// that no other message waits for a confirm, in which case nothing stays undecided.
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
