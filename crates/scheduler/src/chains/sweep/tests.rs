//! The sweep on both databases, with the orchestrator that accepts its jobs and a clock that the tests set: what cannot be reached over HTTP.

use std::sync::{Arc, atomic::Ordering};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Scope,
    chain::{Ending, Input, Join, RunState, Taken},
    ids::{AutomationId, ChainId, JobId},
    job::{Origin, Request, Status, Trigger},
    policy::Overrides,
};
use futures_util::future::join_all;
use runtime::{Ask, Counts, Intake, JobIntake, Reconciler as _, Shutdown};
use serde_json::{Map, Value, json};
use store::{
    chains::{Draft, Run, RunFilter, Save, chain_get, chain_insert, chain_list_runs, chain_update},
    jobs::{FullJob, job_load_for_update_in_txn, job_update_many_in_txn},
};
use test_support::Backend;
use uuid::Uuid;

use super::{BATCH, Sweep};
use crate::schedules::due::tests::{
    faults::Gate,
    on_both,
    world::{World, at},
};

on_both!(
    killed_between_the_count_and_the_request_another_one_requests,
    killed_before_the_answer_was_noted_another_one_finds_the_job,
    a_process_that_was_frozen_requests_nothing,
    an_end_that_appears_late_is_counted,
    ends_during_a_downtime_are_counted,
    a_clock_that_was_ahead_hides_no_end,
    what_is_not_answered_is_requested_again_and_delays_no_other,
    a_run_waits_for_its_time_of_day,
    a_run_of_a_chain_that_was_switched_off_meanwhile_gets_no_job,
    parameters_that_are_too_large_are_refused,
    more_ends_than_a_transaction_counts_are_counted_once,
);

const NOW: &str = "2026-11-26T12:00:00Z";

/// A chain from the world's automation to another one.
struct Chained {
    world: World,
    target: AutomationId,
    id: ChainId,
}

impl Chained {
    async fn start(backend: Backend, change: impl FnOnce(&mut Draft)) -> Self {
        let world = World::start(backend, NOW).await;
        let draft = store::automations::Draft {
            name: "b".to_owned(),
            queue_name: "r".to_owned(),
            script_path: "y.py".to_owned(),
            ..Default::default()
        };
        let by = test_support::change();
        let target = store::automations::automation_insert(&world.database, &Scope::All, &by, &draft, Utc::now()).await.unwrap().id;
        let mut draft = Draft {
            automation_id: target,
            name: "then".to_owned(),
            enabled: true,
            inputs: vec![Input { automation_id: world.automation, on: Ending::Completed, condition: None }],
            join: Join::Any,
            not_before: None,
            timezone: "UTC".to_owned(),
            parameters: Map::new(),
            parameters_from: vec![Taken { parameter: "n".to_owned(), pointer: "/n".to_owned(), automation_id: None }],
        };
        change(&mut draft);
        let id = Uuid::now_v7().into();
        let saved = chain_insert(&world.database, &by, id, &draft, world.clock.now()).await.unwrap();
        assert!(matches!(saved, Save::Done(_)), "{saved:?}");
        Self { world, target, id }
    }

    /// A scheduler on this database.
    fn sweep(&self) -> Sweep {
        self.sweep_with(self.world.intake.clone())
    }

    fn sweep_with(&self, intake: Arc<dyn JobIntake>) -> Sweep {
        Sweep {
            database: self.world.database.clone(),
            clock: self.world.clock.clock(),
            events: self.world.context.events.clone(),
            zones: Arc::new(domain::schedule::Zones::bundled()),
            intake,
            tick: std::time::Duration::from_secs(1),
            shutdown: Shutdown::default(),
            read: runtime::EndedReader::default(),
        }
    }

    fn now(&self) -> DateTime<Utc> {
        self.world.clock.now()
    }

    fn later(&self, seconds: i64) {
        self.world.clock.set(self.now() + TimeDelta::seconds(seconds));
    }

    async fn run(&self, sweep: &Sweep) -> Counts {
        sweep.run_once(self.now()).await.unwrap()
    }

    /// A job of the input that completed at this time.
    async fn ended_at(&self, at: DateTime<Utc>, result: Value) -> JobId {
        let request = Request {
            parameters: Map::new(),
            overrides: Overrides::default(),
            trigger: Trigger::Api,
            version_id: None,
            environment: None,
            origin: Origin::default(),
        };
        let ask = Ask { automation_id: self.world.automation, request, key: None };
        let Intake::Accepted(job) = self.world.intake.accept(ask).await.unwrap() else { panic!("no new job") };
        let txn = self.world.database.begin().await.unwrap();
        let mut rows = job_load_for_update_in_txn(&txn, &[job.id]).await.unwrap();
        rows[0].job.status = Status::Completed;
        rows[0].completed_at = Some(at);
        rows[0].result = Some(result);
        job_update_many_in_txn(&txn, &[&rows[0]]).await.unwrap();
        txn.commit().await.unwrap();
        job.id
    }

    async fn ended(&self) -> JobId {
        self.ended_at(self.now(), json!({"n": 1})).await
    }

    /// The runs, oldest first.
    async fn runs(&self) -> Vec<Run> {
        let filter = RunFilter { chain_id: self.id, state: None, limit: 10_000, before: None };
        let mut runs = chain_list_runs(&self.world.database, &Scope::All, &filter).await.unwrap();
        runs.reverse();
        runs
    }

    /// The jobs of the target.
    async fn jobs(&self) -> Vec<FullJob> {
        let filter = store::jobs::Filter { automation_id: Some(self.target), limit: 10_000, ..Default::default() };
        let page =
            store::jobs::job_list_page(&self.world.database, &Scope::All, &filter, store::jobs::Payload::All, u64::MAX).await.unwrap();
        let rows = page.rows.into_iter().map(|(row, _)| row).collect();
        store::jobs::job_load_payloads(&self.world.database, rows, store::jobs::Payload::All).await.unwrap()
    }

    /// The one run has this job, and no other was made.
    async fn has_one_job(&self) {
        let (runs, jobs) = (self.runs().await, self.jobs().await);
        let of_runs: Vec<_> = runs.iter().map(|run| (run.state, run.job_id)).collect();
        assert_eq!(of_runs, [(RunState::Created, jobs.first().map(|job| job.row.job.id))]);
        assert_eq!(jobs.len(), 1);
        assert_eq!((jobs[0].row.trigger, Value::Object(jobs[0].parameters.clone())), (Trigger::Chain, json!({"n": 1})));
        assert_eq!(jobs[0].row.origin.requested_by.as_deref(), Some("chain:then"));
    }
}

async fn killed_between_the_count_and_the_request_another_one_requests(backend: Backend) {
    let chained = Chained::start(backend, |_| {}).await;
    let first = chained.sweep();
    let job = chained.ended().await;
    assert_eq!(first.count_ended(chained.now()).await.unwrap(), 1);
    drop(first);
    assert_eq!((chained.runs().await[0].state, chained.jobs().await.len()), (RunState::Waiting, 0));
    let second = chained.sweep();
    assert_eq!(chained.run(&second).await, Counts::from([("jobs_created", 1), ("runs_due", 0), ("runs_without_job", 0)]));
    chained.has_one_job().await;
    let run = chained.runs().await.remove(0);
    assert_eq!((run.key, run.root_id, run.after_job_id, run.due_at), (job.to_string(), job, job, chained.now()));
    assert_eq!(chained.run(&second).await.values().sum::<u64>(), 0, "nothing is left");
    chained.world.end().await;
}

async fn killed_before_the_answer_was_noted_another_one_finds_the_job(backend: Backend) {
    let chained = Chained::start(backend, |_| {}).await;
    let gate = Gate::new(&chained.world.intake, 0);
    let first = chained.sweep_with(gate.clone());
    let _job = chained.ended().await;
    let now = chained.now();
    let running = tokio::spawn(async move { first.run_once(now).await });
    gate.was_asked(1).await;
    running.abort();
    assert!(running.await.unwrap_err().is_cancelled());
    assert_eq!((chained.runs().await[0].state, chained.jobs().await.len()), (RunState::Waiting, 1));
    let _counts = chained.run(&chained.sweep()).await;
    chained.has_one_job().await;
    chained.world.end().await;
}

async fn a_process_that_was_frozen_requests_nothing(backend: Backend) {
    let chained = Chained::start(backend, |_| {}).await;
    let (first, begun) = (chained.sweep(), chained.now());
    let _job = chained.ended().await;
    assert_eq!(first.count_ended(begun).await.unwrap(), 1);
    chained.later(11);
    assert_eq!(first.ask(begun).await.unwrap(), Counts::from([("jobs_created", 0), ("runs_without_job", 0)]));
    assert_eq!((chained.runs().await[0].state, chained.jobs().await.len()), (RunState::Waiting, 0));
    let _counts = chained.run(&first).await;
    chained.has_one_job().await;
    chained.world.end().await;
}

async fn an_end_that_appears_late_is_counted(backend: Backend) {
    let chained = Chained::start(backend, |_| {}).await;
    let sweep = chained.sweep();
    chained.later(240);
    let _first = chained.ended().await;
    assert_eq!(chained.run(&sweep).await["runs_due"], 1);
    // Its transaction committed after that of an end with a later time.
    let _soon = chained.ended_at(chained.now() - TimeDelta::seconds(1), json!({})).await;
    chained.later(1);
    assert_eq!(chained.run(&sweep).await["runs_due"], 1);
    let _late = chained.ended_at(chained.now() - TimeDelta::seconds(180), json!({})).await;
    chained.later(60);
    assert_eq!(chained.run(&sweep).await["runs_due"], 1);
    // What was there before the chain does not count.
    let _before = chained.ended_at(at(NOW) - TimeDelta::seconds(1), json!({})).await;
    chained.later(60);
    assert_eq!(chained.run(&sweep).await["runs_due"], 0);
    assert_eq!(chained.jobs().await.len(), 3);
    chained.world.end().await;
}

async fn ends_during_a_downtime_are_counted(backend: Backend) {
    let chained = Chained::start(backend, |_| {}).await;
    let _nothing = chained.run(&chained.sweep()).await;
    chained.later(3600);
    let _job = chained.ended().await;
    chained.later(3 * 86_400);
    assert_eq!(chained.run(&chained.sweep()).await["jobs_created"], 1);
    chained.later(86_400);
    assert_eq!(chained.run(&chained.sweep()).await.values().sum::<u64>(), 0, "the next process counts it no more");
    chained.has_one_job().await;
    chained.world.end().await;
}

async fn a_clock_that_was_ahead_hides_no_end(backend: Backend) {
    let chained = Chained::start(backend, |_| {}).await;
    let sweep = chained.sweep();
    chained.later(2 * 86_400);
    let _first = chained.ended().await;
    assert_eq!(chained.run(&sweep).await["runs_due"], 1);
    chained.world.clock.set(at(NOW) + TimeDelta::seconds(10));
    let _second = chained.ended().await;
    assert_eq!(chained.run(&sweep).await["runs_due"], 1);
    chained.later(2 * 86_400);
    assert_eq!(chained.run(&chained.sweep()).await["runs_due"], 0);
    assert_eq!(chained.jobs().await.len(), 2);
    chained.world.end().await;
}

async fn what_is_not_answered_is_requested_again_and_delays_no_other(backend: Backend) {
    let chained = Chained::start(backend, |_| {}).await;
    let gate = Gate::new(&chained.world.intake, 100);
    let sweep = chained.sweep_with(gate.clone());
    gate.is_away.store(true, Ordering::SeqCst);
    let _first = chained.ended().await;
    for _ in 0..3 {
        chained.later(1);
        assert_eq!(chained.run(&sweep).await["jobs_created"], 0);
    }
    assert_eq!(chained.runs().await[0].state, RunState::Waiting);
    gate.is_away.store(false, Ordering::SeqCst);
    let _second = chained.ended().await;
    assert_eq!(chained.run(&sweep).await["jobs_created"], 2);
    assert_eq!(chained.jobs().await.len(), 2);
    chained.world.end().await;
}

async fn a_run_waits_for_its_time_of_day(backend: Backend) {
    let chained = Chained::start(backend, |draft| draft.not_before = "13:30:00".parse().ok()).await;
    let sweep = chained.sweep();
    let _job = chained.ended().await;
    assert_eq!(chained.run(&sweep).await["runs_due"], 1);
    chained.world.clock.set(at("2026-11-26T13:29:59.999Z"));
    assert_eq!(chained.run(&sweep).await["jobs_created"], 0);
    assert_eq!((chained.runs().await[0].due_at, chained.jobs().await.len()), (at("2026-11-26T13:30:00Z"), 0));
    chained.world.clock.set(at("2026-11-26T13:30:00Z"));
    assert_eq!(chained.run(&sweep).await["jobs_created"], 1);
    chained.has_one_job().await;
    // It is past: at once.
    let _late = chained.ended().await;
    assert_eq!(chained.run(&sweep).await["jobs_created"], 1);
    chained.world.end().await;
}

async fn a_run_of_a_chain_that_was_switched_off_meanwhile_gets_no_job(backend: Backend) {
    let chained = Chained::start(backend, |draft| draft.not_before = "13:30:00".parse().ok()).await;
    let sweep = chained.sweep();
    let _job = chained.ended().await;
    assert_eq!(chained.run(&sweep).await["runs_due"], 1);
    let draft = chain_get(&chained.world.database, &Scope::All, chained.id).await.unwrap().unwrap().draft;
    let (by, now) = (test_support::change(), chained.now());
    let off = Draft { enabled: false, ..draft };
    let saved = chain_update(&chained.world.database, (&Scope::All, &by), (chained.id, None), &off, now).await.unwrap();
    assert!(matches!(saved, Save::Done(_)), "{saved:?}");
    chained.later(7200);
    assert_eq!(chained.run(&sweep).await, Counts::from([("jobs_created", 0), ("runs_due", 0), ("runs_without_job", 1)]));
    let run = chained.runs().await.remove(0);
    assert_eq!((run.state, run.reason.as_deref(), run.job_id), (RunState::Skipped, Some("switched_off"), None));
    assert_eq!(chained.jobs().await.len(), 0);
    chained.world.end().await;
}

async fn parameters_that_are_too_large_are_refused(backend: Backend) {
    let chained = Chained::start(backend, |_| {}).await;
    let _job = chained.ended_at(chained.now(), json!({"n": "x".repeat(domain::chain::MAX_PARAMETERS)})).await;
    let _counts = chained.run(&chained.sweep()).await;
    let run = chained.runs().await.remove(0);
    assert_eq!((run.state, run.reason.as_deref(), run.job_id), (RunState::Refused, Some("too_large"), None));
    assert!(run.detail.unwrap().contains("1048576 are allowed"));
    chained.world.end().await;
}

async fn more_ends_than_a_transaction_counts_are_counted_once(backend: Backend) {
    let chained = Chained::start(backend, |_| {}).await;
    let count = BATCH + 5;
    // Of one moment: the next page begins after the id of the last one.
    let (now, sweep) = (chained.now(), chained.sweep());
    for _ in 0..count / 5 {
        let _jobs = join_all((0..5).map(|_| chained.ended_at(now, json!({})))).await;
    }
    chained.later(1);
    let counts = chained.run(&sweep).await;
    assert_eq!((counts["runs_due"], counts["jobs_created"]), (count, count));
    chained.later(61);
    assert_eq!(chained.run(&sweep).await.values().sum::<u64>(), 0);
    assert_eq!(chained.jobs().await.len() as u64, count);
    chained.world.end().await;
}
