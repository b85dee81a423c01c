//! Policies at work, as far as a claiming worker sees them.

use std::time::Duration;

use api_types::{Automation, Job, JobAssignment};
use domain::{
    ids::{JobId, WorkerId},
    job::{ErrorClass, Status},
};
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};
use test_support::eventually;
use uuid::Uuid;

use crate::support::{calm, claim, fields, register, report, with};

on_both!(
    a_key_is_shared_by_automations_and_freed_at_the_end,
    a_rate_limit_spreads_starts,
    skip_refuses_beside_another_job,
    coalesce_returns_the_job_that_waits,
    replace_cancels_the_others,
    a_paused_queue_dispatches_nothing,
    a_paused_automation_lets_others_pass,
    a_job_that_waits_too_long_fails,
    a_foreign_workers_job_is_ended_at_its_limit,
    a_job_may_differ_from_its_automation,
    bad_jobs_name_their_fields,
    attempts_of_one_job_are_its_own,
);

async fn automation(world: &World, queue: &str, more: Value) -> Automation {
    let mut body = json!({"name": Uuid::new_v4(), "queue_name": queue, "script_path": "x"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.client.automation(&body).await
}

async fn execute(world: &World, automation: &Automation, parameters: Value) -> e2e::Answer {
    world.client.post(&format!("/api/v1/automations/{}/execute", automation.id), &parameters).await
}

/// A worker of one queue that records its jobs.
struct Taker<'a> {
    world: &'a World,
    id: WorkerId,
    queue: &'a str,
    holding: Vec<JobId>,
}

impl<'a> Taker<'a> {
    async fn new(world: &'a World, queue: &'a str) -> Self {
        Self { world, id: register(world, "taker", &[queue]).await, queue, holding: Vec::new() }
    }

    /// Jobs dispatched to it within this time.
    async fn take(&mut self, wait_s: f64) -> Vec<JobAssignment> {
        let more = json!({"max": 100, "wait_s": wait_s, "holding": self.holding});
        let given = claim(self.world, self.id, &[self.queue], more).await;
        self.holding.extend(given.iter().map(|job| job.job_id));
        given
    }

    async fn finish(&self, job: &JobAssignment) {
        let body = json!({"status": "completed"});
        let path = format!("/jobs/{}/finish", job.job_id);
        let _ended = self.world.client.report(&path, Some(job.lease_token), &body).await.expect(200);
    }
}

async fn a_key_is_shared_by_automations_and_freed_at_the_end(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("keys");
    // Keys are global: a test has its own.
    let template = format!("{queue}:{{cnpj}}");
    let first = automation(&world, &queue, json!({"concurrency_key": template})).await;
    let second = automation(&world, &queue, json!({"concurrency_key": template, "concurrency_key_limit": 1})).await;
    let mut worker = Taker::new(&world, &queue).await;
    let mut jobs = Vec::new();
    for (automation, cnpj) in [(&first, "1"), (&second, "1"), (&first, "2"), (&second, "2"), (&first, "3")] {
        jobs.push(execute(&world, automation, json!({"cnpj": cnpj})).await.expect(202).json::<Job>());
    }
    assert_eq!(jobs[1].concurrency_key, Some(format!("{queue}:1")));
    let given = worker.take(0.0).await;
    assert_eq!(given.iter().map(|job| job.job_id).collect::<Vec<_>>(), [0, 2, 4].map(|nth: usize| jobs[nth].id));
    assert_eq!(worker.take(0.0).await, [], "both keys are held");
    worker.finish(&given[1]).await;
    let next = worker.take(0.0).await;
    assert_eq!(next.iter().map(|job| job.job_id).collect::<Vec<_>>(), [jobs[3].id]);
    let problem = execute(&world, &first, json!({"cpf": "1"})).await.problem(422);
    assert_eq!(fields(&problem), ["cnpj"]);
    world.end().await;
}

async fn a_rate_limit_spreads_starts(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("rate");
    let limited = automation(&world, &queue, json!({"rate_limit": {"max": 1, "per_s": 1.0}})).await;
    let free = automation(&world, &queue, json!({})).await;
    let mut worker = Taker::new(&world, &queue).await;
    for _ in 0..2 {
        let _accepted = execute(&world, &limited, json!({})).await.expect(202);
    }
    let other = execute(&world, &free, json!({})).await.expect(202).json::<Job>().id;
    let mut given = Vec::new();
    while given.len() < 3 {
        given.extend(worker.take(30.0).await.into_iter().map(|job| job.job_id));
    }
    assert!(given[..2].contains(&other), "the free one goes past the one that must wait");
    let mut starts = Vec::new();
    for job in given.into_iter().filter(|job| *job != other) {
        starts.push(world.client.job(job).await.started_at.unwrap());
    }
    let (first, second) = (starts[0], starts[1]);
    assert!((second - first).num_milliseconds() >= 1000, "{first} {second}");
    world.end().await;
}

async fn skip_refuses_beside_another_job(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("skip");
    let automation = automation(&world, &queue, json!({"overlap": "skip"})).await;
    let mut worker = Taker::new(&world, &queue).await;
    let answers = futures_util::future::join_all((0..6).map(|_| execute(&world, &automation, json!({})))).await;
    let accepted: Vec<Job> = answers.iter().filter(|answer| answer.status == 202).map(|answer| answer.json()).collect();
    assert_eq!(accepted.len(), 1, "{answers:?}");
    let problem = execute(&world, &automation, json!({})).await.problem(409);
    assert_eq!((problem.code.as_str(), problem.job_id), ("overlap_skipped", Some(accepted[0].id)), "{problem:?}");
    assert!(problem.detail.contains(&accepted[0].id.to_string()), "{problem:?}");
    let given = worker.take(0.0).await;
    assert_eq!(execute(&world, &automation, json!({})).await.problem(409).code, "overlap_skipped");
    worker.finish(&given[0]).await;
    let _accepted = execute(&world, &automation, json!({})).await.expect(202);
    world.end().await;
}

async fn coalesce_returns_the_job_that_waits(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("coalesce");
    let automation = automation(&world, &queue, json!({"overlap": "coalesce"})).await;
    let mut worker = Taker::new(&world, &queue).await;
    let first: Job = execute(&world, &automation, json!({"n": 1})).await.expect(202).json();
    let same: Job = execute(&world, &automation, json!({"n": 2})).await.expect(202).json();
    assert_eq!((same.id, json!(same.parameters)), (first.id, json!({"n": 1})));
    let given = worker.take(0.0).await;
    assert_eq!(given[0].job_id, first.id);
    let next: Job = execute(&world, &automation, json!({})).await.expect(202).json();
    assert_ne!(next.id, first.id, "beside one that runs a new one waits");
    assert_eq!(execute(&world, &automation, json!({})).await.expect(202).json::<Job>().id, next.id);
    world.end().await;
}

async fn replace_cancels_the_others(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("replace");
    let automation = automation(&world, &queue, json!({"overlap": "replace", "max_concurrency": 1})).await;
    let mut worker = Taker::new(&world, &queue).await;
    let first: Job = execute(&world, &automation, json!({})).await.expect(202).json();
    let given = worker.take(0.0).await;
    let second: Job = execute(&world, &automation, json!({})).await.expect(202).json();
    assert!(world.client.job(first.id).await.cancellation_requested_at.is_some());
    let third: Job = execute(&world, &automation, json!({})).await.expect(202).json();
    assert_eq!(world.client.job(second.id).await.status, Status::Canceled);
    worker.finish(&given[0]).await;
    assert_eq!(worker.take(0.0).await[0].job_id, third.id);
    world.end().await;
}

async fn a_paused_queue_dispatches_nothing(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("paused");
    let automation = automation(&world, &queue, json!({})).await;
    let mut worker = Taker::new(&world, &queue).await;
    let _paused = world.client.post(&format!("/api/v1/queues/{queue}/pause"), &json!({})).await.expect(200);
    let job: Job = execute(&world, &automation, json!({})).await.expect(202).json();
    world.pause_is_known(job.id).await;
    assert_eq!(worker.take(0.3).await, []);
    assert_eq!(report(&world, job.id, "start", &json!({"worker_id": worker.id})).await.problem(409).code, "paused");
    let waiting = worker.take(30.0);
    let resume = async { world.client.post(&format!("/api/v1/queues/{queue}/resume"), &json!({})).await.expect(200) };
    let (given, _resumed) = futures_util::future::join(waiting, resume).await;
    assert_eq!(given[0].job_id, job.id);
    world.end().await;
}

async fn a_paused_automation_lets_others_pass(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("half");
    let (paused, other) = (automation(&world, &queue, json!({"priority": 9})).await, automation(&world, &queue, json!({})).await);
    let mut worker = Taker::new(&world, &queue).await;
    let until = chrono::Utc::now() + chrono::TimeDelta::seconds(4);
    let pause = json!({"until": until, "reason": "portal fora do ar"});
    let _paused = world.client.post(&format!("/api/v1/automations/{}/pause", paused.id), &pause).await.expect(200);
    let first: Job = execute(&world, &paused, json!({})).await.expect(202).json();
    world.pause_is_known(first.id).await;
    let second: Job = execute(&world, &other, json!({})).await.expect(202).json();
    let given = worker.take(0.0).await;
    assert_eq!(given.iter().map(|job| job.job_id).collect::<Vec<_>>(), [second.id]);
    let given = worker.take(30.0).await;
    assert_eq!(given[0].job_id, first.id, "a pause ends by itself");
    assert!(world.client.job(first.id).await.started_at.unwrap() >= until);
    world.end().await;
}

async fn a_job_that_waits_too_long_fails(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, &world.queue("patience"), json!({"queue_timeout_s": 1})).await;
    let job: Job = execute(&world, &automation, json!({})).await.expect(202).json();
    assert_eq!(job.queue_deadline_at, Some(job.created_at + chrono::TimeDelta::seconds(1)));
    let ended = world.client.ended(job.id).await;
    assert_eq!((ended.status, ended.error_class), (Status::Failed, Some(ErrorClass::QueueTimeout)));
    assert!(ended.completed_at >= job.queue_deadline_at && ended.started_at.is_none());
    world.end().await;
}

async fn a_foreign_workers_job_is_ended_at_its_limit(delivery: Delivery) {
    let world = calm(delivery).await;
    let automation = automation(&world, &world.queue("slow"), json!({"timeout_s": 1})).await;
    let job: Job = execute(&world, &automation, json!({})).await.expect(202).json();
    let _started = report(&world, job.id, "start", &json!({})).await.expect(200);
    let ended = world.client.ended(job.id).await;
    assert_eq!((ended.status, ended.error_class), (Status::Failed, Some(ErrorClass::JobTimeout)));
    let late = report(&world, job.id, "finish", &json!({"status": "completed"})).await.expect(200);
    assert_eq!(late.json::<Value>()["status"], "failed", "the first end stays");
    world.end().await;
}

async fn a_job_may_differ_from_its_automation(delivery: Delivery) {
    let world = calm(delivery).await;
    let queue = world.queue("own");
    let automation = automation(&world, &queue, json!({"timeout_s": 100, "cancel_grace_s": 9})).await;
    let mut worker = Taker::new(&world, &queue).await;
    let body = json!({"automation_id": automation.id, "parameters": {"n": 1}, "priority": 9, "timeout_s": 7, "queue_timeout_s": 60,
        "cancel_grace_s": 0, "concurrency_key": queue, "max_attempts": 2, "idempotency_key": "one"});
    let job: Job = world.client.post("/api/v1/jobs", &body).await.expect(202).json();
    assert_eq!((job.priority, job.concurrency_key.as_ref()), (9, Some(&queue)));
    assert_eq!(job.queue_deadline_at, Some(job.created_at + chrono::TimeDelta::seconds(60)));
    let again = world.client.post("/api/v1/jobs", &body).await.expect(202);
    assert!(again.json::<Job>().id == job.id && again.headers["idempotency-replayed"] == "true");
    let given = worker.take(0.0).await.remove(0);
    assert_eq!((given.timeout_s, given.cancel_grace_s, json!(given.parameters)), (7, Some(0), json!({"n": 1})));
    let later = json!({"automation_id": automation.id, "not_before": chrono::Utc::now() + chrono::TimeDelta::milliseconds(1500)});
    let later: Job = world.client.post("/api/v1/jobs", &later).await.expect(202).json();
    let mut given = worker.take(0.0).await;
    if given.is_empty() {
        given = worker.take(30.0).await;
    }
    assert_eq!(given[0].job_id, later.id);
    assert!(world.client.job(later.id).await.started_at >= later.not_before);
    world.end().await;
}

async fn bad_jobs_name_their_fields(delivery: Delivery) {
    let world = calm(delivery).await;
    let schema = json!({"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]});
    let more = json!({"parameter_schema": schema, "concurrency_key": "x:{key}"});
    let automation = automation(&world, &world.queue("bad"), more).await;
    let fine = json!({"automation_id": automation.id, "parameters": {"n": 1, "key": "k"}});
    let table = [
        (json!({"priority": 10}), "priority"),
        (json!({"priority": -1}), "priority"),
        (json!({"timeout_s": 0}), "timeout_s"),
        (json!({"timeout_s": 1e12}), "timeout_s"),
        (json!({"queue_timeout_s": -5}), "queue_timeout_s"),
        (json!({"max_attempts": 0}), "max_attempts"),
        (json!({"max_attempts": -1}), "max_attempts"),
        (json!({"cancel_grace_s": 3601}), "cancel_grace_s"),
        (json!({"concurrency_key": ""}), "concurrency_key"),
        (json!({"not_before": "tomorrow"}), "not_before"),
        (json!({"not_before": "2100-01-01T00:00:00Z"}), "not_before"),
        (json!({"parameters": [1]}), "parameters"),
        (json!({"parameters": {"n": "x", "key": "k"}}), "parameters/n"),
        (json!({"parameters": {"key": "k"}}), "parameters/n"),
        (json!({"parameters": {"n": 1}}), "parameters/key"),
        (json!({"automation_id": "x"}), "automation_id"),
        (json!({"colour": 1}), "colour"),
    ];
    for (over, field) in table {
        let mut body = fine.clone();
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        let problem = world.client.post("/api/v1/jobs", &body).await.problem(422);
        assert_eq!(fields(&problem), [field], "{over}: {problem:?}");
    }
    assert_eq!(world.client.post("/api/v1/jobs", &json!({"automation_id": 999_999})).await.problem(404).code, "not_found");
    let long = json!({"automation_id": automation.id, "parameters": {"n": 1, "key": "k"}, "idempotency_key": ""});
    assert_eq!(fields(&world.client.post("/api/v1/jobs", &long).await.problem(422)), ["idempotency_key"]);
    for query in ["timeout_s=0", "max_attempts=x", "concurrency_key=", "not_before=now", "queue_timeout_s=-1"] {
        let path = format!("/api/v1/automations/{}/execute?{query}", automation.id);
        let problem = world.client.post(&path, &json!({"n": 1, "key": "k"})).await.problem(400);
        assert_eq!(fields(&problem), [query.split('=').next().unwrap()], "{problem:?}");
    }
    world.end().await;
}

async fn attempts_of_one_job_are_its_own(delivery: Delivery) {
    let world = with(delivery, |settings| settings.lease.silent = Duration::from_secs(300)).await;
    let policy = json!({"retry_policy": {"max_attempts": 5, "base_s": 0.01, "max_s": 0.01}});
    let automation = automation(&world, &world.queue("attempts"), policy).await;
    let body = json!({"automation_id": automation.id, "max_attempts": 2});
    let first: Job = world.client.post("/api/v1/jobs", &body).await.expect(202).json();
    let fail = async |job: JobId| {
        let _started = report(&world, job, "start", &json!({})).await.expect(200);
        let _failed = report(&world, job, "finish", &json!({"status": "failed"})).await.expect(200);
    };
    fail(first.id).await;
    let jobs = async || -> Vec<Job> { world.client.get(&format!("/api/v1/jobs?automation_id={}", automation.id)).await.expect(200).json() };
    let second = eventually("the retry", async || jobs().await.into_iter().find(|job| job.retry_of == Some(first.id))).await;
    assert_eq!(second.attempt, 2);
    fail(second.id).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(jobs().await.len(), 2, "no third attempt");
    world.end().await;
}
