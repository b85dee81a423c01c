//! Which replicas were heard on the exchange, and whether all of their events were.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use domain::ids::ReplicaId;

/// A living replica says something every few seconds: one that was silent for this long may have died with events unpublished.
const SILENCE: Duration = Duration::from_secs(15);

/// The replicas that were heard since the subscription of the exchange began.
#[derive(Default)]
pub(super) struct Heard(HashMap<ReplicaId, Voice>);

struct Voice {
    /// Whether the replica belongs to this hub; `None`: not asked yet.
    is_ours: Option<bool>,
    /// Events that it has published, as far as they were heard or came before the subscription; `None`: some may be lost since.
    events: Option<u64>,
    at: Instant,
}

impl Heard {
    /// Notes that a replica spoke; returns whether it belongs to this hub, or `None`: not asked yet. The subscription's first message of a
    /// replica has `after` events before it. They came before the subscription, unless the replica `resumes` after a break of its connection.
    pub(super) fn note(&mut self, replica: ReplicaId, after: u64, resumes: bool, now: Instant) -> Option<bool> {
        let new = || Voice { is_ours: None, events: (after == 0 || !resumes).then_some(after), at: now };
        let voice = self.0.entry(replica).or_insert_with(new);
        if voice.is_ours != Some(false) {
            voice.at = now;
        }
        voice.is_ours
    }

    /// Remembers whether a replica belongs to this hub.
    pub(super) fn judge(&mut self, replica: ReplicaId, is_ours: bool) {
        if let Some(voice) = self.0.get_mut(&replica) {
            voice.is_ours = Some(is_ours);
        }
    }

    /// A message with `count` events that follow `after` earlier ones; returns whether events before it were missed.
    pub(super) fn misses(&mut self, replica: ReplicaId, after: u64, count: u64) -> bool {
        let Some(voice) = self.0.get_mut(&replica) else { return true };
        voice.events.replace(after.saturating_add(count)) != Some(after)
    }

    /// Forgets a replica that has said its last word.
    pub(super) fn forget(&mut self, replica: ReplicaId) {
        self.0.remove(&replica);
    }

    /// Forgets replicas that are silent, and those of other hubs, which are then asked for again; returns whether one of this hub is among them.
    pub(super) fn forget_silent(&mut self, now: Instant) -> bool {
        let mut is_ours = false;
        self.0.retain(|_, voice| {
            let lives = now.saturating_duration_since(voice.at) < SILENCE;
            is_ours |= !lives && voice.is_ours != Some(false);
            lives
        });
        is_ours
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_gap_in_the_numbers_of_a_replica_is_noticed_once() {
        let (mut heard, now, mine, other) = (Heard::default(), Instant::now(), Uuid::now_v7().into(), Uuid::now_v7().into());
        assert_eq!(heard.note(mine, 0, true, now), None);
        assert!(!heard.misses(mine, 0, 3), "heard from its first event on");
        heard.note(other, 7, false, now);
        assert!(!heard.misses(other, 7, 1), "what it published before the subscription is not missed");
        assert!(!heard.misses(mine, 3, 0) && !heard.misses(mine, 3, 2) && !heard.misses(other, 8, 1));
        assert!(heard.misses(mine, 6, 1), "one is missing");
        assert!(!heard.misses(mine, 7, 1));
        assert!(heard.misses(mine, 9, 0), "a message without events shows it, too");
    }

    #[test]
    fn what_a_replica_lost_before_it_was_heard_is_missed() {
        let (mut heard, now, cut, unknown) = (Heard::default(), Instant::now(), Uuid::now_v7().into(), Uuid::now_v7().into());
        heard.note(cut, 5, true, now);
        assert!(heard.misses(cut, 5, 0), "it published while its connection was cut");
        assert!(!heard.misses(cut, 5, 1));
        heard.note(unknown, 5, false, now);
        // It could not be looked up: this message, which had an event, was not delivered.
        heard.note(unknown, 6, false, now);
        assert!(heard.misses(unknown, 6, 0));
    }

    #[test]
    fn a_replica_of_this_hub_that_falls_silent_is_noticed_once() {
        let (mut heard, now) = (Heard::default(), Instant::now());
        let [mine, foreign, ended] = [(); 3].map(|()| Uuid::now_v7().into());
        for replica in [mine, foreign, ended] {
            heard.note(replica, 0, true, now);
            heard.judge(replica, replica != foreign);
        }
        heard.forget(ended);
        assert_eq!((heard.note(mine, 0, false, now + SILENCE / 2), heard.forget_silent(now + SILENCE)), (Some(true), false));
        assert_eq!(heard.note(foreign, 3, false, now + SILENCE), None, "it is asked for again");
        heard.judge(foreign, false);
        assert!(heard.forget_silent(now + SILENCE * 2));
        assert!(!heard.forget_silent(now + SILENCE * 3));
    }
}
