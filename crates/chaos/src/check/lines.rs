//! From each accepted request to the end of its last retry.

use std::collections::{HashMap, HashSet};

use domain::ids::JobId;

use super::{Breach, Evidence, is_terminal};

/// Each accepted request has exactly one job, and there is no other but those of schedules: nothing lost, nothing duplicated.
pub(super) fn accepted(seen: &Evidence) -> Vec<Breach> {
    let jobs = seen.by_id();
    let lost = seen.accepted.iter().filter_map(|(key, (id, automation))| match jobs.get(id) {
        None => Some(Breach::new("accepted", *id, format!("the job of {key} was accepted and does not exist"))),
        Some(job) if job.idempotency_key.as_ref() != Some(key) || job.automation_id != *automation => {
            Some(Breach::new("accepted", *id, format!("the job of {key} belongs to another key")))
        }
        Some(_) => None,
    });
    let known: HashSet<JobId> = seen.accepted.values().map(|(id, _)| *id).collect();
    let strangers = seen.jobs.iter().filter(|job| job.retry_of.is_none() && job.schedule_id.is_none() && !known.contains(&job.id));
    let doubled = strangers.map(|job| Breach::new("accepted", job.id, format!("no answer named the job of {:?}", job.idempotency_key)));
    lost.chain(doubled).collect()
}

/// Each job has ended, in one of the ways that its kind allows.
pub(super) fn ended(seen: &Evidence) -> Vec<Breach> {
    let fault = |job: &crate::observer::JobRow| {
        let class = job.error_class.as_deref();
        let on_purpose = seen.fails_on_purpose(job);
        let ends = seen.shape(job.automation_id).map_or(&[][..], |shape| shape.ends);
        match job.status.as_str() {
            status if !is_terminal(status) => Some(format!("is still {status}")),
            _ if !job.ended => Some("has no time of its end".to_owned()),
            "completed" if on_purpose => Some(format!("completed attempt {} that fails", job.attempt)),
            "completed" if ends.contains(&"completed") => None,
            // Whether there was a reason is another guarantee.
            "failed" if matches!(class, Some("WORKER_LOST" | "KILLED" | "LAUNCH_FAILED" | "ROBOT_ERROR")) => None,
            "failed" if class.is_some_and(|class| ends.contains(&class)) => None,
            "canceled" if class.is_none() && seen.cancels.contains(&job.id) => None,
            status => Some(format!("ended as {status} {}", class.unwrap_or_default())),
        }
    };
    seen.jobs.iter().filter_map(|job| Some(Breach::new("ended", job.id, format!("a job {}", fault(job)?)))).collect()
}

/// A failed job has exactly one retry while attempts are left. No other job has a retry, nor does a job whose cancellation was requested.
pub(super) fn retried(seen: &Evidence) -> Vec<Breach> {
    let mut retries: HashMap<JobId, Vec<&crate::observer::JobRow>> = HashMap::new();
    for job in &seen.jobs {
        if let Some(earlier) = job.retry_of {
            retries.entry(earlier).or_default().push(job);
        }
    }
    let mut found = Vec::new();
    for job in &seen.jobs {
        let Some(shape) = seen.shape(job.automation_id) else {
            found.push(Breach::new("retried", job.id, "a job of an automation that is not part of the run"));
            continue;
        };
        let of_job = retries.remove(&job.id).unwrap_or_default();
        let attempts_left = i64::from(job.attempt) < i64::from(shape.max_attempts);
        let may_pass = !matches!(job.error_class.as_deref(), Some("INVALID_PARAMETERS" | "QUEUE_TIMEOUT"));
        let expected = usize::from(job.status == "failed" && may_pass && attempts_left && !job.cancel_accepted);
        if of_job.len() != expected {
            found.push(Breach::new("retried", job.id, format!("{} retries of a job instead of {expected}", of_job.len())));
        }
        let wrong = |retry: &&&crate::observer::JobRow| {
            let same = retry.automation_id == job.automation_id && retry.concurrency_key == job.concurrency_key;
            !same || retry.attempt != job.attempt + 1 || retry.trigger != "RETRY"
        };
        found
            .extend(of_job.iter().filter(wrong).map(|retry| Breach::new("retried", retry.id, format!("not a proper retry of {}", job.id))));
    }
    let orphans = retries.into_values().flatten();
    found.extend(orphans.map(|retry| Breach::new("retried", retry.id, "a retry of a job that does not exist")));
    found
}

/// No message here is invalid: none may be dead-lettered.
pub(super) fn dead_letters(seen: &Evidence) -> Vec<Breach> {
    let breach = |(queue, job, reason): &(String, Option<JobId>, String)| Breach {
        promise: "dead letters",
        jobs: job.iter().copied().collect(),
        text: format!("a message of {queue} was dead-lettered: {reason}"),
    };
    seen.dead_letters.iter().map(breach).collect()
}
