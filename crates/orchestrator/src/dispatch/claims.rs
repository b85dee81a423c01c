//! Waiting claims, indexed by queue, labels, worker and deadline, so that the cost of an event does not grow with the number of claims.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use api_types::{ClaimRequest, JobAssignment};
use domain::{automation::EVERY_QUEUE, ids::WorkerId};
use runtime::Failure;
use tokio::{sync::oneshot, time::Instant};

/// A worker's request for jobs.
#[derive(Clone)]
pub(crate) struct Claim {
    /// Increases with each claim of this hub.
    pub(crate) id: u64,
    pub(crate) request: ClaimRequest,
    /// Maximum time to wait.
    pub(crate) wait: Duration,
}

/// Sends the answer of a claim.
pub(crate) type ClaimReply = oneshot::Sender<Result<Vec<JobAssignment>, Failure>>;

/// A waiting claim with its reply channel.
pub(crate) struct WaitingClaim {
    pub(crate) claim: Claim,
    pub(crate) reply: ClaimReply,
    pub(crate) deadline: Instant,
    ability: Ability,
}

/// Which jobs a worker's claims may receive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ability {
    /// Jobs without required labels.
    pub(crate) any: bool,
    /// Jobs that require only labels of this list; empty: none.
    pub(crate) labels: Vec<String>,
}

/// The waiting claims. The oldest has the lowest id and is served first.
#[derive(Default)]
pub(crate) struct WaitingClaims {
    claims: HashMap<u64, WaitingClaim>,
    by_worker: HashMap<WorkerId, u64>,
    /// Claims for every queue are under [`EVERY_QUEUE`].
    by_queue: HashMap<String, OfQueue>,
    deadlines: BTreeSet<(Instant, u64)>,
    fresh: BTreeSet<u64>,
}

/// The claims for a queue.
#[derive(Default)]
struct OfQueue {
    any: BTreeSet<u64>,
    /// By the labels of the workers.
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

impl WaitingClaim {
    /// Maximum number of jobs; 0 when the client is gone.
    pub(crate) fn most(&self) -> usize {
        if self.reply.is_closed() { 0 } else { usize::try_from(self.claim.request.max).unwrap_or(usize::MAX) }
    }

    /// Answers the claim. If the client is gone, the worker gets the jobs with its next claim.
    pub(crate) fn answer(self, jobs: Vec<JobAssignment>) {
        let _ = self.reply.send(Ok(jobs));
    }
}

impl WaitingClaims {
    /// Adds a fresh claim: assignments that its worker lost in transit are still to be repeated.
    pub(crate) fn insert(&mut self, claim: Claim, reply: ClaimReply, ability: Ability, now: Instant) {
        let (id, deadline) = (claim.id, now + claim.wait);
        self.deadlines.insert((deadline, id));
        self.by_worker.insert(claim.request.worker_id, id);
        self.fresh.insert(id);
        self.claims.insert(id, WaitingClaim { claim, reply, deadline, ability });
        self.index(id);
    }

    pub(crate) fn remove(&mut self, id: u64) -> Option<WaitingClaim> {
        self.unindex(id);
        let waiting = self.claims.remove(&id)?;
        self.deadlines.remove(&(waiting.deadline, id));
        self.fresh.remove(&id);
        let worker_id = waiting.claim.request.worker_id;
        if self.by_worker.get(&worker_id) == Some(&id) {
            self.by_worker.remove(&worker_id);
        }
        Some(waiting)
    }

    pub(crate) fn remove_of(&mut self, worker_id: WorkerId) -> Option<WaitingClaim> {
        self.remove(*self.by_worker.get(&worker_id)?)
    }

    /// Removes an expired claim.
    pub(crate) fn remove_expired(&mut self, now: Instant) -> Option<WaitingClaim> {
        let (deadline, id) = *self.deadlines.first()?;
        if deadline <= now { self.remove(id) } else { None }
    }

    pub(crate) fn drain(&mut self) -> impl Iterator<Item = WaitingClaim> {
        std::mem::take(self).claims.into_values()
    }

    pub(crate) fn get(&self, id: u64) -> Option<&WaitingClaim> {
        self.claims.get(&id)
    }

    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// Claims that no transaction has examined yet, oldest first.
    pub(crate) fn fresh(&self) -> impl Iterator<Item = (u64, &WaitingClaim)> {
        self.fresh.iter().filter_map(|id| Some((*id, self.claims.get(id)?)))
    }

    pub(crate) fn has_fresh(&self) -> bool {
        !self.fresh.is_empty()
    }

    /// Marks all claims as examined by a transaction.
    pub(crate) fn mark_seen(&mut self) {
        self.fresh.clear();
    }

    /// Whether a claim waits for jobs of `queue` without required labels.
    pub(crate) fn takes_any(&self, queue: &str) -> bool {
        self.of(queue).any(|claims| !claims.any.is_empty())
    }

    /// Whether a claim waits for jobs of `queue`, with or without required labels.
    pub(crate) fn has_claims(&self, queue: &str) -> bool {
        self.of(queue).next().is_some()
    }

    /// Claims for jobs of `queue` without required labels, oldest first.
    pub(crate) fn any(&self, queue: &str) -> impl Iterator<Item = (u64, &WaitingClaim)> {
        let mut named = self.by_queue.get(queue).map(|claims| claims.any.iter()).into_iter().flatten().peekable();
        let mut every = self.by_queue.get(EVERY_QUEUE).map(|claims| claims.any.iter()).into_iter().flatten().peekable();
        let oldest = std::iter::from_fn(move || match (named.peek(), every.peek()) {
            (Some(one), Some(other)) if other < one => every.next(),
            (None, _) => every.next(),
            _ => named.next(),
        });
        oldest.filter_map(|id| Some((*id, self.claims.get(id)?)))
    }

    /// Claims for jobs of `queue` with required labels, by the labels of the workers.
    pub(crate) fn labelled(&self, queue: &str) -> impl Iterator<Item = (&[String], impl Iterator<Item = (u64, &WaitingClaim)>)> {
        let groups = self.of(queue).flat_map(|claims| &claims.labelled);
        groups.map(|(labels, ids)| (labels.as_slice(), ids.iter().filter_map(|id| Some((*id, self.claims.get(id)?)))))
    }

    pub(crate) fn has_labelled(&self, queue: &str) -> bool {
        self.of(queue).any(|claims| !claims.labelled.is_empty())
    }

    /// The claims for `queue` and those for every queue.
    fn of(&self, queue: &str) -> impl Iterator<Item = &OfQueue> {
        [queue, EVERY_QUEUE].into_iter().filter_map(|queue| self.by_queue.get(queue))
    }

    /// Updates the ability of a worker's claim.
    pub(crate) fn set_ability(&mut self, worker_id: WorkerId, ability: &Ability) {
        let Some(id) = self.by_worker.get(&worker_id).copied() else { return };
        if self.claims.get(&id).is_some_and(|waiting| waiting.ability == *ability) {
            return;
        }
        self.unindex(id);
        if let Some(waiting) = self.claims.get_mut(&id) {
            waiting.ability = ability.clone();
        }
        self.index(id);
    }

    /// Workers with a waiting claim.
    pub(crate) fn workers(&self) -> Vec<WorkerId> {
        self.by_worker.keys().copied().collect()
    }

    fn index(&mut self, id: u64) {
        let Some(waiting) = self.claims.get(&id) else { return };
        if waiting.ability == Ability::default() || waiting.claim.request.max == 0 {
            return;
        }
        for queue in &waiting.claim.request.queues {
            self.by_queue.entry(queue.clone()).or_default().insert(id, &waiting.ability);
        }
    }

    fn unindex(&mut self, id: u64) {
        let Some(waiting) = self.claims.get(&id) else { return };
        for queue in &waiting.claim.request.queues {
            let Some(claims) = self.by_queue.get_mut(queue) else { continue };
            claims.remove(id, &waiting.ability);
            if claims.is_empty() {
                self.by_queue.remove(queue);
            }
        }
    }
}

/// Validates a claim.
///
/// # Errors
/// [`Failure::Invalid`] with each fault.
pub(crate) fn check_claim(request: &ClaimRequest) -> Result<(), Failure> {
    let mut faults = domain::automation::queue_faults(&request.queues);
    if request.max > 1000 {
        faults.push(domain::Fault::new("max", "must be 0 to 1000"));
    }
    if !(0.0..=60.0).contains(&request.wait_s) {
        faults.push(domain::Fault::new("wait_s", "must be 0 to 60 seconds"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn claim(id: u64, worker_id: WorkerId, queues: &[&str], wait: u64) -> Claim {
        let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
        let request = ClaimRequest { worker_id, queues, max: 1, wait_s: 0.0, holding: Vec::new() };
        Claim { id, request, wait: Duration::from_secs(wait) }
    }

    fn ids(claims: &WaitingClaims, queue: &str) -> Vec<u64> {
        claims.any(queue).map(|(id, _)| id).collect()
    }

    #[test]
    fn claims_are_found_by_queue_and_labels_until_they_are_removed() {
        let (mut claims, worker, now) = (WaitingClaims::default(), WorkerId::new(Uuid::now_v7()), Instant::now());
        let labels = || vec!["sap".to_owned()];
        claims.insert(claim(2, worker, &["a", "b"], 9), oneshot::channel().0, Ability { any: true, labels: labels() }, now);
        claims.insert(claim(1, Uuid::now_v7().into(), &["a"], 5), oneshot::channel().0, Ability { any: true, labels: Vec::new() }, now);
        claims.insert(claim(3, Uuid::now_v7().into(), &["c"], 7), oneshot::channel().0, Ability::default(), now);
        assert_eq!((ids(&claims, "a"), ids(&claims, "b"), ids(&claims, "c")), (vec![1, 2], vec![2], vec![]), "the oldest first");
        assert!(claims.takes_any("a") && !claims.has_claims("c"), "who may have nothing claims nothing");
        assert!(claims.has_labelled("b"));

        claims.set_ability(worker, &Ability { any: false, labels: labels() });
        assert!(!claims.takes_any("b") && claims.has_claims("b"));
        assert_eq!(claims.labelled("b").map(|(of, mut ids)| (of.to_vec(), ids.next().map(|(id, _)| id))).next(), Some((labels(), Some(2))));

        let everywhere = WorkerId::new(Uuid::now_v7());
        claims.insert(claim(0, everywhere, &["*"], 9), oneshot::channel().0, Ability { any: true, labels: labels() }, now);
        assert_eq!((ids(&claims, "a"), ids(&claims, "new")), (vec![0, 1], vec![0]), "a claim for every queue, in its turn");
        assert!(claims.takes_any("new") && claims.has_claims("new") && claims.has_labelled("new"));
        assert_eq!(claims.labelled("b").count(), 2);
        assert_eq!(claims.remove_of(everywhere).map(|waiting| waiting.claim.id), Some(0));
        assert!(!claims.has_claims("new"));

        assert!(claims.remove_expired(now).is_none());
        let later = now + Duration::from_secs(6);
        assert_eq!(claims.remove_expired(later).map(|waiting| waiting.claim.id), Some(1), "the one whose time is up");
        assert!(claims.remove_expired(later).is_none());
        assert_eq!(claims.remove_of(worker).map(|waiting| waiting.claim.id), Some(2));
        assert!(claims.by_queue.is_empty(), "nothing is left behind");
        assert_eq!(claims.fresh().map(|(id, _)| id).collect::<Vec<_>>(), [3]);
    }
}
