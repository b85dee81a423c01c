//! What a selection asks for: what it has to know before it can go on.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::ids::{AutomationId, JobId, WorkerId};
use store::jobs::CandidateFilter;

/// What a selection has to know next.
#[derive(Debug)]
pub(crate) enum Read {
    /// The jobs that these workers hold, for [`super::Selection::found_held`].
    Held(Vec<WorkerId>),
    /// These jobs, locked, for [`super::Selection::found_lost`].
    Lost(Lost),
    /// The sets of labels that waiting jobs of this queue require, for [`super::Selection::found_labels`].
    Labels(String),
    /// Waiting jobs, locked, for [`super::Selection::found_candidates`].
    Candidates(Look),
}

/// Jobs that a claim's worker holds and does not know of: their assignment got lost on the way.
#[derive(Debug)]
pub(crate) struct Lost {
    pub(super) claim: u64,
    pub(crate) jobs: Vec<JobId>,
}

/// A look at the candidates of a queue.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) queue: String,
    pub(super) limit: usize,
    pub(super) except_automations: Vec<AutomationId>,
    pub(super) except_keys: Vec<String>,
    pub(super) target: Target,
}

/// Whom the candidates are for.
#[derive(Debug)]
pub(super) enum Target {
    /// These claims, which take so many each, then the broker. Jobs that any worker can run.
    Anybody(Vec<(u64, usize)>),
    /// A claim of a worker with labels. Jobs that require one of these sets.
    Labelled { claim: u64, sets: Vec<Vec<String>>, rest: Labelled },
}

/// Jobs of a queue that require labels.
#[derive(Debug)]
pub(super) struct Labelled {
    pub(super) queue: String,
    /// The sets of labels that jobs require which may still start.
    pub(super) required: Vec<Vec<String>>,
    /// Claims that have got what there is for them.
    pub(super) served: BTreeSet<u64>,
}

impl Look {
    /// The candidates that it asks for.
    pub(crate) fn candidates(&self, now: DateTime<Utc>) -> CandidateFilter<'_> {
        CandidateFilter {
            queue: &self.queue,
            now,
            limit: self.limit as u64,
            except_automations: &self.except_automations,
            except_keys: &self.except_keys,
            requires: match &self.target {
                Target::Anybody(_) => None,
                Target::Labelled { sets, .. } => Some(sets),
            },
        }
    }
}
