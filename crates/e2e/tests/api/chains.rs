//! Chains over HTTP: what people say of them, and what runs after what.

mod joins;
mod manage;

use api_types::{Automation, Chain, ChainRun, Job};
use domain::{
    chain::RunState,
    job::{Status, Trigger},
};
use e2e::{Answer, Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::eventually;

use crate::support::{archived, automation, calm, replica, report, start};

on_both!(
    an_end_starts_another_automation_with_what_its_result_says,
    each_ending_starts_what_it_is_meant_for,
    a_condition_decides_by_the_result,
    a_job_that_is_tried_again_counts_with_its_last_attempt,
    a_chain_that_is_switched_off_counts_nothing,
    a_run_waits_for_its_time_of_day_in_its_zone,
    a_run_that_gets_no_job_says_why,
);

const CHAINS: &str = "/api/v1/chains";

/// A chain from `input` to `target`; `more` is laid over it.
async fn create(world: &World, (input, target): (&Automation, &Automation), more: Value) -> Chain {
    ask(world, (&[input], target), more).await.expect(201).json()
}

async fn ask(world: &World, (inputs, target): (&[&Automation], &Automation), more: Value) -> Answer {
    let inputs: Vec<Value> = inputs.iter().map(|input| json!({"automation_id": input.id})).collect();
    let mut body = json!({"automation_id": target.id, "name": format!("to {}", target.name), "inputs": inputs});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.client.post(CHAINS, &body).await
}

fn path(chain: &Chain) -> String {
    format!("{CHAINS}/{}", chain.id)
}

async fn get(world: &World, chain: &Chain) -> Chain {
    world.client.get(&path(chain)).await.expect(200).json()
}

async fn put(world: &World, chain: &Chain, body: &Value) -> Answer {
    world.client.send(world.client.request(Method::PUT, &path(chain)).json(body)).await
}

/// Runs a job to its end.
async fn run(world: &World, automation: &Automation, end: Value) -> Job {
    let job = world.client.execute(automation, &json!({})).await;
    finish(world, &job, end).await
}

async fn finish(world: &World, job: &Job, end: Value) -> Job {
    start(world, job.id).await;
    let _ended = report(world, job.id, "finish", &end).await.expect(200);
    world.client.job(job.id).await
}

fn completed(result: Value) -> Value {
    json!({"status": "completed", "result": result})
}

fn failed() -> Value {
    json!({"status": "failed", "error_class": "ROBOT_ERROR", "error_message": "it failed"})
}

/// The runs of a chain, oldest first.
async fn runs(world: &World, chain: &Chain) -> Vec<ChainRun> {
    let mut runs: Vec<ChainRun> = world.client.get(&format!("{}/runs?limit=1000", path(chain))).await.expect(200).json();
    runs.reverse();
    runs
}

/// The runs of a chain once so many are decided.
async fn decided(world: &World, chain: &Chain, count: usize) -> Vec<ChainRun> {
    let what = format!("{} has {count} runs that are decided", chain.name);
    let ask =
        async || Some(runs(world, chain).await).filter(|runs| runs.iter().filter(|run| run.state != RunState::Waiting).count() >= count);
    eventually(&what, ask).await
}

/// The job of a run.
async fn job(world: &World, run: &ChainRun) -> Job {
    assert_eq!(run.state, RunState::Created, "{run:?}");
    world.client.job(run.job_id.unwrap()).await
}

async fn jobs(world: &World, automation: &Automation) -> Vec<Job> {
    world.client.get(&format!("/api/v1/jobs?automation_id={}&limit=1000", automation.id)).await.expect(200).json()
}

async fn an_end_starts_another_automation_with_what_its_result_says(delivery: Delivery) {
    let world = calm(delivery).await;
    let (download, post) = (automation(&world, "download").await, automation(&world, "post").await);
    let more = json!({
        "name": "then post", "parameters": {"month": "2026-11", "count": 0}, "parameters_from": [
            {"parameter": "count", "pointer": "/invoices/count"}, {"parameter": "first", "pointer": "/invoices/files/0", "automation_id": download.id},
            {"parameter": "gone", "pointer": "/no/such/place"}
        ]
    });
    let chain = create(&world, (&download, &post), more).await;
    let ended = run(&world, &download, completed(json!({"invoices": {"count": 3, "files": ["a.xml", "b.xml"]}}))).await;
    let found = decided(&world, &chain, 1).await;
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].after_job_id, found[0].root_job_id, &found[0].key), (ended.id, ended.id, &ended.id.to_string()));
    assert_eq!(Some(found[0].due_at), ended.completed_at);
    let made = job(&world, &found[0]).await;
    assert_eq!((made.automation_id, made.trigger, made.requested_by.as_deref()), (post.id, Trigger::Chain, Some("chain:then post")));
    assert_eq!(Value::Object(made.parameters.clone()), json!({"month": "2026-11", "count": 3, "first": "a.xml"}));
    assert_eq!(finish(&world, &made, completed(json!(null))).await.status, Status::Completed);

    let key = format!("chain/{}/{}", chain.id, ended.id);
    let stolen = json!({"automation_id": post.id, "parameters": {}, "idempotency_key": key});
    assert_eq!(world.client.post("/api/v1/jobs", &stolen).await.problem(422).errors[0].field, "idempotency_key");
    world.end().await;
}

async fn each_ending_starts_what_it_is_meant_for(delivery: Delivery) {
    let world = calm(delivery).await;
    let (a, b, c, d) =
        (automation(&world, "a").await, automation(&world, "b").await, automation(&world, "c").await, automation(&world, "d").await);
    let on = |ending: &str| json!({"inputs": [{"automation_id": a.id, "on": ending}]});
    let well = create(&world, (&a, &b), on("completed")).await;
    let badly = create(&world, (&a, &c), on("failed")).await;
    let however = create(&world, (&a, &d), on("any")).await;
    let failure = run(&world, &a, failed()).await;
    let canceled = world.client.execute(&a, &json!({})).await;
    let _canceled = world.client.post(&format!("/api/v1/jobs/{}/cancel", canceled.id), &json!({})).await.expect(200);
    let nothing = run(&world, &a, json!({"status": "completed_no_invoices"})).await;
    let success = run(&world, &a, completed(json!({}))).await;
    let after = |runs: &[ChainRun]| runs.iter().map(|run| run.after_job_id).collect::<Vec<_>>();
    // The last end is the last that counts: once it has, the others had their turn.
    assert_eq!(after(&decided(&world, &however, 4).await), [failure.id, canceled.id, nothing.id, success.id]);
    assert_eq!(after(&decided(&world, &well, 2).await), [nothing.id, success.id]);
    assert_eq!(after(&decided(&world, &badly, 1).await), [failure.id]);
    let counts = [jobs(&world, &b).await.len(), jobs(&world, &c).await.len(), jobs(&world, &d).await.len()];
    assert_eq!(counts, [2, 1, 4]);
    world.end().await;
}

async fn a_condition_decides_by_the_result(delivery: Delivery) {
    let world = calm(delivery).await;
    let (a, b) = (automation(&world, "a").await, automation(&world, "b").await);
    let condition = json!({"pointer": "/count", "operator": "gt", "value": 0});
    let chain = create(&world, (&a, &b), json!({"inputs": [{"automation_id": a.id, "condition": condition}]})).await;
    for result in [json!({"count": 0}), json!({"count": "many"}), json!({}), json!(null)] {
        let _ended = run(&world, &a, completed(result)).await;
    }
    let last = run(&world, &a, completed(json!({"count": 7}))).await.id;
    let found = decided(&world, &chain, 1).await;
    assert_eq!(found.iter().map(|run| run.after_job_id).collect::<Vec<_>>(), [last]);
    world.end().await;
}

async fn a_job_that_is_tried_again_counts_with_its_last_attempt(delivery: Delivery) {
    let world = calm(delivery).await;
    let body = json!({
        "name": "a", "queue_name": world.queue("a"), "script_path": "a.py", "retry_policy": {"max_attempts": 2, "base_s": 0.05}
    });
    let a = world.client.automation(&body).await;
    let (b, c) = (automation(&world, "b").await, automation(&world, "c").await);
    let well = create(&world, (&a, &b), json!({})).await;
    let badly = create(&world, (&a, &c), json!({"inputs": [{"automation_id": a.id, "on": "failed"}]})).await;
    let second = async |first: &Job| {
        eventually("it is tried again", async || {
            jobs(&world, &a)
                .await
                .into_iter()
                .find(|job| job.retry_of == Some(first.id) && job.not_before.is_none_or(|at| at <= chrono::Utc::now()))
        })
        .await
    };
    let first = run(&world, &a, failed()).await;
    let again = second(&first).await;
    let _ended = finish(&world, &again, completed(json!({}))).await;
    let found = decided(&world, &well, 1).await;
    assert_eq!((found.len(), found[0].after_job_id, found[0].root_job_id), (1, again.id, first.id));
    let first = run(&world, &a, failed()).await;
    let again = second(&first).await;
    let _ended = finish(&world, &again, failed()).await;
    let found = decided(&world, &badly, 1).await;
    let after: Vec<_> = found.iter().map(|run| (run.after_job_id, run.root_job_id)).collect();
    assert_eq!(after, [(again.id, first.id)], "the first attempts were tried again");
    assert_eq!(runs(&world, &well).await.len(), 1);
    world.end().await;
}

async fn a_chain_that_is_switched_off_counts_nothing(delivery: Delivery) {
    let world = calm(delivery).await;
    let (a, b, c) = (automation(&world, "a").await, automation(&world, "b").await, automation(&world, "c").await);
    let chain = create(&world, (&a, &b), json!({})).await;
    let witness = create(&world, (&a, &c), json!({})).await;
    let switch = async |to: &str| world.client.post(&format!("{}/{to}", path(&chain)), &json!({})).await.expect(200).json::<Chain>();
    let off = switch("disable").await;
    assert_eq!(
        (off.enabled, off.state.as_str(), off.state_reason.map(|reason| reason.as_str())),
        (false, "disabled", Some("switched_off"))
    );
    assert_eq!(switch("disable").await.revision, off.revision, "it is off");
    let _meanwhile = run(&world, &a, completed(json!({}))).await;
    let _counted = decided(&world, &witness, 1).await;
    let on = switch("enable").await;
    assert!(on.enabled && on.since_at > chain.since_at && on.revision == off.revision + 1, "{on:?}");
    let counted = run(&world, &a, completed(json!({}))).await;
    let found = decided(&world, &chain, 1).await;
    assert_eq!(found.iter().map(|run| run.after_job_id).collect::<Vec<_>>(), [counted.id]);
    world.end().await;
}

/// A zone in which it is about ten in the morning.
fn morning() -> String {
    use chrono::Timelike as _;
    let hour = i64::from(chrono::Utc::now().hour());
    let ahead = if 10 - hour < -12 { 34 - hour } else { 10 - hour };
    // The sign of these names is that of the way back.
    if ahead == 0 { "Etc/UTC".to_owned() } else { format!("Etc/GMT{:+}", -ahead) }
}

async fn a_run_waits_for_its_time_of_day_in_its_zone(delivery: Delivery) {
    let world = calm(delivery).await;
    let (a, b, c) = (automation(&world, "a").await, automation(&world, "b").await, automation(&world, "c").await);
    let zone = morning();
    let evening = create(&world, (&a, &b), json!({"not_before": "23:00", "timezone": zone})).await;
    let night = create(&world, (&a, &c), json!({"not_before": "01:00:30", "timezone": zone})).await;
    assert_eq!((evening.not_before.as_deref(), night.not_before.as_deref()), (Some("23:00"), Some("01:00:30")));
    let ended = run(&world, &a, completed(json!({}))).await;
    let at_once = decided(&world, &night, 1).await;
    assert_eq!(Some(at_once[0].due_at), ended.completed_at, "one o'clock is past");
    let waiting = runs(&world, &evening).await.remove(0);
    let hours = (waiting.due_at - ended.completed_at.unwrap()).num_minutes();
    assert_eq!((waiting.state, waiting.job_id), (RunState::Waiting, None));
    assert!((11 * 60..14 * 60).contains(&hours), "{waiting:?}");
    let listed: Vec<ChainRun> = world.client.get(&format!("{}/runs?state=waiting", path(&evening))).await.expect(200).json();
    assert_eq!(listed, [waiting]);
    let none: Vec<ChainRun> = world.client.get(&format!("{}/runs?state=created", path(&evening))).await.expect(200).json();
    assert_eq!((none.len(), jobs(&world, &b).await.len()), (0, 0));
    world.end().await;
}

async fn a_run_that_gets_no_job_says_why(delivery: Delivery) {
    let world = calm(delivery).await;
    let a = automation(&world, "a").await;
    let of = async |name: &str, more: Value| {
        let mut body = json!({"name": name, "queue_name": world.queue(name), "script_path": "x.py"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        world.client.automation(&body).await
    };
    let alone = of("alone", json!({"overlap": "skip"})).await;
    let strict = of("strict", json!({"parameter_schema": {"type": "object", "required": ["cnpj"]}})).await;
    let gone = of("gone", json!({})).await;
    let paused = of("paused", json!({})).await;
    let chains = [
        create(&world, (&a, &alone), json!({})).await,
        create(&world, (&a, &strict), json!({})).await,
        create(&world, (&a, &gone), json!({})).await,
        create(&world, (&a, &paused), json!({})).await,
    ];
    let other = world.client.execute(&alone, &json!({})).await;
    let _paused = world.client.post(&format!("/api/v1/automations/{}/pause", paused.id), &json!({})).await.expect(200);
    let archive = world.client.request(Method::DELETE, &format!("/api/v1/automations/{}", gone.id));
    let _archived = world.client.send(archive).await.expect(200);
    archived(&world, &gone).await;
    let _ended = run(&world, &a, completed(json!({}))).await;
    let mut told = Vec::new();
    for chain in &chains {
        let run = decided(&world, chain, 1).await.remove(0);
        told.push((run.state, run.reason, run.detail.is_some()));
    }
    let why = |state, reason: Option<&str>| (state, reason.map(str::to_owned), reason.is_some());
    assert_eq!(
        told,
        [
            why(RunState::Skipped, Some("overlap_skipped")),
            why(RunState::Refused, Some("invalid")),
            why(RunState::Refused, Some("automation_archived")),
            why(RunState::Created, None),
        ]
    );
    assert_eq!(runs(&world, &chains[0]).await[0].job_id, Some(other.id), "the job because of which it was skipped");
    let job = jobs(&world, &paused).await.remove(0);
    assert_eq!(job.status, Status::Pending, "it waits for the end of the pause");
    let mut states = Vec::new();
    for chain in &chains {
        let Chain { state, state_reason, .. } = get(&world, chain).await;
        states.push((state.as_str(), state_reason.map(|reason| reason.as_str())));
    }
    let paused = ("active", Some("automation_paused"));
    assert_eq!(states, [("active", None), ("active", None), ("blocked", Some("automation_archived")), paused]);
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_give_each_end_one_job() {
    let world = calm(Delivery::Queue).await;
    let (a, b) = (automation(&world, "a").await, automation(&world, "b").await);
    let chain = create(&world, (&a, &b), json!({})).await;
    let (other, there) = replica(&world).await;
    let mut ended = Vec::new();
    for round in 0..8 {
        let client = if round % 2 == 0 { &there } else { &world.client };
        let job = client.execute(&a, &json!({"round": round})).await.id;
        let _started = client.report(&format!("/jobs/{job}/start"), None, &json!({})).await.expect(200);
        let _ended = client.report(&format!("/jobs/{job}/finish"), None, &completed(json!({}))).await.expect(200);
        ended.push(job);
    }
    // It leaves before or after it has counted the last ones.
    other.stop().await;
    ended.push(run(&world, &a, completed(json!({}))).await.id);
    let found = decided(&world, &chain, ended.len()).await;
    let mut after: Vec<_> = found.iter().map(|run| run.after_job_id).collect();
    after.sort_unstable();
    ended.sort_unstable();
    assert_eq!(after, ended);
    assert!(found.iter().all(|run| run.state == RunState::Created), "{found:?}");
    assert_eq!(jobs(&world, &b).await.len(), ended.len());
    world.end().await;
}
