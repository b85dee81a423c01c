//! Which replicas were heard on the exchange, and whether all of their events were.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use domain::ids::ReplicaId;

/// A replica that was silent for this long is forgotten. A living one says something every few seconds.
const FORGET_AFTER: Duration = Duration::from_secs(60);

/// The replicas that were heard.
#[derive(Default)]
pub(super) struct Heard(HashMap<ReplicaId, Voice>);

struct Voice {
    /// Whether the replica belongs to this hub.
    is_ours: bool,
    /// Events that it has published, as far as was heard.
    events: u64,
    at: Instant,
}

impl Heard {
    /// Whether the replica belongs to this hub; `None`: not asked yet.
    pub(super) fn is_ours(&self, replica: ReplicaId) -> Option<bool> {
        self.0.get(&replica).map(|voice| voice.is_ours)
    }

    /// Remembers whether a replica belongs to this hub, and forgets those that are silent. Another hub's is asked for again after a while.
    pub(super) fn judge(&mut self, replica: ReplicaId, is_ours: bool, now: Instant) {
        self.0.retain(|_, voice| now.saturating_duration_since(voice.at) < FORGET_AFTER);
        self.0.insert(replica, Voice { is_ours, events: 0, at: now });
    }

    /// A message with `count` events that follow `after` earlier ones; returns whether events before it were missed.
    pub(super) fn misses(&mut self, replica: ReplicaId, after: u64, count: u64, now: Instant) -> bool {
        let Some(voice) = self.0.get_mut(&replica) else { return true };
        voice.at = now;
        std::mem::replace(&mut voice.events, after.saturating_add(count)) != after
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_gap_in_the_numbers_of_a_replica_is_noticed_once() {
        let (mut heard, now, mine, other) = (Heard::default(), Instant::now(), Uuid::now_v7().into(), Uuid::now_v7().into());
        assert_eq!(heard.is_ours(mine), None);
        heard.judge(mine, true, now);
        heard.judge(other, true, now);
        assert!(!heard.misses(mine, 0, 3, now), "heard from its first event on");
        assert!(heard.misses(other, 7, 1, now), "it has published before it was heard");
        assert!(!heard.misses(mine, 3, 0, now) && !heard.misses(mine, 3, 2, now) && !heard.misses(other, 8, 1, now));
        assert!(heard.misses(mine, 6, 1, now), "one is missing");
        assert!(!heard.misses(mine, 7, 1, now));
        assert!(heard.misses(mine, 9, 0, now), "a message without events shows it, too");
    }

    #[test]
    fn silent_replicas_are_forgotten_and_foreign_ones_asked_for_again() {
        let (mut heard, now, mine, foreign) = (Heard::default(), Instant::now(), Uuid::now_v7().into(), Uuid::now_v7().into());
        heard.judge(foreign, false, now);
        heard.judge(mine, true, now + FORGET_AFTER / 2);
        assert_eq!((heard.is_ours(mine), heard.is_ours(foreign)), (Some(true), Some(false)));
        heard.judge(Uuid::now_v7().into(), true, now + FORGET_AFTER);
        assert_eq!((heard.is_ours(mine), heard.is_ours(foreign)), (Some(true), None));
    }
}
