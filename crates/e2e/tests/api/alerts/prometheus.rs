use api_types::{AlertmanagerResponse, UserCreated};
use chrono::{TimeDelta, Utc};
use domain::alert::{AlertEventKind, AlertStatus, Resolution, Severity};
use e2e::{Delivery, on_both};
use serde_json::{Value, json};

use super::*;
use crate::{
    hooks::alertmanager::Alertmanager,
    support::{archived, automation, calm, fields},
};

on_both!(
    a_message_becomes_alerts_once,
    an_alert_of_an_automation_is_for_those_who_see_it,
    a_bad_message_is_refused_whole,
    a_real_alertmanager_opens_and_resolves_alerts,
);

const DOOR: &str = "/api/v1/alerts/alertmanager";

fn alert(fingerprint: &str, more: Value) -> Value {
    let mut alert = json!({
        "status": "firing", "labels": {"alertname": "DiskAlmostFull", "severity": "critical"}, "annotations": {"summary": "3 % left"},
        "startsAt": "2026-11-26T14:00:00.123456789Z", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://prometheus/graph",
        "fingerprint": fingerprint
    });
    alert.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    alert
}

async fn tell(world: &World, alerts: &[Value]) -> (u64, u64, u64) {
    let message = json!({"version": "4", "status": "firing", "alerts": alerts});
    let AlertmanagerResponse { opened, resolved, unchanged } = world.client.post(DOOR, &message).await.expect(200).json();
    (opened, resolved, unchanged)
}

async fn a_message_becomes_alerts_once(delivery: Delivery) {
    let world = calm(delivery).await;
    let burning = [alert("a1", json!({})), alert("b2", json!({"labels": {"alertname": "Down"}}))];
    assert_eq!(tell(&world, &burning).await, (2, 0, 0));
    assert_eq!(tell(&world, &burning).await, (0, 0, 2), "it is repeated");
    let found = list(&world, "source=prometheus&status=open&type=EXTERNAL").await;
    let of = |fingerprint: &str| found.iter().find(|alert| alert.subject == fingerprint).unwrap();
    assert_eq!((of("a1").severity, of("b2").severity, of("a1").count), (Severity::Critical, Severity::Error, 1));
    let facts = &of("a1").facts;
    assert_eq!((facts.summary.as_deref(), facts.url.as_deref()), (Some("3 % left"), Some("http://prometheus/graph")));
    let over = [alert("a1", json!({"status": "resolved", "endsAt": "2026-11-26T15:00:00Z"}))];
    assert_eq!(tell(&world, &over).await, (0, 1, 0));
    assert_eq!(tell(&world, &over).await, (0, 0, 1), "it is repeated");
    assert_eq!(tell(&world, &burning).await, (0, 0, 2), "and late");
    let resolved = get(&world, of("a1").id).await;
    assert_eq!((resolved.status, resolved.resolution), (AlertStatus::Resolved, Some(Resolution::Recovered)));
    let anew = [alert("a1", json!({"startsAt": "2026-11-26T16:00:00Z"}))];
    assert_eq!(tell(&world, &anew).await, (1, 0, 0));
    assert_ne!(list(&world, "status=open").await[0].id, resolved.id);
    assert_eq!(tell(&world, &[]).await, (0, 0, 0));
    world.end().await;
}

async fn an_alert_of_an_automation_is_for_those_who_see_it(delivery: Delivery) {
    let world = calm(delivery).await;
    let (mine, yours, old) = (automation(&world, "mine").await, automation(&world, "yours").await, automation(&world, "old").await);
    let _archived = world.client.send(world.client.request(reqwest::Method::DELETE, &format!("/api/v1/automations/{}", old.id))).await;
    archived(&world, &old).await;
    let of = |fingerprint: &str, label: &str, value: Value| alert(fingerprint, json!({"labels": {"alertname": "x", label: value}}));
    let alerts = [
        of("a1", "automation", json!(mine.name)),
        of("a2", "robo_nome", json!(mine.name)),
        of("a3", "automation", json!(yours.id.to_string())),
        of("a4", "automation", json!(old.id.to_string())),
        of("a5", "automation", json!("no such")),
    ];
    assert_eq!(tell(&world, &alerts).await, (5, 0, 0));
    let places: Vec<_> = list(&world, "").await.into_iter().rev().map(|alert| (alert.automation_id, alert.automation_name)).collect();
    let (of_mine, of_yours) = ((Some(mine.id), Some(mine.name.clone())), (Some(yours.id), Some(yours.name.clone())));
    assert_eq!(places, [of_mine.clone(), of_mine, of_yours, (None, None), (None, None)]);
    let body = json!({"username": "ana", "password": "a password of the test", "must_change_password": false});
    let user = world.client.post("/api/v1/users", &body).await.expect(201).json::<UserCreated>().user;
    let grant = json!({"right": "operator", "automation_id": mine.id});
    let _granted = world.client.post(&format!("/api/v1/users/{}/grants", user.id), &grant).await.expect(201);
    let login = world
        .client
        .bare(reqwest::Method::POST, "/api/v1/auth/login")
        .json(&json!({"username": "ana", "password": "a password of the test"}));
    let token = world.client.send(login).await.expect(200).json::<api_types::LoginResponse>().access_token;
    let ask = async |method: reqwest::Method, path: String| world.client.send(world.client.bare(method, &path).bearer_auth(&token)).await;
    let seen: Vec<Alert> = ask(reqwest::Method::GET, ALERTS.to_owned()).await.expect(200).json();
    assert_eq!(seen.iter().map(|alert| alert.subject.as_str()).collect::<Vec<_>>(), ["a2", "a1"]);
    for one in list(&world, "").await {
        let expected = if one.automation_id == Some(mine.id) { 200 } else { 404 };
        for (method, path) in
            [(reqwest::Method::GET, format!("{ALERTS}/{}", one.id)), (reqwest::Method::POST, format!("{ALERTS}/{}/acknowledge", one.id))]
        {
            assert_eq!(ask(method, path).await.status, expected, "{}", one.subject);
        }
    }
    world.end().await;
}

async fn a_bad_message_is_refused_whole(delivery: Delivery) {
    let world = calm(delivery).await;
    for (second, field) in [
        (alert("", json!({})), "alerts/1/fingerprint"),
        (alert("a b", json!({})), "alerts/1/fingerprint"),
        (alert("b", json!({"status": "burning"})), "alerts/1/status"),
        (alert("b", json!({"startsAt": "yesterday"})), "alerts/1/startsAt"),
        (alert("b", json!({"labels": {"n": 7}})), "alerts/1/labels/n"),
    ] {
        let answer = world.client.post(DOOR, &json!({"alerts": [alert("a", json!({})), second]})).await;
        assert_eq!(fields(&answer.problem(422)), [field]);
    }
    let many: Vec<Value> = (0..5001)
        .map(|nth| json!({"status": "firing", "labels": {}, "startsAt": "2026-11-26T14:00:00Z", "fingerprint": nth.to_string()}))
        .collect();
    assert_eq!(fields(&world.client.post(DOOR, &json!({"alerts": many})).await.problem(422)), ["alerts"]);
    assert_eq!(list(&world, "").await.len(), 0);
    world.end().await;
}

/// The configuration of docs/SLA.md, for this hub and key.
fn configuration(hub: &str, key: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SLA.md")).unwrap();
    let recipe = page.split("### Alertmanager").nth(1).unwrap().split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let ours = recipe.replace("https://hub.example", hub).replace("credentials: KEY", &format!("credentials: {key}"));
    assert!(ours.contains(hub) && ours.contains(key), "{recipe}");
    ours.replace("route:\n", "route:\n  group_wait: 0s\n  group_interval: 1s\n  repeat_interval: 1s\n")
}

async fn a_real_alertmanager_opens_and_resolves_alerts(delivery: Delivery) {
    let world = calm(delivery).await;
    let body = json!({"name": "alertmanager", "grants": [{"right": "robot.run"}]});
    let key: Value = world.client.post("/api/v1/api-keys", &body).await.expect(201).json();
    let alertmanager = Alertmanager::start(&configuration(world.client.hub().url(), key["key"].as_str().unwrap())).await;
    let begun = Utc::now();
    alertmanager
        .alert(json!({"startsAt": begun, "annotations": {"summary": "almost full", "runbook_url": "https://wiki.example/disk"}}))
        .await;
    alertmanager.sent(3).await;
    let found = list(&world, "source=prometheus").await;
    assert_eq!(found.len(), 1, "what it repeats is one alert");
    let first = get(&world, found[0].id).await;
    assert_eq!((first.count, story(&first)), (1, vec![AlertEventKind::Opened]));
    assert_eq!((first.note.as_str(), first.facts.labels["instance"].as_str()), ("[Runbook](https://wiki.example/disk)", "erp-01:9100"));
    assert_eq!(first.began_at.timestamp_millis(), begun.timestamp_millis());
    let over = Utc::now();
    alertmanager.alert(json!({"startsAt": begun, "endsAt": over})).await;
    test_support::eventually("it is resolved", async || (get(&world, first.id).await.status == AlertStatus::Resolved).then_some(())).await;
    alertmanager.alert(json!({"startsAt": over + TimeDelta::milliseconds(1)})).await;
    test_support::eventually("it burns anew", async || (list(&world, "status=open").await.len() == 1).then_some(())).await;
    assert_eq!(list(&world, "").await.len(), 2);
    world.end().await;
}
