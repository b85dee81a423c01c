//! Each promise, broken: the rule must see it.

use super::*;

const AUTOMATION: i32 = 1;
const JOB: Uuid = Uuid::from_u128(1);
const RETRY: Uuid = Uuid::from_u128(2);

fn row(id: Uuid, status: &str) -> JobRow {
    JobRow {
        id,
        automation_id: AUTOMATION,
        status: status.into(),
        trigger: "API".into(),
        attempt: 1,
        retry_of: None,
        error_class: (status == "failed").then(|| "WORKER_LOST".into()),
        idempotency_key: Some("key".into()),
        ended: true,
    }
}

fn change(job: Uuid, xid: i64, before: Option<&str>, after: Option<&str>) -> Change {
    let held = after != Some("pending");
    let id = |number| held.then(|| Uuid::from_u128(number));
    Change {
        xid,
        job_id: job,
        automation_id: AUTOMATION,
        before: before.map(Into::into),
        after: after.map(Into::into),
        lease: id(100 + job.as_u128()),
        worker: id(7),
    }
}

fn life(job: Uuid, xid: i64, end: &str) -> Vec<Change> {
    vec![
        change(job, xid, None, Some("pending")),
        change(job, xid + 1, Some("pending"), Some("running")),
        change(job, xid + 2, Some("running"), Some(end)),
    ]
}

fn run(job: Uuid, from: f64, to: f64, effects: usize) -> Run {
    Run { job, from, to, effects, failed: false }
}

/// A job that was lost with its worker, and its retry that completed.
fn fine() -> Evidence {
    let shape = Shape {
        automation: AUTOMATION,
        name: "x".into(),
        queue: 0,
        quarters: (0, 0),
        failures: 0,
        max_attempts: 2,
        max_concurrency: Some(1),
        weight: 1,
    };
    let retry = JobRow { attempt: 2, retry_of: Some(JOB), trigger: "RETRY".into(), idempotency_key: None, ..row(RETRY, "completed") };
    Evidence {
        accepted: [("key".to_owned(), (JOB, AUTOMATION))].into(),
        shapes: vec![shape],
        jobs: vec![row(JOB, "failed"), retry],
        changes: [life(JOB, 1, "failed"), life(RETRY, 4, "completed")].concat(),
        runs: [(JOB, vec![run(JOB, 1.0, 2.0, 1)]), (RETRY, vec![run(RETRY, 1.5, 3.0, 1)])].into(),
        dead_letters: Vec::new(),
    }
}

#[track_caller]
fn sees(promise: &str, spoil: impl FnOnce(&mut Evidence)) {
    let mut seen = fine();
    spoil(&mut seen);
    let found = breaches(&seen);
    assert!(found.iter().any(|breach| breach.promise == promise), "{promise}: {found:?}");
}

#[test]
fn what_is_well_is_left_alone() {
    assert_eq!(breaches(&fine()), []);
}

#[test]
fn a_lost_job_is_seen() {
    sees("accepted", |seen| seen.jobs.retain(|job| job.id != JOB));
    sees("retried", |seen| seen.jobs.retain(|job| job.id != RETRY));
}

#[test]
fn a_doubled_job_is_seen() {
    sees("accepted", |seen| seen.jobs.push(row(Uuid::from_u128(9), "completed")));
    sees("accepted", |seen| seen.jobs[0].idempotency_key = Some("another".into()));
    sees("retried", |seen| seen.jobs.push(JobRow { id: Uuid::from_u128(9), ..seen.jobs[1].clone() }));
}

#[test]
fn a_job_that_does_not_end_well_is_seen() {
    sees("ended", |seen| seen.jobs[1].status = "pending".into());
    sees("ended", |seen| seen.jobs[1].ended = false);
    sees("ended", |seen| seen.jobs[0].error_class = Some("DEAD_LETTERED".into()));
    sees("ended", |seen| seen.jobs[0].error_class = Some("ROBOT_ERROR".into()));
    sees("ended", |seen| seen.shapes[0].failures = 2);
}

#[test]
fn retries_that_are_none_are_seen() {
    sees("retried", |seen| seen.jobs[0].status = "completed".into());
    sees("retried", |seen| seen.jobs[1].attempt = 3);
    sees("retried", |seen| seen.jobs[1].retry_of = Some(Uuid::from_u128(9)));
}

#[test]
fn a_change_after_the_end_is_seen() {
    sees("once", |seen| seen.changes.push(change(JOB, 9, Some("failed"), Some("completed"))));
    sees("once", |seen| seen.changes.push(change(JOB, 9, Some("failed"), Some("failed"))));
    sees("once", |seen| seen.changes.push(change(JOB, 9, Some("failed"), None)));
}

#[test]
fn a_second_lease_is_seen() {
    sees("once", |seen| seen.changes[2].lease = Some(Uuid::from_u128(77)));
    sees("once", |seen| seen.changes[2].worker = Some(Uuid::from_u128(77)));
    sees("once", |seen| seen.changes.insert(2, change(JOB, 2, Some("running"), Some("pending"))));
}

#[test]
fn changes_that_nobody_saw_are_seen() {
    sees("once", |seen| drop(seen.changes.remove(0)));
    sees("once", |seen| drop(seen.changes.pop()));
    sees("once", |seen| seen.changes.retain(|change| change.job_id != JOB));
}

#[test]
fn too_many_at_once_are_seen() {
    sees("limits", |seen| {
        let start = seen.changes.remove(4);
        seen.changes.insert(2, start);
    });
}

#[test]
fn an_end_and_a_start_in_one_transaction_are_within_the_limit() {
    let mut seen = fine();
    let end = seen.changes.remove(2);
    seen.changes.insert(4, Change { xid: 5, ..end });
    assert_eq!(breaches(&seen), []);
}

#[test]
fn programs_that_run_twice_are_seen() {
    sees("runs", |seen| seen.runs.get_mut(&JOB).unwrap().push(run(JOB, 2.5, 3.5, 0)));
    sees("runs", |seen| drop(seen.runs.insert(Uuid::from_u128(9), vec![run(Uuid::from_u128(9), 0.0, 1.0, 1)])));
    sees("effects", |seen| seen.runs.get_mut(&RETRY).unwrap().push(run(RETRY, 4.0, 5.0, 1)));
    sees("effects", |seen| drop(seen.runs.remove(&RETRY)));
    sees("effects", |seen| seen.jobs[0].error_class = Some("ROBOT_ERROR".into()));
}

#[test]
fn a_dead_letter_is_seen() {
    sees("dead letters", |seen| seen.dead_letters.push(("q".into(), Some(JOB), "rejected".into())));
}
