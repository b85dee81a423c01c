//! Whatever is asked, in whichever order, at whichever replica.

use std::collections::BTreeMap;

use domain::{
    ids::JobId,
    job::{Caller, ErrorClass, Failure as JobFailure, Outcome, Status},
    policy::{Overlap, Policy, RateLimit},
    retry::RetryPolicy,
};
use proptest::prelude::*;
use runtime::Failure;
use serde_json::Value;
use store::{
    automations::{Automation, Draft},
    job_logs::Line,
    jobs::{JobRow, NewJob},
    workers::Worker,
};
use uuid::Uuid;

use super::{
    super::report::has_place,
    world::{Stored, WINDOW, World, automation, draft, worker},
};
use crate::writer::command::{Action, Change, Command, Control, Done, Finish, Lines, Reply};

const LIMIT: i64 = 2;
const RATE: RateLimit = RateLimit { max: 2, per_s: 10.0 };
const LIMITED: i32 = 2;
const KEYED: i32 = 3;
const RATED: i32 = 4;
const OVERLAPPING: i32 = 5;
const AUTOMATIONS: i32 = 6;
const QUEUES: [&str; 2] = ["a", "b"];

fn automations(overlap: Overlap) -> Vec<Automation> {
    let retried =
        |queue| Draft { retry_policy: RetryPolicy { max_attempts: 3, base_s: 1.0, jitter: 0.0, ..RetryPolicy::default() }, ..draft(queue) };
    let policy = |policy, queue| Draft { policy, ..retried(queue) };
    vec![
        automation(1, Draft { timeout_s: Some(5), ..retried("a") }),
        automation(LIMITED, Draft { max_concurrency: Some(LIMIT), ..retried("a") }),
        automation(KEYED, policy(Policy { concurrency_key_limit: 1, ..Policy::default() }, "b")),
        automation(RATED, policy(Policy { rate_limit: Some(RATE), ..Policy::default() }, "b")),
        automation(OVERLAPPING, policy(Policy { overlap, ..Policy::default() }, "a")),
        automation(AUTOMATIONS, policy(Policy { requires: vec!["sap".to_owned()], ..Policy::default() }, "b")),
    ]
}

fn workers() -> Vec<Worker> {
    vec![worker(1, &QUEUES, &[], false), worker(2, &QUEUES, &["sap"], false), worker(3, &["a"], &[], true)]
}

/// Something that is asked of the writer; jobs and workers by number.
#[derive(Clone, Debug)]
enum Ask {
    Insert { automation: i32, priority: i32, key: Option<u8>, idempotency: Option<u8>, deadline_s: Option<u8> },
    Start { job: usize, worker: Option<u8> },
    Report { job: usize, token: Token, what: What },
    Act { job: usize, what: Act },
    Heartbeat { worker: u8 },
}

#[derive(Clone, Copy, Debug)]
enum Token {
    OfLease,
    Wrong,
    None,
}

#[derive(Clone, Copy, Debug)]
enum What {
    Log(u8),
    Progress,
    Completed,
    Failed,
    Canceled,
    Cancellation,
}

#[derive(Clone, Copy, Debug)]
enum Act {
    Expire,
    TimeOut,
    GiveUp,
    DeadLetter,
    Cancel,
    Pause,
    Resume,
}

/// What happens at a replica.
#[derive(Clone, Debug)]
struct Batch {
    replica: usize,
    elapse: u8,
    refresh: bool,
    has_broker: bool,
    claims: Vec<(u8, u8)>,
    asks: Vec<Ask>,
}

fn ask() -> impl Strategy<Value = Ask> {
    let insert =
        (1..=AUTOMATIONS, 0..10_i32, prop::option::of(0..2_u8), prop::option::weighted(0.2, 0..3_u8), prop::option::weighted(0.2, 0..9_u8))
            .prop_map(|(automation, priority, key, idempotency, deadline_s)| Ask::Insert {
                automation,
                priority,
                key,
                idempotency,
                deadline_s,
            });
    let token = prop_oneof![4 => Just(Token::OfLease), 1 => Just(Token::Wrong), 2 => Just(Token::None)];
    let what = prop_oneof![
        (0..60_u8).prop_map(What::Log),
        Just(What::Progress),
        Just(What::Completed),
        Just(What::Failed),
        Just(What::Canceled),
        Just(What::Cancellation),
    ];
    let act = prop_oneof![
        Just(Act::Expire),
        Just(Act::TimeOut),
        Just(Act::GiveUp),
        Just(Act::DeadLetter),
        Just(Act::Cancel),
        Just(Act::Pause),
        Just(Act::Resume),
    ];
    prop_oneof![
        4 => insert,
        3 => (0..12_usize, prop::option::of(3..5_u8)).prop_map(|(job, worker)| Ask::Start { job, worker }),
        4 => (0..12_usize, token, what).prop_map(|(job, token, what)| Ask::Report { job, token, what }),
        2 => (0..12_usize, act).prop_map(|(job, what)| Ask::Act { job, what }),
        1 => (1..5_u8).prop_map(|worker| Ask::Heartbeat { worker }),
    ]
}

fn batch() -> impl Strategy<Value = Batch> {
    let claims = prop::collection::vec((1..3_u8, 0..4_u8), 0..3);
    (0..2_usize, 0..8_u8, any::<bool>(), any::<bool>(), claims, prop::collection::vec(ask(), 0..7))
        .prop_map(|(replica, elapse, refresh, has_broker, claims, asks)| Batch { replica, elapse, refresh, has_broker, claims, asks })
}

fn overlap() -> impl Strategy<Value = Overlap> {
    prop::sample::select(Overlap::ALL.to_vec())
}

impl Ask {
    /// As a command. Of jobs that are not there nothing is asked.
    fn command(&self, world: &World) -> Option<Command> {
        // The youngest jobs are the ones where something happens.
        let job = |number: usize| world.jobs.values().rev().nth(number).map(|job| &job.row);
        match self {
            Self::Insert { automation, priority, key, idempotency, deadline_s } => {
                let mut new = NewJob { priority: *priority, ..world.new_job(*automation) };
                new.idempotency_key = idempotency.map(|key| format!("k{key}"));
                new.request_digest = idempotency.map(|_| format!("{priority}"));
                new.terms.concurrency_key = key.filter(|_| *automation == KEYED || *automation == OVERLAPPING).map(|key| format!("c{key}"));
                new.terms.queue_deadline_at = deadline_s.map(|seconds| world.now + chrono::TimeDelta::seconds(seconds.into()));
                Some(Command::Insert(Box::new(new), None))
            }
            Self::Start { job: number, worker } => {
                let worker_id = worker.map(|worker| Uuid::from_u128(worker.into()).into());
                Some(World::change(job(*number)?.job.id, Change::Start { caller: Caller { worker_id, lease_token: None } }))
            }
            Self::Report { job: number, token, what } => {
                let row = job(*number)?;
                Some(World::change(row.job.id, what.change(caller(row, *token), world)))
            }
            Self::Act { job: number, what } => Some(World::change(job(*number)?.job.id, what.change())),
            Self::Heartbeat { worker } => Some(world.heartbeat((*worker).into())),
        }
    }
}

fn caller(row: &JobRow, token: Token) -> Caller {
    let lease_token = match token {
        Token::OfLease => row.job.lease.as_ref().map(|lease| lease.token),
        Token::Wrong => Some(Uuid::from_u128(1)),
        Token::None => None,
    };
    Caller { worker_id: None, lease_token }
}

impl What {
    fn change(self, caller: Caller, world: &World) -> Change {
        let lines = |count: u8| {
            let line = Line { timestamp: world.now, level: domain::log::Level::Info, message: "x".repeat(9), actionable: false };
            Lines { lines: vec![line; count.into()], offset: None }
        };
        let finish = |outcome| Change::Finish(Finish { caller, outcome, result: None, lines: lines(3), progress: None });
        match self {
            Self::Log(count) => Change::Log { caller, lines: lines(count) },
            Self::Progress => Change::Progress { caller, progress: Value::from(1) },
            Self::Completed => finish(Outcome::Completed),
            Self::Failed => finish(Outcome::Failed(JobFailure { class: ErrorClass::RobotError, message: "no".to_owned() })),
            Self::Canceled => finish(Outcome::Canceled),
            Self::Cancellation => Change::Cancellation { caller },
        }
    }
}

impl Act {
    fn change(self) -> Change {
        let control = |action| Change::Control(Control { action, by: "maria".to_owned(), change: None, reason: None });
        match self {
            Self::Expire => Change::Expire,
            Self::TimeOut => Change::TimeOut,
            Self::GiveUp => Change::GiveUp,
            Self::DeadLetter => Change::DeadLetter { reason: "rejected".to_owned() },
            Self::Cancel => control(Action::Cancel),
            Self::Pause => control(Action::Pause),
            Self::Resume => control(Action::Resume),
        }
    }
}

fn play(world: &mut World, batch: &Batch) -> (Vec<Command>, Vec<Reply>) {
    world.elapse(batch.elapse.into());
    world.has_broker = batch.has_broker;
    if batch.refresh {
        world.refresh();
    }
    for (worker, max) in &batch.claims {
        world.claim(batch.replica, (*worker).into(), &["*"], (*max).into());
    }
    let commands: Vec<Command> = batch.asks.iter().filter_map(|ask| ask.command(world)).collect();
    let replies = world.transact(batch.replica, &commands, true);
    (commands, replies)
}

/// What must hold between one commit and the next.
fn check_steps(before: &BTreeMap<JobId, Stored>, after: &BTreeMap<JobId, Stored>) {
    for (id, was) in before {
        let (was, is) = (&was.row, &after[id].row);
        if was.job.status.is_terminal() {
            assert_eq!(
                (is.job.status, &is.job.failure, is.completed_at),
                (was.job.status, &was.job.failure, was.completed_at),
                "written once"
            );
        }
        if let (Some(was), Some(is)) = (&was.job.lease, &is.job.lease) {
            assert_eq!((was.token, was.worker_id), (is.token, is.worker_id), "one lease in a life");
        }
        assert!(was.job.lease.is_none() || is.job.lease.is_some());
        assert!(is.job.status != Status::Pending || was.job.status == Status::Pending, "nothing waits again once it has started");
        assert!(is.log_lines >= was.log_lines && is.version >= was.version);
        assert!(is.version > was.version || is == was, "what changes counts its writes");
    }
}

fn check_rows(world: &World) {
    let placed = |is_it: &dyn Fn(&JobRow) -> bool| world.jobs.values().filter(|job| has_place(&job.row) && is_it(&job.row)).count() as i64;
    assert!(placed(&|row| row.automation_id == LIMITED.into()) <= LIMIT, "max_concurrency");
    for key in ["c0", "c1"] {
        assert!(
            placed(&|row| row.automation_id == KEYED.into() && row.terms.concurrency_key.as_deref() == Some(key)) <= 1,
            "the key's limit"
        );
    }
    for (_, first) in world.starts.iter().filter(|(automation, _)| automation.get() == RATED) {
        let until = *first + chrono::TimeDelta::seconds(10);
        let starts = world.starts.iter().filter(|(automation, at)| automation.get() == RATED && at >= first && *at < until).count();
        assert!(starts <= 2, "the rate limit: {starts} in 10 s");
    }
    for row in world.jobs.values().map(|job| &job.row) {
        assert!(!row.job.status.is_held() || row.job.lease.is_some(), "who runs has a lease");
        assert_eq!(row.job.status.is_terminal(), row.completed_at.is_some());
        assert_eq!(row.job.status == Status::Paused, row.paused_at.is_some(), "{row:?}");
    }
}

/// A job that failed has the retry that its policy allows, and one only.
fn check_retries(world: &World) {
    for (id, job) in &world.jobs {
        let retries: Vec<_> = world.jobs.values().filter(|other| other.row.retry_of == Some(*id)).collect();
        let row = &job.row;
        let passes = row.job.failure.as_ref().is_some_and(|failure| failure.class.may_pass());
        let is_due = row.job.status == Status::Failed && passes && row.attempt < 3 && !row.job.cancellation_requested;
        assert!(retries.len() <= 1, "one retry");
        assert!(!is_due || retries.len() == 1, "a retry is never lost: {row:?}");
        for retry in retries {
            assert_eq!((retry.row.attempt, &retry.parameters), (row.attempt + 1, &job.parameters));
        }
    }
}

fn check_claims(world: &mut World) {
    for replica in 0..2 {
        let claims: Vec<u64> = world.replicas[replica].answers.keys().copied().collect();
        for claim in claims {
            for job in world.answer(replica, claim).unwrap_or_default() {
                let lease = world.row(job.job_id).job.lease.clone().unwrap();
                assert_eq!(lease.token, job.lease_token, "who is answered has the lease");
                let needs = &world.row(job.job_id).terms.requires;
                assert!(needs.is_empty() || lease.worker_id == Some(Uuid::from_u128(2).into()), "labels");
            }
        }
    }
}

/// A command that is refused leaves its job as it was, but for one that a pause sends back to wait.
fn check_refused(commands: &[Command], replies: &[Reply], before: &BTreeMap<JobId, Stored>, after: &BTreeMap<JobId, Stored>) {
    if let ([Command::Change(id, ..)], [Err(_)]) = (commands, replies) {
        assert_eq!(before.get(id), after.get(id), "refused");
    }
    if let ([Command::Insert(new, _)], [Err(_)]) = (commands, replies) {
        assert!(!after.contains_key(&new.id));
    }
}

fn summary(reply: &Reply, world: &World) -> String {
    let known = |id: &JobId| world.jobs.get(id).is_some_and(|job| job.row.retry_of.is_none());
    match reply {
        Ok(Done::Inserted(inserted)) => format!("{:?} {} {}", Some(inserted.id).filter(known), inserted.replayed, inserted.differs),
        Ok(Done::Changed(changed)) => format!("{} {} {}", changed.status, changed.late, changed.log_lines),
        Ok(Done::Renewed(response)) => format!("{response:?}"),
        Err(Failure::Conflict { code, .. }) => (*code).to_owned(),
        Err(failure) => failure.to_string(),
    }
}

/// All of the rows that does not depend on ids that were made on the way.
fn rows(world: &World) -> Vec<String> {
    let row = |job: &Stored| {
        let JobRow { job: state, terms, progress, attempt, retry_of, log_lines, started_at, completed_at, .. } = &job.row;
        let id = retry_of.map_or(Some(state.id), |_| None);
        let lease = state.lease.as_ref().map(|lease| (lease.worker_id, lease.expires_at));
        format!(
            "{id:?} {} {:?} {lease:?} {} {attempt} {retry_of:?} {log_lines} {progress:?} {started_at:?} {completed_at:?} {terms:?} {:?}",
            state.status, state.failure, state.cancellation_requested, job.parameters
        )
    };
    let mut rows: Vec<String> = world.jobs.values().map(row).collect();
    rows.sort();
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_sequence_of_commands_breaks_an_invariant(overlap in overlap(), batches in prop::collection::vec(batch(), 1..12)) {
        let mut world = World::new(automations(overlap), 2);
        for batch in batches {
            let before = world.jobs.clone();
            world.set_workers(&workers());
            // A claim of an earlier batch may still wait.
            let claims = &world.replicas[batch.replica].memory.state.claims;
            let dispatches = batch.has_broker || !batch.claims.is_empty() || !claims.workers().is_empty();
            let (commands, replies) = play(&mut world, &batch);
            check_steps(&before, &world.jobs);
            check_rows(&world);
            check_retries(&world);
            check_claims(&mut world);
            if !dispatches {
                check_refused(&commands, &replies, &before, &world.jobs);
            }
        }
    }

    #[test]
    fn a_queue_never_holds_more_messages_than_its_window(batches in prop::collection::vec(batch(), 1..12)) {
        let mut world = World::new(automations(Overlap::Queue), 1);
        for batch in batches {
            world.set_workers(&workers());
            let batch = Batch { replica: 0, has_broker: true, ..batch };
            let sent = |world: &World, queue: &str| {
                let is_sent = |row: &&JobRow| row.queue_name == queue && row.job.status == Status::Pending && row.dispatch_started_at.is_some();
                world.jobs.values().map(|job| &job.row).filter(is_sent).count()
            };
            play(&mut world, &batch);
            prop_assert!(sent(&world, "a") <= 2 + WINDOW.lookahead, "two slots and those ahead");
            prop_assert_eq!(sent(&world, "b"), 0, "its workers only claim");
        }
    }

    #[test]
    fn two_halves_have_the_result_of_the_whole(
        overlap in overlap(),
        history in prop::collection::vec(batch(), 0..8),
        asks in prop::collection::vec(ask(), 2..12),
        cut in 0..12_usize,
    ) {
        let world = || {
            let mut world = World::new(automations(overlap), 2);
            world.set_workers(&workers());
            history.iter().for_each(|batch| drop(play(&mut world, batch)));
            // Nothing is dispatched between the halves.
            world.has_broker = false;
            for claim in 0..100 {
                world.replicas[0].memory.state.claims.remove(claim);
            }
            world
        };
        let (mut whole, mut halves) = (world(), world());
        let commands: Vec<Command> = asks.iter().filter_map(|ask| ask.command(&whole)).collect();
        // The same ids for what they make next.
        asks.iter().for_each(|ask| drop(ask.command(&halves)));
        let (first, second) = commands.split_at(cut.min(commands.len()));
        let replies = whole.transact(0, &commands, true);
        let mut in_halves = halves.transact(0, first, true);
        in_halves.extend(halves.transact(0, second, true));
        let summaries = |replies: &[Reply], world: &World| replies.iter().map(|reply| summary(reply, world)).collect::<Vec<_>>();
        prop_assert_eq!(summaries(&replies, &whole), summaries(&in_halves, &halves));
        prop_assert_eq!(rows(&whole), rows(&halves));
    }
}
