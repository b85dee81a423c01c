//! Report plans: reports that leave by themselves, to a real mail server.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use api_types::{Channel, ChannelShown, NotificationDetail, ReportPlan, ReportPlanSent};
use chrono::{TimeDelta, Utc};
use domain::notification::{NoticeKind, NotificationState};
use e2e::{Client, Delivery, Options, World, on_both};
use regente::HubOptions;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::eventually_within;

use crate::{
    channels::mail::Server,
    support::{automation, calm, fields, report, start},
};

on_both!(
    a_plan_is_created_changed_listed_and_deleted,
    each_fault_of_a_plan_is_named,
    a_report_leaves_when_it_is_due_once_and_when_somebody_asks,
);

const PLANS: &str = "/api/v1/report-plans";
const DAY: i64 = 86_400;

async fn mailbox(client: &Client, name: &str, port: u16, language: &str) -> Channel {
    let settings = json!({"host": "127.0.0.1", "port": port, "security": "none", "from": "hub@example.com", "to": ["ana@example.com"]});
    let body = json!({"name": name, "kind": "email", "settings": settings, "language": language});
    client.post("/api/v1/channels", &body).await.expect(201).json::<ChannelShown>().channel
}

/// A hub that may send to this machine, and whose clock can be put forward, in seconds; at first it is a day behind.
async fn yesterday(delivery: Delivery) -> (World, Arc<AtomicI64>) {
    let ahead = Arc::new(AtomicI64::new(-DAY));
    let (real, moved) = (HubOptions::default().clock, ahead.clone());
    let clock = Arc::new(move || real() + TimeDelta::seconds(moved.load(Ordering::SeqCst)));
    let settings = |settings: &mut runtime::Settings| {
        settings.lease.agent = Duration::from_secs(1_000_000);
        settings.lease.foreign = settings.lease.agent;
        settings.lease.silent = settings.lease.agent;
        let allow = |sla: &mut sla_monitor::Settings| {
            sla.allow_private_addresses = vec!["127.0.0.0/8".parse().unwrap()];
            sla.public_url = "https://hub.example.com".to_owned();
        };
        settings.change_section(allow).unwrap();
    };
    let hub = HubOptions { clock, ..HubOptions::default() };
    (World::start_with(delivery, Options { hub, settings: Some(Box::new(settings)), ..Options::default() }).await, ahead)
}

/// A hub that may send to this machine.
async fn local(delivery: Delivery) -> World {
    let (mut world, ahead) = yesterday(delivery).await;
    ahead.store(0, Ordering::SeqCst);
    world.client = world.client_of_door().await;
    world
}

async fn a_plan_is_created_changed_listed_and_deleted(delivery: Delivery) {
    let world = local(delivery).await;
    let client = &world.client;
    let (ana, bia) = (mailbox(client, "ana", 2525, "pt-BR").await, mailbox(client, "bia", 2525, "en").await);
    let domain: Value = client.post("/api/v1/domains", &json!({"slug": "finance", "name": "Finance"})).await.expect(201).json();
    let body = json!({"name": "Mondays", "period": "weekly", "at": "07:30", "timezone": "America/Sao_Paulo",
        "domain_id": domain["id"], "channels": [ana.id, bia.id]});
    let made: Value = client.post(PLANS, &body).await.expect(201).json();
    assert_eq!((&made["weekday"], &made["at"], &made["last_sent_at"]), (&json!("monday"), &json!("07:30"), &Value::Null));
    let plan: ReportPlan = serde_json::from_value(made.clone()).unwrap();
    let due = plan.due_at.unwrap();
    assert_eq!((due.format("%a %H:%M:%S").to_string(), due > Utc::now()), ("Mon 10:30:00".to_owned(), true));
    assert_eq!(client.get(&format!("{PLANS}/{}", plan.id)).await.expect(200).json::<Value>(), made);
    assert_eq!(client.post(PLANS, &body).await.problem(409).code, "name_taken");

    let put = async |body: Value| client.send(client.request(Method::PUT, &format!("{PLANS}/{}", plan.id)).json(&body)).await;
    let friday: ReportPlan = put(json!({"weekday": "friday", "revision": 1})).await.expect(200).json();
    assert_eq!((friday.revision, friday.due_at.unwrap().format("%a").to_string()), (2, "Fri".to_owned()));
    assert_eq!(put(json!({"at": "08:00", "revision": 1})).await.problem(409).code, "changed_meanwhile");
    let daily: Value = put(json!({"period": "daily", "domain_id": null})).await.expect(200).json();
    assert_eq!((&daily["weekday"], &daily["domain_id"], &daily["period"]), (&Value::Null, &Value::Null, &json!("daily")));
    let off: ReportPlan = put(json!({"enabled": false})).await.expect(200).json();
    assert_eq!((off.due_at, off.revision), (None, 4));
    assert_eq!(put(json!({"enabled": false})).await.expect(200).json::<ReportPlan>().revision, 4, "nothing changed");
    let about: ReportPlan = put(json!({"enabled": true, "domain_id": domain["id"]})).await.expect(200).json();

    let second: ReportPlan = client.post(PLANS, &json!({"name": "b", "at": "06:00", "channels": [bia.id]})).await.expect(201).json();
    let first = client.get(&format!("{PLANS}?limit=1")).await.expect(200);
    assert_eq!(first.json::<Vec<ReportPlan>>(), std::slice::from_ref(&about));
    let link = first.headers["link"].to_str().unwrap().to_owned();
    let next = link.strip_prefix('<').and_then(|link| link.strip_suffix(">; rel=\"next\"")).unwrap();
    assert_eq!(client.get(next).await.expect(200).json::<Vec<ReportPlan>>(), [second]);
    // What a plan names stays.
    let delete = async |path: &str| client.send(client.request(Method::DELETE, path)).await;
    let refused = delete(&format!("/api/v1/channels/{}", ana.id)).await.problem(409);
    assert!(refused.code == "channel_in_use" && refused.detail.contains("Mondays"), "{refused:?}");
    let refused = delete(&format!("/api/v1/domains/{}", domain["id"].as_str().unwrap())).await.problem(409);
    assert!(refused.code == "domain_in_use" && refused.detail.contains("1 report plans are about it: \"Mondays\""), "{refused:?}");
    let _gone = delete(&format!("{PLANS}/{}", plan.id)).await.expect(204);
    assert_eq!(client.get(&format!("{PLANS}/{}", plan.id)).await.problem(404).code, "not_found");
    let _gone = delete(&format!("/api/v1/channels/{}", ana.id)).await.expect(204);
    world.end().await;
}

async fn each_fault_of_a_plan_is_named(delivery: Delivery) {
    let world = local(delivery).await;
    let client = &world.client;
    let mail = mailbox(client, "mail", 2525, "en").await;
    let hook = json!({"name": "hook", "kind": "webhook", "settings": {"url": "http://127.0.0.1:9/"}});
    let hook = client.post("/api/v1/channels", &hook).await.expect(201).json::<ChannelShown>().channel;
    let nil = "00000000-0000-0000-0000-000000000000";
    let good = json!({"name": "p", "at": "07:30", "channels": [mail.id]});
    for (change, named) in [
        (json!({"name": " "}), vec!["name"]),
        (json!({"at": "25:00"}), vec!["at"]),
        (json!({"timezone": "America/Sao_Paolo"}), vec!["timezone"]),
        (json!({"weekday": "monday"}), vec!["weekday"]),
        (json!({"period": "weekly", "weekday": "someday"}), vec!["weekday"]),
        (json!({"period": "monthly"}), vec!["period"]),
        (json!({"channels": []}), vec!["channels"]),
        (json!({"channels": [mail.id, mail.id]}), vec!["channels/1"]),
        (json!({"channels": [nil, hook.id]}), vec!["channels/0", "channels/1"]),
        (json!({"domain_id": nil}), vec!["domain_id"]),
        (json!({"language": "en"}), vec!["language"]),
    ] {
        let mut body = good.clone();
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let problem = client.post(PLANS, &body).await.problem(422);
        assert_eq!(fields(&problem), named, "{change}: {problem:?}");
    }
    assert_eq!(client.get(PLANS).await.expect(200).json::<Vec<ReportPlan>>(), []);
    world.end().await;
}

async fn detail(client: &Client, sent: &ReportPlanSent) -> NotificationDetail {
    let path = format!("/api/v1/notifications/{}", sent.notifications[0]);
    let ask = async || Some(client.get(&path).await.expect(200).json::<NotificationDetail>());
    eventually_within(Duration::from_secs(60), "it is sent", async || {
        ask().await.filter(|found| found.notification.state == NotificationState::Sent)
    })
    .await
}

async fn a_report_leaves_when_it_is_due_once_and_when_somebody_asks(delivery: Delivery) {
    let mut server = Server::start("plain", ("", ""), None).await;
    let (world, ahead) = yesterday(delivery).await;
    let notas = automation(&world, "notas").await;
    for status in ["completed", "failed"] {
        let job = world.client.execute(&notas, &json!({})).await;
        start(&world, job.id).await;
        let end = json!({"status": status, "error_class": (status == "failed").then_some("PORTAL_DOWN"), "error_message": "503"});
        let _ended = report(&world, job.id, "finish", &end).await.expect(200);
    }
    ahead.store(0, Ordering::SeqCst);
    let client = world.client_of_door().await;
    let mail = mailbox(&client, "mail", server.port, "pt-BR").await;
    let soon = (Utc::now() + TimeDelta::minutes(2)).format("%H:%M").to_string();
    let body = json!({"name": "Diário", "at": soon, "timezone": "UTC", "channels": [mail.id]});
    let plan: ReportPlan = client.post(PLANS, &body).await.expect(201).json();

    let sent: ReportPlanSent = client.post(&format!("{PLANS}/{}/send", plan.id), &json!({})).await.expect(202).json();
    let by_hand = detail(&client, &sent).await;
    assert_eq!((by_hand.notification.kind, sent.notifications.len()), (NoticeKind::Report, 1));
    let received = server.mail().await;
    let day = (Utc::now() - TimeDelta::days(1)).format("%d/%m/%Y");
    assert!(received["headers"]["subject"].as_str().unwrap().contains(&format!("Relatório de {day}")), "{received}");
    let (text, html) = (received["texts"]["text/plain"].as_str().unwrap(), received["texts"]["text/html"].as_str().unwrap());
    assert!(text.contains("- Execuções: 2") && text.contains("PORTAL_DOWN, notas: 503"), "{text}");
    assert!(text.contains("https://hub.example.com/reports?period=daily&date="), "{text}");
    assert!(html.contains("notas") && html.contains(">50%<") && !html.contains("<script"), "{html}");

    let due = plan.due_at.unwrap();
    ahead.store((due - Utc::now()).num_seconds() + 1, Ordering::SeqCst);
    let path = format!("{PLANS}/{}", plan.id);
    let ask = async || Some(client.get(&path).await.expect(200).json::<ReportPlan>()).filter(|found| found.last_sent_at.is_some());
    let after = eventually_within(Duration::from_secs(60), "it is due", ask).await;
    assert_eq!((after.due_at, after.revision), (Some(due + TimeDelta::days(1)), 1));
    let again = server.mail().await;
    assert_eq!(again["headers"]["subject"], received["headers"]["subject"]);
    let log: Vec<Value> = client.get("/api/v1/notifications").await.expect(200).json();
    assert_eq!(log.len(), 2, "once by hand, once by itself: {log:?}");

    let off = json!({"enabled": false});
    let _off = client.send(client.request(Method::PUT, &format!("/api/v1/channels/{}", mail.id)).json(&off)).await.expect(200);
    assert_eq!(client.post(&format!("{path}/send"), &json!({})).await.problem(409).code, "wrong_state");
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_publish_everywhere_makes_no_plan() {
    let world = calm(Delivery::Pull).await;
    let domain: Value = world.client.post("/api/v1/domains", &json!({"slug": "d", "name": "d"})).await.expect(201).json();
    let (user, token) = crate::grants::user(&world, "ana").await;
    crate::grants::grant(&world, &user, json!({"right": "maintainer", "domain_id": domain["id"]})).await;
    let ask = async |method: Method, body: Value| {
        world.client.send(world.client.bare(method, PLANS).bearer_auth(&token).json(&body)).await.problem(403).code
    };
    assert_eq!(ask(Method::GET, Value::Null).await, "forbidden");
    assert_eq!(ask(Method::POST, json!({"name": "p", "at": "07:30", "channels": []})).await, "forbidden");
    world.end().await;
}
