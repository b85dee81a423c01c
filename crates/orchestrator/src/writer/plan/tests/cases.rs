//! One behaviour each.

use domain::{
    ids::JobId,
    job::{Caller, ErrorClass, Failure as JobFailure, Outcome, Status},
    policy::{Overlap, Pause, Policy},
    retry::RetryPolicy,
};
use runtime::Failure;
use store::{
    automations::Draft,
    jobs::{NewJob, Origin, Terms},
};
use uuid::Uuid;

use super::world::{World, automation, draft, worker};
use crate::writer::command::{Action, Change, Changed, Command, Control, Done, Finish, Inserted, Lines, Reply};

const FOREIGN: Caller = Caller { worker_id: None, lease_token: None };

fn insert(new: &NewJob) -> Command {
    Command::Insert(Box::new(new.clone()), None)
}

fn start(id: JobId, worker: u128) -> Command {
    World::change(id, Change::Start { caller: Caller { worker_id: Some(Uuid::from_u128(worker).into()), lease_token: None } })
}

fn finish(id: JobId, outcome: Outcome) -> Command {
    World::change(id, Change::Finish(Finish { caller: FOREIGN, outcome, result: None, lines: Lines::default(), progress: None }))
}

fn failed() -> Outcome {
    Outcome::Failed(JobFailure { class: ErrorClass::RobotError, message: "no".to_owned() })
}

fn inserted(reply: Reply) -> Inserted {
    match reply {
        Ok(Done::Inserted(inserted)) => inserted,
        other => panic!("{other:?}"),
    }
}

fn changed(reply: Reply) -> Changed {
    match reply {
        Ok(Done::Changed(changed)) => changed,
        other => panic!("{other:?}"),
    }
}

fn code(reply: &Reply) -> &'static str {
    match reply {
        Ok(_) => "ok",
        Err(Failure::Conflict { code, .. }) => code,
        Err(Failure::NotFound(_)) => "not_found",
        Err(_) => "other",
    }
}

fn retried(attempts: u32) -> Draft {
    Draft { retry_policy: RetryPolicy { max_attempts: attempts, ..RetryPolicy::default() }, ..draft("q") }
}

fn overlapping(overlap: Overlap) -> Draft {
    Draft { policy: Policy { overlap, ..Policy::default() }, ..retried(3) }
}

fn accepted(world: &mut World, automation_id: i32) -> JobId {
    let new = world.new_job(automation_id);
    inserted(world.one(insert(&new))).id
}

#[test]
fn a_job_is_accepted_started_and_ended_once() {
    let mut world = World::new([automation(1, draft("q"))], 1);
    let id = accepted(&mut world, 1);
    assert_eq!(changed(world.one(start(id, 1))).status, Status::Running);
    assert_eq!(code(&world.one(start(id, 2))), "lease_held", "it is held");
    assert_eq!(changed(world.one(finish(id, Outcome::Completed))).status, Status::Completed);
    let late = changed(world.one(finish(id, failed())));
    assert_eq!((late.status, late.late), (Status::Completed, true), "the first result stays");
    assert_eq!(code(&world.one(start(Uuid::from_u128(1).into(), 1))), "not_found");
}

#[test]
fn a_key_returns_its_job_in_the_same_transaction_and_later() {
    let mut world = World::new([automation(1, draft("q"))], 1);
    let keyed = |world: &World, digest: &str| NewJob {
        idempotency_key: Some("k".to_owned()),
        request_digest: Some(digest.to_owned()),
        ..world.new_job(1)
    };
    let (first, same, other) = (keyed(&world, "a"), keyed(&world, "a"), keyed(&world, "b"));
    let replies: Vec<_> = world.transact(0, &[insert(&first), insert(&same), insert(&other)], true).into_iter().map(inserted).collect();
    let of = |replayed, differs| Inserted { id: first.id, replayed, differs };
    assert_eq!(replies, [of(false, false), of(true, false), of(true, true)]);
    let later = keyed(&world, "b");
    assert_eq!(inserted(world.one(insert(&later))), of(true, true));
    assert_eq!(world.jobs.len(), 1);
}

#[test]
fn each_overlap_rule_counts_jobs_of_the_same_transaction() {
    for (rule, codes, jobs) in [
        (Overlap::Queue, ["ok", "ok"], 2),
        (Overlap::Skip, ["ok", "overlap_skipped"], 1),
        (Overlap::Coalesce, ["ok", "ok"], 1),
        (Overlap::Replace, ["ok", "ok"], 2),
    ] {
        let mut world = World::new([automation(1, overlapping(rule))], 1);
        let (one, other) = (world.new_job(1), world.new_job(1));
        let replies = world.transact(0, &[insert(&one), insert(&other)], true);
        assert_eq!(replies.iter().map(code).collect::<Vec<_>>(), codes, "{rule:?}");
        assert_eq!(world.jobs.len(), jobs, "{rule:?}");
        let canceled: Vec<_> = world.jobs.values().filter(|job| job.row.job.status == Status::Canceled).map(|job| job.row.job.id).collect();
        assert_eq!(canceled, if rule == Overlap::Replace { vec![one.id] } else { vec![] }, "{rule:?}");
    }
}

#[test]
fn the_rule_of_the_new_job_counts_whatever_the_others_have() {
    let mut world = World::new([automation(1, overlapping(Overlap::Queue))], 1);
    world.has_broker = true;
    world.set_workers(&[worker(1, &["q"], &[], true)]);
    let first = accepted(&mut world, 1);
    let [second, third, fourth] =
        [Overlap::Queue, Overlap::Replace, Overlap::Skip].map(|rule| NewJob { overlap: rule, ..world.new_job(1) });
    let replies = world.transact(0, &[insert(&second), insert(&third), insert(&fourth)], true);
    assert_eq!(replies.iter().map(code).collect::<Vec<_>>(), ["ok", "ok", "overlap_skipped"]);
    let statuses = [first, second.id, third.id].map(|id| world.row(id).job.status);
    assert_eq!(statuses, [Status::Canceled, Status::Canceled, Status::Pending]);
    assert_eq!(world.row(third.id).dispatch_started_at, Some(world.now), "the queue has room for it");
}

#[test]
fn a_schedule_has_as_many_jobs_at_once_as_it_allows() {
    let mut world = World::new([automation(1, retried(3))], 1);
    (world.has_broker, world.chance) = (true, 0.0);
    world.set_workers(&[worker(1, &["q"], &[], true), worker(2, &["q"], &[], true), worker(3, &["q"], &[], false)]);
    let of_schedule = |world: &World, number, limit| {
        let origin = Origin { schedule_id: Some(Uuid::from_u128(number).into()), ..Origin::default() };
        let new = world.new_job(1);
        NewJob { origin, terms: Terms { max_concurrency: limit, ..new.terms.clone() }, ..new }
    };
    let [first, second, third] = [(1, Some(1)), (1, Some(1)), (2, Some(1))].map(|(number, limit)| of_schedule(&world, number, limit));
    let unlimited = world.new_job(1);
    world.transact(0, &[insert(&first), insert(&second), insert(&third), insert(&unlimited)], true);
    let sent = |world: &World| [&first, &second, &third, &unlimited].map(|new| world.row(new.id).dispatch_started_at.is_some());
    assert_eq!(sent(&world), [true, false, true, true]);
    assert_eq!(code(&world.one(start(second.id, 3))), "limit_reached", "nor does a worker start it that nobody gave it to");
    world.claim(0, 3, &["q"], 5);
    world.transact(0, &[], true);
    assert_eq!(sent(&world), [true, false, true, true], "nor does a claim find it");
    changed(world.one(start(first.id, 1)));
    // Its retry waits for its delay, and the next job takes the place.
    changed(world.one(finish(first.id, failed())));
    assert_eq!(world.row(second.id).job.status, Status::Running);
    let retry = world.jobs.values().find(|job| job.row.retry_of == Some(first.id)).unwrap().row.job.id;
    assert_eq!(world.row(retry).terms.max_concurrency, Some(1));
    world.elapse(60);
    world.refresh();
    world.transact(0, &[], true);
    assert_eq!(world.row(retry).dispatch_started_at, None, "it counts, too");
}

#[test]
fn a_new_job_replaces_pending_jobs_and_asks_running_ones_to_stop() {
    let mut world = World::new([automation(1, overlapping(Overlap::Queue))], 1);
    let (running, waiting) = (accepted(&mut world, 1), accepted(&mut world, 1));
    changed(world.one(start(running, 1)));
    world.automations = crate::catalog::CachedAutomations::of([automation(1, overlapping(Overlap::Replace))]);
    accepted(&mut world, 1);
    assert_eq!((world.row(waiting).job.status, world.row(running).job.status), (Status::Canceled, Status::Running));
    assert!(world.row(running).job.cancellation_requested);
}

#[test]
fn a_retry_is_visible_to_later_commands_of_the_transaction() {
    let mut world = World::new([automation(1, overlapping(Overlap::Skip))], 1);
    let id = accepted(&mut world, 1);
    changed(world.one(start(id, 1)));
    let new = world.new_job(1);
    let replies = world.transact(0, &[finish(id, failed()), insert(&new)], true);
    assert_eq!(replies.iter().map(code).collect::<Vec<_>>(), ["ok", "overlap_skipped"]);
    let retry = world.jobs.values().find(|job| job.row.retry_of == Some(id)).unwrap();
    assert_eq!(retry.parameters, world.jobs[&id].parameters);
}

#[test]
fn a_freed_slot_is_available_in_the_same_transaction() {
    let mut world = World::new([automation(1, Draft { max_concurrency: Some(1), ..draft("q") })], 1);
    let (first, second, third) = (accepted(&mut world, 1), accepted(&mut world, 1), accepted(&mut world, 1));
    let replies = world.transact(0, &[start(first, 1), start(second, 2)], false);
    assert_eq!(replies.iter().map(code).collect::<Vec<_>>(), ["ok", "limit_reached"]);
    let replies = world.transact(0, &[finish(first, Outcome::Completed), start(second, 2), start(third, 3)], false);
    assert_eq!(replies.iter().map(code).collect::<Vec<_>>(), ["ok", "ok", "limit_reached"]);
}

#[test]
fn a_start_refused_by_a_pause_returns_the_job_to_the_backlog() {
    let mut world = World::new([automation(1, draft("q"))], 1);
    (world.has_broker, world.chance) = (true, 0.0);
    world.set_workers(&[worker(1, &["q"], &[], true)]);
    let id = accepted(&mut world, 1);
    assert!(world.row(id).dispatch_started_at.is_some(), "published at once");
    world.automations.pause_queue("q", Some(Pause { at: world.now, until: None, reason: None, by: "maria".to_owned() }));
    assert_eq!(code(&world.one(start(id, 1))), "paused");
    let row = world.row(id);
    assert_eq!((row.job.status, row.dispatch_started_at), (Status::Pending, None));
    world.automations.pause_queue("q", None);
    world.transact(0, &[], true);
    assert!(world.row(id).dispatch_started_at.is_some(), "and is published again after it");
}

#[test]
fn a_new_job_is_published_at_once_unless_another_is_ahead() {
    let limited = Draft { max_concurrency: Some(5), ..draft("q") };
    let labelled = Draft { policy: Policy { requires: vec!["sap".to_owned()], ..Policy::default() }, ..draft("q") };
    let later = |new: NewJob| NewJob { not_before: Some(new.created_at + chrono::TimeDelta::hours(1)), ..new };
    let keyed = |mut new: NewJob| {
        new.terms.concurrency_key = Some("k".to_owned());
        new
    };
    type Edit<'a> = &'a dyn Fn(NewJob) -> NewJob;
    let same: Edit<'_> = &|new| new;
    for (what, draft, edit, others, at_once) in [
        ("nothing", draft("q"), same, 0, true),
        ("a full window", draft("q"), same, 4, false),
        ("a limit", limited, same, 0, false),
        ("labels", labelled, same, 0, false),
        ("a rule for overlaps", overlapping(Overlap::Skip), same, 0, false),
        ("a time", draft("q"), &later, 0, false),
        ("a key", draft("q"), &keyed, 0, false),
    ] {
        let mut world = World::new([automation(1, draft.clone())], 1);
        world.has_broker = true;
        world.set_workers(&[worker(1, &["q"], &[], true)]);
        for _ in 0..others {
            accepted(&mut world, 1);
        }
        let new = edit(world.new_job(1));
        world.transact(0, &[insert(&new)], false);
        assert_eq!(world.row(new.id).dispatch_started_at.is_some(), at_once, "{what}");
    }
}

#[test]
fn an_outdated_row_refuses_nothing() {
    let mut world = World::new([automation(1, draft("q"))], 2);
    let id = accepted(&mut world, 1);
    changed(world.one(start(id, 1)));
    // The other replica ends it; this one remembers it as running.
    world.transact(1, &[finish(id, Outcome::Completed)], true);
    let control = Control { action: Action::Pause, by: "maria".to_owned(), change: None, reason: None };
    assert_eq!(code(&world.one(World::change(id, Change::Control(control)))), "wrong_state");
    assert_eq!(world.row(id).job.status, Status::Completed);
}
