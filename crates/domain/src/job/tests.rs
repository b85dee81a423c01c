//! Every state × command cell, and sequences at random.

use crate::ids::WorkerId;
use chrono::{DateTime, TimeDelta, Utc};
use proptest::prelude::*;
use uuid::Uuid;

use super::*;

const LEASE: TimeDelta = TimeDelta::seconds(30);

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + second, 0).unwrap()
}

fn job_in(status: Status, worker_id: Option<WorkerId>) -> Job {
    let lease = (status != Status::Pending).then(|| Lease { token: Uuid::from_u128(1), worker_id, expires_at: at(30) });
    Job { id: Uuid::from_u128(9).into(), status, lease, cancellation_requested: false, failure: None }
}

fn failed() -> Outcome {
    Outcome::Failed(Failure { class: ErrorClass::RobotError, message: "x".into() })
}

/// The cell's outcome in a word, with the state after it.
fn cell(status: Status, command: &str) -> (String, Status) {
    // Only an agent's job can be paused.
    let worker_id = ["pause", "resume"].contains(&command).then(|| Uuid::from_u128(7).into());
    let mut job = job_in(status, worker_id);
    let foreign = Caller::default();
    let said = match command {
        "start" => format!("{:?}", job.start(&foreign, Uuid::from_u128(2), LEASE, at(0))),
        "finish" => format!("{:?}", job.finish(&foreign, Outcome::Completed)),
        "expire" => format!("{:?}", job.expire(at(31))),
        "dead_letter" => format!("{:?}", job.dead_letter("rejected")),
        "cancel" => format!("{:?}", job.cancel(at(0))),
        "pause" => format!("{:?}", job.pause(at(0))),
        "resume" => format!("{:?}", job.resume(at(0))),
        "time_out" => format!("{:?}", job.time_out()),
        "give_up" => format!("{:?}", job.give_up()),
        "renew" => format!("{:?}", job.renew(&foreign, LEASE, at(5))),
        other => panic!("{other}"),
    };
    (said, job.status)
}

#[test]
fn every_state_and_command() {
    use Status::{Canceled, Completed, CompletedNoInvoices, Failed, Paused, Pending, Running};
    let terminal = [Completed, CompletedNoInvoices, Failed, Canceled];
    let mut expected: Vec<(Status, &str, String, Status)> = vec![
        (Pending, "start", "Ok(Started)".into(), Running),
        (Running, "start", "Ok(AlreadyHeld)".into(), Running),
        (Paused, "start", "Ok(AlreadyHeld)".into(), Paused),
        (Pending, "finish", "Ok(Ended)".into(), Completed),
        (Running, "finish", "Ok(Ended)".into(), Completed),
        (Paused, "finish", "Ok(Ended)".into(), Completed),
        (Pending, "expire", "false".into(), Pending),
        (Running, "expire", "true".into(), Failed),
        (Paused, "expire", "true".into(), Failed),
        (Pending, "dead_letter", "true".into(), Failed),
        (Running, "dead_letter", "true".into(), Failed),
        (Paused, "dead_letter", "true".into(), Failed),
        (Pending, "cancel", "Ok(Canceled)".into(), Canceled),
        (Running, "cancel", "Ok(Requested)".into(), Running),
        (Paused, "cancel", "Ok(Requested)".into(), Paused),
        (Pending, "pause", "Err(WrongState(Pending))".into(), Pending),
        (Running, "pause", "Ok(())".into(), Paused),
        (Paused, "pause", "Err(WrongState(Paused))".into(), Paused),
        (Pending, "resume", "Err(WrongState(Pending))".into(), Pending),
        (Running, "resume", "Err(WrongState(Running))".into(), Running),
        (Paused, "resume", "Ok(())".into(), Running),
        (Pending, "renew", "Err(WrongState(Pending))".into(), Pending),
        (Running, "renew", "Ok(())".into(), Running),
        (Paused, "renew", "Ok(())".into(), Paused),
        (Pending, "time_out", "false".into(), Pending),
        (Running, "time_out", "true".into(), Failed),
        (Paused, "time_out", "true".into(), Failed),
        (Pending, "give_up", "true".into(), Failed),
        (Running, "give_up", "false".into(), Running),
        (Paused, "give_up", "false".into(), Paused),
    ];
    for status in terminal {
        let refused = format!("Err(WrongState({status:?}))");
        for command in ["start", "cancel", "pause", "resume", "renew"] {
            expected.push((status, command, refused.clone(), status));
        }
        expected.push((status, "finish", "Ok(Late)".into(), status));
        expected.push((status, "expire", "false".into(), status));
        for command in ["dead_letter", "time_out", "give_up"] {
            expected.push((status, command, "false".into(), status));
        }
    }
    assert_eq!(expected.len(), Status::ALL.len() * 10, "a cell is missing");
    for (status, command, said, after) in expected {
        assert_eq!(cell(status, command), (said, after), "{status} × {command}");
    }
}

#[test]
fn only_the_holder_starts_again() {
    let mine = WorkerId::new(Uuid::from_u128(7));
    let other = Caller { worker_id: Some(Uuid::from_u128(8).into()), lease_token: None };
    let mut job = job_in(Status::Running, Some(mine));
    assert_eq!(job.start(&other, Uuid::from_u128(2), LEASE, at(0)), Err(Refusal::LeaseHeld));
    assert_eq!(job.start(&Caller::default(), Uuid::from_u128(2), LEASE, at(0)), Err(Refusal::LeaseHeld));
    let holder = Caller { worker_id: Some(mine), lease_token: None };
    assert_eq!(job.start(&holder, Uuid::from_u128(2), LEASE, at(9)), Ok(StartOutcome::AlreadyHeld));
    let lease = job.lease.unwrap();
    assert_eq!((lease.token, lease.expires_at), (Uuid::from_u128(1), at(39)));
}

#[test]
fn a_registered_workers_job_outlives_its_message() {
    let mut job = job_in(Status::Running, Some(Uuid::from_u128(7).into()));
    assert!(!job.dead_letter("rejected"));
    assert_eq!(job.status, Status::Running);
}

#[test]
fn a_lost_workers_job_is_canceled_at_once_and_not_paused() {
    for status in [Status::Running, Status::Paused] {
        let mut job = job_in(status, Some(Uuid::from_u128(7).into()));
        assert_eq!(
            job.pause(at(30)).and(job.resume(at(30))),
            Err(if status == Status::Running { Refusal::WorkerLost } else { Refusal::WrongState(status) })
        );
        assert_eq!(job.cancel(at(30)), Ok(CancelOutcome::Canceled));
        assert_eq!(job.status, Status::Canceled);
    }
}

#[test]
fn a_foreign_workers_job_is_not_paused() {
    assert_eq!(job_in(Status::Running, None).pause(at(0)), Err(Refusal::NotControllable));
}

#[test]
fn a_job_whose_worker_is_lost_after_a_cancel_ends_as_canceled() {
    let mut job = job_in(Status::Running, Some(Uuid::from_u128(7).into()));
    assert_eq!(job.cancel(at(0)), Ok(CancelOutcome::Requested));
    assert!(job.expire(at(31)));
    assert_eq!((job.status, job.failure), (Status::Canceled, None));
}

#[test]
fn a_job_is_canceled_only_on_request() {
    for (status, asked) in [(Status::Pending, false), (Status::Running, false), (Status::Paused, false), (Status::Running, true)] {
        let mut job = Job { cancellation_requested: asked, ..job_in(status, None) };
        assert_eq!(job.finish(&Caller::default(), Outcome::Canceled), Ok(FinishOutcome::Ended));
        let expected = if asked { (Status::Canceled, None) } else { (Status::Failed, Some(ErrorClass::Killed)) };
        assert_eq!((job.status, job.failure.map(|failure| failure.class)), expected, "{status}");
    }
}

#[test]
fn an_end_before_the_start_keeps_its_reason_and_its_message_may_be_rejected() {
    let mut job = job_in(Status::Pending, None);
    let told = Failure { class: ErrorClass::InvalidParameters, message: "cnpj is missing".into() };
    assert_eq!(job.finish(&Caller::default(), Outcome::Failed(told.clone())), Ok(FinishOutcome::Ended));
    assert!(!job.dead_letter("rejected"));
    assert_eq!((job.status, job.failure), (Status::Failed, Some(told)));
}

#[test]
fn a_stale_token_changes_nothing() {
    let stale = Caller { worker_id: None, lease_token: Some(Uuid::from_u128(5)) };
    for status in Status::ALL {
        let mut job = job_in(status, None);
        let before = job.clone();
        assert_eq!(job.finish(&stale, Outcome::Completed), Err(Refusal::StaleLease), "{status}");
        assert_eq!(job.renew(&stale, LEASE, at(0)), Err(Refusal::StaleLease), "{status}");
        assert_eq!(job, before);
    }
}

proptest! {
    /// Whatever is commanded by whomever: a terminal state never changes, a held job has a lease, and a token never changes once given.
    #[test]
    fn no_sequence_breaks_an_invariant(commands in prop::collection::vec((0u8..11, 0u8..3, 0i64..60), 1..40)) {
        let mut job = Job::pending(Uuid::from_u128(9).into());
        let mut ended: Option<Status> = None;
        let mut token: Option<Uuid> = None;
        for (step, (command, who, second)) in commands.into_iter().enumerate() {
            let caller = match who {
                0 => Caller::default(),
                1 => Caller { worker_id: Some(Uuid::from_u128(7).into()), lease_token: None },
                _ => Caller { worker_id: None, lease_token: token.or(Some(Uuid::from_u128(77))) },
            };
            match command {
                0 => { let _ = job.start(&caller, Uuid::from_u128(100 + step as u128), LEASE, at(second)); }
                1 => { let _ = job.finish(&caller, Outcome::Completed); }
                2 => { let _ = job.finish(&caller, failed()); }
                3 => { job.expire(at(second)); }
                4 => { job.dead_letter("x"); }
                5 => { let _ = job.cancel(at(second)); }
                6 => { let _ = job.pause(at(second)); }
                7 => { let _ = job.resume(at(second)); }
                8 => { job.time_out(); }
                9 => { job.give_up(); }
                _ => { let _ = job.renew(&caller, LEASE, at(second)); }
            }
            if let Some(ended) = ended { prop_assert_eq!(job.status, ended); }
            if job.status.is_terminal() { ended = Some(job.status); }
            if job.status.is_held() { prop_assert!(job.lease.is_some()); }
            prop_assert_eq!(job.failure.is_some(), job.status == Status::Failed);
            if let Some(lease) = &job.lease {
                if let Some(token) = token { prop_assert_eq!(lease.token, token); }
                token = Some(lease.token);
            }
        }
    }
}
