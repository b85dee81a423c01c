//! The changes of each job, in commit order.

use std::collections::BTreeMap;

use domain::ids::{JobId, WorkerId};
use uuid::Uuid;

use super::{Breach, Evidence, is_terminal};
use crate::observer::Change;

/// Each job is created once, dispatched to at most one worker under one lease, and ends once; then nothing changes it.
pub(super) fn once(seen: &Evidence) -> Vec<Breach> {
    let mut by_job: BTreeMap<JobId, Vec<&Change>> = BTreeMap::new();
    for change in &seen.changes {
        by_job.entry(change.job_id).or_default().push(change);
    }
    let unseen = seen.jobs.iter().filter(|job| !by_job.contains_key(&job.id));
    let mut found: Vec<_> = unseen.map(|job| Breach::new("once", job.id, "a job whose creation was not observed")).collect();
    for (job, changes) in &by_job {
        found.extend(fault(changes).map(|text| Breach::new("once", *job, text)));
    }
    let statuses = seen.by_id();
    for (job, changes) in by_job {
        let last = changes.last().and_then(|change| change.after.as_deref());
        if statuses.get(&job).map(|row| row.status.as_str()) != last {
            found.push(Breach::new("once", job, format!("the last observed change led to {last:?}")));
        }
    }
    found
}

fn fault(changes: &[&Change]) -> Option<String> {
    let mut now: Option<(&str, Option<Uuid>, Option<WorkerId>)> = None;
    for change in changes {
        let before = change.before.as_deref();
        let Some(after) = change.after.as_deref() else { return Some("its row was deleted".to_owned()) };
        let next = (after, change.lease, change.worker);
        match now {
            None if before.is_some() => return Some(format!("it was {before:?} before it was created")),
            None if after != "pending" => return Some(format!("it was created as {after}")),
            Some((status, ..)) if before != Some(status) => return Some(format!("it was {status}, and then {before:?}")),
            Some((status, ..)) if is_terminal(status) => return Some(format!("it changed after it was {status}")),
            Some((status, lease, worker)) => {
                if !allowed(status, after) {
                    return Some(format!("it went from {status} to {after}"));
                }
                if lease.is_some() && (lease, worker) != (change.lease, change.worker) {
                    return Some(format!("its lease went from {lease:?} of {worker:?} to {:?} of {:?}", change.lease, change.worker));
                }
            }
            None => {}
        }
        now = Some(next);
    }
    None
}

fn allowed(from: &str, to: &str) -> bool {
    match (from, to) {
        ("pending", "running") | ("running", "paused") | ("paused", "running") => true,
        (from, to) if from == to => true,
        (_, to) => is_terminal(to),
    }
}
