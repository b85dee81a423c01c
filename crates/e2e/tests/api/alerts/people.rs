use api_types::AlertBulkResponse;
use chrono::{TimeDelta, Utc};
use domain::alert::{AlertEventKind, AlertStatus, AlertType, Resolution, Severity};
use e2e::{Delivery, on_both};
use serde_json::{Value, json};

use super::*;
use crate::support::{calm, fields};

on_both!(
    an_alert_is_taken_commented_muted_and_resolved,
    lists_are_paged_and_narrowed,
    open_alerts_are_acknowledged_in_bulk,
    bad_requests_name_their_fields,
);

async fn an_alert_is_taken_commented_muted_and_resolved(delivery: Delivery) {
    use AlertEventKind::{Acknowledged, Commented, Muted, Opened, Resolved, Unmuted};
    let world = calm(delivery).await;
    let alert = opened(&world, &breach("q", Terms { note: "Call **Rui**".to_owned(), ..Terms::default() })).await;
    assert_eq!((alert.status, alert.severity, alert.note.as_str()), (AlertStatus::Open, Severity::Error, "Call **Rui**"));
    assert_eq!((alert.facts.measured, alert.subject_kind.as_str(), alert.subject.as_str()), (Some(12.0), "queue", "q"));
    let of = async |what: &str, body: Value| world.client.post(&format!("{ALERTS}/{}/{what}", alert.id), &body).await;
    let taken: Alert = of("acknowledge", json!({"comment": "on it"})).await.expect(200).json();
    assert_eq!((taken.status, taken.acknowledged_by.as_deref()), (AlertStatus::Acknowledged, Some("admin")));
    let _again = of("acknowledge", json!({})).await.expect(200);
    let _said = of("comment", json!({"comment": " the vendor knows "})).await.expect(200);
    let until = Utc::now() + TimeDelta::hours(1);
    let muted: Alert = of("mute", json!({"until": until})).await.expect(200).json();
    assert_eq!(muted.muted_until.map(|at| at.timestamp_millis()), Some(until.timestamp_millis()));
    let loud: Alert = of("unmute", json!({})).await.expect(200).json();
    assert_eq!(loud.muted_until, None);
    // As the earliest clients send it: without a body.
    let resolved = world.client.send(world.client.request(reqwest::Method::POST, &format!("{ALERTS}/{}/resolve", alert.id))).await;
    let resolved: Alert = resolved.expect(200).json();
    assert_eq!(
        (resolved.status, resolved.resolution, resolved.resolved_by.as_deref()),
        (AlertStatus::Resolved, Some(Resolution::Person), Some("admin"))
    );
    let _again = of("resolve", json!({})).await.expect(200);
    for what in ["acknowledge", "mute", "unmute"] {
        let body = if what == "mute" { json!({"until": until}) } else { json!({}) };
        assert_eq!(of(what, body).await.problem(409).code, "wrong_state", "{what}");
    }
    let known = get(&world, alert.id).await;
    assert_eq!(story(&known), [Opened, Acknowledged, Commented, Muted, Unmuted, Resolved]);
    assert_eq!((known.story[2].by.as_deref(), known.story[2].text.as_deref()), (Some("admin"), Some("the vendor knows")));
    // The same breach does not open it again.
    let seen = breach("q", Terms::default());
    let observe = async |txn: &store::Transaction| store::alerts::alert_observe_in_txn(txn, std::slice::from_ref(&seen), Utc::now()).await;
    assert_eq!(world.hub.database().in_transaction(observe).await.unwrap(), []);
    let entries: Vec<Value> = world.client.get(&format!("/api/v1/audit?target_kind=alert&target_id={}", alert.id)).await.expect(200).json();
    let mut actions: Vec<_> = entries.iter().map(|entry| entry["action"].as_str().unwrap()).collect();
    actions.reverse();
    assert_eq!(actions, ["alert.acknowledge", "alert.comment", "alert.mute", "alert.unmute", "alert.resolve"]);
    world.end().await;
}

async fn lists_are_paged_and_narrowed(delivery: Delivery) {
    let world = calm(delivery).await;
    let mut ids = Vec::new();
    for nth in 0..5 {
        let severity = if nth == 4 { Severity::Critical } else { Severity::Warning };
        ids.push(opened(&world, &breach(&format!("q{nth}"), Terms { severity, ..Terms::default() })).await.id);
    }
    ids.reverse();
    let _taken = world.client.post(&format!("{ALERTS}/{}/acknowledge", ids[4]), &json!({})).await.expect(200);
    let client = world.client.hub();
    let all = client.alerts(&api_types::AlertFilter { limit: Some(2), ..Default::default() }).take(usize::MAX).await.unwrap();
    assert_eq!(all.iter().map(|alert| alert.id).collect::<Vec<_>>(), ids, "newest first, over all pages");
    assert!(all.iter().all(|alert| alert.story.is_empty()));
    for (query, expected) in [
        ("status=open", &ids[..4]),
        ("status=acknowledged,resolved", &ids[4..]),
        ("status=open&status=acknowledged&severity=critical", &ids[..1]),
        ("type=QUEUE_BACKLOG&type=LATE&severity=warning,error", &ids[1..]),
        ("type=LATE", &[]),
        ("source=prometheus", &[]),
        ("automation=7", &[]),
        ("rule=019ac1da-0e42-7b19-9c55-7d3a1f80e2c4", &[]),
        ("domain=finance", &[]),
    ] {
        assert_eq!(list(&world, query).await.iter().map(|alert| alert.id).collect::<Vec<_>>(), expected, "{query}");
    }
    world.end().await;
}

async fn open_alerts_are_acknowledged_in_bulk(delivery: Delivery) {
    let world = calm(delivery).await;
    for nth in 0..4 {
        opened(&world, &breach(&format!("q{nth}"), Terms::default())).await;
    }
    let ask = async |body: Value| world.client.post(&format!("{ALERTS}/bulk/acknowledge"), &body).await;
    let counted: AlertBulkResponse = ask(json!({"type": ["QUEUE_BACKLOG"], "dry_run": true})).await.expect(200).json();
    assert_eq!(counted, AlertBulkResponse { dry_run: true, matched: 4, done: 0, more: false });
    let done: AlertBulkResponse = ask(json!({"type": ["QUEUE_BACKLOG"], "comment": "new workers come"})).await.expect(200).json();
    assert_eq!(done, AlertBulkResponse { dry_run: false, matched: 4, done: 4, more: false });
    assert_eq!(list(&world, "status=acknowledged").await.len(), 4);
    let again: AlertBulkResponse = ask(json!({"type": ["QUEUE_BACKLOG"]})).await.expect(200).json();
    assert_eq!((again.matched, again.done), (0, 0));
    assert_eq!(fields(&ask(json!({})).await.problem(422)), ["ids"]);
    world.end().await;
}

async fn bad_requests_name_their_fields(delivery: Delivery) {
    let world = calm(delivery).await;
    for (query, field) in [
        ("status=closed", "status"),
        ("type=late", "type"),
        ("severity=bad", "severity"),
        ("automation=x", "automation"),
        ("limit=0", "limit"),
        ("domain=A", "domain"),
    ] {
        let problem = world.client.get(&format!("{ALERTS}?{query}")).await.problem(400);
        assert_eq!(fields(&problem), [field], "{query}");
    }
    let alert = opened(&world, &breach("q", Terms::default())).await;
    let past = Utc::now() - TimeDelta::hours(1);
    for (what, body, field) in [
        ("mute", json!({"until": past}), "until"),
        ("mute", json!({"until": Utc::now() + TimeDelta::days(400)}), "until"),
        ("mute", json!({}), "until"),
        ("comment", json!({"comment": "  "}), "comment"),
        ("comment", json!({}), "comment"),
        ("resolve", json!({"comment": "x".repeat(2001)}), "comment"),
        ("acknowledge", json!({"comment": "a\0b"}), "comment"),
        ("resolve", json!({"text": "x"}), "text"),
    ] {
        let problem = world.client.post(&format!("{ALERTS}/{}/{what}", alert.id), &body).await.problem(422);
        assert_eq!(fields(&problem), [field], "{what} {body}");
    }
    let missing = format!("{ALERTS}/{}", uuid::Uuid::nil());
    assert_eq!(world.client.get(&missing).await.problem(404).code, "not_found");
    assert_eq!(world.client.post(&format!("{missing}/resolve"), &json!({})).await.problem(404).code, "not_found");
    assert_eq!((get(&world, alert.id).await.alert_type, list(&world, "status=open").await.len()), (AlertType::QueueBacklog, 1));
    world.end().await;
}
