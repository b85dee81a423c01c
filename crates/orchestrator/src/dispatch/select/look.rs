//! The reads of a selection.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::ids::{AutomationId, JobId, ScheduleId, WorkerId};
use store::jobs::CandidateFilter;

/// The next read of a selection.
#[derive(Debug)]
pub(crate) enum Read {
    /// The jobs that these workers hold, for [`super::Selection::found_held`].
    Held(Vec<WorkerId>),
    /// These jobs, locked, for [`super::Selection::found_lost`].
    Lost(Lost),
    /// The sets of labels that jobs in the backlog of this queue require, for [`super::Selection::found_labels`].
    Labels(String),
    /// Candidates, locked, for [`super::Selection::found_candidates`].
    Candidates(Look),
}

/// Jobs that are assigned to a claim's worker without its knowledge: the assignment was lost in transit.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(super) claim: u64,
    pub(crate) jobs: Vec<JobId>,
}

/// A read of the candidates of a queue.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) queue: String,
    pub(super) limit: usize,
    pub(super) except_automations: Vec<AutomationId>,
    pub(super) except_keys: Vec<String>,
    pub(super) except_schedules: Vec<ScheduleId>,
    pub(super) target: Target,
}

/// Destination of the candidates.
#[derive(Debug)]
pub(super) enum Target {
    /// These claims, each with its capacity, then the broker. Jobs without required labels.
    Anybody(Vec<(u64, usize)>),
    /// A claim of a worker with labels. Jobs that require one of these sets of labels.
    Labelled { claim: u64, sets: Vec<Vec<String>>, rest: Labelled },
}

/// Jobs of a queue with required labels.
#[derive(Debug)]
pub(super) struct Labelled {
    pub(super) queue: String,
    /// The sets of labels of jobs that may still start.
    pub(super) required: Vec<Vec<String>>,
    /// Claims that are served.
    pub(super) served: BTreeSet<u64>,
}

impl Look {
    /// The filter for its candidates.
    pub(crate) fn candidates(&self, now: DateTime<Utc>) -> CandidateFilter<'_> {
        CandidateFilter {
            queue: &self.queue,
            now,
            limit: self.limit as u64,
            except_automations: &self.except_automations,
            except_keys: &self.except_keys,
            except_schedules: &self.except_schedules,
            requires: match &self.target {
                Target::Anybody(_) => None,
                Target::Labelled { sets, .. } => Some(sets),
            },
        }
    }
}
