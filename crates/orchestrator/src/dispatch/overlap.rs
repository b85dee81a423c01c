//! The overlap rule: what happens to a new job while others of its automation are pending or running.

use domain::{
    ids::{AutomationId, JobId},
    policy::Overlap,
};
use store::jobs::NewJob;

use crate::catalog::CachedAutomations;

/// Outcome of the rule.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The job is inserted.
    Add,
    /// The request is refused because of this job.
    Skip(JobId),
    /// This pending job is returned instead.
    Join(JobId),
    /// The job is inserted, and these jobs are canceled.
    Replace(Vec<JobId>),
    /// These jobs are canceled, and the job replaces this one, which is new in the same transaction.
    Supersede(Vec<JobId>, JobId),
}

/// Another job to which the rule applies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbor {
    pub(crate) id: JobId,
    pub(crate) is_held: bool,
}

/// The overlap rule of the new job's automation.
pub(crate) fn rule(automations: &CachedAutomations, new: &NewJob) -> Overlap {
    automations.get(new.automation_id).map(|entry| entry.automation.draft.policy.overlap).unwrap_or_default()
}

/// Whether the rule relates a job of this automation and key to `new`.
pub(crate) fn is_beside(new: &NewJob, automation_id: AutomationId, key: Option<&String>) -> bool {
    automation_id == new.automation_id && (new.terms.concurrency_key.is_none() || key == new.terms.concurrency_key.as_ref())
}

/// Decides by the related jobs that have not ended, and by the first related job that is new in the same transaction.
pub(crate) fn decide(rule: Overlap, mut neighbors: impl Iterator<Item = Neighbor>, new: impl FnOnce() -> Option<JobId>) -> Decision {
    match rule {
        Overlap::Queue => Decision::Add,
        Overlap::Skip => neighbors.next().map(|neighbor| neighbor.id).or_else(new).map_or(Decision::Add, Decision::Skip),
        Overlap::Coalesce => {
            let waits = neighbors.find(|neighbor| !neighbor.is_held).map(|neighbor| neighbor.id);
            waits.or_else(new).map_or(Decision::Add, Decision::Join)
        }
        Overlap::Replace => {
            let others = neighbors.map(|neighbor| neighbor.id).collect();
            match new() {
                // It is not committed yet: its request is answered with the new job.
                Some(new) => Decision::Supersede(others, new),
                None => Decision::Replace(others),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_rule_considers_running_pending_and_new_jobs() {
        let [running, waiting, new] = [1, 2, 3].map(|id| JobId::new(Uuid::from_u128(id)));
        let held = Neighbor { id: running, is_held: true };
        let pending = Neighbor { id: waiting, is_held: false };
        let decide = |rule, beside: &[Neighbor], new| decide(rule, beside.iter().copied(), || new);
        for (rule, beside, earlier, expected) in [
            (Overlap::Queue, &[held, pending][..], Some(new), Decision::Add),
            (Overlap::Skip, &[], None, Decision::Add),
            (Overlap::Skip, &[held, pending], None, Decision::Skip(running)),
            (Overlap::Skip, &[], Some(new), Decision::Skip(new)),
            (Overlap::Coalesce, &[held], None, Decision::Add),
            (Overlap::Coalesce, &[held, pending], Some(new), Decision::Join(waiting)),
            (Overlap::Coalesce, &[held], Some(new), Decision::Join(new)),
            (Overlap::Replace, &[], None, Decision::Replace(vec![])),
            (Overlap::Replace, &[held, pending], None, Decision::Replace(vec![running, waiting])),
            (Overlap::Replace, &[held], Some(new), Decision::Supersede(vec![running], new)),
        ] {
            assert_eq!(decide(rule, beside, earlier), expected, "{rule:?}");
        }
    }
}
