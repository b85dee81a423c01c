//! From an alert to its receivers, and what is known of it afterwards.

use std::time::Duration;

use api_types::{Channel, ChannelShown, ChannelTest, Notification, NotificationDetail, NotificationText, Sla};
use domain::notification::{NoticeKind, NotificationState};
use e2e::{Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};
use test_support::{Receiver, Reply, eventually};

use crate::support::{automation, report, start, with};

on_both!(
    an_alert_reaches_its_channel_and_the_log_says_what_was_answered,
    a_message_names_the_rule_that_was_broken,
    a_message_that_was_given_up_is_sent_once_more_with_its_id,
    a_trial_of_a_channel_is_in_the_log,
    a_template_is_tried_and_a_fault_names_its_line,
    a_dead_mans_switch_is_asked_and_its_address_is_not_shown,
);

const NOTIFICATIONS: &str = "/api/v1/notifications";

/// A hub that may send to this machine.
async fn local(delivery: Delivery, heartbeat_url: &str) -> World {
    let heartbeat_url = heartbeat_url.to_owned();
    with(delivery, move |settings| {
        settings
            .change_section::<sla_monitor::Settings>(|sla| {
                sla.allow_private_addresses = vec!["127.0.0.0/8".parse().unwrap()];
                sla.send_timeout = Duration::from_secs(5);
                sla.public_url = "https://hub.example.com".to_owned();
                sla.heartbeat_url = heartbeat_url.clone().into();
            })
            .unwrap();
    })
    .await
}

async fn channel(world: &World, url: &str, more: Value) -> Channel {
    let mut body = json!({"name": url, "kind": "webhook", "settings": {"url": url}, "language": "en"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.client.post("/api/v1/channels", &body).await.expect(201).json::<ChannelShown>().channel
}

/// An alert of Prometheus opens, or ends.
async fn prometheus(world: &World, fingerprint: &str, status: &str) {
    let alert = json!({
        "status": status, "labels": {"alertname": "DiskFull"}, "annotations": {"summary": "Disk full on db-1"},
        "startsAt": "2026-11-26T14:00:00Z", "endsAt": if status == "resolved" { "2026-11-26T15:00:00Z" } else { "0001-01-01T00:00:00Z" },
        "fingerprint": fingerprint
    });
    let _heard = world.client.post("/api/v1/alerts/alertmanager", &json!({"alerts": [alert]})).await.expect(200);
}

async fn log(world: &World, query: &str) -> Vec<Notification> {
    world.client.get(&format!("{NOTIFICATIONS}?{query}")).await.expect(200).json()
}

/// The only message in this state, as soon as there is one.
async fn only(world: &World, query: &str) -> Notification {
    eventually("there is such a message", async || log(world, query).await.pop()).await
}

async fn an_alert_reaches_its_channel_and_the_log_says_what_was_answered(delivery: Delivery) {
    let world = local(delivery, "").await;
    let receiver = Receiver::start(|_| Reply::new(200, "thanks")).await.unwrap();
    let hook = channel(&world, &receiver.url(), json!({})).await;
    let _other = channel(&world, &format!("{}/other", receiver.url()), json!({"routing": {"types": ["LATE"]}})).await;
    prometheus(&world, "f1", "firing").await;
    let sent = only(&world, "state=sent").await;
    assert_eq!((sent.channel_id, sent.kind, sent.attempts, sent.status), (hook.id, NoticeKind::Opened, 1, Some(200)));
    assert_eq!((sent.title.as_deref(), sent.answer.as_deref()), (Some("Disk full on db-1"), Some("thanks")));
    let event = receiver.received()[0].clone();
    assert_eq!(event.header("webhook-id"), sent.id.to_string());
    let alert = &event.json()["data"]["alerts"][0];
    assert_eq!(alert["url"], format!("https://hub.example.com/alerts/{}", sent.alert_ids[0]));
    let detail: NotificationDetail = world.client.get(&format!("{NOTIFICATIONS}/{}", sent.id)).await.expect(200).json();
    assert_eq!((detail.tries.len(), detail.tries[0].taken, detail.message.unwrap().title), (1, Some(true), "Disk full on db-1".to_owned()));
    prometheus(&world, "f1", "firing").await;
    prometheus(&world, "f1", "resolved").await;
    let told = format!("alert={}&state=sent", sent.alert_ids[0]);
    let both = eventually("it was told that it is over", async || Some(log(&world, &told).await).filter(|found| found.len() == 2)).await;
    assert_eq!((both[0].kind, both[0].title.as_deref()), (NoticeKind::Resolved, Some("Resolved: Disk full on db-1")));
    assert_eq!((receiver.received().len(), log(&world, "").await.len()), (2, 2), "told once, and to no channel that it is not for");
    world.end().await;
}

async fn a_message_names_the_rule_that_was_broken(delivery: Delivery) {
    let world = local(delivery, "").await;
    let receiver = Receiver::start(|_| Reply::new(200, "ok")).await.unwrap();
    let own = json!({"templates": {"opened.title": "{{ alert.rule }}: {{ alert.subject }}"}});
    let hook = channel(&world, &receiver.url(), own).await;
    let invoices = automation(&world, "invoices").await;
    let body = json!({"name": "No invoice fails", "automation_id": invoices.id, "alert_on_failure": true});
    let rule: Sla = world.client.post("/api/v1/slas", &body).await.expect(201).json();
    let job = world.client.execute(&invoices, &json!({})).await;
    start(&world, job.id).await;
    let failed = json!({"status": "failed", "error_class": "BUSINESS_ERROR", "error_message": "no invoices"});
    let _ended = report(&world, job.id, "finish", &failed).await.expect(200);
    let sent = only(&world, &format!("channel={}&state=sent", hook.id)).await;
    assert_eq!(sent.title.as_deref(), Some("No invoice fails: invoices"));
    let event = receiver.received()[0].json();
    assert_eq!(event["data"]["alerts"][0]["rule"], "No invoice fails");
    assert!(event["data"]["text"].as_str().unwrap().contains("Rule: No invoice fails"), "{event}");
    // What was deleted has no name any more.
    let request = world.client.request(Method::DELETE, &format!("/api/v1/slas/{}", rule.id));
    let _gone = world.client.send(request).await.expect(204);
    let _over = eventually("it was told that it is over", async || receiver.received().get(1).cloned()).await;
    assert_eq!(receiver.received()[1].json()["data"]["alerts"][0]["rule"], Value::Null);
    world.end().await;
}

async fn a_message_that_was_given_up_is_sent_once_more_with_its_id(delivery: Delivery) {
    let world = local(delivery, "").await;
    let receiver = Receiver::start(|request| match request.header("webhook-timestamp") {
        _ if request.target.contains("off") => Reply::new(410, "gone"),
        _ => Reply::new(400, "no"),
    });
    let receiver = receiver.await.unwrap();
    let (bad, gone) =
        (channel(&world, &receiver.url(), json!({})).await, channel(&world, &format!("{}/off", receiver.url()), json!({})).await);
    prometheus(&world, "f1", "firing").await;
    let failed = only(&world, &format!("channel={}&state=failed", bad.id)).await;
    assert_eq!(failed.status, Some(400));
    let path = format!("{NOTIFICATIONS}/{}/retry", failed.id);
    let again: Notification = world.client.post(&path, &json!({})).await.expect(200).json();
    assert_eq!((again.id, again.state), (failed.id, NotificationState::Waiting));
    let ids = eventually("it was sent again", async || {
        let ids: Vec<_> =
            receiver.received().iter().filter(|one| one.target == "/").map(|one| one.header("webhook-id").to_owned()).collect();
        Some(ids).filter(|ids| ids.len() == 2)
    });
    assert_eq!(ids.await, [failed.id.to_string(), failed.id.to_string()]);
    let off = eventually("the channel is off", async || {
        let found: Channel = world.client.get(&format!("/api/v1/channels/{}", gone.id)).await.expect(200).json();
        Some(found).filter(|channel| !channel.enabled)
    });
    assert!(off.await.disabled_reason.unwrap().contains("410"));
    let _none = world.client.post(&format!("{NOTIFICATIONS}/{}/retry", uuid::Uuid::nil()), &json!({})).await.problem(404);
    world.end().await;
}

async fn a_trial_of_a_channel_is_in_the_log(delivery: Delivery) {
    let world = local(delivery, "").await;
    let receiver = Receiver::start(|_| Reply::new(200, "ok")).await.unwrap();
    let hook = channel(&world, &receiver.url(), json!({})).await;
    let test: ChannelTest = world.client.post(&format!("/api/v1/channels/{}/test", hook.id), &json!({})).await.expect(200).json();
    let logged = only(&world, &format!("channel={}", hook.id)).await;
    assert_eq!((test.sent, logged.kind, logged.state, logged.status), (true, NoticeKind::Test, NotificationState::Sent, Some(200)));
    assert_eq!(world.client.post(&format!("{NOTIFICATIONS}/{}/retry", logged.id), &json!({})).await.problem(409).code, "already_sent");
    world.end().await;
}

async fn a_template_is_tried_and_a_fault_names_its_line(delivery: Delivery) {
    let world = local(delivery, "").await;
    let preview = async |body: Value| world.client.post(&format!("{NOTIFICATIONS}/preview"), &body).await;
    let built_in: NotificationText = preview(json!({})).await.expect(200).json();
    assert!(built_in.title.starts_with("Faturamento está atrasado: esperado às "), "{}", built_in.title);
    let own = json!({"opened.title": "[{{ alert.severity | upper }}] {{ alert.subject }}"});
    let tried: NotificationText = preview(json!({"language": "en", "alerts": 3, "templates": own})).await.expect(200).json();
    assert_eq!(tried.title, "[ERROR] Faturamento");
    let broken = json!({"opened.text": "a\n{{ alert.nothing }}"});
    let refused = preview(json!({"templates": broken})).await.problem(422);
    assert!(refused.errors[0].field == "templates/opened.text" && refused.errors[0].message.starts_with("line 2: "), "{refused:?}");
    let body = json!({"name": "t", "kind": "webhook", "settings": {"url": "https://x.example.com"}, "templates": broken});
    assert_eq!(world.client.post("/api/v1/channels", &body).await.problem(422).errors[0].field, "templates/opened.text");
    let unknown = preview(json!({"channel_id": uuid::Uuid::nil()})).await.problem(422);
    assert_eq!(unknown.errors[0].field, "channel_id");
    world.end().await;
}

async fn a_dead_mans_switch_is_asked_and_its_address_is_not_shown(delivery: Delivery) {
    let receiver = Receiver::start(|_| Reply::new(200, "OK")).await.unwrap();
    let url = format!("{}/ping/s3cret-s3cret", receiver.url());
    let world = local(delivery, &url).await;
    let asked = eventually("it was asked", async || receiver.received().pop()).await;
    assert_eq!((asked.method.as_str(), asked.target.as_str()), ("GET", "/ping/s3cret-s3cret"));
    let shown = world.client.get("/api/v1/ops/reconcilers").await.expect(200).text;
    assert!(shown.contains("\"heartbeat\"") && !shown.contains("s3cret"), "{shown}");
    world.end().await;
}
