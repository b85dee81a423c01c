//! Jobs that ended without being done, and whether their agent had an excuse.

use std::collections::HashMap;

use domain::ids::JobId;

use super::{Breach, Evidence};
use crate::{faults::Excuse, observer::Change};

/// The period in which a worker held a job.
struct Hold<'a> {
    worker: Option<&'a str>,
    from: f64,
    to: f64,
}

/// A job is lost only with its agent: one that ran and could reach a live hub keeps its jobs. Suspended hubs, an unavailable database, a
/// clock step or a second agent under its name are no excuse.
pub(super) fn with_their_agents(seen: &Evidence) -> Vec<Breach> {
    let holds = holds(seen);
    let lost = seen.jobs.iter().filter_map(|job| {
        let class = job.error_class.as_deref()?;
        let excuse = match class {
            "WORKER_LOST" | "KILLED" => Excuse::Away,
            "LAUNCH_FAILED" => Excuse::NoRoom,
            "ROBOT_ERROR" if !seen.fails_on_purpose(job) => Excuse::NoRoom,
            _ => return None,
        };
        let expected = seen.shape(job.automation_id).is_some_and(|shape| shape.ends.contains(&class));
        let hold = holds.get(&job.id);
        let excused = hold.is_some_and(|hold| is_excused(seen, hold, excuse));
        let text = || format!("a job of {:?} ended as {class} without an excuse", hold.and_then(|hold| hold.worker).unwrap_or("nobody"));
        (!expected && !excused).then(|| Breach::new("lost", job.id, text()))
    });
    lost.collect()
}

/// A worker whose name was taken over is no longer in the table: its agent cannot be determined.
fn is_excused(seen: &Evidence, hold: &Hold<'_>, excuse: Excuse) -> bool {
    let concerned = seen.absences.iter().filter(|absence| hold.worker.is_none_or(|worker| absence.worker == worker));
    concerned.into_iter().any(|absence| absence.excuse == excuse && absence.from <= hold.to && hold.from <= absence.to)
}

fn holds(seen: &Evidence) -> HashMap<JobId, Hold<'_>> {
    let mut holds: HashMap<JobId, Hold<'_>> = HashMap::new();
    for Change { job_id, at, worker, .. } in &seen.changes {
        let Some(worker) = worker else { continue };
        let hold = holds.entry(*job_id).or_insert(Hold { worker: None, from: *at, to: *at });
        hold.worker = seen.workers.get(worker).map(String::as_str);
        hold.to = *at;
    }
    holds
}

/// A job of a robot without an agent ended as the robot reported, whether its start was received or not, and whatever anybody else
/// reported.
pub(super) fn reports_kept(seen: &Evidence) -> Vec<Breach> {
    let jobs = seen.by_id();
    let wrong = seen.reports.iter().filter(|(id, _)| !seen.cancels.contains(id)).filter_map(|(id, reported)| {
        let status = jobs.get(id).map(|job| job.status.as_str());
        (status != Some(reported)).then(|| Breach::new("reports", *id, format!("its robot reported {reported}, and it is {status:?}")))
    });
    wrong.collect()
}

/// What robots print, leave or receive does not make the processes beside them grow without bounds.
pub(super) fn memory_is_bounded(seen: &Evidence) -> Vec<Breach> {
    let grown = seen.peaks_mib.iter().filter(|(_, mib)| **mib > MOST_MIB);
    let text = |(name, mib): (&String, &u64)| format!("{name} took {mib} MiB of memory, more than {MOST_MIB}");
    grown.map(|one| Breach { promise: "memory", jobs: Vec::new(), text: text(one) }).collect()
}

/// Far above what any hub or agent needs here.
const MOST_MIB: u64 = 256;
