//! The way from a zone's local times to instants: where clock changes are decided, once for everything.
//!
//! - A *fixed-time* job has local times. One that the clock skips starts at the first instant after the gap, one that it repeats starts the
//!   first time.
//! - An *interval* job has instants at which the zone's clock shows a matching time: nothing in a gap, both passes of a repeated hour.
//!
//! Both searches go from candidate to candidate; none tries every minute.

use super::zone::{Resolved, Zone};

/// A candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    /// The instant.
    pub(super) at: i64,
    /// The local time that was meant; the zone's clock shows a later one where that is skipped.
    pub(super) local: i64,
}

/// Why a candidate is no slot, and what cannot be one either.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Skip {
    /// Nothing before this local time.
    UntilLocal(i64),
    /// Nothing before this instant.
    Until(i64),
}

/// The first local time of a fixed-time job that starts after `after`, not after `until`, and is not skipped by `judge`.
/// `next` is the first local time not before its argument.
pub(super) fn fixed(
    zone: &Zone,
    (after, until): (i64, i64),
    next: impl Fn(i64) -> Option<i64>,
    mut judge: impl FnMut(Candidate) -> Result<(), Skip>,
) -> Option<Candidate> {
    let mut from = zone.local_seconds(after) + 1;
    loop {
        let local = next(from)?;
        let resolved = zone.resolve(local)?;
        let candidate = Candidate { at: resolved.start(), local };
        if candidate.at > until {
            return None;
        }
        from = if candidate.at > after {
            match judge(candidate) {
                Ok(()) => return Some(candidate),
                Err(Skip::UntilLocal(to)) => to.max(local + 1),
                // Local times that a gap moves to `to` begin with the one right after the second before it.
                Err(Skip::Until(to)) => (zone.local_seconds(to - 1) + 1).max(local + 1),
            }
        } else if let Resolved::Repeated { ends_local, .. } = resolved {
            ends_local.max(local + 1)
        } else {
            local + 1
        };
    }
}

/// The first instant after `after`, not after `until`, at which the zone's clock shows a local time of `next`, and that `judge` does not skip.
pub(super) fn interval(
    zone: &Zone,
    (after, until): (i64, i64),
    next: impl Fn(i64) -> Option<i64>,
    mut judge: impl FnMut(Candidate) -> Result<(), Skip>,
) -> Option<Candidate> {
    let mut from = after + 1;
    let mut change = zone.next_change(after);
    loop {
        let offset = zone.local_seconds(from) - from;
        let local = next(from + offset)?;
        let at = local - offset;
        if at.min(change.unwrap_or(at)) > until {
            return None;
        }
        from = match change {
            Some(changed) if at >= changed => changed,
            _ => match judge(Candidate { at, local }) {
                Ok(()) => return Some(Candidate { at, local }),
                Err(Skip::UntilLocal(to)) => (to - offset).max(at + 1).min(change.unwrap_or(i64::MAX)),
                Err(Skip::Until(to)) => to.max(at + 1),
            },
        };
        if change.is_some_and(|changed| from >= changed) {
            change = zone.next_change(from);
        }
    }
}
