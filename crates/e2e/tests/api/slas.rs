//! SLA rules over HTTP: what people say of them, and what is found of real jobs.

mod history;

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use api_types::{Automation, Job, Sla, SlaState};
use chrono::{TimeDelta, Utc};
use domain::{
    Scope,
    alert::{Alert, AlertType},
    sla::Standing,
};
use e2e::{Answer, Delivery, Options, World, on_both};
use regente::HubOptions;
use reqwest::Method;
use serde_json::{Value, json};
use store::{
    Database,
    alerts::{Filter, alert_list},
};
use test_support::eventually;

use crate::{
    grants::{domain, grant, user},
    support::{automation, calm, fields, report, start},
};

on_both!(
    a_rule_is_created_changed_muted_and_deleted,
    the_record_of_the_first_platform_is_a_rule,
    what_a_rule_cannot_be_is_named_by_field,
    who_may_not_publish_an_automation_reads_its_rules_at_most,
    a_run_that_is_late_is_one_alert_until_it_comes,
    nothing_is_late_while_the_automation_is_paused,
    a_failure_counts_with_its_last_attempt_until_a_success,
    a_streak_is_told_at_its_limit,
    jobs_that_run_or_wait_too_long_are_found,
    a_worker_that_is_gone_is_found,
    a_rule_that_is_gone_resolves_its_alerts,
    a_rule_notifies_channels_that_exist,
    rules_without_a_name_are_called_by_what_they_expect,
    a_domain_that_a_rule_is_about_stays,
);

const SLAS: &str = "/api/v1/slas";

async fn create(world: &World, automation: &Automation, more: Value) -> Sla {
    ask(world, automation, more).await.expect(201).json()
}

async fn ask(world: &World, automation: &Automation, more: Value) -> Answer {
    let mut body = json!({"automation_id": automation.id});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.client.post(SLAS, &body).await
}

fn path(sla: &Sla) -> String {
    format!("{SLAS}/{}", sla.id)
}

async fn get(world: &World, sla: &Sla) -> Sla {
    world.client.get(&path(sla)).await.expect(200).json()
}

async fn put(world: &World, sla: &Sla, body: &Value) -> Answer {
    world.client.send(world.client.request(Method::PUT, &path(sla)).json(body)).await
}

/// The state of this type once it is so.
async fn standing(world: &World, sla: &Sla, alert_type: AlertType, wanted: Standing) -> SlaState {
    let find = async || {
        let states = get(world, sla).await.states;
        states.into_iter().find(|state| state.alert_type == alert_type && state.standing == wanted)
    };
    eventually(&format!("{alert_type} is {wanted}"), find).await
}

/// The alerts of a rule, past the hub, oldest first.
async fn alerts(world: &World, sla: &Sla) -> Vec<Alert> {
    let settings = &world.settings.database;
    let schema = Some(settings.schema.clone()).filter(|schema| !schema.is_empty());
    let url = secrecy::ExposeSecret::expose_secret(&settings.url).to_owned();
    let database = Database::connect(&store::Settings { schema, ..store::Settings::new(&url) }).await.unwrap();
    let filter = Filter { rule_id: Some(sla.id), limit: 100, ..Filter::default() };
    let mut found = alert_list(&database, &Scope::All, &filter).await.unwrap();
    database.close().await.unwrap();
    found.reverse();
    found
}

/// A hub whose clock can be put forward, in seconds.
async fn with_clock(delivery: Delivery) -> (World, Arc<AtomicI64>) {
    let ahead = Arc::new(AtomicI64::new(0));
    let (real, put_forward) = (HubOptions::default().clock, ahead.clone());
    let clock = Arc::new(move || real() + TimeDelta::seconds(put_forward.load(Ordering::SeqCst)));
    let settings = |settings: &mut runtime::Settings| {
        settings.lease.agent = std::time::Duration::from_secs(100_000);
        settings.lease.foreign = settings.lease.agent;
        settings.lease.silent = settings.lease.agent;
    };
    let hub = HubOptions { clock, ..HubOptions::default() };
    (World::start_with(delivery, Options { hub, settings: Some(Box::new(settings)), ..Options::default() }).await, ahead)
}

async fn run(world: &World, automation: &Automation, end: Value) -> Job {
    let job = world.client.execute(automation, &json!({})).await;
    start(world, job.id).await;
    let _ended = report(world, job.id, "finish", &end).await.expect(200);
    job
}

fn completed() -> Value {
    json!({"status": "completed"})
}

fn failed() -> Value {
    json!({"status": "failed", "error_class": "BUSINESS_ERROR", "error_message": "no invoices"})
}

async fn a_rule_is_created_changed_muted_and_deleted(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let more = json!({"name": "by noon", "expected_daily_time": "12:00", "timezone": "America/Sao_Paulo", "late_after_minutes": 10,
        "severity": "warning", "escalate": [{"after_minutes": 30, "severity": "critical"}], "note": "Call **ana**."});
    let answer = ask(&world, &invoices, more).await.expect(201);
    let sla: Sla = answer.json();
    assert_eq!((sla.revision, sla.early_minutes, sla.expected_daily_time.as_deref()), (1, 180, Some("12:00")));
    let listed: Vec<Sla> = world.client.get(&format!("{SLAS}?automation_id={}&search=NOON", invoices.id)).await.expect(200).json();
    assert_eq!(listed.iter().map(|sla| sla.id).collect::<Vec<_>>(), [sla.id]);
    // What GET answered can be sent back, and changes nothing.
    let read = get(&world, &sla).await;
    let same: Sla = put(&world, &sla, &serde_json::to_value(&read).unwrap()).await.expect(200).json();
    assert_eq!(same.revision, 1);
    let changed: Sla = put(&world, &sla, &json!({"late_after_minutes": 5, "revision": 1})).await.expect(200).json();
    assert_eq!((changed.late_after_minutes, changed.revision), (5, 2));
    assert!(changed.since_at > sla.since_at, "what was before does not count");
    assert_eq!(put(&world, &sla, &json!({"late_after_minutes": 6, "revision": 1})).await.problem(409).code, "changed_meanwhile");
    let until = Utc::now() + TimeDelta::hours(1);
    let muted: Sla = world.client.post(&format!("{}/mute", path(&sla)), &json!({"until": until})).await.expect(200).json();
    assert_eq!(muted.muted_until.map(|at| at.timestamp_millis()), Some(until.timestamp_millis()));
    assert_eq!(muted.since_at, changed.since_at, "it expects the same");
    let state = standing(&world, &sla, AlertType::Late, Standing::Fine).await;
    assert_eq!((state.subject_kind.as_str(), state.subject.clone()), ("automation", invoices.id.to_string()));
    assert!(state.due_at.is_some());
    assert_eq!(ask(&world, &invoices, json!({"name": "by noon", "alert_on_failure": true})).await.problem(409).code, "name_taken");
    let _gone = world.client.send(world.client.request(Method::DELETE, &path(&sla))).await.expect(204);
    assert_eq!(world.client.get(&path(&sla)).await.problem(404).status, 404);
    world.end().await;
}

async fn the_record_of_the_first_platform_is_a_rule(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let record = json!({"robot_id": invoices.id, "expected_run_every_minutes": 60, "expected_daily_time": null, "late_after_minutes": 10,
        "alert_on_failure": true, "alert_on_late": true, "notify_channels": []});
    let sla: Sla = world.client.post(SLAS, &record).await.expect(201).json();
    assert_eq!((sla.automation_id, sla.expected_run_every_minutes, sla.alert_on_failure), (Some(invoices.id), Some(60), true));
    world.end().await;
}

async fn what_a_rule_cannot_be_is_named_by_field(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    for (body, field) in [
        (json!({}), ""),
        (json!({"expected_daily_time": "25:00"}), "expected_daily_time"),
        (json!({"expected_daily_time": "10:00", "late_after_minutes": 1440}), "late_after_minutes"),
        (json!({"expected_daily_time": "10:00", "expected_run_every_minutes": 5}), "expected_daily_time"),
        (json!({"alert_on_failure": true, "timezone": "America/Sao Paulo"}), "timezone"),
        (json!({"alert_on_failure": true, "watch_hub": true}), "watch_hub"),
        (json!({"alert_on_failure": true, "queue": "q"}), "queue"),
        (json!({"min_duration_s": 60, "max_duration_s": 60}), "min_duration_s"),
        (json!({"failure_rate": {"percent": 10}}), "failure_rate/runs"),
        (json!({"expected_daily_time": "10:00", "calendar_id": "00000000-0000-0000-0000-0000000000ff"}), "calendar_id"),
    ] {
        let problem = ask(&world, &invoices, body.clone()).await.problem(422);
        assert_eq!(fields(&problem), [field], "{body}");
    }
    assert_eq!(world.client.post(SLAS, &json!({"automation_id": 4_000_000, "alert_on_failure": true})).await.problem(404).status, 404);
    world.end().await;
}

async fn a_rule_notifies_channels_that_exist(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let body = json!({"name": "on call", "kind": "webhook", "settings": {"url": "https://hooks.example.com/regente"}});
    let channel: api_types::Channel = world.client.post("/api/v1/channels", &body).await.expect(201).json();
    let nobody = uuid::Uuid::nil();
    let refused = ask(&world, &invoices, json!({"alert_on_failure": true, "notify_channels": [channel.id, nobody]})).await.problem(422);
    assert_eq!(fields(&refused), ["notify_channels/1"]);
    let sla = create(&world, &invoices, json!({"name": "fails", "alert_on_failure": true, "notify_channels": [channel.id]})).await;
    let delete = async || {
        let request = world.client.request(Method::DELETE, &format!("/api/v1/channels/{}", channel.id));
        world.client.send(request).await
    };
    let refused = delete().await.problem(409);
    assert_eq!((refused.code.as_str(), refused.detail.contains("fails")), ("channel_in_use", true), "{refused:?}");
    let _free: Sla =
        world.client.send(world.client.request(Method::PUT, &path(&sla)).json(&json!({"notify_channels": []}))).await.expect(200).json();
    let _gone = delete().await.expect(204);
    world.end().await;
}

async fn who_may_not_publish_an_automation_reads_its_rules_at_most(delivery: Delivery) {
    let world = calm(delivery).await;
    let (finance, sales) = (domain(&world, "finance").await, domain(&world, "sales").await);
    let owned = async |name: &str, domain: &api_types::Domain| {
        let body = json!({"name": name, "queue_name": world.queue(name), "script_path": "main.py", "domain_id": domain.id});
        world.client.automation(&body).await
    };
    let (mine, theirs) = (owned("mine", &finance).await, owned("theirs", &sales).await);
    let (own, foreign) =
        (create(&world, &mine, json!({"alert_on_failure": true})).await, create(&world, &theirs, json!({"alert_on_failure": true})).await);
    let all: Sla = world.client.post(SLAS, &json!({"name": "all", "alert_on_failure": true})).await.expect(201).json();
    let (ana, token) = user(&world, "ana").await;
    grant(&world, &ana, json!({"right": "maintainer", "domain_id": finance.id})).await;
    let ask = async |method: Method, path: String, body: Value| {
        let request = world.client.bare(method.clone(), &path).bearer_auth(&token);
        world.client.send(if body.is_null() { request } else { request.json(&body) }).await
    };
    world.everywhere("the grant counts", async || ask(Method::GET, path(&own), Value::Null).await.status == 200).await;
    let whole: Sla = ask(Method::POST, SLAS.to_owned(), json!({"name": "f", "domain_id": finance.id, "alert_on_failure": true}))
        .await
        .expect(201)
        .json();
    let listed: Vec<Sla> = ask(Method::GET, SLAS.to_owned(), Value::Null).await.expect(200).json();
    assert_eq!(listed.iter().map(|sla| sla.id).collect::<Vec<_>>(), [own.id, whole.id]);
    for (method, what, body, status) in [
        (Method::GET, path(&foreign), Value::Null, 404),
        (Method::PUT, path(&foreign), json!({"note": "x"}), 404),
        (Method::DELETE, path(&all), Value::Null, 404),
        (Method::PUT, path(&own), json!({"note": "x"}), 200),
        (Method::PUT, path(&own), json!({"automation_id": theirs.id}), 404),
        (Method::PUT, path(&own), json!({"automation_id": null}), 403),
        (Method::POST, SLAS.to_owned(), json!({"queue": "q", "max_backlog": 1}), 403),
        (Method::POST, SLAS.to_owned(), json!({"domain_id": sales.id, "alert_on_failure": true}), 403),
        (Method::POST, SLAS.to_owned(), json!({"automation_id": theirs.id, "alert_on_failure": true}), 404),
    ] {
        assert_eq!(ask(method.clone(), what.clone(), body.clone()).await.status, status, "{method} {what} {body}");
    }
    world.end().await;
}

async fn rules_without_a_name_are_called_by_what_they_expect(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let daily = create(&world, &invoices, json!({"expected_daily_time": "06:30", "alert_on_failure": true})).await;
    let often = create(&world, &invoices, json!({"expected_run_every_minutes": 60, "name": " "})).await;
    assert_eq!((daily.name.as_str(), often.name.as_str()), ("invoices: a run by 06:30, no failure", "invoices: a run every 60 min"));
    let names = [&daily, &often].map(|rule| rule.automation_name.as_deref());
    assert_eq!(names, [Some("invoices"); 2]);
    let same = ask(&world, &invoices, json!({"expected_run_every_minutes": 60, "severity": "info"})).await.problem(409);
    assert_eq!((same.code.as_str(), same.detail.contains("give this one another name")), ("name_taken", true), "{same:?}");
    let queue: Sla = world.client.post(SLAS, &json!({"queue": "fiscal", "max_backlog": 5})).await.expect(201).json();
    let all: Sla = world.client.post(SLAS, &json!({"watch_hub": true})).await.expect(201).json();
    assert_eq!((queue.name.as_str(), all.name.as_str()), ("Queue fiscal: at most 5 jobs wait", "Everything: the hub works"));
    let named: Sla = put(&world, &often, &json!({"name": "Hourly"})).await.expect(200).json();
    let unnamed: Sla = put(&world, &often, &json!({"name": ""})).await.expect(200).json();
    assert_eq!((named.name.as_str(), unnamed.name), ("Hourly", often.name.clone()));
    let _fine = standing(&world, &often, AlertType::Late, Standing::Fine).await;
    assert_eq!(get(&world, &often).await.states[0].subject_name.as_deref(), Some("invoices"));
    let listed: Vec<Sla> = world.client.get(&format!("{SLAS}?queue=fiscal")).await.expect(200).json();
    assert_eq!(listed.iter().map(|rule| &rule.automation_name).collect::<Vec<_>>(), [&None]);
    world.end().await;
}

async fn a_domain_that_a_rule_is_about_stays(delivery: Delivery) {
    let world = calm(delivery).await;
    let finance = domain(&world, "finance").await;
    let body = json!({"domain_id": finance.id, "alert_on_failure": true});
    let rule: Sla = world.client.post(SLAS, &body).await.expect(201).json();
    let delete = async |path: String| world.client.send(world.client.request(Method::DELETE, &path)).await;
    let domain = format!("/api/v1/domains/{}", finance.id);
    let refused = delete(domain.clone()).await.problem(409);
    assert_eq!((refused.code.as_str(), refused.detail.contains("\"Domain finance: no failure\"")), ("domain_in_use", true), "{refused:?}");
    let _gone = delete(path(&rule)).await.expect(204);
    let _gone = delete(domain).await.expect(204);
    assert_eq!(fields(&world.client.post(SLAS, &body).await.problem(422)), ["domain_id"]);
    world.end().await;
}

async fn a_run_that_is_late_is_one_alert_until_it_comes(delivery: Delivery) {
    let (world, ahead) = with_clock(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let sla = create(&world, &invoices, json!({"expected_run_every_minutes": 60, "late_after_minutes": 5})).await;
    let fine = standing(&world, &sla, AlertType::Late, Standing::Fine).await;
    assert_eq!(fine.due_at, Some(sla.since_at + TimeDelta::minutes(65)));
    ahead.store(65 * 60, Ordering::SeqCst);
    let late = standing(&world, &sla, AlertType::Late, Standing::Breached).await;
    assert_eq!(late.breached_at, fine.due_at, "to the instant");
    ahead.store(5 * 3600, Ordering::SeqCst);
    let found = alerts(&world, &sla).await;
    assert_eq!(found.iter().map(|alert| (alert.count, alert.resolved.is_some())).collect::<Vec<_>>(), [(1, false)]);
    assert_eq!(found[0].facts.expected_at, Some(sla.since_at + TimeDelta::minutes(60)));
    let _run = run(&world, &invoices, completed()).await;
    let again = standing(&world, &sla, AlertType::Late, Standing::Fine).await;
    assert!(again.due_at > Some(sla.since_at + TimeDelta::hours(6)), "{again:?}");
    let found = alerts(&world, &sla).await;
    assert_eq!(found.iter().map(|alert| (alert.count, alert.resolved.is_some())).collect::<Vec<_>>(), [(1, true)]);
    world.end().await;
}

async fn nothing_is_late_while_the_automation_is_paused(delivery: Delivery) {
    let (world, ahead) = with_clock(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let sla = create(&world, &invoices, json!({"expected_run_every_minutes": 60})).await;
    let _fine = standing(&world, &sla, AlertType::Late, Standing::Fine).await;
    let automation = format!("/api/v1/automations/{}", invoices.id);
    let _paused = world.client.post(&format!("{automation}/pause"), &json!({})).await.expect(200);
    let _held = standing(&world, &sla, AlertType::Late, Standing::Held).await;
    ahead.store(3 * 3600, Ordering::SeqCst);
    let _resumed = world.client.send(world.client.request(Method::POST, &format!("{automation}/resume"))).await.expect(200);
    let fine = standing(&world, &sla, AlertType::Late, Standing::Fine).await;
    assert!(fine.due_at >= Some(sla.since_at + TimeDelta::hours(4)), "the interval begins anew: {fine:?}");
    assert_eq!(alerts(&world, &sla).await, []);
    world.end().await;
}

async fn a_failure_counts_with_its_last_attempt_until_a_success(delivery: Delivery) {
    let world = calm(delivery).await;
    let body = json!({"name": "invoices", "queue_name": world.queue("invoices"), "script_path": "main.py",
        "retry_policy": {"max_attempts": 2, "base_s": 0.05}});
    let invoices = world.client.automation(&body).await;
    let sla = create(&world, &invoices, json!({"alert_on_failure": true})).await;
    let _fine = standing(&world, &sla, AlertType::Failure, Standing::Fine).await;
    let first = run(&world, &invoices, json!({"status": "failed", "error_class": "TIMEOUT", "error_message": "slow"})).await;
    let again = async || {
        let jobs: Vec<Job> = world.client.get(&format!("/api/v1/jobs?automation_id={}", invoices.id)).await.expect(200).json();
        jobs.into_iter().find(|job| job.retry_of == Some(first.id))
    };
    let second = eventually("it is tried again", again).await;
    assert_eq!(alerts(&world, &sla).await, [], "its last attempt counts");
    start(&world, second.id).await;
    let _ended = report(&world, second.id, "finish", &failed()).await.expect(200);
    let _breached = standing(&world, &sla, AlertType::Failure, Standing::Breached).await;
    let found = alerts(&world, &sla).await;
    assert_eq!((found.len(), found[0].facts.job_ids.clone()), (1, vec![second.id]));
    assert_eq!(found[0].facts.error_message.as_deref(), Some("no invoices"));
    let _run = run(&world, &invoices, completed()).await;
    let _fine = standing(&world, &sla, AlertType::Failure, Standing::Fine).await;
    assert!(alerts(&world, &sla).await[0].resolved.is_some());
    world.end().await;
}

async fn a_streak_is_told_at_its_limit(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let sla = create(&world, &invoices, json!({"failure_streak": 3})).await;
    let _fine = standing(&world, &sla, AlertType::FailureStreak, Standing::Fine).await;
    for _ in 0..2 {
        let _run = run(&world, &invoices, failed()).await;
    }
    assert_eq!(alerts(&world, &sla).await, []);
    let last = run(&world, &invoices, failed()).await;
    let _breached = standing(&world, &sla, AlertType::FailureStreak, Standing::Breached).await;
    let found = alerts(&world, &sla).await;
    assert_eq!((found[0].facts.measured, found[0].facts.job_ids.len(), found[0].facts.job_ids[0]), (Some(3.0), 3, last.id));
    world.end().await;
}

async fn jobs_that_run_or_wait_too_long_are_found(delivery: Delivery) {
    let (world, ahead) = with_clock(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let more = json!({"max_duration_s": 600, "max_pending_age_s": 1200, "resolve_after_minutes": 0});
    let sla = create(&world, &invoices, more).await;
    let _fine = standing(&world, &sla, AlertType::Duration, Standing::Fine).await;
    let (runs, waits) = (world.client.execute(&invoices, &json!({})).await, world.client.execute(&invoices, &json!({})).await);
    start(&world, runs.id).await;
    ahead.store(700, Ordering::SeqCst);
    let _over = standing(&world, &sla, AlertType::Duration, Standing::Breached).await;
    let found = alerts(&world, &sla).await;
    assert_eq!((found.len(), found[0].key.alert_type, found[0].facts.job_ids.clone()), (1, AlertType::Duration, vec![runs.id]));
    ahead.store(1300, Ordering::SeqCst);
    let _over = standing(&world, &sla, AlertType::QueueBacklog, Standing::Breached).await;
    for job in [runs, waits] {
        if world.client.job(job.id).await.started_at.is_none() {
            start(&world, job.id).await;
        }
        let _ended = report(&world, job.id, "finish", &completed()).await.expect(200);
    }
    let _fine = standing(&world, &sla, AlertType::Duration, Standing::Fine).await;
    ahead.store(1400, Ordering::SeqCst);
    let _fine = standing(&world, &sla, AlertType::QueueBacklog, Standing::Fine).await;
    let over = async || Some(alerts(&world, &sla).await).filter(|all| all.iter().all(|alert| alert.resolved.is_some()));
    assert_eq!(eventually("both are over", over).await.len(), 2);
    world.end().await;
}

async fn a_worker_that_is_gone_is_found(delivery: Delivery) {
    let (world, ahead) = with_clock(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let register = json!({"name": "robot-1", "queues": [invoices.queue_name], "slots": 1, "version": "1", "hostname": "h"});
    let request = world.client.worker(Method::POST, "/register").json(&register);
    let _registered = world.client.send(request).await.expect(200);
    let sla = create(&world, &invoices, json!({"worker_gone_after_s": 60})).await;
    let _fine = standing(&world, &sla, AlertType::WorkerDown, Standing::Fine).await;
    ahead.store(120, Ordering::SeqCst);
    let gone = standing(&world, &sla, AlertType::WorkerDown, Standing::Breached).await;
    assert_eq!(gone.subject_kind, "worker");
    assert_eq!(alerts(&world, &sla).await.len(), 1);
    world.end().await;
}

async fn a_rule_that_is_gone_resolves_its_alerts(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let (off, deleted) = (
        create(&world, &invoices, json!({"name": "off", "alert_on_failure": true})).await,
        create(&world, &invoices, json!({"name": "deleted", "alert_on_failure": true})).await,
    );
    let _run = run(&world, &invoices, failed()).await;
    for sla in [&off, &deleted] {
        let _breached = standing(&world, sla, AlertType::Failure, Standing::Breached).await;
    }
    let _off = put(&world, &off, &json!({"enabled": false})).await.expect(200);
    let _gone = world.client.send(world.client.request(Method::DELETE, &path(&deleted))).await.expect(204);
    for sla in [&off, &deleted] {
        let over = async || Some(alerts(&world, sla).await).filter(|all| all.iter().all(|alert| alert.resolved.is_some()));
        assert_eq!(eventually("it is over", over).await.len(), 1);
    }
    assert_eq!(get(&world, &off).await.states, []);
    world.end().await;
}
