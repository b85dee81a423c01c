//! Concurrent jobs of a limited automation and of a concurrency key, counted by their leases.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt,
};

use domain::ids::JobId;

use super::{Breach, Evidence};
use crate::observer::Change;

/// Who shares a limit.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Group<'a> {
    Automation(i32),
    Key(&'a str),
}

impl fmt::Display for Group<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Automation(id) => write!(out, "of automation {id}"),
            Self::Key(key) => write!(out, "with the key {key}"),
        }
    }
}

/// The held jobs of a group, and their limit.
struct Held {
    jobs: BTreeSet<JobId>,
    limit: usize,
}

/// Between any two commits a group holds at most as many jobs as its limit.
pub(super) fn kept(seen: &Evidence) -> Vec<Breach> {
    let keys: HashMap<JobId, &str> = seen.jobs.iter().filter_map(|job| Some((job.id, job.concurrency_key.as_deref()?))).collect();
    let mut held: BTreeMap<Group<'_>, Held> = BTreeMap::new();
    let mut found = Vec::new();
    let grouped = seen.changes.iter().map(|change| (change, groups(seen, change, keys.get(&change.job_id).copied())));
    let mut changes = grouped.filter(|(_, groups)| !groups.is_empty()).peekable();
    while let Some((change, groups)) = changes.next() {
        for (group, limit) in groups {
            let now = held.entry(group).or_insert(Held { jobs: BTreeSet::new(), limit });
            match change.after.as_deref() {
                Some("running" | "paused") => now.jobs.insert(change.job_id),
                _ => now.jobs.remove(&change.job_id),
            };
        }
        // The changes of one transaction are simultaneous.
        let last = changes.peek().is_none_or(|(next, _)| next.xid != change.xid);
        if last {
            found.extend(held.iter().filter(|(_, held)| held.jobs.len() > held.limit).map(|(group, held)| Breach {
                promise: "limits",
                jobs: held.jobs.iter().copied().collect(),
                text: format!("{} jobs {group} ran at once, {} may", held.jobs.len(), held.limit),
            }));
        }
    }
    found
}

/// The groups that the job of a change belongs to, with their limits.
fn groups<'a>(seen: &Evidence, change: &Change, key: Option<&'a str>) -> Vec<(Group<'a>, usize)> {
    let Some(shape) = seen.shape(change.automation_id) else { return Vec::new() };
    let of_automation = shape.max_concurrency.map(|limit| (Group::Automation(change.automation_id), limit));
    let of_key = key.zip(shape.key_limit).map(|(key, limit)| (Group::Key(key), limit));
    let known = [of_automation, of_key].into_iter().flatten();
    known.filter_map(|(group, limit)| Some((group, usize::try_from(limit).ok()?))).collect()
}

/// A job has a concurrency key if its automation has one: without the key no violated limit would be detected.
pub(super) fn keyed(seen: &Evidence) -> Vec<Breach> {
    let wrong = seen.jobs.iter().filter(|job| {
        let expected = seen.shape(job.automation_id).is_some_and(|shape| shape.key_limit.is_some());
        job.concurrency_key.is_some() != expected
    });
    wrong.map(|job| Breach::new("keyed", job.id, format!("its concurrency key is {:?}", job.concurrency_key))).collect()
}
