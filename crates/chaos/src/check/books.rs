//! What the robots wrote down themselves.

use uuid::Uuid;

use super::{Breach, Evidence};
use crate::robots::Run;

/// Programs of one job never run at the same time; a job that completed has done its work, and done it once; one that never ended well
/// on purpose failed on purpose; nothing runs that is no job.
pub(super) fn runs(seen: &Evidence) -> Vec<Breach> {
    let jobs = seen.by_id();
    let strangers = seen.runs.keys().filter(|job| !jobs.contains_key(job));
    let mut found: Vec<_> = strangers.map(|job| Breach::new("runs", *job, "a program ran for a job that is not there")).collect();
    for job in &seen.jobs {
        let runs = seen.runs.get(&job.id).map(Vec::as_slice).unwrap_or_default();
        found.extend(overlap(job.id, runs));
        let effects: usize = runs.iter().map(|run| run.effects).sum();
        if job.status == "completed" && effects != 1 {
            let text = format!("a job completed whose program did its work {effects} times, in {} runs", runs.len());
            found.push(Breach::new("effects", job.id, text));
        }
        if job.error_class.as_deref() == Some("ROBOT_ERROR") && !runs.iter().any(|run| run.failed) {
            found.push(Breach::new("effects", job.id, "a job failed for a program that did not"));
        }
    }
    found
}

fn overlap(job: Uuid, runs: &[Run]) -> Option<Breach> {
    let pair = runs.windows(2).find(|pair| pair[1].from < pair[0].to)?;
    let text =
        format!("two programs of a job ran at once: {:.2}–{:.2} and {:.2}–{:.2}", pair[0].from, pair[0].to, pair[1].from, pair[1].to);
    Some(Breach::new("runs", job, text))
}
