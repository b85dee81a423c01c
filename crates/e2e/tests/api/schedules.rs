//! Schedules: what people and programs say of them, before any of them fires.

mod imports;

use api_types::{AuditEntry, Automation, AutomationArchived, Fire, Job, Schedule, ScheduleBulkResponse, SchedulePreview};
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    job::Trigger,
    schedule::{FireState, ScheduleState, StateReason},
};
use e2e::{Answer, Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    grants::{domain, grant, user},
    support::{automation, calm, fields},
};

on_both!(
    a_schedule_is_created_changed_and_deleted,
    the_requests_of_the_first_platform_work,
    what_a_schedule_cannot_be_is_named_by_field,
    a_stored_fault_does_not_keep_others_from_being_changed,
    an_expression_is_previewed_without_saving,
    coming_fires_are_listed_in_order_and_by_pages,
    schedules_are_paused_one_by_one_by_filter_and_all,
    a_schedule_is_run_now_and_its_job_is_linked,
    who_may_not_publish_an_automation_reads_its_schedules_at_most,
    an_archived_automation_names_its_schedules,
);

const SCHEDULES: &str = "/api/v1/schedules";

async fn create(world: &World, automation: &Automation, more: Value) -> Schedule {
    ask(world, automation, more).await.expect(201).json()
}

/// Asks for a schedule that is due in the far future, unless `more` says when.
async fn ask(world: &World, automation: &Automation, more: Value) -> Answer {
    let mut body = json!({"automation_id": automation.id, "cron_expression": "@yearly"});
    let more = more.as_object().unwrap().clone();
    if ["interval_s", "run_once_at"].iter().any(|field| more.contains_key(*field)) {
        body.as_object_mut().unwrap().remove("cron_expression");
    }
    body.as_object_mut().unwrap().extend(more);
    world.client.post(SCHEDULES, &body).await
}

fn path(schedule: &Schedule) -> String {
    format!("{SCHEDULES}/{}", schedule.id)
}

async fn get(world: &World, schedule: &Schedule) -> Schedule {
    world.client.get(&path(schedule)).await.expect(200).json()
}

async fn put(world: &World, schedule: &Schedule, body: &Value) -> Answer {
    world.client.send(world.client.request(Method::PUT, &path(schedule)).json(body)).await
}

async fn list(world: &World, query: &str) -> Vec<String> {
    let found: Vec<Schedule> = world.client.get(&format!("{SCHEDULES}{query}")).await.expect(200).json();
    found.into_iter().map(|schedule| schedule.name).collect()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

async fn a_schedule_is_created_changed_and_deleted(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let body =
        json!({"name": "  Every weekday ", "cron_expression": "30 7 * * 1-5", "parameters": {"day": "{{yesterday}}"}, "priority": 7});
    let answer = ask(&world, &invoices, body).await.expect(201);
    let made: Schedule = answer.json();
    assert_eq!(answer.headers["location"].to_str().unwrap(), path(&made));
    assert_eq!(
        (made.name.as_str(), made.automation_name.as_str(), made.timezone.as_str()),
        ("Every weekday", "invoices", "America/Sao_Paulo")
    );
    assert_eq!((made.words.en.as_str(), made.words.pt_br.as_str()), ("every weekday at 07:30", "de segunda a sexta-feira às 07:30"));
    assert_eq!((made.state, made.state_reason, made.revision), (ScheduleState::Active, None, 1));
    assert_eq!(made.next_fires.len(), 10);
    assert!(made.next_fires.iter().all(|fire| fire.local.format("%H:%M").to_string() == "07:30" && fire.slot_at == fire.run_at));
    assert!(made.next_fires.is_sorted_by_key(|fire| fire.slot_at) && made.next_fires[0].slot_at > made.created_at);

    let back = serde_json::to_value(get(&world, &made).await).unwrap();
    let same: Schedule = put(&world, &made, &back).await.expect(200).json();
    assert_eq!((same.cron_expression.as_deref(), same.revision), (Some("30 7 * * 1-5"), 2));
    let stale = put(&world, &made, &back).await.problem(409);
    assert_eq!(stale.code, "changed_meanwhile");
    let change = json!({"interval_s": 3600, "window_start": "08:00", "window_end": "18:00", "priority": null, "revision": 2});
    let changed: Schedule = put(&world, &made, &change).await.expect(200).json();
    assert_eq!((changed.cron_expression, changed.interval_s, changed.priority), (None, Some(3600), None));
    assert_eq!((changed.window_start.as_deref(), changed.parameters), (Some("08:00"), made.parameters.clone()));
    let off: Schedule = put(&world, &made, &json!({"enabled": false})).await.expect(200).json();
    assert_eq!((off.state, off.state_reason), (ScheduleState::Disabled, Some(StateReason::SwitchedOff)));

    let taken = ask(&world, &invoices, json!({"name": "Every weekday"})).await.problem(409);
    assert_eq!(taken.code, "name_taken");
    for expected in ["Schedule 1", "Schedule 2"] {
        assert_eq!(create(&world, &invoices, json!({})).await.name, expected);
    }
    let other = automation(&world, "other").await;
    assert_eq!(create(&world, &other, json!({"name": "Every weekday"})).await.name, "Every weekday");
    let moved = put(&world, &made, &json!({"automation_id": other.id})).await.problem(422);
    assert_eq!(fields(&moved), ["automation_id"]);

    let delete = world.client.request(Method::DELETE, &path(&made));
    assert_eq!(world.client.send(delete).await.expect(204).text, "");
    assert_eq!(world.client.get(&path(&made)).await.problem(404).code, "not_found");
    let entries: Vec<AuditEntry> =
        world.client.get(&format!("/api/v1/audit?target_kind=schedule&target_id={}", made.id)).await.expect(200).json();
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["schedule.delete", "schedule.update", "schedule.update", "schedule.update", "schedule.create"]);
    world.end().await;
}

async fn the_requests_of_the_first_platform_work(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let snake = json!({"automation_id": invoices.id, "cron_expression": "0 8 * * *", "parameters": {"a": 1}, "is_enabled": true});
    let camel = json!({"automationId": invoices.id, "cronExpression": "0 9 * * *", "parameters": {}, "isEnabled": false});
    let on: Schedule = world.client.post(SCHEDULES, &snake).await.expect(201).json();
    let off: Schedule = world.client.post(SCHEDULES, &camel).await.expect(201).json();
    assert_eq!((on.enabled, off.enabled, on.name.as_str(), off.name.as_str()), (true, false, "Schedule 1", "Schedule 2"));
    assert_eq!(list(&world, "").await, ["Schedule 1"], "those that are enabled");
    assert_eq!(list(&world, "?disabled=true").await, ["Schedule 1", "Schedule 2"]);
    let camel = json!({"automationId": invoices.id, "cronExpression": "0 9 * * *", "parameters": {}, "isEnabled": true});
    let changed: Schedule = put(&world, &off, &camel).await.expect(200).json();
    assert!(changed.enabled);
    // Many of them, as one robot of the last platform has one: with a window, a limit, a time-out and retries.
    let one = json!({
        "name": "robot", "cron_expression": "*/15 * * * *", "timezone": "America/Sao_Paulo", "window_start": "22:00", "window_end": "06:00",
        "max_concurrency": 1, "timeout_s": 3600, "max_attempts": 3, "retry_backoff_s": 60
    });
    let one = create(&world, &invoices, one).await;
    assert_eq!((one.max_concurrency, one.timeout_s, one.max_attempts, one.retry_backoff_s), (Some(1), Some(3600), Some(3), Some(60)));
    assert_eq!(list(&world, "?search=ROBOT").await, ["robot"]);
    assert_eq!(list(&world, &format!("?automation_id={}&limit=2", invoices.id)).await.len(), 2);
    world.end().await;
}

async fn what_a_schedule_cannot_be_is_named_by_field(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let now = Utc::now();
    for (more, field, part) in [
        (json!({"cron_expression": "0 0 30 2 *"}), "cron_expression", "never fires"),
        (json!({"cron_expression": "0 0 29 2 */7"}), "cron_expression", "within five years"),
        (json!({"cron_expression": "30 25 * * *"}), "cron_expression", "hour: 25 is not 0 to 23 (character 4)"),
        (json!({"cron_expression": "0 8 * * MUN"}), "cron_expression", "is not 0 to 7 or SUN to SAT"),
        (json!({"cron_expression": null}), "cron_expression", "must be given"),
        (json!({"cron_expression": "0 8 * * *", "interval_s": 60}), "interval_s", "must be omitted"),
        (json!({"interval_s": 0}), "interval_s", "must be 1 to"),
        (json!({"interval_s": "often"}), "interval_s", ""),
        (json!({"run_once_at": now - TimeDelta::hours(1)}), "run_once_at", "must be in the future"),
        (json!({"timezone": "America/Sao Paulo"}), "timezone", "did you mean America/Sao_Paulo"),
        (json!({"start_at": now + TimeDelta::days(2), "end_at": now + TimeDelta::days(1)}), "end_at", "must be after start_at"),
        (json!({"end_at": now - TimeDelta::days(1)}), "end_at", "must be in the future"),
        (json!({"window_start": "13:00", "window_end": "18:00"}), "window_start", "no fire falls into the window"),
        (json!({"window_start": "13:00"}), "window_end", "must be given"),
        (json!({"window_start": "1 pm", "window_end": "18:00"}), "window_start", "such as 07:30"),
        (json!({"parameters": {"days": [{"from": "{{todya}}"}]}}), "parameters/days/0/from", "did you mean today"),
        (json!({"parameters": {"a": "x\u{0}"}}), "parameters/a", "NUL"),
        (json!({"calendar_id": "019ac000-0000-7000-8000-00000000ffff"}), "calendar_id", "is no calendar"),
        (json!({"calendar_rule": "except"}), "calendar_rule", "needs a calendar_id"),
        (json!({"jitter_s": 4000}), "jitter_s", "must be 0 to"),
        (json!({"misfire_policy": "some"}), "misfire_policy", "skip, last, all"),
        (json!({"misfire_limit": 0}), "misfire_limit", "must be 1 to"),
        (json!({"priority": 10}), "priority", "0 to 9"),
        (json!({"max_concurrency": 0}), "max_concurrency", "must be 1 to"),
        (json!({"environment": "a b"}), "environment", "letters"),
        (json!({"name": "a\u{202e}b"}), "name", "invisible"),
        (json!({"name": " "}), "name", "1 to 200"),
        (json!({"cron": "0 8 * * *"}), "cron", "unknown field"),
    ] {
        let problem = ask(&world, &invoices, more.clone()).await.problem(422);
        assert!(fields(&problem).contains(&field) && problem.detail.contains(part), "{more}: {problem:?}");
    }
    assert_eq!(fields(&world.client.post(SCHEDULES, &json!({"cron_expression": "@daily"})).await.problem(422)), ["automation_id"]);
    let missing = json!({"automation_id": 999_999, "cron_expression": "@daily"});
    assert_eq!(world.client.post(SCHEDULES, &missing).await.problem(404).code, "not_found");
    let _archived =
        world.client.send(world.client.request(Method::DELETE, &format!("/api/v1/automations/{}", invoices.id))).await.expect(200);
    assert_eq!(ask(&world, &invoices, json!({})).await.problem(409).code, "automation_archived");
    assert!(list(&world, "?disabled=true").await.is_empty(), "nothing was half written");
    for query in ["?limit=0", "?state=gone", "?after=x", "?search=%00", "?what=1"] {
        let _refused = world.client.get(&format!("{SCHEDULES}{query}")).await.problem(400);
    }
    world.end().await;
}

async fn a_stored_fault_does_not_keep_others_from_being_changed(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let past = Utc::now() - TimeDelta::hours(1);
    let made = create(&world, &invoices, json!({"name": "once", "run_once_at": Utc::now() + TimeDelta::hours(1)})).await;
    // As it is an hour later.
    let stored = store::schedules::schedule_get(world.hub.database(), &domain::Scope::All, made.id).await.unwrap().unwrap();
    let draft = store::schedules::Draft { spec: store::schedules::Spec::Once(past), ..stored.draft };
    let scope = (&domain::Scope::All, &test_support::change());
    let _done = store::schedules::schedule_update(world.hub.database(), scope, (made.id, None), &draft, Utc::now()).await.unwrap();
    let once = get(&world, &made).await;
    assert_eq!((once.state, once.state_reason), (ScheduleState::Ended, Some(StateReason::OneTimePassed)));
    let renamed: Schedule = put(&world, &once, &json!({"name": "was once", "enabled": false})).await.expect(200).json();
    assert_eq!((renamed.name.as_str(), renamed.enabled), ("was once", false));
    let again = put(&world, &once, &json!({"run_once_at": past - TimeDelta::hours(1)})).await.problem(422);
    assert!(again.detail.contains("must be in the future"), "{again:?}");
    world.end().await;
}

async fn an_expression_is_previewed_without_saving(delivery: Delivery) {
    let world = calm(delivery).await;
    let preview = async |query: &str| world.client.get(&format!("{SCHEDULES}/preview?{query}")).await;
    let shown: SchedulePreview =
        preview("cron=30+2+*+*+*&timezone=america/new_york&n=2&from=2027-03-13T12:00:00Z").await.expect(200).json();
    let times: Vec<_> = shown.next_fires.iter().map(|fire| (fire.slot_at, fire.local.to_string())).collect();
    let expected =
        [(at("2027-03-14T07:00:00Z"), "2027-03-14 02:30:00".to_owned()), (at("2027-03-15T06:30:00Z"), "2027-03-15 02:30:00".to_owned())];
    assert_eq!((times, shown.timezone.as_str(), shown.words.en.as_str()), (expected.to_vec(), "America/New_York", "every day at 02:30"));
    let usual: SchedulePreview = preview("cron=0+8+*+*+*").await.expect(200).json();
    assert_eq!((usual.next_fires.len(), usual.timezone.as_str()), (10, "America/Sao_Paulo"));
    let bank: SchedulePreview =
        preview("cron=0+8+*+*+*&calendar=Brasil+(bancos)&calendar_rule=nth_business_day&business_day=1&from=2027-01-01&n=2&timezone=UTC")
            .await
            .expect(200)
            .json();
    let days: Vec<_> = bank.next_fires.iter().map(|fire| fire.slot_at).collect();
    assert_eq!(days, [at("2027-01-04T08:00:00Z"), at("2027-02-01T08:00:00Z")]);
    for (query, field, part) in [
        ("", "cron", "5 fields"),
        ("cron=0+0+30+2+*", "cron", "never fires"),
        ("cron=0+8+*+*+8", "cron", "character 9"),
        ("cron=0+8+*+*+*&timezone=Sao_Paulo", "timezone", "did you mean America/Sao_Paulo"),
        ("cron=0+8+*+*+*&calendar=none", "calendar", "is no calendar"),
        ("cron=0+8+*+*+*&calendar_rule=none", "calendar_rule", "must be one of"),
        ("cron=0+8+*+*+*&window_start=10:00&window_end=11:00", "window_start", "no fire"),
        ("cron=0+8+*+*+*&n=0", "n", "1 to 1000"),
        ("cron=0+8+*+*+*&n=1001", "n", "1 to 1000"),
        ("cron=0+8+*+*+*&from=soon", "from", "must be a time"),
    ] {
        let problem = preview(query).await.problem(400);
        assert!(fields(&problem).contains(&field) && problem.detail.contains(part), "{query}: {problem:?}");
    }
    assert!(list(&world, "?disabled=true").await.is_empty());
    world.end().await;
}

async fn fires(world: &World, query: &str) -> (Vec<Fire>, Option<String>) {
    let answer = world.client.get(&format!("{SCHEDULES}/fires{query}")).await.expect(200);
    let next = answer.headers.get("link").map(|link| link.to_str().unwrap().split(['<', '>']).nth(1).unwrap().to_owned());
    (answer.json(), next)
}

async fn coming_fires_are_listed_in_order_and_by_pages(delivery: Delivery) {
    let world = calm(delivery).await;
    let (invoices, other) = (automation(&world, "invoices").await, automation(&world, "other").await);
    let daily = create(&world, &invoices, json!({"name": "daily", "cron_expression": "0 12 * * *", "timezone": "UTC"})).await;
    let hourly = create(&world, &other, json!({"name": "hourly", "cron_expression": "0 * * * *", "timezone": "UTC"})).await;
    let _off = create(&world, &other, json!({"name": "off", "cron_expression": "* * * * *", "enabled": false})).await;
    let from = (Utc::now() + TimeDelta::days(2)).date_naive();
    let span = format!("?from={from}&to={}", from.succ_opt().unwrap());
    let (all, next) = fires(&world, &span).await;
    assert_eq!((all.len(), next), (25, None));
    assert!(all.iter().all(|fire| fire.state == FireState::Planned && fire.job_id.is_none() && fire.run_at == Some(fire.slot_at)));
    let keys: Vec<_> = all.iter().map(|fire| (fire.slot_at, fire.schedule_id)).collect();
    assert!(keys.is_sorted() && keys.first().is_some_and(|(slot, _)| slot.date_naive() == from), "{keys:?}");
    let mut paged = Vec::new();
    let mut page = Some(format!("{SCHEDULES}/fires{span}&limit=7"));
    while let Some(path) = page {
        let (found, next) = fires(&world, path.strip_prefix(&format!("{SCHEDULES}/fires")).unwrap()).await;
        paged.extend(found);
        page = next;
    }
    assert_eq!(paged, all);
    let names = async |query: String| {
        fires(&world, &format!("{span}{query}")).await.0.into_iter().map(|fire| fire.schedule_name).collect::<Vec<_>>()
    };
    assert_eq!(names(format!("&automation_id={}", invoices.id)).await, ["daily"]);
    assert_eq!(names(format!("&schedule_id={}", hourly.id)).await.len(), 24);
    assert_eq!(names("&domain=none".to_owned()).await, [""; 0]);
    let until = from.and_hms_opt(12, 0, 1).unwrap().and_utc();
    let _paused = world.client.post(&format!("{}/pause", path(&daily)), &json!({"until": until})).await.expect(200);
    let paused = fires(&world, &format!("{span}&schedule_id={}", daily.id)).await.0.remove(0);
    assert_eq!((paused.state, paused.reason.as_deref()), (FireState::Planned, Some("paused")));
    for (query, field) in [
        ("?from=2026-12-02&to=2026-12-01", "to"),
        ("?from=2026-12-02&to=2028-12-01", "to"),
        ("?from=x", "from"),
        ("?limit=1001", "limit"),
        ("?after=x", "after"),
    ] {
        assert_eq!(fields(&world.client.get(&format!("{SCHEDULES}/fires{query}")).await.problem(400)), [field], "{query}");
    }
    world.end().await;
}

async fn schedules_are_paused_one_by_one_by_filter_and_all(delivery: Delivery) {
    let world = calm(delivery).await;
    let (invoices, other) = (automation(&world, "invoices").await, automation(&world, "other").await);
    let one = create(&world, &invoices, json!({"name": "one"})).await;
    let two = create(&world, &invoices, json!({"name": "two"})).await;
    let three = create(&world, &other, json!({"name": "three"})).await;
    let later = |hours: i64| Utc::now() + TimeDelta::hours(hours);
    let pause = async |body: Value| world.client.post(&format!("{}/pause", path(&one)), &body).await;
    let paused: Schedule = pause(json!({"reason": " the portal is down "})).await.expect(200).json();
    assert_eq!((paused.state, paused.state_reason), (ScheduleState::Paused, Some(StateReason::PausedOpen)));
    assert_eq!((paused.paused_by.as_deref(), paused.paused_reason.as_deref()), (Some("admin"), Some("the portal is down")));
    let again: Schedule = pause(json!({"until": later(1)})).await.expect(200).json();
    assert_eq!((again.paused_at, again.state_reason), (paused.paused_at, Some(StateReason::PausedUntil)), "it keeps its beginning");
    assert_eq!(fields(&pause(json!({"until": later(-1)})).await.problem(422)), ["until"]);
    let resume = async || world.client.post(&format!("{}/resume", path(&one)), &json!({})).await;
    assert_eq!(resume().await.expect(200).json::<Schedule>().state, ScheduleState::Active);
    assert_eq!(resume().await.problem(409).code, "wrong_state");

    let bulk = async |what: &str, body: Value| world.client.post(&format!("{SCHEDULES}/bulk/{what}"), &body).await;
    let done = |answer: Answer| {
        let ScheduleBulkResponse { dry_run, matched, done } = answer.expect(200).json();
        (dry_run, matched, done)
    };
    assert_eq!(done(bulk("pause", json!({"automation_id": invoices.id, "dry_run": true})).await), (true, 2, 0));
    assert_eq!(done(bulk("pause", json!({"automation_id": invoices.id})).await), (false, 2, 2));
    assert_eq!((get(&world, &two).await.state, get(&world, &three).await.state), (ScheduleState::Paused, ScheduleState::Active));
    assert_eq!(done(bulk("resume", json!({"ids": [two.id, three.id]})).await), (false, 2, 1));
    assert_eq!(fields(&bulk("pause", json!({"all": true})).await.problem(422)), ["until"]);
    assert_eq!(done(bulk("pause", json!({"all": true, "until": later(2), "reason": "maintenance"})).await), (false, 3, 3));
    let third = get(&world, &three).await;
    assert_eq!((third.state, third.paused_reason.as_deref()), (ScheduleState::Paused, Some("maintenance")));
    assert_eq!(done(bulk("resume", json!({"all": true})).await), (false, 3, 3));
    for body in [json!({}), json!({"all": true, "ids": [one.id], "until": later(1)}), json!({"until": later(1)})] {
        assert_eq!(fields(&bulk("pause", body).await.problem(422)), ["all"]);
    }
    world.end().await;
}

async fn a_schedule_is_run_now_and_its_job_is_linked(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let body = json!({"cron_expression": "@yearly", "timezone": "UTC", "parameters": {"day": "{{today|yyyy-MM-dd}}"}, "priority": 8});
    let schedule = create(&world, &invoices, body).await;
    let before = Utc::now().date_naive();
    let run = async |key: Option<&str>| {
        let request = world.client.request(Method::POST, &format!("{}/run", path(&schedule)));
        world.client.send(if let Some(key) = key { request.header("idempotency-key", key) } else { request }).await
    };
    let job: Job = run(Some("once")).await.expect(202).json();
    assert_eq!((job.automation_id, job.trigger, job.priority, job.schedule_id), (invoices.id, Trigger::Manual, 8, Some(schedule.id)));
    assert_eq!(job.requested_by.as_deref(), Some("admin"));
    let day = job.parameters["day"].as_str().unwrap();
    assert!([before.to_string(), Utc::now().date_naive().to_string()].contains(&day.to_owned()), "{day}");
    let again = run(Some("once")).await.expect(202);
    assert_eq!((again.headers["idempotency-replayed"].to_str().unwrap(), again.json::<Job>().id), ("true", job.id));
    assert_ne!(run(None).await.expect(202).json::<Job>().id, job.id);
    let entries: Vec<AuditEntry> = world.client.get("/api/v1/audit?action=schedule.run").await.expect(200).json();
    assert_eq!(entries.len(), 2);
    world.end().await;
}

async fn who_may_not_publish_an_automation_reads_its_schedules_at_most(delivery: Delivery) {
    let world = calm(delivery).await;
    let (finance, sales) = (domain(&world, "finance").await, domain(&world, "sales").await);
    let owned = async |name: &str, domain: &api_types::Domain| {
        let body = json!({"name": name, "queue_name": world.queue(name), "script_path": "main.py", "domain_id": domain.id});
        world.client.automation(&body).await
    };
    let (mine, theirs) = (owned("mine", &finance).await, owned("theirs", &sales).await);
    let (own, foreign) = (create(&world, &mine, json!({"name": "own"})).await, create(&world, &theirs, json!({"name": "foreign"})).await);
    let (ana, token) = user(&world, "ana").await;
    grant(&world, &ana, json!({"right": "maintainer", "domain_id": finance.id})).await;
    let ask = async |method: Method, path: String, body: Value| {
        let request = world.client.bare(method.clone(), &path).bearer_auth(&token);
        world.client.send(if body.is_null() { request } else { request.json(&body) }).await
    };
    world.everywhere("the grant counts", async || ask(Method::GET, path(&own), Value::Null).await.status == 200).await;
    let listed: Vec<Schedule> = ask(Method::GET, SCHEDULES.to_owned(), Value::Null).await.expect(200).json();
    assert_eq!(listed.iter().map(|schedule| schedule.name.as_str()).collect::<Vec<_>>(), ["own"]);
    let export = ask(Method::GET, format!("{SCHEDULES}/export"), Value::Null).await.expect(200).text;
    assert!(export.contains("own") && !export.contains("foreign"), "{export}");
    let coming: Vec<Fire> =
        ask(Method::GET, format!("{SCHEDULES}/fires?to={}", Utc::now().date_naive() + TimeDelta::days(365)), Value::Null)
            .await
            .expect(200)
            .json();
    assert!(coming.iter().all(|fire| fire.schedule_id == own.id) && !coming.is_empty());
    let new = json!({"automation_id": theirs.id, "cron_expression": "@yearly"});
    let document = json!({"automations": {"mine": {}, "theirs": {}}});
    for (method, what, body, status) in [
        (Method::GET, path(&foreign), Value::Null, 404),
        (Method::PUT, path(&foreign), json!({"priority": 1}), 404),
        (Method::DELETE, path(&foreign), Value::Null, 404),
        (Method::POST, format!("{}/run", path(&foreign)), json!({}), 404),
        (Method::POST, format!("{}/pause", path(&foreign)), json!({}), 404),
        (Method::POST, SCHEDULES.to_owned(), new.clone(), 404),
        (Method::POST, format!("{SCHEDULES}/import"), document.clone(), 422),
    ] {
        assert_eq!(ask(method.clone(), what.clone(), body).await.status, status, "{method} {what}");
    }
    let all = json!({"all": true, "until": Utc::now() + TimeDelta::hours(1)});
    let bulk: ScheduleBulkResponse = ask(Method::POST, format!("{SCHEDULES}/bulk/pause"), all).await.expect(200).json();
    assert_eq!((bulk.matched, get(&world, &foreign).await.state), (1, ScheduleState::Active));
    grant(&world, &ana, json!({"right": "viewer"})).await;
    world.everywhere("the viewer sees", async || ask(Method::GET, path(&foreign), Value::Null).await.status == 200).await;
    for (method, what, body) in [
        (Method::PUT, path(&foreign), json!({"priority": 1})),
        (Method::DELETE, path(&foreign), Value::Null),
        (Method::POST, format!("{}/run", path(&foreign)), json!({})),
        (Method::POST, format!("{}/resume", path(&foreign)), json!({})),
        (Method::POST, SCHEDULES.to_owned(), new),
        (Method::POST, format!("{SCHEDULES}/import"), document),
    ] {
        assert_eq!(ask(method.clone(), what.clone(), body).await.status, 403, "{method} {what}");
    }
    assert_eq!(list(&world, "").await, ["own", "foreign"], "nothing was removed");
    world.end().await;
}

async fn an_archived_automation_names_its_schedules(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    let schedule = create(&world, &invoices, json!({"name": "yearly"})).await;
    let archive = world.client.request(Method::DELETE, &format!("/api/v1/automations/{}", invoices.id));
    let archived: AutomationArchived = world.client.send(archive).await.expect(200).json();
    assert_eq!(archived.schedules.iter().map(|one| (one.id, one.name.as_str())).collect::<Vec<_>>(), [(schedule.id, "yearly")]);
    let blocked = get(&world, &schedule).await;
    assert_eq!((blocked.state, blocked.state_reason), (ScheduleState::Blocked, Some(StateReason::AutomationArchived)));
    world.end().await;
}
