//! What watchers of live events saw.

use super::{Breach, Evidence, is_terminal};
use crate::{observer::Change, watchers::Watch};

/// Seconds within which a watcher must be told that it missed an event: the longest fault, the restart of what failed, and the silence by which
/// a dead replica is noticed.
const TOLD_WITHIN_S: f64 = 60.0;

/// Each watcher saw the end of each job that ended while it watched, or was told soon after that it had missed events.
pub(super) fn told(seen: &Evidence) -> Vec<Breach> {
    let breaches = seen.watches.iter().flat_map(|watch| unseen(watch, &seen.changes).map(move |change| (watch, change)));
    let text = |watch: &Watch| format!("the watcher with {} neither saw the end of a job nor was told that it missed events", watch.name);
    breaches.map(|(watch, change)| Breach::new("live", change.job_id, text(watch))).collect()
}

/// The ends that a watcher neither saw nor knows to have missed.
pub(crate) fn unseen<'a>(watch: &'a Watch, changes: &'a [Change]) -> impl Iterator<Item = &'a Change> {
    let ends = |change: &&Change| change.at >= watch.from && change.after.as_deref().is_some_and(is_terminal);
    let is_told = |change: &Change| watch.resets.iter().any(|reset| (change.at..change.at + TOLD_WITHIN_S).contains(reset));
    changes.iter().filter(ends).filter(move |change| !watch.ends.contains(&change.job_id) && !is_told(change))
}
