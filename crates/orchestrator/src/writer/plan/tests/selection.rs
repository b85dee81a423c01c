//! Which job goes where.

use domain::{
    ids::JobId,
    job::Status,
    policy::{Pause, Policy, RateLimit},
};
use store::{automations::Draft, jobs::NewJob};
use uuid::Uuid;

use super::world::{WINDOW, World, automation, draft, holder, worker};
use crate::writer::command::Command;

fn labelled(labels: &[&str]) -> Draft {
    Draft { policy: Policy { requires: labels.iter().map(|label| (*label).to_owned()).collect(), ..Policy::default() }, ..draft("q") }
}

/// Adds jobs of these automations with these priorities, in one transaction.
fn add(world: &mut World, jobs: &[(i32, i32)]) -> Vec<JobId> {
    let new: Vec<NewJob> = jobs.iter().map(|(id, priority)| NewJob { priority: *priority, ..world.new_job(*id) }).collect();
    let commands: Vec<Command> = new.iter().map(|new| Command::Insert(Box::new(new.clone()), None)).collect();
    world.transact(0, &commands, true);
    new.iter().map(|new| new.id).collect()
}

fn assigned(world: &mut World, claim: u64) -> Vec<JobId> {
    world.answer(0, claim).unwrap_or_default().into_iter().map(|job| job.job_id).collect()
}

fn is_sent(world: &World, id: &JobId) -> bool {
    world.row(*id).dispatch_started_at.is_some()
}

#[test]
fn priority_takes_precedence_over_age() {
    let mut world = World::new([automation(1, draft("q"))], 1);
    let jobs = add(&mut world, &[(1, 5), (1, 9), (1, 5)]);
    for expected in [jobs[1], jobs[0], jobs[2]] {
        let claim = world.claim(0, 1, &["q"], 1);
        world.transact(0, &[], true);
        assert_eq!(assigned(&mut world, claim), [expected]);
        assert_eq!(world.row(expected).job.status, Status::Running);
    }
}

#[test]
fn the_oldest_claim_is_served_first_and_none_exceeds_its_maximum() {
    let mut world = World::new([automation(1, draft("q"))], 1);
    let (first, second) = (world.claim(0, 1, &["q"], 2), world.claim(0, 2, &["*"], 5));
    let jobs = add(&mut world, &[(1, 5), (1, 5), (1, 5)]);
    assert_eq!((assigned(&mut world, first), assigned(&mut world, second)), (jobs[..2].to_vec(), jobs[2..].to_vec()));
}

#[test]
fn a_reached_limit_does_not_block_the_jobs_behind() {
    let full = Draft { max_concurrency: Some(1), ..draft("q") };
    let mut world = World::new([automation(1, full), automation(2, draft("q"))], 1);
    let jobs = add(&mut world, &[(1, 9), (1, 9), (1, 9), (2, 1)]);
    let claim = world.claim(0, 1, &["q"], 2);
    world.transact(0, &[], true);
    assert_eq!(assigned(&mut world, claim), [jobs[0], jobs[3]]);
    assert!(world.replicas[0].memory.state.held_back.contains("q"));
}

#[test]
fn a_rate_limit_says_when_to_retry() {
    let rate = Policy { rate_limit: Some(RateLimit { max: 1, per_s: 10.0 }), ..Policy::default() };
    let mut world = World::new([automation(1, Draft { policy: rate, ..draft("q") })], 1);
    let jobs = add(&mut world, &[(1, 5), (1, 5)]);
    let claim = world.claim(0, 1, &["q"], 2);
    world.transact(0, &[], true);
    assert_eq!(assigned(&mut world, claim), [jobs[0]]);
    let claim = world.claim(0, 1, &["q"], 2);
    world.elapse(9);
    world.transact(0, &[], true);
    assert!(assigned(&mut world, claim).is_empty());
    world.elapse(1);
    world.transact(0, &[], true);
    assert_eq!(assigned(&mut world, claim), [jobs[1]]);
}

#[test]
fn a_paused_queue_and_a_paused_automation_start_nothing() {
    let mut world = World::new([automation(1, draft("q")), automation(2, draft("p"))], 1);
    let pause = Pause { at: world.now, until: None, reason: None, by: "maria".to_owned() };
    let jobs = add(&mut world, &[(1, 5), (2, 5)]);
    world.automations.pause_queue("q", Some(pause.clone()));
    let claim = world.claim(0, 1, &["q", "p"], 2);
    world.transact(0, &[], true);
    assert_eq!(assigned(&mut world, claim), [jobs[1]]);
    let paused = store::automations::Automation { pause: Some(pause), ..automation(1, draft("q")) };
    world.automations = crate::catalog::CachedAutomations::of([paused]);
    world.replicas[0].memory.state.candidate_queues.insert("q".to_owned());
    let claim = world.claim(0, 1, &["q"], 2);
    world.transact(0, &[], true);
    assert!(assigned(&mut world, claim).is_empty());
}

#[test]
fn jobs_that_require_labels_go_to_workers_that_have_them_all() {
    let mut world = World::new([automation(1, labelled(&["sap"])), automation(2, labelled(&["gpu", "sap"])), automation(3, draft("q"))], 1);
    world.set_workers(&[worker(1, &["q"], &[], false), worker(2, &["q"], &["sap"], false), worker(3, &["q"], &["gpu", "sap", "x"], false)]);
    let jobs = add(&mut world, &[(2, 9), (1, 5), (3, 5), (2, 5), (1, 5)]);
    let claims = [world.claim(0, 1, &["q"], 5), world.claim(0, 2, &["q"], 5), world.claim(0, 3, &["q"], 3)];
    world.transact(0, &[], true);
    let got = claims.map(|claim| assigned(&mut world, claim));
    assert_eq!(got[0], [jobs[2]], "what any worker can run");
    assert_eq!(got[1], [jobs[4]]);
    assert_eq!(got[2], [jobs[0], jobs[1], jobs[3]], "by priority, then age, whatever else the worker can do");
}

#[test]
fn the_broker_gets_no_more_than_its_window() {
    let mut world = World::new([automation(1, draft("q"))], 1);
    world.has_broker = true;
    let jobs = add(&mut world, &[(1, 5); 6]);
    assert_eq!(jobs.iter().filter(|id| is_sent(&world, id)).count(), 0, "nothing before the workers were read");
    world.set_workers(&[worker(1, &["q"], &[], true)]);
    world.transact(0, &[], true);
    let sent: Vec<bool> = jobs.iter().map(|id| is_sent(&world, id)).collect();
    assert_eq!(sent, [true, true, true, true, false, false], "two slots and {} ahead", WINDOW.lookahead);
    world.has_broker = false;
    world.refresh();
    let claim = world.claim(0, 2, &["q"], 9);
    world.transact(0, &[], true);
    assert_eq!(assigned(&mut world, claim), jobs[4..], "claims take the rest");
}

#[test]
fn an_assignment_that_was_lost_in_transit_is_repeated() {
    let mut world = World::new([automation(1, draft("q"))], 1);
    let jobs = add(&mut world, &[(1, 5)]);
    let lost = world.claim(0, 1, &["q"], 1);
    world.transact(0, &[], true);
    let token = world.row(jobs[0]).job.lease.clone().map(|lease| lease.token);
    assert_eq!(assigned(&mut world, lost), jobs);
    let again = world.claim(0, 1, &["q"], 1);
    world.forget_held(0, again);
    world.transact(0, &[], true);
    assert_eq!(assigned(&mut world, again), jobs);
    assert_eq!(world.row(jobs[0]).job.lease.clone().map(|lease| lease.token), token, "under the same lease");
    assert_eq!(holder(world.row(jobs[0])), Some(Uuid::from_u128(1).into()));
}
