//! Workers that claim jobs.

use std::{collections::HashSet, time::Duration, time::Instant};

use api_types::JobAssignment;
use domain::{
    ids::{JobId, WorkerId},
    job::Status,
};
use e2e::{Delivery, Shape, World, on_both};
use futures_util::{StreamExt as _, future::join_all};
use serde_json::{Value, json};
use test_support::eventually;
use uuid::Uuid;

use crate::support::{automation, calm, claim, fields, register, with_only};

on_both!(bad_claims_name_their_fields);

async fn bad_claims_name_their_fields(delivery: Delivery) {
    let world = calm(delivery).await;
    let worker = register(&world, "w", &["q"]).await;
    let send = async |over: &Value| {
        let mut body = json!({"worker_id": worker, "queues": ["q"]});
        body.as_object_mut().unwrap().extend(over.as_object().unwrap().clone());
        world.client.report("/jobs/claim", None, &body).await
    };
    let table = [
        (json!({"queues": []}), "queues"),
        (json!({"queues": ["q", "a\u{0}"]}), "queues/1"),
        (json!({"queues": [""]}), "queues/0"),
        (json!({"queues": ["q", "*"]}), "queues/1"),
        (json!({"max": -1}), "max"),
        (json!({"max": 1001}), "max"),
        (json!({"wait_s": -1}), "wait_s"),
        (json!({"wait_s": 61}), "wait_s"),
        (json!({"wait_s": "long"}), "wait_s"),
        (json!({"holding": ["x"]}), "holding/0"),
        (json!({"worker_id": "w"}), "worker_id"),
    ];
    for (over, field) in table {
        assert_eq!(fields(&send(&over).await.problem(422)), [field], "{over}");
    }
    assert_eq!(send(&json!({"worker_id": Uuid::now_v7()})).await.problem(404).code, "not_found");
    // The hub still serves others.
    let automation = automation(&world, "still").await;
    let job = world.client.execute(&automation, &json!({})).await;
    assert_eq!(world.client.job(job.id).await.status, Status::Pending);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_of_every_queue_takes_jobs_of_any_beside_named_claims() {
    let world = calm(Delivery::Pull).await;
    let (first, second) = (automation(&world, "first").await, automation(&world, "second").await);
    let (every, named) = (register(&world, "every", &["*"]).await, register(&world, "named", &[&first.queue_name]).await);
    let jobs = [world.client.execute(&first, &json!({})).await.id, world.client.execute(&second, &json!({})).await.id];
    eventually("jobs of two queues are given", async || {
        // What it does not hold is given again.
        let given = claim(&world, every, &["*"], json!({"max": 9})).await;
        (given.iter().map(|job| job.job_id).collect::<HashSet<_>>() == HashSet::from(jobs)).then_some(())
    })
    .await;

    // A claim that waits gets jobs of a queue that is made meanwhile, and leaves what a named one has.
    let waiting = claim(&world, every, &["*"], json!({"wait_s": 30, "holding": jobs}));
    let later = async {
        let mut made = Vec::new();
        while futures_util::future::join_all(made.iter().map(|job| world.client.job(*job)))
            .await
            .iter()
            .all(|job| job.status == Status::Pending)
        {
            // Another replica than the one where the claim waits accepts some of them.
            made.push(world.client.execute(&first, &json!({})).await.id);
        }
    };
    let (given, ()) = tokio::join!(waiting, later);
    assert_eq!(given.len(), 1);
    let holding: Vec<JobId> = jobs.into_iter().chain([given[0].job_id]).collect();
    let beside = claim(&world, named, &[&first.queue_name], json!({"max": 1000})).await;
    assert!(beside.iter().all(|job| !holding.contains(&job.job_id)), "no job twice");
    let waiting = claim(&world, every, &["*"], json!({"wait_s": 30, "holding": holding}));
    let made_later = async { world.client.execute(&automation(&world, "made-later").await, &json!({})).await.id };
    let (given, job) = tokio::join!(waiting, made_later);
    assert_eq!(given.iter().map(|job| job.job_id).collect::<Vec<_>>(), [job]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_of_every_queue_serves_each() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "any").await;
    let job = world.client.execute(&automation, &json!({})).await.id;
    let code = async || world.client.job(job).await.waiting_reason.unwrap().code.as_str();
    assert_eq!(code().await, "no_live_worker");
    let _every = register(&world, "every", &["*"]).await;
    assert_eq!(code().await, "behind", "first in the line of a live worker");
    let path = format!("/api/v1/workers?queue={}", automation.queue_name);
    let listed: Vec<Value> = world.client.get(&path).await.expect(200).json();
    assert_eq!(listed.iter().map(|worker| &worker["queues"]).collect::<Vec<_>>(), [&json!(["*"])]);
    let by_message = json!({"name": "m", "queues": ["*"], "slots": 1, "uses_broker": true});
    let problem = world.client.report("/register", None, &by_message).await.problem(422);
    assert!(fields(&problem) == ["queues/0"] && problem.errors[0].message.contains("RabbitMQ"), "{problem:?}");
    let beside = json!({"name": "m", "queues": ["q", "*"], "slots": 1});
    assert_eq!(fields(&world.client.report("/register", None, &beside).await.problem(422)), ["queues/1"]);
    world.end().await;
}

async fn claimed(world: &World, worker: WorkerId, queue: &str, more: Value) -> Vec<JobAssignment> {
    claim(world, worker, &[queue], more).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_returns_what_the_robot_needs_under_a_lease() {
    let world = calm(Delivery::Pull).await;
    let queue = world.queue("whole");
    let body = json!({"name": "whole", "queue_name": queue, "script_path": "a.sh", "entrypoint_type": "SHELL", "timeout_s": 77});
    let automation = world.client.automation(&body).await;
    let job = world.client.execute(&automation, &json!({"n": 1})).await;
    let worker = register(&world, "w", &[&queue]).await;
    let given = claimed(&world, worker, &queue, json!({})).await.remove(0);
    let stored = world.client.job(job.id).await;
    assert_eq!((stored.status, stored.worker_id, stored.lease_expires_at), (Status::Running, Some(worker), Some(given.lease_expires_at)));
    assert!(stored.started_at.is_some() && stored.dispatched_at.is_some());
    let mut shown = json!(given);
    let fields = shown.as_object_mut().unwrap();
    assert!(fields.remove("lease_token").is_some() && fields.remove("lease_expires_at").is_some());
    // A gateway begins a trace where the caller has none.
    fields.remove("traceparent");
    let expected = json!({"job_id": job.id, "automation_id": automation.id, "automation_name": "whole", "queue_name": queue,
        "script_path": "a.sh", "entrypoint_type": "SHELL", "parameters": {"n": 1}, "timeout_s": 77, "attempt": 1, "display": false});
    assert_eq!(shown, expected);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_waits_and_is_answered_when_a_job_comes() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "wait").await;
    let (queue, worker) = (automation.queue_name.clone(), register(&world, "w", &["x"]).await);
    let empty = Instant::now();
    assert_eq!(claimed(&world, worker, &queue, json!({})).await, [], "no wait, no job");
    assert!(empty.elapsed() < Duration::from_secs(5));
    let asked = Instant::now();
    assert_eq!(claimed(&world, worker, &queue, json!({"wait_s": 0.6})).await, []);
    assert!(asked.elapsed() >= Duration::from_millis(600), "{:?}", asked.elapsed());
    let asked = Instant::now();
    let execution = async {
        // Long enough for the claim to be waiting, which no answer shows.
        tokio::time::sleep(Duration::from_millis(300)).await;
        world.client.execute(&automation, &json!({})).await
    };
    let (given, job) = tokio::join!(claimed(&world, worker, &queue, json!({"wait_s": 60})), execution);
    assert_eq!(given.iter().map(|job| job.job_id).collect::<Vec<_>>(), [job.id]);
    assert!(asked.elapsed() < Duration::from_secs(20), "at once, not after its wait: {:?}", asked.elapsed());
    world.end().await;
}

/// A claim that waits, sent by a task of its own.
fn waiting(world: &World, worker: WorkerId, queue: &str) -> tokio::task::JoinHandle<e2e::Answer> {
    waiting_with(world, worker, queue, &[])
}

/// The same of a worker that holds these jobs.
fn waiting_with(world: &World, worker: WorkerId, queue: &str, holding: &[JobId]) -> tokio::task::JoinHandle<e2e::Answer> {
    let body = json!({"worker_id": worker, "queues": [queue], "wait_s": 60, "holding": holding});
    let (client, request) = (world.client.clone(), world.client.worker(reqwest::Method::POST, "/jobs/claim").json(&body));
    tokio::spawn(async move { client.send(request).await })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_claim_ends_the_earlier_one_of_its_worker() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "again").await;
    let (queue, worker) = (automation.queue_name.clone(), register(&world, "w", &["x"]).await);
    let earlier = waiting(&world, worker, &queue);
    eventually("it has ended", async || {
        assert_eq!(claimed(&world, worker, &queue, json!({"max": 0})).await, []);
        earlier.is_finished().then_some(())
    })
    .await;
    assert_eq!(earlier.await.unwrap().expect(200).json::<Vec<JobAssignment>>(), []);
    let job = world.client.execute(&automation, &json!({})).await.id;
    assert_eq!(claimed(&world, worker, &queue, json!({"max": 0})).await, [], "none is none");
    let given = eventually("the job is given", async || claimed(&world, worker, &queue, json!({"wait_s": 1})).await.pop()).await;
    assert_eq!(given.job_id, job);
    let again = claimed(&world, worker, &queue, json!({"max": 0})).await;
    assert_eq!(again.iter().map(|job| job.job_id).collect::<Vec<_>>(), [job], "it was not among those that the worker holds");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disconnected_claim_gets_nothing() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "gone").await;
    let (queue, gone) = (automation.queue_name.clone(), register(&world, "gone", &["x"]).await);
    let claim = waiting(&world, gone, &queue);
    // Long enough for the claim to be waiting, and for the hub to detect that its client is gone, which no answer shows.
    tokio::time::sleep(Duration::from_millis(300)).await;
    claim.abort();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let job = world.client.execute(&automation, &json!({})).await.id;
    assert_eq!(world.client.job(job).await.status, Status::Pending);
    let other = register(&world, "other", &["x"]).await;
    assert_eq!(claimed(&world, other, &queue, json!({"wait_s": 30})).await[0].job_id, job);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_claim_takes_at_most_what_it_asks_for_from_any_of_its_queues() {
    let world = calm(Delivery::Pull).await;
    let (one, two) = (automation(&world, "one").await, automation(&world, "two").await);
    let worker = register(&world, "w", &["x"]).await;
    let mut jobs = HashSet::new();
    for n in 0..6 {
        jobs.insert(world.client.execute(if n % 2 == 0 { &one } else { &two }, &json!({})).await.id);
    }
    let queues = [one.queue_name.as_str(), two.queue_name.as_str()];
    let (mut holding, mut sizes) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let given = claim(&world, worker, &queues, json!({"max": 4, "holding": holding})).await;
        sizes.push(given.len());
        holding.extend(given.into_iter().map(|job| job.job_id));
    }
    assert_eq!(sizes, [4, 2, 0]);
    assert_eq!(holding.into_iter().collect::<HashSet<_>>(), jobs);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_workers_never_get_the_same_job() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "race").await;
    let queue = automation.queue_name.as_str();
    let take = async |name: String| {
        let worker = register(&world, &name, &[queue]).await;
        let mut mine: Vec<JobId> = Vec::new();
        loop {
            let given = claimed(&world, worker, queue, json!({"max": 3, "wait_s": 1.5, "holding": mine})).await;
            if given.is_empty() {
                return mine;
            }
            mine.extend(given.into_iter().map(|job| job.job_id));
        }
    };
    let nothing = json!({});
    let executions = join_all((0..60).map(|_| world.client.execute(&automation, &nothing)));
    let (taken, jobs) = tokio::join!(join_all((0..4).map(|n| take(format!("w{n}")))), executions);
    let mut taken: Vec<JobId> = taken.into_iter().flatten().collect();
    let mut jobs: Vec<JobId> = jobs.into_iter().map(|job| job.id).collect();
    taken.sort_unstable();
    jobs.sort_unstable();
    assert_eq!(taken, jobs, "each exactly once");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_that_a_worker_does_not_list_are_dispatched_to_it_again() {
    let world = calm(Delivery::Pull).await;
    let automation = automation(&world, "again").await;
    let queue = automation.queue_name.as_str();
    let (mine, other) = (register(&world, "mine", &[queue]).await, register(&world, "other", &[queue]).await);
    let job = world.client.execute(&automation, &json!({"a": 1})).await;
    let first = claimed(&world, mine, queue, json!({})).await;
    assert_eq!(claimed(&world, other, queue, json!({})).await, [], "not to another worker");
    assert_eq!(claimed(&world, mine, queue, json!({"holding": [job.id]})).await, [], "not when it is held");
    let again = claimed(&world, mine, queue, json!({})).await;
    assert_eq!((again[0].job_id, again[0].lease_token, &again[0].parameters), (job.id, first[0].lease_token, &first[0].parameters));
    let done = world.client.report(&format!("/jobs/{}/finish", job.id), Some(first[0].lease_token), &json!({"status": "completed"})).await;
    let _done = done.expect(200);
    assert_eq!(claimed(&world, mine, queue, json!({})).await, [], "not what has ended");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_wakes_the_claim_that_waits_for_its_slot() {
    // Anything that is not done at once comes too late.
    let only = Shape::Together.only("an orchestrator sees with its tick which slot another's job freed, and here there is none");
    let world = with_only(only, Delivery::Pull, |settings| settings.dispatch.tick = Duration::from_secs(600)).await;
    let queue = world.queue("one");
    let body = json!({"name": "one", "queue_name": queue, "script_path": "main.py", "max_concurrency": 1});
    let automation = world.client.automation(&body).await;
    let (mine, other) = (register(&world, "mine", &[&queue]).await, register(&world, "other", &[&queue]).await);
    let nothing = json!({});
    let jobs = join_all((0..3).map(|_| world.client.execute(&automation, &nothing))).await;
    let mut running = claimed(&world, mine, &queue, json!({})).await.remove(0);
    let mut ran = vec![running.job_id];
    while ran.len() < jobs.len() {
        assert_eq!(claimed(&world, other, &queue, json!({"holding": ran})).await, [], "no place is free");
        let claim = waiting_with(&world, other, &queue, &ran);
        let path = format!("/jobs/{}/finish", running.job_id);
        let _finished = world.client.report(&path, Some(running.lease_token), &json!({"status": "completed"})).await.expect(200);
        running = claim.await.unwrap().expect(200).json::<Vec<JobAssignment>>().remove(0);
        ran.push(running.job_id);
    }
    let distinct: HashSet<JobId> = ran.into_iter().collect();
    assert_eq!(distinct, jobs.into_iter().map(|job| job.id).collect());
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_waiting_claims_get_one_job_each() {
    let world = calm(Delivery::Pull).await;
    // A claim waits for a minute at most, in which all jobs must come: fewer where each request goes through two processes.
    let count = if world.gateways.is_empty() { 2_000 } else { 500 };
    let automation = automation(&world, "crowd").await;
    let queue = automation.queue_name.as_str();
    let names: Vec<String> = (0..count).map(|nth| format!("w{nth}")).collect();
    let registered = futures_util::stream::iter(names.iter().map(async |name| register(&world, name, &[queue]).await));
    let workers: Vec<WorkerId> = registered.buffer_unordered(32).collect().await;
    let claims: Vec<_> = workers.iter().map(|worker| waiting(&world, *worker, queue)).collect();
    let nothing = json!({});
    let executions = futures_util::stream::iter((0..count).map(|_| world.client.execute(&automation, &nothing)));
    let jobs: HashSet<JobId> = executions.buffer_unordered(32).map(|job| job.id).collect().await;
    let mut given = HashSet::new();
    for claim in claims {
        let jobs: Vec<JobAssignment> = claim.await.unwrap().expect(200).json();
        assert_eq!(jobs.len(), 1);
        given.extend(jobs.into_iter().map(|job| job.job_id));
    }
    assert_eq!(given, jobs);
    world.end().await;
}
