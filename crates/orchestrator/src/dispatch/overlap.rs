//! The overlap rule: what happens to a new job while others of its automation are pending or running. Its own rule counts, whatever theirs is.

use domain::{
    ids::{AutomationId, JobId},
    policy::Overlap,
};
use store::jobs::NewJob;

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
}

/// Another job to which the rule applies.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Neighbor {
    pub(crate) id: JobId,
    pub(crate) is_held: bool,
}

/// Whether the rule relates a job of this automation and key to `new`.
pub(crate) fn is_beside(new: &NewJob, automation_id: AutomationId, key: Option<&String>) -> bool {
    automation_id == new.automation_id && (new.terms.concurrency_key.is_none() || key == new.terms.concurrency_key.as_ref())
}

/// Decides by the related jobs that have not ended, those of the same transaction included.
pub(crate) fn decide(rule: Overlap, mut neighbors: impl Iterator<Item = Neighbor>) -> Decision {
    match rule {
        Overlap::Queue => Decision::Add,
        Overlap::Skip => neighbors.next().map_or(Decision::Add, |neighbor| Decision::Skip(neighbor.id)),
        Overlap::Coalesce => neighbors.find(|neighbor| !neighbor.is_held).map_or(Decision::Add, |neighbor| Decision::Join(neighbor.id)),
        Overlap::Replace => Decision::Replace(neighbors.map(|neighbor| neighbor.id).collect()),
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_rule_considers_running_and_pending_jobs() {
        let [running, waiting] = [1, 2].map(|id| JobId::new(Uuid::from_u128(id)));
        let held = Neighbor { id: running, is_held: true };
        let pending = Neighbor { id: waiting, is_held: false };
        for (rule, beside, expected) in [
            (Overlap::Queue, &[held, pending][..], Decision::Add),
            (Overlap::Skip, &[], Decision::Add),
            (Overlap::Skip, &[held, pending], Decision::Skip(running)),
            (Overlap::Coalesce, &[], Decision::Add),
            (Overlap::Coalesce, &[held], Decision::Add),
            (Overlap::Coalesce, &[held, pending], Decision::Join(waiting)),
            (Overlap::Replace, &[], Decision::Replace(vec![])),
            (Overlap::Replace, &[held, pending], Decision::Replace(vec![running, waiting])),
        ] {
            assert_eq!(decide(rule, beside.iter().copied()), expected, "{rule:?}");
        }
    }
}
