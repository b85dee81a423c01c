//! Each guarantee, violated: its rule must detect it.

use domain::ids::{JobId, WorkerId};
use uuid::Uuid;

use super::*;
use crate::faults::Excuse;

const AUTOMATION: i32 = 1;
const OTHER: i32 = 2;
const JOB: JobId = JobId::new(Uuid::from_u128(1));
const RETRY: JobId = JobId::new(Uuid::from_u128(2));
const AGENT: WorkerId = WorkerId::new(Uuid::from_u128(7));

fn row(id: JobId, status: &str) -> JobRow {
    JobRow {
        id,
        automation_id: AUTOMATION,
        status: status.into(),
        trigger: "API".into(),
        attempt: 1,
        retry_of: None,
        error_class: (status == "failed").then(|| "WORKER_LOST".into()),
        idempotency_key: Some("key".into()),
        concurrency_key: None,
        schedule_id: None,
        ended: true,
        cancel_accepted: false,
    }
}

fn change(job: JobId, xid: i64, before: Option<&str>, after: Option<&str>) -> Change {
    let held = after != Some("pending");
    let id = |number| held.then(|| Uuid::from_u128(number));
    Change {
        xid,
        at: xid as f64,
        job_id: job,
        automation_id: AUTOMATION,
        before: before.map(Into::into),
        after: after.map(Into::into),
        lease: id(100 + job.get().as_u128()),
        worker: held.then_some(AGENT),
    }
}

fn life(job: JobId, xid: i64, end: &str) -> Vec<Change> {
    vec![
        change(job, xid, None, Some("pending")),
        change(job, xid + 1, Some("pending"), Some("running")),
        change(job, xid + 2, Some("running"), Some(end)),
    ]
}

fn run(job: JobId, from: f64, to: f64, effects: usize) -> Run {
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
        key_limit: None,
        weight: 1,
        ends: &["completed"],
    };
    let retry = JobRow { attempt: 2, retry_of: Some(JOB), trigger: "RETRY".into(), idempotency_key: None, ..row(RETRY, "completed") };
    Evidence {
        accepted: [("key".to_owned(), (JOB, AUTOMATION))].into(),
        cancels: HashSet::new(),
        shapes: vec![shape],
        jobs: vec![row(JOB, "failed"), retry],
        changes: [life(JOB, 1, "failed"), life(RETRY, 4, "completed")].concat(),
        runs: [(JOB, vec![run(JOB, 1.0, 2.0, 1)]), (RETRY, vec![run(RETRY, 1.5, 3.0, 1)])].into(),
        dead_letters: Vec::new(),
        workers: [(AGENT, "agent".to_owned())].into(),
        absences: vec![Absence { worker: "agent".into(), from: 2.5, to: 2.7, excuse: Excuse::Away }],
        reports: [(RETRY, "completed")].into(),
        peaks_mib: [("agent".to_owned(), 60)].into(),
        watches: Vec::new(),
        timing: Timing::default(),
        alerting: Alerting::default(),
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
    sees("accepted", |seen| seen.jobs.push(row(Uuid::from_u128(9).into(), "completed")));
    sees("accepted", |seen| seen.jobs[0].idempotency_key = Some("another".into()));
    sees("retried", |seen| seen.jobs.push(JobRow { id: Uuid::from_u128(9).into(), ..seen.jobs[1].clone() }));
}

#[test]
fn a_job_that_does_not_end_well_is_seen() {
    sees("ended", |seen| seen.jobs[1].status = "pending".into());
    sees("ended", |seen| seen.jobs[1].ended = false);
    sees("ended", |seen| seen.jobs[0].error_class = Some("DEAD_LETTERED".into()));
    sees("ended", |seen| seen.jobs[0].error_class = Some("QUEUE_TIMEOUT".into()));
    sees("ended", |seen| seen.jobs[0].error_class = Some("JOB_TIMEOUT".into()));
    sees("ended", |seen| seen.shapes[0].ends = &["JOB_TIMEOUT"]);
    sees("ended", |seen| seen.shapes[0].failures = 2);
}

fn canceled(seen: &mut Evidence) {
    seen.cancels.insert(JOB);
    seen.jobs.truncate(1);
    seen.jobs[0] = row(JOB, "canceled");
    seen.changes = life(JOB, 1, "canceled");
    seen.runs.remove(&RETRY);
    seen.reports.clear();
}

#[test]
fn a_job_that_is_canceled_as_somebody_wanted_is_well() {
    let mut seen = fine();
    canceled(&mut seen);
    assert_eq!(breaches(&seen), []);
    let mut wanted_in_vain = fine();
    wanted_in_vain.cancels = [JOB, RETRY].into();
    assert_eq!(breaches(&wanted_in_vain), []);
}

#[test]
fn a_job_that_nobody_wanted_to_be_canceled_is_seen() {
    let spoil = |seen: &mut Evidence| {
        canceled(seen);
        seen.cancels = [RETRY].into();
    };
    sees("ended", spoil);
}

#[test]
fn a_canceled_job_that_goes_on_is_seen() {
    let again = |seen: &mut Evidence| {
        let retry = seen.jobs[1].clone();
        canceled(seen);
        seen.jobs.push(retry);
    };
    sees("retried", again);
    sees("retried", |seen| seen.jobs[0].cancel_accepted = true);
    let twice = |seen: &mut Evidence| {
        canceled(seen);
        seen.runs.get_mut(&JOB).unwrap().push(run(JOB, 2.5, 3.5, 0));
    };
    sees("runs", twice);
}

#[test]
fn retries_that_are_none_are_seen() {
    sees("retried", |seen| seen.jobs[0].status = "completed".into());
    sees("retried", |seen| seen.jobs[1].attempt = 3);
    sees("retried", |seen| seen.jobs[1].retry_of = Some(Uuid::from_u128(9).into()));
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
    sees("once", |seen| seen.changes[2].worker = Some(Uuid::from_u128(77).into()));
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
    sees("limits", overlap);
}

#[test]
fn an_end_and_a_start_in_one_transaction_are_within_the_limit() {
    let mut seen = fine();
    let end = seen.changes.remove(2);
    seen.changes.insert(4, Change { xid: 5, ..end });
    assert_eq!(breaches(&seen), []);
}

/// Without a limit of the automation, the jobs have a key, and the second another automation.
fn keyed(seen: &mut Evidence) {
    let shape = Shape { max_concurrency: None, key_limit: Some(1), ..seen.shapes[0].clone() };
    seen.shapes = vec![shape.clone(), Shape { automation: OTHER, queue: 1, ..shape }];
    seen.jobs.iter_mut().for_each(|job| job.concurrency_key = Some("lane".into()));
    seen.jobs[1].automation_id = OTHER;
    seen.changes.iter_mut().filter(|change| change.job_id == RETRY).for_each(|change| change.automation_id = OTHER);
}

fn overlap(seen: &mut Evidence) {
    let start = seen.changes.remove(4);
    seen.changes.insert(2, start);
}

#[test]
fn too_many_with_a_key_are_seen_across_automations() {
    let limits = |spoil: &dyn Fn(&mut Evidence)| {
        let mut seen = fine();
        keyed(&mut seen);
        spoil(&mut seen);
        breaches(&seen).iter().filter(|breach| breach.promise == "limits").count()
    };
    assert_eq!(limits(&|_| ()), 0);
    assert_ne!(limits(&overlap), 0);
    let apart = |seen: &mut Evidence| {
        overlap(seen);
        seen.jobs[1].concurrency_key = Some("another lane".into());
    };
    assert_eq!(limits(&apart), 0);
}

#[test]
fn a_key_that_is_not_as_the_automation_says_is_seen() {
    sees("keyed", |seen| seen.jobs[0].concurrency_key = Some("lane".into()));
    sees("keyed", |seen| seen.shapes[0].key_limit = Some(1));
    sees("retried", |seen| seen.jobs[1].concurrency_key = Some("lane".into()));
}

#[test]
fn programs_that_run_twice_are_seen() {
    sees("runs", |seen| seen.runs.get_mut(&JOB).unwrap().push(run(JOB, 2.5, 3.5, 0)));
    sees("runs", |seen| drop(seen.runs.insert(Uuid::from_u128(9).into(), vec![run(Uuid::from_u128(9).into(), 0.0, 1.0, 1)])));
    sees("effects", |seen| seen.runs.get_mut(&RETRY).unwrap().push(run(RETRY, 4.0, 5.0, 1)));
    sees("effects", |seen| drop(seen.runs.remove(&RETRY)));
    sees("effects", |seen| seen.jobs[0].error_class = Some("ROBOT_ERROR".into()));
}

#[test]
fn a_job_that_is_lost_without_an_excuse_is_seen() {
    sees("lost", |seen| seen.absences.clear());
    sees("lost", |seen| seen.absences[0].worker = "another".into());
    sees("lost", |seen| seen.absences[0].excuse = Excuse::NoRoom);
    // Before its agent had it, and after it was lost.
    sees("lost", |seen| (seen.absences[0].from, seen.absences[0].to) = (0.5, 1.5));
    sees("lost", |seen| (seen.absences[0].from, seen.absences[0].to) = (3.5, 4.5));
    for class in ["KILLED", "LAUNCH_FAILED", "ROBOT_ERROR"] {
        sees("lost", |seen| {
            seen.jobs[0].error_class = Some(class.into());
            seen.absences.clear();
        });
    }
}

#[test]
fn a_job_that_could_not_be_started_without_room_is_well() {
    let mut seen = fine();
    seen.jobs[0].error_class = Some("LAUNCH_FAILED".into());
    seen.absences[0].excuse = Excuse::NoRoom;
    assert_eq!(breaches(&seen), []);
}

#[test]
fn a_hostile_robot_that_ends_as_it_must_is_well() {
    let mut seen = fine();
    let hostile = Shape { ends: &["JOB_TIMEOUT"], automation: OTHER, max_attempts: 1, ..seen.shapes[0].clone() };
    seen.shapes.push(hostile);
    seen.jobs.truncate(1);
    seen.jobs[0].automation_id = OTHER;
    seen.jobs[0].error_class = Some("JOB_TIMEOUT".into());
    seen.changes = life(JOB, 1, "failed");
    seen.runs.remove(&RETRY);
    seen.reports.clear();
    seen.absences.clear();
    seen.accepted = [("key".to_owned(), (JOB, OTHER))].into();
    assert_eq!(breaches(&seen), []);
}

#[test]
fn a_report_that_does_not_count_is_seen() {
    sees("reports", |seen| {
        seen.reports.insert(JOB, "completed");
    });
    sees("reports", |seen| {
        seen.reports.insert(Uuid::from_u128(9).into(), "completed");
    });
}

#[test]
fn a_process_that_grew_is_seen() {
    sees("memory", |seen| {
        seen.peaks_mib.insert("agent".into(), 4000);
    });
}

#[test]
fn what_bad_parameters_did_is_not_tried_again() {
    sees("retried", |seen| seen.jobs[0].error_class = Some("INVALID_PARAMETERS".into()));
}

#[test]
fn a_dead_letter_is_seen() {
    sees("dead letters", |seen| seen.dead_letters.push(("q".into(), Some(JOB), "rejected".into())));
}

#[test]
fn an_end_that_a_watcher_did_not_see_without_being_told() {
    let seen = |ends: &[JobId], from, resets: &[f64]| {
        let watch = Watch { name: "w".into(), from, ends: ends.iter().copied().collect(), resets: resets.into() };
        let found = breaches(&Evidence { watches: vec![watch], ..fine() });
        assert!(found.iter().all(|breach| breach.promise == "live"), "{found:?}");
        found.into_iter().flat_map(|breach| breach.jobs).collect::<Vec<_>>()
    };
    let end_of = |job| fine().changes.iter().rfind(|change| change.job_id == job).unwrap().at;
    assert_eq!(seen(&[JOB, RETRY], 0.0, &[]), []);
    assert_eq!(seen(&[RETRY], 0.0, &[]), [JOB]);
    assert_eq!(seen(&[RETRY], end_of(JOB) + 0.5, &[]), [], "it had ended before");
    assert_eq!(seen(&[RETRY], 0.0, &[end_of(JOB) + 1.0]), []);
    assert_eq!(seen(&[RETRY], 0.0, &[end_of(JOB) - 0.5, end_of(JOB) + 600.0]), [JOB], "told before, and too late");
}
