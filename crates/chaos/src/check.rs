//! The guarantees of `docs/RELIABILITY.md` as code: pure functions over what was observed from outside. Nothing here asks a hub: a system
//! that is checked must not testify for itself.

mod books;
mod history;
pub(crate) mod incidents;
mod limits;
mod lines;
pub(crate) mod live;
mod lost;
mod slots;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    fmt,
};

use domain::ids::{JobId, WorkerId};
use serde::Serialize;

pub(crate) use self::{incidents::Alerting, slots::Timing};
use crate::{
    absence::Absence,
    observer::{Change, JobRow},
    robots::Run,
    shapes::Shape,
    watchers::Watch,
};

/// All observations.
#[derive(Default)]
pub(crate) struct Evidence {
    /// Accepted keys, each with its job and automation.
    pub(crate) accepted: HashMap<String, (JobId, i32)>,
    /// Jobs whose cancellation was requested.
    pub(crate) cancels: HashSet<JobId>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) jobs: Vec<JobRow>,
    /// In the order of their commits.
    pub(crate) changes: Vec<Change>,
    pub(crate) runs: HashMap<JobId, Vec<Run>>,
    /// Queue, job and reason.
    pub(crate) dead_letters: Vec<(String, Option<JobId>, String)>,
    /// Names of the workers.
    pub(crate) workers: HashMap<WorkerId, String>,
    /// When agents had an excuse.
    pub(crate) absences: Vec<Absence>,
    /// Ends that robots without an agent reported.
    pub(crate) reports: HashMap<JobId, &'static str>,
    /// Peak memory of each hub and agent, in MiB.
    pub(crate) peaks_mib: BTreeMap<String, u64>,
    /// What watchers of live events saw.
    pub(crate) watches: Vec<Watch>,
    /// Schedules, and what became of their slots.
    pub(crate) timing: Timing,
    /// SLA rules, and what they told.
    pub(crate) alerting: Alerting,
}

/// A violated guarantee.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Breach {
    /// Its name, one word.
    pub(crate) promise: &'static str,
    /// The jobs it concerns.
    pub(crate) jobs: Vec<JobId>,
    pub(crate) text: String,
}

impl Breach {
    fn new(promise: &'static str, job: JobId, text: impl Into<String>) -> Self {
        Self { promise, jobs: vec![job], text: text.into() }
    }
}

impl fmt::Display for Breach {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.promise, self.text)?;
        self.jobs.iter().try_for_each(|job| write!(out, " {job}"))
    }
}

/// Every violated guarantee.
pub(crate) fn breaches(seen: &Evidence) -> Vec<Breach> {
    let rules = [
        lines::accepted,
        lines::ended,
        lines::retried,
        lines::dead_letters,
        history::once,
        limits::kept,
        limits::keyed,
        books::runs,
        lost::with_their_agents,
        lost::reports_kept,
        lost::memory_is_bounded,
        live::told,
        slots::each_once,
        incidents::each_told_once,
    ];
    rules.iter().flat_map(|rule| rule(seen)).collect()
}

pub(crate) fn is_terminal(status: &str) -> bool {
    matches!(status, "completed" | "completed_no_invoices" | "failed" | "canceled")
}

impl Evidence {
    fn shape(&self, automation: i32) -> Option<&Shape> {
        self.shapes.iter().find(|shape| shape.automation == automation)
    }

    /// Whether this attempt is made to fail.
    fn fails_on_purpose(&self, job: &JobRow) -> bool {
        self.shape(job.automation_id).is_some_and(|shape| i64::from(job.attempt) <= i64::from(shape.failures))
    }

    fn by_id(&self) -> HashMap<JobId, &JobRow> {
        self.jobs.iter().map(|job| (job.id, job)).collect()
    }
}
