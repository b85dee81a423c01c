//! The rule for a new job beside others of its automation.

use domain::{
    ids::{AutomationId, JobId},
    policy::Overlap,
};
use store::jobs::NewJob;

use crate::catalog::CachedAutomations;

/// What the rule makes of a new job.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// It is added.
    Add,
    /// It is refused because of this job.
    Skip(JobId),
    /// This job, which waits, is answered in its place.
    Join(JobId),
    /// It is added, and these jobs are canceled.
    Replace(Vec<JobId>),
    /// These jobs are canceled. It takes the place of this one, which is new itself.
    Supersede(Vec<JobId>, JobId),
}

/// A job beside a new one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbor {
    pub(crate) id: JobId,
    pub(crate) is_held: bool,
}

/// The rule of the new job's automation.
pub(crate) fn rule(automations: &CachedAutomations, new: &NewJob) -> Overlap {
    automations.get(new.automation_id).map(|entry| entry.automation.draft.policy.overlap).unwrap_or_default()
}

/// Whether a job of this automation and key is beside `new`.
pub(crate) fn is_beside(new: &NewJob, automation_id: AutomationId, key: Option<&String>) -> bool {
    automation_id == new.automation_id && (new.terms.concurrency_key.is_none() || key == new.terms.concurrency_key.as_ref())
}

/// Decides by the jobs beside a new one that have not ended, and by the first one beside it that is new in the same transaction.
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
                // Nobody has seen it yet: its request gets the new one.
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
    fn each_rule_looks_at_what_runs_what_waits_and_what_is_new() {
        let [running, waiting, new] = [1, 2, 3].map(Uuid::from_u128);
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
