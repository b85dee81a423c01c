//! What happens when processes, the database or the orchestrator fail, and when people change what is being decided.

use std::{
    collections::BTreeSet,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
};

use chrono::TimeDelta;
use domain::{
    policy::Pause,
    schedule::{MisfirePolicy, ScheduleState, StateReason},
};
use futures_util::{FutureExt as _, future::BoxFuture};
use runtime::{Ask, Failure, Intake, JobIntake};
use serde_json::json;
use store::schedules::{Draft, FireState};
use test_support::{Backend, eventually};
use tokio::sync::Semaphore;

use super::{
    super::{CLAIM, watch::Watch},
    on_both,
    world::{World, at, cron, with_policy},
};

on_both!(
    killed_before_it_wrote_another_one_writes,
    a_slot_that_has_its_job_is_not_missed_however_late_another_one_writes,
    changed_while_it_is_decided_it_is_decided_again,
    what_is_refused_is_kept_and_the_next_slot_comes,
    what_is_not_answered_keeps_its_slot,
    a_backlog_shrinks_with_each_attempt,
    the_state_follows_the_automation,
);

/// An intake that can be away, and that can hold answers back.
pub(crate) struct Gate {
    inner: Arc<dyn JobIntake>,
    pub(crate) is_away: AtomicBool,
    /// It is away after so many requests.
    most: AtomicUsize,
    answers: Semaphore,
    asked: AtomicUsize,
}

impl Gate {
    pub(crate) fn new(inner: &Arc<dyn JobIntake>, answers: usize) -> Arc<Self> {
        Arc::new(Self {
            inner: inner.clone(),
            is_away: AtomicBool::new(false),
            most: AtomicUsize::new(usize::MAX),
            answers: Semaphore::new(answers),
            asked: AtomicUsize::new(0),
        })
    }

    pub(crate) async fn was_asked(&self, times: usize) {
        eventually("it was asked", async || (self.asked.load(Ordering::SeqCst) >= times).then_some(())).await;
    }
}

impl JobIntake for Gate {
    fn accept(&self, ask: Ask) -> BoxFuture<'_, Result<Intake, Failure>> {
        async move {
            if self.is_away.load(Ordering::SeqCst) || self.asked.load(Ordering::SeqCst) >= self.most.load(Ordering::SeqCst) {
                return Err(Failure::Overloaded);
            }
            let answer = self.inner.accept(ask).await;
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.answers.acquire().await.unwrap().forget();
            answer
        }
        .boxed()
    }
}

async fn killed_before_it_wrote_another_one_writes(backend: Backend) {
    let world = World::start(backend, "2026-11-26T08:59:00Z").await;
    let (second, gate) = (world.replica(), Gate::new(&world.intake, 0));
    let first = world.replica_with(world.database.clone(), gate.clone());
    let id = world.save(&cron(&world, "0 9 * * *")).await;
    world.look(&first).await;
    world.clock.set(at("2026-11-26T09:00:00Z"));
    let dies = tokio::spawn(async move { first.run_once().await });
    gate.was_asked(1).await;
    dies.abort();
    assert!(dies.await.unwrap_err().is_cancelled());
    assert_eq!((world.jobs(id).await.len(), world.fires(id).await.len()), (1, 0), "killed between the job and its row");
    world.look(&second).await;
    assert_eq!(world.fires(id).await.len(), 0, "it is still the first one's");
    world.clock.set(at("2026-11-26T09:00:00Z") + CLAIM);
    world.look(&second).await;
    assert_eq!(world.ran(id).await, [at("2026-11-26T09:00:00Z")]);
    assert_eq!(world.get(id).await.wake_at, Some(at("2026-11-27T09:00:00Z")));
    world.end().await;
}

async fn a_slot_that_has_its_job_is_not_missed_however_late_another_one_writes(backend: Backend) {
    for policy in [MisfirePolicy::Skip, MisfirePolicy::Last] {
        let world = World::start(backend, "2026-11-26T08:59:30Z").await;
        let (second, gate) = (world.replica(), Gate::new(&world.intake, 0));
        let first = world.replica_with(world.database.clone(), gate.clone());
        let id = world.save(&with_policy(cron(&world, "* * * * *"), policy)).await;
        world.look(&first).await;
        world.clock.set(at("2026-11-26T09:00:00Z"));
        let dies = tokio::spawn(async move { first.run_once().await });
        gate.was_asked(1).await;
        dies.abort();
        assert!(dies.await.unwrap_err().is_cancelled());
        world.clock.set(at("2026-11-26T10:00:05Z"));
        world.look(&second).await;
        assert_eq!(world.ran(id).await, ["09:00", "10:00"].map(|time| at(&format!("2026-11-26T{time}:00Z"))), "{policy:?}");
        let time = |at: chrono::DateTime<chrono::Utc>| at.format("%H:%M").to_string();
        let fires: Vec<_> = world.fires(id).await.iter().map(|fire| (time(fire.slot_at), time(fire.last_slot_at), fire.state)).collect();
        let expected =
            [("09:00", "09:00", FireState::Created), ("09:01", "09:59", FireState::Skipped), ("10:00", "10:00", FireState::Created)];
        assert_eq!(fires, expected.map(|(first, last, state)| (first.to_owned(), last.to_owned(), state)), "{policy:?}");
        assert_eq!(world.fires(id).await[1].slots, 59);
        world.end().await;
    }
}

async fn changed_while_it_is_decided_it_is_decided_again(backend: Backend) {
    let world = World::start(backend, "2026-11-26T08:59:00Z").await;
    let gate = Gate::new(&world.intake, 0);
    let due = world.replica_with(world.database.clone(), gate.clone());
    let id = world.save(&cron(&world, "0 * * * *")).await;
    world.look(&due).await;
    world.clock.set(at("2026-11-26T09:00:00Z"));
    let (asking, deciding) = (
        due.clone(),
        tokio::spawn({
            let due = due.clone();
            async move { due.run_once().await }
        }),
    );
    gate.was_asked(1).await;
    world.change(id, |draft| draft.parameters = json!({"x": 1}).as_object().unwrap().clone()).await;
    gate.answers.add_permits(100);
    deciding.await.unwrap().unwrap();
    assert_eq!(world.get(id).await.wake_at, Some(store::schedules::AT_ONCE), "the change was not overwritten");
    world.look(&asking).await;
    assert_eq!(world.ran(id).await, [at("2026-11-26T09:00:00Z")], "the slot has the job that it had");
    world.run_until(&asking, "2026-11-26T10:00:00Z").await;
    let last = world.fires(id).await.pop().unwrap();
    assert_eq!(world.parameters(last.job_id.unwrap()).await["x"], 1);
    world.end().await;
}

async fn what_is_refused_is_kept_and_the_next_slot_comes(backend: Backend) {
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}});
    let world = World::start_with(backend, "2026-11-26T08:59:00Z", json!({"parameter_schema": schema})).await;
    let due = world.replica();
    let bad = Draft { parameters: json!({"n": "x"}).as_object().unwrap().clone(), ..cron(&world, "0 * * * *") };
    let id = world.save(&bad).await;
    world.run_until(&due, "2026-11-26T09:30:00Z").await;
    let refused = world.fires(id).await.pop().unwrap();
    assert_eq!((refused.state, refused.reason.as_deref(), refused.job_id), (FireState::Refused, Some("invalid"), None));
    assert!(refused.detail.as_deref().unwrap().contains("parameters/n"), "{refused:?}");
    world.change(id, |draft| draft.parameters.clear()).await;
    world.run_until(&due, "2026-11-26T10:00:00Z").await;
    assert_eq!(world.ran(id).await, [at("2026-11-26T10:00:00Z")]);
    world.end().await;
}

async fn what_is_not_answered_keeps_its_slot(backend: Backend) {
    let world = World::start(backend, "2026-11-26T08:59:00Z").await;
    let gate = Gate::new(&world.intake, 1000);
    let due = world.replica_with(world.database.clone(), gate.clone());
    let id = world.save(&cron(&world, "0 * * * *")).await;
    world.look(&due).await;
    gate.is_away.store(true, Ordering::SeqCst);
    world.run_until(&due, "2026-11-26T09:00:10Z").await;
    assert_eq!((world.fires(id).await, world.get(id).await.cursor_at), (vec![], at("2026-11-26T08:59:00Z")));
    gate.is_away.store(false, Ordering::SeqCst);
    world.run_until(&due, "2026-11-26T09:00:20Z").await;
    assert_eq!(world.ran(id).await, [at("2026-11-26T09:00:00Z")]);
    world.end().await;
}

async fn a_backlog_shrinks_with_each_attempt(backend: Backend) {
    let world = World::start(backend, "2026-11-26T08:59:00Z").await;
    let gate = Gate::new(&world.intake, 1000);
    let due = world.replica_with(world.database.clone(), gate.clone());
    let mut draft = with_policy(cron(&world, "0 * * * *"), MisfirePolicy::All);
    draft.misfire.limit = 4;
    let id = world.save(&draft).await;
    world.look(&due).await;
    gate.most.store(2, Ordering::SeqCst);
    world.clock.set(at("2026-11-26T14:00:30Z"));
    world.run_until(&due, "2026-11-26T14:00:31Z").await;
    let hours = |hours: &[&str]| hours.iter().map(|hour| at(&format!("2026-11-26T{hour}:00:00Z"))).collect::<Vec<_>>();
    assert_eq!(world.ran(id).await, hours(&["10", "11"]));
    assert_eq!(world.get(id).await.cursor_at, at("2026-11-26T11:00:00Z"), "what was answered is decided, and what was skipped before it");
    gate.most.store(usize::MAX, Ordering::SeqCst);
    world.run_until(&due, "2026-11-26T14:01:00Z").await;
    assert_eq!(world.ran(id).await, hours(&["10", "11", "12", "13", "14"]));
    assert_eq!(gate.asked.load(Ordering::SeqCst), 5, "nothing was asked for twice");
    let skipped: Vec<_> = world.fires(id).await.into_iter().filter(|fire| fire.state == FireState::Skipped).collect();
    assert_eq!(skipped.iter().map(|fire| (fire.slot_at, fire.slots)).collect::<Vec<_>>(), [(at("2026-11-26T09:00:00Z"), 1)]);
    world.end().await;
}

async fn the_state_follows_the_automation(backend: Backend) {
    let world = World::start(backend, "2026-11-26T08:59:00Z").await;
    let (due, by) = (world.replica(), test_support::change());
    let mut watch = Watch::new(&due);
    let id = world.save(&cron(&world, "0 * * * *")).await;
    let look = async |watch: &mut Watch| {
        world.watch(&due, watch).await;
        world.look(&due).await;
        let schedule = world.get(id).await;
        (schedule.state, schedule.state_reason)
    };
    assert_eq!(look(&mut watch).await, (ScheduleState::Active, None));
    let mut events = world.context.events.subscribe(&["schedule."]);
    let until = Some(at("2026-11-26T08:59:30Z"));
    let pause = Pause { at: world.clock.now(), until, reason: None, by: "ana".to_owned() };
    store::automations::automation_pause(&world.database, &by, world.automation, &pause, world.clock.now()).await.unwrap();
    assert_eq!(look(&mut watch).await, (ScheduleState::Active, Some(StateReason::AutomationPaused)));
    world.run_until(&due, "2026-11-26T08:59:30Z").await;
    assert_eq!(look(&mut watch).await, (ScheduleState::Active, None), "the pause ended by itself");
    store::automations::automation_archive(&world.database, &by, world.automation, world.clock.now()).await.unwrap();
    assert_eq!(look(&mut watch).await, (ScheduleState::Blocked, Some(StateReason::AutomationArchived)));
    world.run_until(&due, "2026-11-26T10:30:00Z").await;
    assert_eq!((world.jobs(id).await.len(), world.get(id).await.wake_at), (0, None));
    for kind in ["schedule.blocked", "schedule.resumed", "schedule.blocked"] {
        let runtime::events::Notice::Event(event) = events.next().await else { panic!("missed") };
        assert_eq!(event.kind.as_ref(), kind);
    }
    world.end().await;
}

/// Three replicas for ten minutes of a schedule that is due each minute: one is killed and one is frozen for 90 s, both after their jobs were
/// accepted.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_replicas_one_runs_each_slot() {
    let world = World::start(Backend::Postgres, "2026-11-26T11:59:30Z").await;
    let (killed_gate, frozen_gate) = (Gate::new(&world.intake, 1), Gate::new(&world.intake, 1));
    let killed = world.replica_with(world.database.clone(), killed_gate.clone());
    let frozen = world.replica_with(world.database.clone(), frozen_gate.clone());
    let lives = world.replica();
    let id = world.save(&with_policy(cron(&world, "* * * * *"), MisfirePolicy::All)).await;
    world.look(&lives).await;
    let minute = |nth: i64| at("2026-11-26T12:00:00Z") + TimeDelta::minutes(nth);
    let spawn = |due: &super::super::Due| {
        let due = due.clone();
        tokio::spawn(async move { due.run_once().await })
    };
    // Each has a turn in order.
    for (nth, due) in (0..2).zip([&killed, &frozen]) {
        world.clock.set(minute(nth));
        world.look(due).await;
    }
    world.clock.set(minute(2));
    let dies = spawn(&killed);
    killed_gate.was_asked(2).await;
    dies.abort();
    world.clock.set(minute(2) + CLAIM);
    let freezes = spawn(&frozen);
    frozen_gate.was_asked(2).await;
    for second in (50..=110).step_by(10) {
        world.clock.set(minute(2) + TimeDelta::seconds(second));
        world.look(&lives).await;
    }
    // Frozen for 90 s, it thaws among the others and goes on.
    frozen_gate.answers.add_permits(1000);
    freezes.await.unwrap().unwrap();
    for nth in 4..10 {
        world.clock.set(minute(nth));
        let turns = tokio::join!(lives.run_once(), frozen.run_once());
        turns.0.unwrap();
        turns.1.unwrap();
    }
    let ran = world.ran(id).await;
    assert_eq!(ran, (0..10).map(minute).collect::<Vec<_>>());
    assert_eq!(ran.iter().collect::<BTreeSet<_>>().len(), 10);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_pauses_delays() {
    let world = World::start(Backend::Postgres, "2026-11-26T08:59:00Z").await;
    let (due, proxy) = world.replica_through_proxy().await;
    let id = world.save(&cron(&world, "0 9 * * *")).await;
    world.look(&due).await;
    world.clock.set(at("2026-11-26T09:00:00Z"));
    proxy.cut().await;
    assert!(due.run_once().await.is_err());
    proxy.restore();
    world.clock.set(at("2026-11-26T09:00:40Z"));
    eventually("the database is back", async || due.run_once().await.is_ok().then_some(())).await;
    assert_eq!(world.ran(id).await, [at("2026-11-26T09:00:00Z")]);
    due.database.close().await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hundreds_that_are_due_together_run_together() {
    let world = World::start(Backend::Postgres, "2026-11-26T08:59:00Z").await;
    let due = [world.replica(), world.replica()];
    let mut ids = Vec::new();
    for nth in 0..700 {
        ids.push(world.save(&Draft { name: nth.to_string(), ..cron(&world, "0 9 * * *") }).await);
    }
    world.look(&due[0]).await;
    world.clock.set(at("2026-11-26T09:00:00Z"));
    let (one, other) = tokio::join!(world.look(&due[0]), world.look(&due[1]));
    let ((), ()) = (one, other);
    let fires = store::schedules::FireFilter { limit: 1000, ..Default::default() };
    let fires = store::schedules::fire_list(&world.database, &domain::Scope::All, &fires).await.unwrap();
    let jobs: BTreeSet<_> = fires.iter().filter_map(|fire| fire.job_id).collect();
    assert_eq!((fires.len(), jobs.len()), (700, 700));
    world.end().await;
}
