//! Claims that wait for jobs, indexed by all that an event may ask for: what one event costs does not grow with who waits.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use domain::automation::EVERY_QUEUE;
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

use super::{Claim, Reply};

/// A claim that waits for a job.
pub(super) struct Parked {
    pub(super) claim: Claim,
    pub(super) reply: oneshot::Sender<Reply>,
    pub(super) deadline: Instant,
    ability: Ability,
}

/// Which jobs a worker's claims may have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Ability {
    /// Those that any worker can run.
    pub(super) any: bool,
    /// Those that require some of these labels; empty: none.
    pub(super) labels: Vec<String>,
}

/// The claims that wait. Their ids rise with their age, so that the oldest is served first.
#[derive(Default)]
pub(super) struct ParkedClaims {
    claims: HashMap<u64, Parked>,
    by_worker: HashMap<Uuid, u64>,
    /// Those for every queue are those of [`EVERY_QUEUE`].
    by_queue: HashMap<String, OfQueue>,
    deadlines: BTreeSet<(Instant, u64)>,
    fresh: BTreeSet<u64>,
}

/// The claims that want jobs of a queue.
#[derive(Default)]
struct OfQueue {
    any: BTreeSet<u64>,
    /// By the labels of their workers.
    labelled: BTreeMap<Vec<String>, BTreeSet<u64>>,
}

impl OfQueue {
    fn is_empty(&self) -> bool {
        self.any.is_empty() && self.labelled.is_empty()
    }

    fn insert(&mut self, id: u64, ability: &Ability) {
        if ability.any {
            self.any.insert(id);
        }
        if !ability.labels.is_empty() {
            self.labelled.entry(ability.labels.clone()).or_default().insert(id);
        }
    }

    fn remove(&mut self, id: u64, ability: &Ability) {
        self.any.remove(&id);
        if let Some(ids) = self.labelled.get_mut(&ability.labels) {
            ids.remove(&id);
            if ids.is_empty() {
                self.labelled.remove(&ability.labels);
            }
        }
    }
}

impl ParkedClaims {
    /// Adds a claim that has not been looked at yet: what its worker lost on the way is dispatched again.
    pub(super) fn insert(&mut self, claim: Claim, reply: oneshot::Sender<Reply>, ability: Ability) {
        let (id, deadline) = (claim.id, Instant::now() + claim.wait);
        self.deadlines.insert((deadline, id));
        self.by_worker.insert(claim.request.worker_id, id);
        self.fresh.insert(id);
        self.claims.insert(id, Parked { claim, reply, deadline, ability });
        self.index(id);
    }

    pub(super) fn remove(&mut self, id: u64) -> Option<Parked> {
        self.unindex(id);
        let parked = self.claims.remove(&id)?;
        self.deadlines.remove(&(parked.deadline, id));
        self.fresh.remove(&id);
        let worker_id = parked.claim.request.worker_id;
        if self.by_worker.get(&worker_id) == Some(&id) {
            self.by_worker.remove(&worker_id);
        }
        Some(parked)
    }

    pub(super) fn remove_of(&mut self, worker_id: Uuid) -> Option<Parked> {
        self.remove(*self.by_worker.get(&worker_id)?)
    }

    /// Removes one whose time is up.
    pub(super) fn remove_expired(&mut self, now: Instant) -> Option<Parked> {
        let (deadline, id) = *self.deadlines.first()?;
        if deadline <= now { self.remove(id) } else { None }
    }

    pub(super) fn drain(&mut self) -> impl Iterator<Item = Parked> {
        std::mem::take(self).claims.into_values()
    }

    pub(super) fn get(&self, id: u64) -> Option<&Parked> {
        self.claims.get(&id)
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Claims that no transaction has looked at, oldest first.
    pub(super) fn fresh(&self) -> impl Iterator<Item = (u64, &Parked)> {
        self.fresh.iter().filter_map(|id| Some((*id, self.claims.get(id)?)))
    }

    pub(super) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// A transaction has looked at all of them.
    pub(super) fn settle(&mut self) {
        self.fresh.clear();
    }

    /// Whether one waits for jobs of `queue` that any worker can run.
    pub(super) fn is_claimed(&self, queue: &str) -> bool {
        self.of(queue).any(|claims| !claims.any.is_empty())
    }

    /// Whether one waits for jobs of `queue`, also for those alone that require labels.
    pub(super) fn is_wanted(&self, queue: &str) -> bool {
        self.of(queue).next().is_some()
    }

    /// Claims for jobs of `queue` that any worker can run, oldest first.
    pub(super) fn any(&self, queue: &str) -> impl Iterator<Item = (u64, &Parked)> {
        let mut named = self.by_queue.get(queue).map(|claims| claims.any.iter()).into_iter().flatten().peekable();
        let mut every = self.by_queue.get(EVERY_QUEUE).map(|claims| claims.any.iter()).into_iter().flatten().peekable();
        let oldest = std::iter::from_fn(move || match (named.peek(), every.peek()) {
            (Some(one), Some(other)) if other < one => every.next(),
            (None, _) => every.next(),
            _ => named.next(),
        });
        oldest.filter_map(|id| Some((*id, self.claims.get(id)?)))
    }

    /// Claims for jobs of `queue` that require labels, by the labels of their workers.
    pub(super) fn labelled(&self, queue: &str) -> impl Iterator<Item = (&[String], impl Iterator<Item = (u64, &Parked)>)> {
        let groups = self.of(queue).flat_map(|claims| &claims.labelled);
        groups.map(|(labels, ids)| (labels.as_slice(), ids.iter().filter_map(|id| Some((*id, self.claims.get(id)?)))))
    }

    pub(super) fn has_labelled(&self, queue: &str) -> bool {
        self.of(queue).any(|claims| !claims.labelled.is_empty())
    }

    /// The claims that name `queue`, and those for every queue.
    fn of(&self, queue: &str) -> impl Iterator<Item = &OfQueue> {
        [queue, EVERY_QUEUE].into_iter().filter_map(|queue| self.by_queue.get(queue))
    }

    /// Something was learnt about the worker.
    pub(super) fn set_ability(&mut self, worker_id: Uuid, ability: &Ability) {
        let Some(id) = self.by_worker.get(&worker_id).copied() else { return };
        if self.claims.get(&id).is_some_and(|parked| parked.ability == *ability) {
            return;
        }
        self.unindex(id);
        if let Some(parked) = self.claims.get_mut(&id) {
            parked.ability = ability.clone();
        }
        self.index(id);
    }

    /// Workers whose claims wait.
    pub(super) fn workers(&self) -> Vec<Uuid> {
        self.by_worker.keys().copied().collect()
    }

    fn index(&mut self, id: u64) {
        let Some(parked) = self.claims.get(&id) else { return };
        if parked.ability == Ability::default() || parked.claim.request.max == 0 {
            return;
        }
        for queue in &parked.claim.request.queues {
            self.by_queue.entry(queue.clone()).or_default().insert(id, &parked.ability);
        }
    }

    fn unindex(&mut self, id: u64) {
        let Some(parked) = self.claims.get(&id) else { return };
        for queue in &parked.claim.request.queues {
            let Some(claims) = self.by_queue.get_mut(queue) else { continue };
            claims.remove(id, &parked.ability);
            if claims.is_empty() {
                self.by_queue.remove(queue);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use api_types::ClaimRequest;

    use super::*;

    fn claim(id: u64, worker_id: Uuid, queues: &[&str], wait: u64) -> Claim {
        let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
        let request = ClaimRequest { worker_id, queues, max: 1, wait_s: 0.0, holding: Vec::new() };
        Claim { id, request, wait: Duration::from_secs(wait) }
    }

    fn ids(claims: &ParkedClaims, queue: &str) -> Vec<u64> {
        claims.any(queue).map(|(id, _)| id).collect()
    }

    #[tokio::test]
    async fn claims_are_found_by_queue_and_labels_until_they_are_removed() {
        let (mut claims, worker) = (ParkedClaims::default(), Uuid::now_v7());
        let labels = || vec!["sap".to_owned()];
        claims.insert(claim(2, worker, &["a", "b"], 9), oneshot::channel().0, Ability { any: true, labels: labels() });
        claims.insert(claim(1, Uuid::now_v7(), &["a"], 5), oneshot::channel().0, Ability { any: true, labels: Vec::new() });
        claims.insert(claim(3, Uuid::now_v7(), &["c"], 7), oneshot::channel().0, Ability::default());
        assert_eq!((ids(&claims, "a"), ids(&claims, "b"), ids(&claims, "c")), (vec![1, 2], vec![2], vec![]), "the oldest first");
        assert!(claims.is_claimed("a") && !claims.is_wanted("c"), "who may have nothing claims nothing");
        assert!(claims.has_labelled("b"));

        claims.set_ability(worker, &Ability { any: false, labels: labels() });
        assert!(!claims.is_claimed("b") && claims.is_wanted("b"));
        assert_eq!(claims.labelled("b").map(|(of, mut ids)| (of.to_vec(), ids.next().map(|(id, _)| id))).next(), Some((labels(), Some(2))));

        let everywhere = Uuid::now_v7();
        claims.insert(claim(0, everywhere, &["*"], 9), oneshot::channel().0, Ability { any: true, labels: labels() });
        assert_eq!((ids(&claims, "a"), ids(&claims, "new")), (vec![0, 1], vec![0]), "a claim for every queue, in its turn");
        assert!(claims.is_claimed("new") && claims.is_wanted("new") && claims.has_labelled("new"));
        assert_eq!(claims.labelled("b").count(), 2);
        assert_eq!(claims.remove_of(everywhere).map(|parked| parked.claim.id), Some(0));
        assert!(!claims.is_wanted("new"));

        assert!(claims.remove_expired(Instant::now()).is_none());
        let later = Instant::now() + Duration::from_secs(6);
        assert_eq!(claims.remove_expired(later).map(|parked| parked.claim.id), Some(1), "the one whose time is up");
        assert!(claims.remove_expired(later).is_none());
        assert_eq!(claims.remove_of(worker).map(|parked| parked.claim.id), Some(2));
        assert!(claims.by_queue.is_empty(), "nothing is left behind");
        assert_eq!(claims.fresh().map(|(id, _)| id).collect::<Vec<_>>(), [3]);
    }
}
