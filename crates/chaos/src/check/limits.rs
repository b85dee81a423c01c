//! Jobs of a limited automation at once, by their leases.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use super::{Breach, Evidence};

/// No moment between two commits has more jobs of an automation running than its limit.
pub(super) fn kept(seen: &Evidence) -> Vec<Breach> {
    let limits = seen.shapes.iter().filter_map(|shape| Some((shape.automation, usize::try_from(shape.max_concurrency?).ok()?)));
    let limits: HashMap<i32, usize> = limits.collect();
    let mut running: HashMap<i32, BTreeSet<Uuid>> = HashMap::new();
    let mut found = Vec::new();
    let mut changes = seen.changes.iter().filter(|change| limits.contains_key(&change.automation_id)).peekable();
    while let Some(change) = changes.next() {
        let now = running.entry(change.automation_id).or_default();
        match change.after.as_deref() {
            Some("running" | "paused") => now.insert(change.job_id),
            _ => now.remove(&change.job_id),
        };
        // What one transaction does happens at once.
        let last = changes.peek().is_none_or(|next| next.xid != change.xid);
        if last {
            let over = running.iter().filter(|(automation, jobs)| limits.get(automation).is_some_and(|limit| jobs.len() > *limit));
            found.extend(over.map(|(automation, jobs)| Breach {
                promise: "limits",
                jobs: jobs.iter().copied().collect(),
                text: format!("{} jobs of automation {automation} ran at once, {} may", jobs.len(), limits[automation]),
            }));
        }
    }
    found
}
