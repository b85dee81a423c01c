//! What a caller with a narrow scope sees and changes, over the use cases of all subjects.

use std::{fmt::Debug, sync::Arc, time::Duration};

use api_types::{PauseRequest, ReplayRequest, RetryRequest};
use auth::{Actor, Permitted, Principal};
use chrono::Utc;
use domain::{
    ids::{AutomationId, DeadLetterId, JobId, TokenId, WorkerId},
    job::{Origin, Request, Status, Trigger},
    permission::{Grant, Permission, Right, Role, Where},
    policy::Overrides,
};
use runtime::{Ask, Clocks, Context, Editor, Failure, Settings};
use serde_json::{Value, from_value, json};
use store::{
    dead_letters::{self, DeadLetter, dead_letter_insert},
    jobs::{Filter, Payload},
};
use test_support::{Backend, TestDatabase};
use uuid::Uuid;

use super::{Parts, UseCases};
use crate::{
    jobs::Bulk,
    writer::{Action, Control},
};

/// One automation with all that belongs to it.
struct Side {
    automation: AutomationId,
    queue: &'static str,
    job: JobId,
    letter: DeadLetterId,
    worker: WorkerId,
    token: TokenId,
}

fn ask(automation_id: AutomationId) -> Ask {
    let request = Request {
        parameters: serde_json::Map::new(),
        overrides: Overrides::default(),
        trigger: Trigger::Api,
        version_id: None,
        environment: None,
        origin: Origin::default(),
    };
    Ask { automation_id, request, key: None }
}

impl UseCases {
    async fn side(&self, queue: &'static str) -> Side {
        let admin = admin();
        let create = json!({"name": queue, "queue_name": queue, "script_path": "/robots/a.py", "max_concurrency": 1});
        let automation = self.automations.create(&admin, from_value(create).unwrap()).await.unwrap().id;
        let job = self.jobs.execute(&admin, ask(automation)).await.unwrap().0.job_id;
        let letter = DeadLetterId::from(Uuid::now_v7());
        let dead = DeadLetter {
            id: letter,
            queue_name: queue.to_owned(),
            job_id: Some(job),
            reason: "rejected".to_owned(),
            body: "{}".to_owned(),
            body_is_whole: true,
            headers: None,
            received_at: Utc::now(),
            replay: None,
        };
        dead_letter_insert(&self.jobs.database, &dead).await.unwrap();
        let register = json!({"name": queue, "queues": [queue], "slots": 1, "uses_broker": false});
        let worker = self.workers.register(from_value(register).unwrap(), &admin).await.unwrap().worker_id;
        let token = self.tokens.create(&admin, from_value(json!({"name": queue, "queues": [queue]})).unwrap()).await.unwrap();
        Side { automation, queue, job, letter, worker, token: token.kept.id }
    }

    /// What `by` may see in lists, by kind; each has only the queues' names of the sides.
    async fn listed(&self, by: &Permitted) -> Vec<(&'static str, Vec<String>)> {
        let all = Filter { limit: 100, ..Filter::default() };
        let jobs = self.jobs.list(by, &all, Payload::Parameters).await.unwrap().0.rows;
        let automations = store::automations::Filter { limit: 100, ..Default::default() };
        let letters = dead_letters::Filter { limit: 100, ..Default::default() };
        let workers = store::workers::Filter { limit: 100, ..Default::default() };
        let mut lists = vec![
            ("jobs", jobs.into_iter().map(|(row, _)| row.queue_name).collect::<Vec<String>>()),
            ("automations", self.automations.list(by, &automations).await.unwrap().into_iter().map(|one| one.draft.queue_name).collect()),
            ("queues", self.queues.list(by, None, 100).await.unwrap().into_iter().map(|queue| queue.name).collect()),
            ("dead letters", self.dead_letters.list(by, &letters).await.unwrap().into_iter().map(|letter| letter.queue_name).collect()),
            ("workers", self.workers.list(by, &workers).await.unwrap().into_iter().map(|worker| worker.name).collect()),
            ("tokens", self.tokens.list(by, None, 100).await.unwrap().into_iter().map(|token| token.name).collect()),
        ];
        lists.iter_mut().for_each(|(_, names)| names.sort());
        lists
    }

    /// Each read of one thing, and its outcome.
    async fn reads(&self, by: &Permitted, side: &Side) -> Vec<(&'static str, Outcome)> {
        vec![
            ("job", outcome(self.jobs.shown(by, side.job).await)),
            ("log", outcome(self.jobs.log_page(by, side.job, 0, 10).await.map(drop))),
            ("stream", outcome(self.jobs.check_exists(by, side.job).await)),
            ("events", outcome(self.jobs.events(by, side.job, None, 10).await)),
            ("automation", outcome(self.automations.get(by, side.automation).await)),
            ("dead letter", outcome(self.dead_letters.detail(by, side.letter).await)),
            ("worker", outcome(self.workers.detail(by, side.worker).await)),
        ]
    }

    /// Each change of one thing, and its outcome.
    async fn changes(&self, by: &Editor, side: &Side) -> Vec<(&'static str, Outcome)> {
        let cancel = Control::new(Action::Cancel, by, None);
        let resume = Control::new(Action::Resume, by, None);
        let pause = || from_value::<PauseRequest>(json!({})).unwrap();
        let change = from_value(json!({"description": "changed"})).unwrap();
        vec![
            ("resume job", outcome(self.jobs.control(by, side.job, resume).await)),
            ("execute", outcome(self.jobs.execute(by, ask(side.automation)).await)),
            ("cancel job", outcome(self.jobs.control(by, side.job, cancel).await)),
            ("retry job", outcome(self.jobs.retry(by, side.job, RetryRequest::default()).await)),
            ("update automation", outcome(self.automations.update(by, side.automation, change).await)),
            ("pause automation", outcome(self.automations.pause(by, side.automation, pause()).await)),
            ("resume automation", outcome(self.automations.resume(by, side.automation).await)),
            ("pause queue", outcome(self.queues.pause(by, side.queue, pause()).await)),
            ("resume queue", outcome(self.queues.resume(by, side.queue).await)),
            ("replay", outcome(self.dead_letters.replay(by, side.letter).await)),
            ("delete dead letter", outcome(self.dead_letters.delete(by, side.letter).await)),
            ("pause worker", outcome(self.workers.pause(by, side.worker).await)),
            ("resume worker", outcome(self.workers.resume(by, side.worker).await)),
            ("delete worker", outcome(self.workers.delete(by, side.worker).await)),
            ("revoke token", outcome(self.tokens.revoke(by, side.token).await)),
            ("archive automation", outcome(self.automations.archive(by, side.automation).await)),
        ]
    }
}

/// What became of a request.
#[derive(Debug, PartialEq)]
enum Outcome {
    /// It was done, or refused for the state of what it is about.
    Found,
    /// There is no such thing.
    Missing,
    /// The caller lacks this permission.
    Refused(Permission),
}

fn outcome<T: Debug>(outcome: Result<T, Failure>) -> Outcome {
    match outcome {
        Ok(_) | Err(Failure::Conflict { .. }) => Outcome::Found,
        Err(Failure::NotFound(_)) => Outcome::Missing,
        Err(Failure::Forbidden(text)) => {
            let named = Permission::ALL.into_iter().find(|permission| text.contains(&format!("lacks the permission {permission} for")));
            Outcome::Refused(named.unwrap_or_else(|| panic!("{text}")))
        }
        Err(failure) => panic!("{failure}"),
    }
}

fn admin() -> Editor {
    somebody("ana", &[Grant::everywhere(Role::Admin)])
}

/// Somebody who may do everything with these automations; with none, somebody with a grant for what does not exist.
fn only(scope: &[AutomationId]) -> Editor {
    let maintainer = |id: &AutomationId| Grant { right: Right::Role(Role::Maintainer), place: Where::Automation(*id) };
    let grants: Vec<Grant> = scope.iter().chain(&[AutomationId::new(-1)]).map(maintainer).collect();
    somebody("bob", &grants)
}

/// The permissions of the tests' roles have one scope: any of them stands for the others.
fn somebody(name: &str, grants: &[Grant]) -> Editor {
    who(name, grants, Permission::RobotRead)
}

fn who(name: &str, grants: &[Grant], permission: Permission) -> Editor {
    let principal = Arc::new(Principal::of_grants(Actor::User(name.to_owned()), grants));
    Editor::new(Permitted::new(principal, permission).unwrap(), test_support::change())
}

fn grant(role: Role, place: Where) -> Grant {
    Grant { right: Right::Role(role), place }
}

async fn in_world(backend: Backend, test: impl AsyncFnOnce(&UseCases)) {
    let test_database = TestDatabase::create(backend).await.unwrap();
    let database = test_database.open().await.unwrap();
    let mut settings = Settings::load(None).unwrap();
    settings.worker.api_key = "a-worker-key-of-a-test".to_owned().into();
    let parts = runtime::Parts {
        settings,
        database: database.clone(),
        store: test_database.settings().clone(),
        broker: None,
        clocks: Clocks::default(),
        services: vec!["orchestrator".to_owned()],
        worker_key: None,
        master_keys: None,
        insecure_dev: true,
        elsewhere: Vec::new(),
    };
    let context = Context::new(parts).await.unwrap();
    let parts = Parts::start(&context).await.unwrap();
    test(&UseCases::new(&parts, &context)).await;
    context.shutdown.trigger();
    context.tasks.join(Duration::from_secs(10)).await;
    drop((parts, context));
    database.close().await.unwrap();
    test_database.close().await.unwrap();
}

async fn a_narrow_scope_shows_only_what_is_inside(backend: Backend) {
    in_world(backend, async |cases| {
        let (mine, other) = (cases.side("mine").await, cases.side("other").await);
        let admin = admin();
        for (by, names) in [(&admin, vec!["mine", "other"]), (&only(&[mine.automation]), vec!["mine"]), (&only(&[]), vec![])] {
            for (kind, listed) in cases.listed(by).await {
                assert_eq!(listed, names, "{kind} of {:?}", by.scope());
            }
            for side in [&mine, &other] {
                let expected = || if names.contains(&side.queue) { Outcome::Found } else { Outcome::Missing };
                for (kind, outcome) in cases.reads(by, side).await {
                    assert_eq!(outcome, expected(), "{kind} of {} in {:?}", side.queue, by.scope());
                }
            }
        }
    })
    .await;
}

async fn a_narrow_scope_changes_only_what_is_inside(backend: Backend) {
    in_world(backend, async |cases| {
        let (mine, other) = (cases.side("mine").await, cases.side("other").await);
        let (admin, by) = (admin(), only(&[mine.automation]));
        let before = format!("{:?}", cases.jobs.shown(&admin, other.job).await.unwrap());
        for (kind, outcome) in cases.changes(&by, &other).await {
            assert_eq!(outcome, Outcome::Missing, "{kind}");
        }
        assert_eq!(format!("{:?}", cases.jobs.shown(&admin, other.job).await.unwrap()), before);
        for (kind, outcome) in cases.changes(&by, &mine).await {
            assert_eq!(outcome, Outcome::Found, "{kind}");
        }
        let refused = Outcome::Refused(Permission::RobotRead);
        for (queues, expected) in [(json!(["mine"]), Outcome::Found), (json!(["mine", "other"]), Outcome::Missing), (Value::Null, refused)]
        {
            let request = from_value(json!({"name": "t", "queues": queues})).unwrap();
            assert_eq!(outcome(cases.tokens.create(&by, request).await.map(drop)), expected, "{queues}");
        }
    })
    .await;
}

async fn what_is_seen_and_not_permitted_is_refused_by_name(backend: Backend) {
    in_world(backend, async |cases| {
        let (mine, other) = (cases.side("mine").await, cases.side("other").await);
        let grants = [Grant::everywhere(Role::Viewer), grant(Role::Maintainer, Where::Automation(mine.automation))];
        let (admin, by) = (admin(), who("bob", &grants, Permission::WorkerManage));
        let before = format!("{:?}", cases.jobs.shown(&admin, other.job).await.unwrap());
        for (kind, outcome) in cases.changes(&by, &other).await {
            // Only those who may manage tokens see them.
            let expected = if kind == "revoke token" { Outcome::Missing } else { Outcome::Refused(Permission::WorkerManage) };
            assert_eq!(outcome, expected, "{kind}");
        }
        let token = from_value(json!({"name": "t", "queues": ["mine", "other"]})).unwrap();
        assert_eq!(outcome(cases.tokens.create(&by, token).await.map(drop)), Outcome::Refused(Permission::WorkerManage));
        assert_eq!(format!("{:?}", cases.jobs.shown(&admin, other.job).await.unwrap()), before);
        for (kind, outcome) in cases.changes(&by, &mine).await {
            assert_eq!(outcome, Outcome::Found, "{kind}");
        }
    })
    .await;
}

async fn what_several_share_is_changed_by_whoever_may_change_all_of_it(backend: Backend) {
    in_world(backend, async |cases| {
        let (mine, admin) = (cases.side("mine").await, admin());
        let create = json!({"name": "guest", "queue_name": "mine", "script_path": "/robots/a.py"});
        let guest = cases.automations.create(&admin, from_value(create).unwrap()).await.unwrap().id;
        let pause = || from_value::<PauseRequest>(json!({})).unwrap();
        let (half, whole) = (only(&[mine.automation]), only(&[mine.automation, guest]));
        for (by, expected) in [(&half, Outcome::Refused(Permission::RobotRead)), (&whole, Outcome::Found)] {
            assert_eq!(outcome(cases.queues.pause(by, "mine", pause()).await), expected, "queue");
            assert_eq!(outcome(cases.workers.pause(by, mine.worker).await), expected, "worker");
            let token = json!({"name": "t", "queues": ["mine"]});
            assert_eq!(outcome(cases.tokens.create(by, from_value(token).unwrap()).await.map(drop)), expected, "token");
        }
        assert_eq!(outcome(cases.automations.pause(&half, mine.automation, pause()).await), Outcome::Found);
    })
    .await;
}

async fn nobody_registers_or_moves_an_automation_out_of_reach(backend: Backend) {
    in_world(backend, async |cases| {
        let admin = admin();
        let domain =
            async |slug: &str| cases.domains.create(&admin, from_value(json!({"slug": slug, "name": slug})).unwrap()).await.unwrap().id;
        let (finance, sales) = (domain("finance").await, domain("sales").await);
        let publisher = |place| who("bob", &[grant(Role::Maintainer, place)], Permission::RobotPublish);
        let of_finance = publisher(Where::Domain(finance));
        let of_label = publisher(Where::Label("nfe".to_owned()));
        let create = async |by: &Editor, name: &str, more: Value| {
            let mut body = json!({"name": name, "queue_name": name, "script_path": "/robots/a.py"});
            body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            cases.automations.create(by, from_value(body).unwrap()).await
        };
        let refused = Outcome::Refused(Permission::RobotPublish);
        for (by, more) in [
            (&of_finance, json!({})),
            (&of_finance, json!({"domain_id": sales})),
            (&of_label, json!({"labels": ["nfe"]})),
            (&of_label, json!({"labels": ["nfe"], "domain_id": finance})),
        ] {
            assert_eq!(outcome(create(by, "new", more.clone()).await), refused, "{more}");
        }
        let mine = create(&of_finance, "mine", json!({"domain_id": finance, "labels": ["nfe"]})).await.unwrap().id;
        let theirs = create(&admin, "theirs", json!({"domain_id": sales})).await.unwrap().id;
        assert_eq!(outcome(create(&of_finance, "new", json!({"domain_id": finance, "queue_name": "theirs"})).await), refused);
        let update =
            async |by: &Editor, id, body: &Value| outcome(cases.automations.update(by, id, from_value(body.clone()).unwrap()).await);
        for body in [json!({"domain_id": sales}), json!({"domain_id": null}), json!({"queue_name": "theirs"})] {
            assert_eq!(update(&of_finance, mine, &body).await, refused, "{body}");
        }
        for body in [json!({"labels": []}), json!({"labels": ["other"]}), json!({"domain_id": sales})] {
            assert_eq!(update(&of_label, mine, &body).await, refused, "{body}");
        }
        assert_eq!(update(&of_finance, theirs, &json!({"domain_id": finance})).await, Outcome::Missing);
        assert_eq!(update(&of_finance, mine, &json!({"labels": ["other"], "queue_name": "new queue"})).await, Outcome::Found);
        assert_eq!(update(&of_label, mine, &json!({"priority": 1})).await, Outcome::Missing, "its label is gone");
        let unknown = cases.automations.update(&admin, mine, from_value(json!({"domain_id": Uuid::nil()})).unwrap()).await;
        assert!(matches!(unknown, Err(Failure::Invalid(faults)) if faults[0].field == "domain_id"));
    })
    .await;
}

async fn bulk_actions_touch_only_what_is_inside(backend: Backend) {
    in_world(backend, async |cases| {
        let (mine, other) = (cases.side("mine").await, cases.side("other").await);
        let (admin, by) = (admin(), only(&[mine.automation]));
        let statuses = vec![Status::Pending, Status::Canceled];
        let both = || Filter { statuses: statuses.clone(), ids: vec![mine.job, other.job], ..Filter::default() };
        let control = Control::new(Action::Cancel, &by, None);
        for bulk in [Bulk::Cancel, Bulk::Retry] {
            let counted = cases.jobs.count(&by, &both()).await.unwrap();
            let done = cases.jobs.in_bulk(&by, (bulk, json!({})), both(), &control).await.unwrap();
            assert_eq!((counted.matched, done.matched, done.done, done.refused), (1, 1, 1, 0), "{bulk:?}");
        }
        let status = async |id| cases.jobs.shown(&admin, id).await.unwrap().status;
        assert_eq!((status(mine.job).await, status(other.job).await), (Status::Canceled, Status::Pending));
        let replay = |dry_run| ReplayRequest { dry_run, ..from_value(json!({})).unwrap() };
        let counted = cases.dead_letters.replay_many(&by, replay(true)).await.unwrap();
        let replayed = cases.dead_letters.replay_many(&by, replay(false)).await.unwrap();
        assert_eq!((counted.matched, replayed.matched, replayed.last), (1, 1, Some(mine.letter)));
    })
    .await;
}

async fn a_waiting_reason_names_only_jobs_inside(backend: Backend) {
    in_world(backend, async |cases| {
        let (mine, other) = (cases.side("mine").await, cases.side("other").await);
        let admin = admin();
        let keyed = |automation| {
            let mut ask = ask(automation);
            ask.request.overrides.concurrency_key = Some("sefaz".parse().unwrap());
            ask
        };
        let cancel = Control::new(Action::Cancel, &admin, None);
        for job in [mine.job, other.job] {
            cases.jobs.control(&admin, job, cancel.clone()).await.unwrap();
        }
        let holding = cases.jobs.execute(&admin, keyed(other.automation)).await.unwrap().0.job_id;
        let claim = json!({"worker_id": other.worker, "queues": ["other"], "max": 1, "wait_s": 30.0});
        let claimed = cases.workers.claim(from_value(claim).unwrap(), &admin).await.unwrap();
        assert_eq!(claimed.iter().map(|job| job.job_id).collect::<Vec<_>>(), [holding]);
        let waiting = cases.jobs.execute(&admin, keyed(mine.automation)).await.unwrap().0.job_id;
        for (by, named) in [(&admin, json!([holding])), (&only(&[mine.automation]), json!([]))] {
            let reason = cases.jobs.shown(by, waiting).await.unwrap().waiting_reason.unwrap();
            assert_eq!((reason.code.as_str(), &reason.facts["held_by"]), ("concurrency_key_limit", &named), "{:?}", by.scope());
        }
    })
    .await;
}

/// Defines each test twice, in the modules `sqlite` and `postgres`.
macro_rules! on_both {
    ($($test:ident),* $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(test_support::Backend::Sqlite).await; })*
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $test() { super::$test(test_support::Backend::Postgres).await; })*
        }
    };
}

on_both!(
    a_narrow_scope_shows_only_what_is_inside,
    a_narrow_scope_changes_only_what_is_inside,
    what_is_seen_and_not_permitted_is_refused_by_name,
    what_several_share_is_changed_by_whoever_may_change_all_of_it,
    nobody_registers_or_moves_an_automation_out_of_reach,
    bulk_actions_touch_only_what_is_inside,
    a_waiting_reason_names_only_jobs_inside,
);
