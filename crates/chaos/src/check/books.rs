//! What the robots wrote down themselves.

use super::{Breach, Evidence};

/// The program of a job runs at most once, whatever dies: a second run would be another job. A completed job has done its work, a job
/// reported as failed by itself did fail, and no program runs without a job.
pub(super) fn runs(seen: &Evidence) -> Vec<Breach> {
    let jobs = seen.by_id();
    let strangers = seen.runs.keys().filter(|job| !jobs.contains_key(job));
    let mut found: Vec<_> = strangers.map(|job| Breach::new("runs", *job, "a program ran for a job that does not exist")).collect();
    for job in &seen.jobs {
        let runs = seen.runs.get(&job.id).map(Vec::as_slice).unwrap_or_default();
        if runs.len() > 1 {
            found.push(Breach::new("runs", job.id, format!("the program of a job ran {} times", runs.len())));
        }
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
