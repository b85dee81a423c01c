use serde_json::json;
use uuid::Uuid;

use super::*;

fn at(second: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_767_225_600 + second, 0).unwrap()
}

fn pause(until: Option<i64>) -> Option<Pause> {
    Some(Pause { at: at(-100), until: until.map(at), reason: None, by: "maria".into() })
}

fn worker(name: &str) -> LiveWorker {
    LiveWorker { name: name.into(), labels: vec!["sap".into()], paused: false, slots: 2, running: 0, uses_broker: true }
}

fn full(limit: i64, jobs: u128) -> Full {
    Full { limit, held_by: (1..=jobs).map(|id| Uuid::from_u128(id).into()).collect() }
}

/// A job that nothing keeps from starting.
fn free() -> Facts {
    Facts {
        now: at(0),
        queue: "nfe".into(),
        not_before: Some(at(-5)),
        is_retry: false,
        queue_pause: pause(Some(0)),
        automation_pause: pause(Some(-1)),
        concurrency: None,
        concurrency_key: None,
        schedule_concurrency: None,
        rate_next_at: Some(at(0)),
        broker_unreachable: false,
        queue_missing: false,
        dispatched: false,
        unstarted: Unstarted::default(),
        requires: vec!["sap".into()],
        workers: vec![worker("a")],
        consumers: 0,
        jobs_ahead: 0,
    }
}

type Obstacle = (&'static str, fn(&mut Facts));

/// Each obstacle alone, in the order in which they are told.
const OBSTACLES: [Obstacle; 15] = [
    ("worker_key_refused", |facts| {
        facts.dispatched = true;
        (facts.unstarted.refused_keys, facts.unstarted.refused_key_at) = (3, Some(at(-2)));
    }),
    ("never_started", |facts| (facts.unstarted.deliveries, facts.unstarted.parked_at) = (3, Some(at(-1)))),
    ("not_before", |facts| facts.not_before = Some(at(9))),
    ("queue_paused", |facts| facts.queue_pause = pause(None)),
    ("automation_paused", |facts| facts.automation_pause = pause(Some(60))),
    ("concurrency_limit", |facts| facts.concurrency = Some(full(1, 1))),
    ("concurrency_key_limit", |facts| facts.concurrency_key = Some(("sefaz:1".into(), full(1, 1)))),
    ("schedule_concurrency_limit", |facts| facts.schedule_concurrency = Some(full(1, 1))),
    ("rate_limit", |facts| facts.rate_next_at = Some(at(3))),
    ("broker_unreachable", |facts| facts.broker_unreachable = true),
    ("queue_not_declared", |facts| facts.queue_missing = true),
    ("no_worker_with_labels", |facts| facts.workers.iter_mut().for_each(|worker| worker.labels.clear())),
    ("worker_paused", |facts| facts.workers.iter_mut().for_each(|worker| worker.paused = true)),
    ("all_slots_busy", |facts| facts.workers.iter_mut().for_each(|worker| worker.running = 2)),
    ("behind", |facts| facts.jobs_ahead = 3),
];

#[test]
fn of_several_obstacles_the_first_in_order_is_reported() {
    for (first, (code, put)) in OBSTACLES.iter().enumerate() {
        let mut alone = free();
        put(&mut alone);
        assert_eq!(why_waiting(&alone).code().as_str(), *code, "alone");
        let mut all = free();
        OBSTACLES[first..].iter().for_each(|(_, put)| put(&mut all));
        assert_eq!(why_waiting(&all).code().as_str(), *code, "with all that come after it");
    }
    assert_eq!(why_waiting(&free()), WaitingReason::Behind { jobs_ahead: 0 });
}

#[test]
fn a_missing_worker_is_reported_before_a_busy_one() {
    let nobody = Facts { workers: vec![], ..free() };
    assert_eq!(why_waiting(&nobody), WaitingReason::NoLiveWorker { queue: "nfe".into() });
    assert_eq!(why_waiting(&Facts { dispatched: true, ..nobody.clone() }).code().as_str(), "no_live_worker", "though the message is there");
    let foreign = Facts { consumers: 1, dispatched: true, ..nobody.clone() };
    assert_eq!(why_waiting(&foreign), WaitingReason::OnTheWay, "somebody who never registered takes messages");
    assert_eq!(why_waiting(&Facts { broker_unreachable: true, ..nobody.clone() }).code().as_str(), "broker_unreachable");
    let undeclared = WaitingReason::QueueNotDeclared { queue: "nfe".into() };
    assert_eq!(why_waiting(&Facts { queue_missing: true, ..nobody }), undeclared);
    let claiming = Facts { queue_missing: true, workers: vec![LiveWorker { uses_broker: false, ..worker("a") }], ..free() };
    assert_eq!(why_waiting(&claiming).code().as_str(), "behind", "it needs no queue at the broker");
}

#[test]
fn a_dispatched_job_is_within_the_limits() {
    for (code, put) in OBSTACLES {
        let mut facts = Facts { dispatched: true, ..free() };
        put(&mut facts);
        let passed = ["not_before", "concurrency_limit", "concurrency_key_limit", "schedule_concurrency_limit", "rate_limit", "behind"]
            .contains(&code);
        assert_eq!(why_waiting(&facts).code().as_str(), if passed { "on_the_way" } else { code });
    }
}

#[test]
fn one_able_worker_is_enough() {
    let claiming =
        Facts { broker_unreachable: true, workers: vec![worker("a"), LiveWorker { uses_broker: false, ..worker("b") }], ..free() };
    assert_eq!(why_waiting(&claiming).code().as_str(), "behind");
    let other = LiveWorker { labels: vec![], ..worker("idle without the label") };
    let busy = LiveWorker { running: 2, ..worker("busy") };
    let paused = LiveWorker { paused: true, ..worker("paused") };
    let all = Facts { workers: vec![other.clone(), busy, paused.clone()], ..free() };
    assert_eq!(why_waiting(&all), WaitingReason::AllSlotsBusy { queue: "nfe".into(), slots: 2 });
    let paused_only = Facts { workers: vec![other.clone(), paused], ..free() };
    assert_eq!(why_waiting(&paused_only), WaitingReason::WorkerPaused { workers: vec!["paused".into()] });
    let one_free = Facts { workers: vec![other, LiveWorker { running: 1, ..worker("half") }], ..free() };
    assert_eq!(why_waiting(&one_free).code().as_str(), "behind");
}

#[test]
fn a_reason_names_at_most_a_few_jobs() {
    let facts = Facts { concurrency: Some(full(40, 40)), ..free() };
    let WaitingReason::ConcurrencyLimit { limit, held_by } = why_waiting(&facts) else { panic!("{facts:?}") };
    assert_eq!((limit, held_by.len()), (40, MOST_NAMED));
}

#[test]
fn sentences_contain_the_facts() {
    let one = Uuid::from_u128(1).into();
    let table = [
        (WaitingReason::RetryDue { at: at(0) }, "the retry is due at 2026-01-01T00:00:00Z"),
        (WaitingReason::NotBefore { at: at(1) }, "it was requested for 2026-01-01T00:00:01Z or later"),
        (WaitingReason::QueuePaused { queue: "nfe".into(), until: None }, "queue \"nfe\" is paused until somebody resumes it"),
        (WaitingReason::AutomationPaused { until: Some(at(0)) }, "the automation is paused until 2026-01-01T00:00:00Z"),
        (
            WaitingReason::ConcurrencyLimit { limit: 1, held_by: vec![one] },
            "the automation's concurrency limit of 1 is reached by job 00000000-0000-0000-0000-000000000001",
        ),
        (
            WaitingReason::ConcurrencyKeyLimit { key: "sefaz:1".into(), limit: 2, held_by: vec![] },
            "the limit of 2 for concurrency key \"sefaz:1\" is reached by other jobs",
        ),
        (
            WaitingReason::ScheduleConcurrencyLimit { limit: 1, held_by: vec![one] },
            "the concurrency limit of 1 of its schedule is reached by job 00000000-0000-0000-0000-000000000001",
        ),
        (WaitingReason::RateLimit { next_at: at(2) }, "the automation's rate limit allows the next start at 2026-01-01T00:00:02Z"),
        (
            WaitingReason::NoWorkerWithLabels { queue: "nfe".into(), labels: vec!["sap".into(), "windows".into()] },
            "no live worker of queue \"nfe\" has the labels sap, windows",
        ),
        (WaitingReason::Behind { jobs_ahead: 0 }, "it is the next job of its queue"),
        (WaitingReason::Behind { jobs_ahead: 12 }, "12 jobs are ahead"),
    ];
    for (reason, sentence) in table {
        assert_eq!(reason.to_string(), sentence);
        assert_eq!(serde_json::to_value(&reason).unwrap()["code"], reason.code().as_str());
    }
    let shown = serde_json::to_value(WaitingReason::AllSlotsBusy { queue: "nfe".into(), slots: 4 }).unwrap();
    assert_eq!(shown, json!({"code": "all_slots_busy", "queue": "nfe", "slots": 4}));
}

#[test]
fn a_retry_and_a_delayed_job_have_different_reasons() {
    assert_eq!(why_waiting(&Facts { not_before: Some(at(9)), is_retry: true, ..free() }), WaitingReason::RetryDue { at: at(9) });
    assert_eq!(why_waiting(&Facts { not_before: Some(at(0)), ..free() }).code().as_str(), "behind", "due now");
}
