use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use chrono::{SubsecRound as _, TimeDelta, Utc};
use domain::alert::{AlertEventKind, AlertStatus, Escalation, Resolution, Severity};
use e2e::{Delivery, Options, on_both};
use regente::HubOptions;
use serde_json::json;
use test_support::eventually;

use super::*;
use crate::support::automation;

on_both!(an_alert_escalates_reminds_and_ends_its_silence, alerts_of_an_archived_automation_are_resolved, old_alerts_are_removed);

/// A hub whose clock is so many minutes ahead.
async fn ahead(delivery: Delivery) -> (World, Arc<AtomicI64>) {
    let ahead = Arc::new(AtomicI64::new(0));
    let minutes = ahead.clone();
    let clock: runtime::Clock = Arc::new(move || (Utc::now() + TimeDelta::minutes(minutes.load(Ordering::Relaxed))).trunc_subsecs(6));
    let settings = |settings: &mut runtime::Settings| settings.lease.agent = std::time::Duration::from_secs(1000 * 86_400);
    let hub = HubOptions { clock, ..HubOptions::default() };
    (World::start_with(delivery, Options { settings: Some(Box::new(settings)), hub, ..Options::default() }).await, ahead)
}

async fn becomes(world: &World, alert: &Alert, what: &str, is: impl Fn(&Alert) -> bool) -> Alert {
    eventually(what, async || Some(get(world, alert.id).await).filter(&is)).await
}

async fn an_alert_escalates_reminds_and_ends_its_silence(delivery: Delivery) {
    use AlertEventKind::{Acknowledged, Escalated, Muted, Opened, Reminded, Unmuted};
    let (world, ahead) = ahead(delivery).await;
    let escalate = vec![Escalation { after_minutes: 30, severity: Severity::Critical }];
    let terms = Terms { severity: Severity::Warning, escalate, repeat_every_minutes: Some(60), ..Terms::default() };
    let alert = opened(&world, &breach("q", terms)).await;
    ahead.store(31, Ordering::Relaxed);
    let worse = becomes(&world, &alert, "it escalates", |alert| alert.severity == Severity::Critical).await;
    assert_eq!(worse.story.last().unwrap().text.as_deref(), Some("warning to critical"));
    ahead.store(92, Ordering::Relaxed);
    becomes(&world, &alert, "it reminds", |alert| story(alert).last() == Some(&Reminded)).await;
    let until = Utc::now() + TimeDelta::minutes(200);
    let _muted = world.client.post(&format!("{ALERTS}/{}/mute", alert.id), &json!({"until": until})).await.expect(200);
    ahead.store(201, Ordering::Relaxed);
    becomes(&world, &alert, "its silence ends", |alert| story(alert).ends_with(&[Unmuted, Reminded])).await;
    let _taken = world.client.post(&format!("{ALERTS}/{}/acknowledge", alert.id), &json!({})).await.expect(200);
    ahead.store(1000, Ordering::Relaxed);
    // Another one shows that the loop has been there.
    let other = opened(&world, &breach("other", Terms { repeat_every_minutes: Some(1), ..Terms::default() })).await;
    becomes(&world, &other, "the other reminds", |alert| story(alert).contains(&Reminded)).await;
    let taken = get(&world, alert.id).await;
    assert_eq!(story(&taken), [Opened, Escalated, Reminded, Muted, Unmuted, Reminded, Acknowledged]);
    world.end().await;
}

async fn alerts_of_an_archived_automation_are_resolved(delivery: Delivery) {
    let (world, _) = ahead(delivery).await;
    let automation = automation(&world, "old").await;
    let alert = opened(&world, &Observation { automation_id: Some(automation.id), ..breach("q", Terms::default()) }).await;
    let _archived =
        world.client.send(world.client.request(reqwest::Method::DELETE, &format!("/api/v1/automations/{}", automation.id))).await;
    let over = becomes(&world, &alert, "it is resolved", |alert| alert.status == AlertStatus::Resolved).await;
    assert_eq!((over.resolution, over.resolved_by), (Some(Resolution::Archived), None));
    world.end().await;
}

async fn old_alerts_are_removed(delivery: Delivery) {
    let (world, ahead) = ahead(delivery).await;
    let (old, open) = (opened(&world, &breach("a", Terms::default())).await, opened(&world, &breach("b", Terms::default())).await);
    let _resolved = world.client.post(&format!("{ALERTS}/{}/resolve", old.id), &json!({})).await.expect(200);
    ahead.store(181 * 24 * 60, Ordering::Relaxed);
    eventually("it goes", async || (world.client.get(&format!("{ALERTS}/{}", old.id)).await.status == 404).then_some(())).await;
    assert_eq!(get(&world, open.id).await.status, AlertStatus::Open);
    world.end().await;
}
