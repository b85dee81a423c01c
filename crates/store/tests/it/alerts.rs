use chrono::{DateTime, Utc};
use domain::{
    Scope,
    alert::{
        Alert, AlertEventKind, AlertSource, AlertStatus, AlertType, Facts, Key, Observation, Resolution, Seen, Severity, Subject, Terms,
    },
    ids::AutomationId,
};
use store::{
    Database,
    alerts::{
        AlertChange, Filter, alert_count, alert_count_open_unscoped, alert_get, alert_list, alert_list_archived_unscoped,
        alert_list_due_unscoped, alert_list_ids, alert_list_story_unscoped, alert_lock_in_txn, alert_observe_in_txn, alert_save_in_txn,
        retention_alerts,
    },
    automations::{automation_archive, automation_insert},
};

use crate::{
    case::Case,
    fixtures::{at, commit, draft},
};

both!(
    two_transactions_at_once_open_one_alert,
    replicas_that_observe_the_same_open_each_incident_once,
    what_happens_is_written_with_its_story_and_the_outbox,
    repetitions_in_a_row_are_one_line,
    a_rollback_leaves_nothing,
    an_alert_is_read_as_it_was_written,
    a_list_has_what_is_in_scope_and_meets_every_condition,
    what_a_person_does_is_in_the_audit_trail,
    due_alerts_are_found_by_their_time,
    alerts_of_archived_automations_are_found,
    resolved_alerts_are_deleted_with_their_stories,
);

fn key(nth: u32) -> Key {
    Key { rule_id: Some(uuid::Uuid::from_u128(7).into()), alert_type: AlertType::QueueBacklog, subject: Subject::Queue(format!("q{nth}")) }
}

fn look(key: Key, seen: Seen) -> Observation {
    Observation { key, automation_id: None, source: AlertSource::Regente, terms: Terms::default(), seen, at: at(0) }
}

fn breach(nth: u32) -> Observation {
    look(key(nth), Seen::Breach(Box::default()))
}

async fn observe(database: &Database, observations: &[Observation], now: DateTime<Utc>) -> Vec<AlertChange> {
    let txn = database.begin().await.unwrap();
    let changes = alert_observe_in_txn(&txn, observations, now).await.unwrap();
    txn.commit().await.unwrap();
    changes
}

/// One alert, opened a millisecond after the start of 2026.
async fn one(db: &Case) -> Alert {
    observe(db, &[breach(1)], at(1)).await.remove(0).alert
}

async fn list(database: &Database, filter: Filter) -> Vec<Alert> {
    alert_list(database, &Scope::All, &Filter { limit: 1000, ..filter }).await.unwrap()
}

async fn two_transactions_at_once_open_one_alert(db: Case) {
    let other_hub = db.other_hub().await;
    // The first has observed and not committed when the second does: it waits, and then sees what the first wrote.
    let first = db.begin().await.unwrap();
    let opened = alert_observe_in_txn(&first, &[breach(1)], at(1)).await.unwrap();
    let second = tokio::spawn(async move {
        let changes = observe(&other_hub, &[breach(1)], at(2)).await;
        other_hub.close().await.unwrap();
        changes
    });
    tokio::task::yield_now().await;
    first.commit().await.unwrap();
    assert_eq!((opened.len(), second.await.unwrap()), (1, vec![]));
    assert_eq!((db.rows("alerts").await, db.rows("notices").await, db.rows("alert_events").await), (1, 1, 1));
}

async fn replicas_that_observe_the_same_open_each_incident_once(db: Case) {
    let other_hub = db.other_hub().await;
    let tasks: Vec<_> = (0..8)
        .map(|nth| {
            let hub = if nth % 2 == 0 { db.database.clone() } else { other_hub.clone() };
            // Each in another order.
            let mut seen: Vec<Observation> = (0..20).map(breach).collect();
            seen.rotate_left(nth * 2);
            tokio::spawn(async move { observe(&hub, &seen, at(1)).await.iter().filter(|change| change.is_opened()).count() })
        })
        .collect();
    let mut opened = 0;
    for task in tasks {
        opened += task.await.unwrap();
    }
    other_hub.close().await.unwrap();
    assert_eq!((opened, list(&db, Filter::default()).await.len(), db.rows("notices").await), (20, 20, 20));
}

async fn what_happens_is_written_with_its_story_and_the_outbox(db: Case) {
    let alert = one(&db).await;
    assert_eq!(observe(&db, &[breach(1)], at(2)).await, [], "the same breach is no news");
    let resolved = observe(&db, &[look(key(1), Seen::Fine)], at(3)).await;
    assert_eq!((resolved[0].alert.id, resolved[0].is_resolved(), resolved[0].is_told()), (alert.id, true, true));
    let story = alert_list_story_unscoped(&db, alert.id, 10).await.unwrap();
    let lines: Vec<_> = story.iter().map(|line| (line.at, line.what, line.text.as_deref())).collect();
    assert_eq!(lines, [(at(1), AlertEventKind::Opened, None), (at(3), AlertEventKind::Resolved, Some("recovered"))]);
    assert_eq!(db.rows("notices").await, 2);
    let again = observe(&db, &[breach(1)], at(4)).await;
    assert_ne!(again[0].alert.id, alert.id, "a new incident");
}

async fn repetitions_in_a_row_are_one_line(db: Case) {
    let failure = |nth: i64| Observation {
        key: Key { alert_type: AlertType::Failure, subject: Subject::Automation(1.into()), ..key(1) },
        at: at(nth),
        ..breach(1)
    };
    for nth in 1..=5 {
        observe(&db, &[failure(nth)], at(nth)).await;
    }
    let alert = list(&db, Filter::default()).await.remove(0);
    let story = alert_list_story_unscoped(&db, alert.id, 10).await.unwrap();
    let lines: Vec<_> = story.iter().map(|line| (line.at, line.what, line.text.as_deref())).collect();
    assert_eq!((alert.count, lines), (5, vec![(at(1), AlertEventKind::Opened, None), (at(5), AlertEventKind::Repeated, Some("5"))]));
    assert_eq!(db.rows("notices").await, 1, "nobody is told of repetitions");
}

async fn a_rollback_leaves_nothing(db: Case) {
    let txn = db.begin().await.unwrap();
    alert_observe_in_txn(&txn, &[breach(1)], at(1)).await.unwrap();
    drop(txn);
    assert_eq!((db.rows("alerts").await, db.rows("notices").await, db.rows("alert_events").await), (0, 0, 0));
}

async fn an_alert_is_read_as_it_was_written(db: Case) {
    let facts = Facts { measured: Some(12.5), limit: Some(10.0), error_message: Some("çã".to_owned()), ..Facts::default() };
    let terms = Terms { severity: Severity::Critical, note: "Call **Rui**".to_owned(), muted_until: Some(at(99)), ..Terms::default() };
    let seen = Observation { terms, seen: Seen::Breach(Box::new(facts)), ..breach(1) };
    let opened = observe(&db, &[seen], at(1)).await.remove(0).alert;
    assert_eq!(alert_get(&db, &Scope::All, opened.id).await.unwrap().as_ref(), Some(&opened));
    let resolved = observe(&db, &[look(key(1), Seen::Gone(Resolution::RuleChanged))], at(2)).await.remove(0).alert;
    assert_eq!(alert_get(&db, &Scope::All, opened.id).await.unwrap(), Some(resolved));
}

async fn a_list_has_what_is_in_scope_and_meets_every_condition(db: Case) {
    let mine = automation_insert(&db, &Scope::All, &test_support::change(), &draft("mine"), at(1)).await.unwrap().id;
    let yours = automation_insert(&db, &Scope::All, &test_support::change(), &draft("yours"), at(1)).await.unwrap().id;
    let of = |id: AutomationId, severity| Observation {
        key: Key { rule_id: None, alert_type: AlertType::Late, subject: Subject::Automation(id) },
        automation_id: Some(id),
        terms: Terms { severity, ..Terms::default() },
        ..breach(1)
    };
    // One at a time, so that ids are in this order.
    let mut ids = Vec::new();
    for seen in [of(mine, Severity::Error), of(yours, Severity::Info), breach(1)] {
        ids.push(observe(&db, &[seen], at(1)).await.remove(0).alert.id);
    }
    observe(&db, &[Observation { seen: Seen::Fine, ..of(yours, Severity::Info) }], at(2)).await;
    for (scope, expected) in
        [(Scope::All, vec![ids[2], ids[1], ids[0]]), (Scope::automations([mine]), vec![ids[0]]), (Scope::NOTHING, vec![])]
    {
        let filter = Filter { limit: 9, ..Filter::default() };
        let found: Vec<_> = alert_list(&db, &scope, &filter).await.unwrap().into_iter().map(|alert| alert.id).collect();
        let oldest: Vec<_> = alert_list_ids(&db, &scope, &filter).await.unwrap().into_iter().rev().collect();
        assert_eq!((&found, &oldest), (&expected, &expected), "{scope:?}");
        assert_eq!(alert_count(&db, &scope, &filter).await.unwrap(), expected.len() as u64);
        for id in &ids {
            assert_eq!(alert_get(&db, &scope, *id).await.unwrap().is_some(), expected.contains(id), "{scope:?}");
            let locked = commit(&db, async |txn| alert_lock_in_txn(txn, &scope, &[*id]).await).await.unwrap();
            assert_eq!(!locked.is_empty(), expected.contains(id), "{scope:?}");
        }
    }
    let any = Filter::default;
    for (filter, expected) in [
        (Filter { statuses: vec![AlertStatus::Open], ..any() }, vec![ids[2], ids[0]]),
        (Filter { statuses: vec![AlertStatus::Resolved, AlertStatus::Acknowledged], ..any() }, vec![ids[1]]),
        (Filter { types: vec![AlertType::QueueBacklog], ..any() }, vec![ids[2]]),
        (Filter { severities: vec![Severity::Error, Severity::Info], types: vec![AlertType::Late], ..any() }, vec![ids[1], ids[0]]),
        (Filter { automation_id: Some(mine), ..any() }, vec![ids[0]]),
        (Filter { source: Some(AlertSource::Prometheus), ..any() }, vec![]),
        (Filter { rule_id: key(1).rule_id, ..any() }, vec![ids[2]]),
        (Filter { after: Some(ids[1]), ..any() }, vec![ids[0]]),
        (Filter { ids: vec![ids[0], ids[1]], ..any() }, vec![ids[1], ids[0]]),
        (Filter { domain: Some("finance".to_owned()), ..any() }, vec![]),
    ] {
        assert_eq!(list(&db, filter.clone()).await.iter().map(|alert| alert.id).collect::<Vec<_>>(), expected, "{filter:?}");
    }
    let mut open = alert_count_open_unscoped(&db).await.unwrap();
    open.sort();
    let expected = [(AlertType::Late, AlertStatus::Open, 1), (AlertType::QueueBacklog, AlertStatus::Open, 1)];
    assert_eq!(open, expected.map(|(kind, status, alerts)| (kind, Severity::Error, status, alerts)));
}

async fn what_a_person_does_is_in_the_audit_trail(db: Case) {
    let before = one(&db).await;
    let change = test_support::change();
    let mut after = before.clone();
    let entries = after.acknowledge("ana", Some("on it".to_owned()), at(5)).unwrap();
    let saved = commit(&db, async |txn| {
        let locked = alert_lock_in_txn(txn, &Scope::All, &[before.id]).await?;
        assert_eq!(locked, std::slice::from_ref(&before));
        alert_save_in_txn(txn, Some((&change, "alert.acknowledge")), (&before, after.clone()), entries.clone(), at(5)).await
    })
    .await
    .unwrap()
    .unwrap();
    assert_eq!((saved.alert.revision, saved.what), (before.revision + 1, vec![AlertEventKind::Acknowledged]));
    assert_eq!(alert_get(&db, &Scope::All, before.id).await.unwrap(), Some(saved.alert));
    let line = alert_list_story_unscoped(&db, before.id, 1).await.unwrap().remove(0);
    assert_eq!((line.by.as_deref(), line.text.as_deref()), (Some("ana"), Some("on it")));
    let of_alerts = store::audit::Filter { target_kind: Some("alert".to_owned()), ..Default::default() };
    let entries = store::audit::audit_list(&db, &of_alerts, None, 9).await.unwrap();
    assert_eq!(entries.len(), 1, "{entries:?}");
}

async fn due_alerts_are_found_by_their_time(db: Case) {
    let remind = |nth, minutes| Observation { terms: Terms { repeat_every_minutes: Some(minutes), ..Terms::default() }, ..breach(nth) };
    let opened = observe(&db, &[remind(1, 2), remind(2, 1), breach(3)], at(0)).await;
    let ids: Vec<_> = opened.iter().map(|change| change.alert.id).collect();
    for (minutes, limit, expected) in [(0, 9, vec![]), (1, 9, vec![ids[1]]), (2, 9, vec![ids[1], ids[0]]), (2, 1, vec![ids[1]])] {
        assert_eq!(alert_list_due_unscoped(&db, at(minutes * 60_000), limit).await.unwrap(), expected, "{minutes}");
    }
}

async fn alerts_of_archived_automations_are_found(db: Case) {
    let id = automation_insert(&db, &Scope::All, &test_support::change(), &draft("mine"), at(1)).await.unwrap().id;
    let seen = Observation { automation_id: Some(id), ..breach(1) };
    let alert = observe(&db, &[seen, breach(2)], at(1)).await.remove(0).alert;
    assert_eq!(alert_list_archived_unscoped(&db, 9).await.unwrap(), []);
    automation_archive(&db, &test_support::change(), id, at(2)).await.unwrap();
    assert_eq!(alert_list_archived_unscoped(&db, 9).await.unwrap(), [alert.id]);
}

async fn resolved_alerts_are_deleted_with_their_stories(db: Case) {
    observe(&db, &[breach(1), breach(2), breach(3)], at(1)).await;
    let fine = |nth| look(key(nth), Seen::Fine);
    observe(&db, &[fine(1)], at(10)).await;
    observe(&db, &[fine(2)], at(20)).await;
    for (before, limit, expected) in [(10, 9, 0), (30, 1, 1), (30, 9, 1), (30, 9, 0)] {
        assert_eq!(retention_alerts(&db, at(before), limit).await.unwrap(), expected, "{before}");
    }
    assert_eq!((db.rows("alerts").await, db.rows("alert_events").await, db.rows("notices").await), (1, 1, 1));
}
