use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    alert::Severity,
    ids::{ChannelId, DomainId},
    notification::{Message, NoticeKind, NotificationState},
    report::{Period, Plan},
    schedule::words::Language,
};
use store::{
    notifications::{Filter, lane_next_wake_unscoped, notification_get, notification_list},
    report_plans::{
        Stored, report_plan_get, report_plan_insert_in_txn, report_plan_list_due_unscoped, report_plan_lock_in_txn, report_plan_send,
        report_plan_update_in_txn,
    },
};
use uuid::Uuid;

use crate::{
    case::Case,
    fixtures::{at, commit, id_at},
};

both!(of_several_senders_one_writes, what_was_changed_meanwhile_is_not_sent,);

/// A daily plan about this domain.
pub(crate) fn of_domain(nth: u32, domain_id: DomainId) -> Stored {
    plan(nth, format!("daily {nth}"), Some(domain_id))
}

fn plan(nth: u32, name: String, domain_id: Option<DomainId>) -> Stored {
    let plan = Plan {
        name,
        period: Period::Daily,
        weekday: None,
        at: "07:30:00".parse().unwrap(),
        timezone: "UTC".to_owned(),
        domain_id,
        channels: vec![ChannelId::default()],
        enabled: true,
    };
    Stored {
        id: id_at(0, nth),
        plan,
        due_at: Some(at(1_000)),
        last_sent_at: None,
        revision: 1,
        created_at: at(0),
        created_by: "ana".to_owned(),
        updated_at: at(0),
        updated_by: "ana".to_owned(),
    }
}

pub(crate) async fn stored(db: &Case) -> Stored {
    let stored = plan(1, "daily".to_owned(), None);
    commit(db, async |txn| report_plan_insert_in_txn(txn, &test_support::change(), &stored).await).await.unwrap();
    stored
}

fn message(now: DateTime<Utc>) -> Message {
    Message {
        id: Uuid::now_v7().into(),
        kind: NoticeKind::Report,
        at: now,
        language: Language::Pt,
        severity: Severity::Info,
        title: "Relatório".to_owned(),
        text: "t".to_owned(),
        html: Some("<p>t</p>".to_owned()),
        alerts: Vec::new(),
        more: 0,
        url: None,
        reference: None,
    }
}

async fn of_several_senders_one_writes(db: Case) {
    let plan = stored(&db).await;
    assert_eq!(report_plan_list_due_unscoped(&db, at(999), 10).await.unwrap(), []);
    let now = at(1_500);
    assert_eq!(report_plan_list_due_unscoped(&db, now, 10).await.unwrap(), std::slice::from_ref(&plan));
    let next = Some(at(1_000) + TimeDelta::days(1));
    let senders = (0..6).map(|_| {
        let (database, plan) = (db.database.clone(), plan.clone());
        let messages = vec![(ChannelId::default(), message(now))];
        tokio::spawn(async move { report_plan_send(&database, &plan, (&messages, next), now).await.unwrap() })
    });
    let mut wrote = 0;
    for sender in senders.collect::<Vec<_>>() {
        wrote += u32::from(sender.await.unwrap());
    }
    assert_eq!(wrote, 1);
    let after = report_plan_get(&db, plan.id).await.unwrap().unwrap();
    assert_eq!(after, Stored { due_at: next, last_sent_at: Some(now), ..plan });
    let waiting = notification_list(&db, &Filter { limit: 10, ..Filter::default() }).await.unwrap();
    assert_eq!(waiting.iter().map(|one| (one.kind, one.state)).collect::<Vec<_>>(), [(NoticeKind::Report, NotificationState::Waiting)]);
    let kept = notification_get(&db, waiting[0].id).await.unwrap().unwrap().message.unwrap();
    assert_eq!((kept.id, kept.text.as_str()), (waiting[0].id, "t"));
    assert_eq!(lane_next_wake_unscoped(&db).await.unwrap(), Some(now));
}

async fn what_was_changed_meanwhile_is_not_sent(db: Case) {
    let read = stored(&db).await;
    commit(&db, async |txn| {
        let before = report_plan_lock_in_txn(txn, read.id).await?.unwrap();
        let after = Stored { plan: Plan { name: "other".to_owned(), ..before.plan.clone() }, revision: 2, ..before.clone() };
        report_plan_update_in_txn(txn, &test_support::change(), (&before, &after)).await
    })
    .await
    .unwrap();
    let messages = [(ChannelId::default(), message(at(1_500)))];
    assert!(!report_plan_send(&db, &read, (&messages, None), at(1_500)).await.unwrap());
    assert_eq!(notification_list(&db, &Filter { limit: 10, ..Filter::default() }).await.unwrap(), []);
    assert_eq!(report_plan_get(&db, read.id).await.unwrap().unwrap().due_at, read.due_at);
}
