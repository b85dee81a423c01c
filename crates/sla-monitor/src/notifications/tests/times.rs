//! When people are told.

use chrono::TimeDelta;
use domain::notification::{NoticeKind, NotificationState, channel::QuietHours};
use test_support::Backend;

use super::{
    both,
    world::{World, at},
};

both!(
    quiet_hours_end_with_one_mail_about_what_is_still_open,
    an_incident_that_ends_in_quiet_hours_is_not_told,
    an_incident_is_told_in_the_order_in_which_it_happened,
    a_vendors_limit_is_kept,
);

/// 22:00 to 07:00 in São Paulo, which is 01:00 to 10:00 in UTC.
fn night() -> QuietHours {
    serde_json::from_value(serde_json::json!({"timezone": "America/Sao_Paulo", "from": "22:00", "until": "07:00"})).unwrap()
}

async fn quiet_hours_end_with_one_mail_about_what_is_still_open(backend: Backend) {
    let world = World::start(backend, "2026-11-27T02:10:00Z").await;
    let mail = world.channel("email", Some(night())).await;
    world.breach(1).await;
    world.breach(2).await;
    // It is repeated all the time.
    for minute in [40, 70] {
        world.set(at("2026-11-27T02:10:00Z") + TimeDelta::minutes(minute));
        world.breach(1).await;
        world.work().await;
    }
    world.set(at("2026-11-27T06:00:00Z"));
    world.over(2).await;
    world.work_until("2026-11-27T09:59:59Z").await;
    assert_eq!(world.receiver.all(mail), []);
    world.work_until("2026-11-27T10:00:00Z").await;
    let got = world.receiver.all(mail);
    assert_eq!(got.len(), 1, "{got:#?}");
    assert_eq!((got[0].kind, got[0].alerts.len(), got[0].at), (NoticeKind::Digest, 1, at("2026-11-27T10:00:00Z")));
    assert_eq!(got[0].title, "Regente: part 1 está parado ou atrasado");
    world.work_until("2026-11-27T12:00:00Z").await;
    assert_eq!(world.receiver.all(mail).len(), 1);
    world.end().await;
}

async fn an_incident_that_ends_in_quiet_hours_is_not_told(backend: Backend) {
    let world = World::start(backend, "2026-11-27T02:10:00Z").await;
    let (mail, pager) = (world.channel("email", Some(night())).await, world.channel("pagerduty", Some(night())).await);
    world.breach(1).await;
    world.work().await;
    world.set(at("2026-11-27T06:00:00Z"));
    world.over(1).await;
    world.work_until("2026-11-27T11:00:00Z").await;
    assert_eq!((world.receiver.all(mail), world.receiver.all(pager)), (vec![], vec![]));
    world.end().await;
}

async fn an_incident_is_told_in_the_order_in_which_it_happened(backend: Backend) {
    let world = World::start(backend, "2026-11-27T10:00:00Z").await;
    let pager = world.channel("pagerduty", None).await;
    world.breach(1).await;
    world.work().await;
    world.set(at("2026-11-27T10:30:00Z"));
    world.breach(1).await;
    world.work().await;
    world.set(at("2026-11-27T10:45:00Z"));
    world.over(1).await;
    world.work().await;
    world.set(at("2026-11-27T11:00:00Z"));
    world.breach(1).await;
    world.work().await;
    let got = world.receiver.all(pager);
    let kinds: Vec<_> = got.iter().map(|message| message.kind).collect();
    assert_eq!(kinds, [NoticeKind::Opened, NoticeKind::Reminded, NoticeKind::Resolved, NoticeKind::Opened]);
    assert!(got.iter().all(|message| message.alerts.len() == 1 && message.alerts[0].key == got[0].alerts[0].key), "one incident");
    assert_ne!(got[0].alerts[0].id, got[3].alerts[0].id, "two alerts");
    world.end().await;
}

async fn a_vendors_limit_is_kept(backend: Backend) {
    let world = World::start(backend, "2026-11-27T10:00:00Z").await;
    let slack = world.channel("slack", None).await;
    for nth in 1..=3 {
        world.breach(nth).await;
    }
    let begun = world.now();
    world.work_until("2026-11-27T10:01:00Z").await;
    let after: Vec<_> = world.receiver.all(slack).iter().map(|message| (message.at - begun).num_milliseconds()).collect();
    assert_eq!(after, [0, 1000, 2000]);
    assert!(world.log().await.iter().all(|one| one.state == NotificationState::Sent));
    world.end().await;
}
