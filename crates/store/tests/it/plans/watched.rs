//! What the SLA monitor reads again and again costs what is due, however many rules, jobs, alerts and messages there are.

use std::cell::Cell;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Scope,
    alert::{AlertStatus, AlertType, Key, Severity, Subject, Terms},
    ids::{AlertId, AutomationId, ChannelId},
    notification::{ChannelKind, NotificationState},
    sla::{Expectations, Known, Rule, Standing, Target},
};
use store::{
    Database,
    alerts::{
        Filter, alert_count_open_unscoped, alert_get, alert_list, alert_list_archived_unscoped, alert_list_due_unscoped,
        alert_list_story_unscoped, retention_alerts,
    },
    notifications::{
        self, alert_list_named_unscoped, lane_next_wake_unscoped, notification_alerts, notification_attempts, notification_keep_message,
        notification_list, notification_reference_unscoped, outbox_lateness_unscoped, retention_notifications,
    },
    report_plans::report_plan_list_due_unscoped,
    reports::{Selection, report_durations, report_failures, report_late, report_runs},
    slas::{
        Claim, Judged, LastRuns, State, SuccessOf, sla_any_follows_unscoped, sla_claim, sla_finish, sla_insert, sla_lateness_unscoped,
        sla_list_ended_unscoped, sla_list_ends_unscoped, sla_list_running_of_unscoped, sla_list_running_unscoped, sla_list_runs_unscoped,
        sla_list_schedules_unscoped, sla_list_states_unscoped, sla_list_successes_unscoped, sla_list_waiting_unscoped,
        sla_next_wake_unscoped, sla_note_ended_in_txn, sla_wake_of_automations,
    },
};
use uuid::Uuid;

use super::{PLANNERS, RUNS, USUAL, fill};
use crate::{
    case::Case,
    fixtures::{at, commit, id_at},
    notifications::{channel, claim, end, message, open, route, sent, station, take},
    report_plans::stored,
    statistics::{apart, execute_apart, reads},
};

suite!(
    postgres,
    Postgres,
    rules_are_claimed_and_judged_without_the_others,
    runs_of_rules_are_read_without_the_others,
    open_and_due_alerts_are_found_without_the_others,
    lists_of_alerts_read_a_page,
    the_outbox_is_emptied_without_what_was_sent,
    the_log_of_messages_reads_a_page,
    due_report_plans_are_found_without_the_others,
    a_report_reads_its_period,
);

/// Rows of each table that grows.
const ROWS: i64 = 5_000;
/// What one look may read of a table, however many rows it has.
const MOST: i64 = 300;
/// Tables that grow with time or with the number of rules.
const GROWING: [&str; 10] = [
    "jobs",
    "slas",
    "sla_states",
    "sla_ends",
    "alerts",
    "alert_events",
    "notices",
    "notifications",
    "notification_items",
    "notification_attempts",
];

/// Asserts that one `look` reads few rows of the tables that grow, however it is planned.
async fn reads_few(db: &Case, look: impl AsyncFn(&Database)) {
    reads_at_most(db, MOST, look).await;
}

async fn reads_at_most(db: &Case, most: i64, look: impl AsyncFn(&Database)) {
    reads_planned(db, &PLANNERS, most, look).await;
}

/// The same of what is asked for so seldom that a plan for all values does no harm; PostgreSQL makes none for it by itself.
async fn reads_few_as_planned(db: &Case, look: impl AsyncFn(&Database)) {
    reads_planned(db, &[PLANNERS[0], USUAL], MOST, look).await;
}

async fn reads_planned(db: &Case, planners: &[&str], most: i64, look: impl AsyncFn(&Database)) {
    for planner in planners {
        let read = reads(db, &GROWING, planner, async |hub: &Database| {
            for _ in 0..RUNS {
                look(hub).await;
            }
        })
        .await;
        let allowed = i64::from(RUNS) * most;
        let many: Vec<_> = read.iter().filter(|(_, rows)| **rows > allowed).collect();
        assert!(many.is_empty(), "{RUNS} looks, {planner}: {many:?} of {ROWS} rows each");
    }
}

/// The nth of the many ids, in SQL.
const ID: &str = "('019b76da-a800-7000-8000-' || lpad(to_hex(100000 + nth), 12, '0'))::uuid";

/// Makes the one row of `table` many, with these fields instead of its own.
async fn multiply(db: &Case, table: &str, key: &str, fields: &str) {
    let copies = format!(
        "INSERT INTO {table} SELECT (jsonb_populate_record(null::{table}, to_jsonb(one) || jsonb_build_object({fields}))).* \
         FROM (SELECT * FROM {table} ORDER BY {key} LIMIT 1) AS one, generate_series(1, {ROWS}) AS nth"
    );
    execute_apart(db, &copies).await;
    execute_apart(db, &format!("VACUUM ANALYZE {table}")).await;
}

/// The jobs of `fill`, ended one a second from 2026 on, and as many rules, each with an expectation that is due a second after the other's.
async fn fill_rules(db: &Case) {
    fill(db).await;
    let rule = Rule {
        name: "rule".to_owned(),
        target: Target::Queue("invoices".to_owned()),
        expect: Expectations { failure_streak: Some(3), ..Expectations::default() },
        calendar_id: None,
        timezone: "UTC".to_owned(),
        terms: Terms::default(),
        enabled: true,
    };
    apart(db, USUAL, async |hub| {
        let sla = sla_insert(hub, &test_support::change(), id_at(0, 1), &rule, at(0)).await.unwrap();
        let (now, until) = (at(0), at(1_000_000));
        assert_eq!(sla_claim(hub, &Claim { now, until, limit: 9 }).await.unwrap().len(), 1);
        let key = Key { rule_id: Some(sla.id), alert_type: AlertType::FailureStreak, subject: Subject::Automation(401.into()) };
        let known = Known {
            standing: Standing::Fine,
            at: None,
            told_at: None,
            fine_since: None,
            due_at: Some(at(0)),
            is_until_due: false,
            since: None,
            breach_of: None,
        };
        let states = vec![State { key, automation_id: Some(401.into()), known }];
        let judged =
            Judged { id: sla.id, wake_at: None, follows: true, observations: Vec::new(), states, gone: Vec::new(), ends: Vec::new() };
        sla_finish(hub, until, &[judged], at(0)).await.unwrap();
    })
    .await;
    let due = "timestamptz '2026-01-01' + nth * interval '1 second'";
    let fields = format!("'id', {ID}, 'name', 'rule ' || nth, 'automation_id', nth % 400, 'queue_name', null, 'wake_at', {due}");
    multiply(db, "slas", "id", &fields).await;
    let fields = format!("'sla_id', {ID}, 'automation_id', nth % 400, 'subject_name', (nth % 400)::text, 'due_at', {due}");
    multiply(db, "sla_states", "sla_id", &fields).await;
    let ended = "UPDATE jobs SET started_at = ended - interval '1 second', completed_at = ended FROM (SELECT id AS of, \
        timestamptz '2026-01-01' + ('x' || right(id::text, 8))::bit(32)::int * interval '1 second' AS ended FROM jobs) AS ends \
        WHERE of = id AND status IN ('completed', 'failed'); VACUUM ANALYZE jobs";
    for statement in ended.split("; ") {
        execute_apart(db, statement).await;
    }
}

async fn rules_are_claimed_and_judged_without_the_others(db: Case) {
    fill_rules(&db).await;
    let until = Cell::new(10_000_000_000);
    reads_few(&db, async |hub| {
        assert!(sla_any_follows_unscoped(hub).await.unwrap());
        let next = sla_next_wake_unscoped(hub).await.unwrap().unwrap();
        until.set(until.get() + 1_000);
        let claimed = sla_claim(hub, &Claim { now: next, until: at(until.get()), limit: 20 }).await.unwrap();
        assert_eq!(claimed.len(), 1);
        let ids: Vec<_> = claimed.iter().map(|sla| sla.id).collect();
        let states = sla_list_states_unscoped(hub, &ids).await.unwrap();
        assert_eq!((states.len(), sla_list_ends_unscoped(hub, &ids).await.unwrap()), (1, vec![]));
        let judged = Judged {
            id: ids[0],
            wake_at: Some(at(until.get())),
            follows: true,
            observations: Vec::new(),
            states,
            gone: Vec::new(),
            ends: Vec::new(),
        };
        sla_finish(hub, at(until.get()), &[judged], at(0)).await.unwrap();
    })
    .await;
    // Once a minute each expectation is read once: an index of what is due would be written whenever one is judged.
    reads_at_most(&db, ROWS + MOST, async |hub| {
        let next = sla_next_wake_unscoped(hub).await.unwrap().unwrap();
        sla_lateness_unscoped(hub, next, TimeDelta::seconds(60)).await.unwrap();
    })
    .await;
    // Each of these automations has a dozen rules, whose earlier versions would be read too until somebody vacuums.
    let vacuum = async || execute_apart(&db, "VACUUM (INDEX_CLEANUP ON) slas").await;
    reads_few(&db, async |hub| {
        vacuum().await;
        let ended = [7, 8].map(AutomationId::new).into();
        assert!(commit(hub, async |txn| sla_note_ended_in_txn(txn, &ended).await).await.unwrap() > 20);
    })
    .await;
    reads_few(&db, async |hub| {
        vacuum().await;
        sla_wake_of_automations(hub, &[7.into()]).await.unwrap();
    })
    .await;
    execute_apart(&db, "UPDATE slas SET follows = false").await;
    execute_apart(&db, "VACUUM ANALYZE slas").await;
    reads_few(&db, async |hub| assert!(!sla_any_follows_unscoped(hub).await.unwrap())).await;
}

async fn runs_of_rules_are_read_without_the_others(db: Case) {
    fill_rules(&db).await;
    let some: Vec<AutomationId> = (1..4).map(AutomationId::new).collect();
    reads_few(&db, async |hub| {
        let ended = sla_list_ended_unscoped(hub, (at(115_000_000), Uuid::nil().into()), 100).await.unwrap();
        assert_eq!(ended.len(), 100);
    })
    .await;
    reads_few(&db, async |hub| {
        let of = |id: &AutomationId| SuccessOf { automation_id: *id, previous: at(0), early: at(0), since: at(0) };
        let asked: Vec<SuccessOf> = some.iter().map(of).collect();
        let found = sla_list_successes_unscoped(hub, &asked).await.unwrap();
        assert!(found.iter().all(|success| success.last_at.is_some()));
        let runs = LastRuns { automation_id: some[1], since: at(0), limit: 10 };
        assert_eq!(sla_list_runs_unscoped(hub, &runs).await.unwrap().len(), 10);
    })
    .await;
    reads_few(&db, async |hub| {
        sla_list_running_unscoped(hub, &some).await.unwrap();
        assert_eq!(sla_list_running_of_unscoped(hub, &some, 100).await.unwrap().len(), 10);
        let queues = ["invoices".to_owned()].into();
        assert_eq!(sla_list_waiting_unscoped(hub, Some(&queues), at(9)).await.unwrap().iter().map(|one| one.jobs).sum::<i64>(), 40);
        assert!(sla_list_schedules_unscoped(hub, &some).await.unwrap().is_empty());
    })
    .await;
}

/// An alert that was opened, told, resolved and told, and as many others, with their stories and messages: a twentieth is of the same incident.
async fn fill_alerts(db: &Case) {
    apart(db, USUAL, async |hub| {
        open(hub, 0, at(0)).await;
        tell(hub, at(0)).await;
        end(hub, 0, at(1)).await;
        tell(hub, at(1)).await;
    })
    .await;
    let resolved = "timestamptz '2026-01-01' + nth * interval '1 second'";
    let fields = format!(
        "'id', {ID}, 'key', CASE nth % 20 WHEN 0 THEN one.key ELSE 'key ' || nth % 20 END, 'open_key', null, \
         'alert_type', (array['WORKER_DOWN', 'FAILURE', 'DURATION', 'QUEUE_BACKLOG'])[1 + nth % 4], 'automation_id', nth % 400, \
         'rule_id', ('019b76da-a800-7000-8000-' || lpad(to_hex(nth % 400), 12, '0'))::uuid, 'opened_at', {resolved}, 'resolved_at', {resolved}"
    );
    multiply(db, "alerts", "id", &fields).await;
    multiply(db, "alert_events", "id", &format!("'id', {ID}, 'alert_id', {ID}")).await;
    multiply(db, "notices", "id", &format!("'id', {ID}, 'alert_id', {ID}")).await;
    let channel = "CASE nth % 2 WHEN 0 THEN one.channel_id ELSE ('019b76da-a800-7000-8000-' || lpad(to_hex(nth % 40), 12, '0'))::uuid END";
    multiply(db, "notifications", "id", &format!("'id', {ID}, 'channel_id', {channel}")).await;
    let key = "CASE nth % 20 WHEN 0 THEN one.alert_key ELSE 'key ' || nth % 20 END";
    let fields = format!("'channel_id', {channel}, 'notice_id', {ID}, 'notification_id', {ID}, 'alert_id', {ID}, 'alert_key', {key}");
    multiply(db, "notification_items", "notice_id", &fields).await;
    multiply(db, "notification_attempts", "id", &format!("'id', {ID}, 'notification_id', {ID}")).await;
}

/// Empties the outbox to the one channel.
async fn tell(hub: &Database, now: DateTime<Utc>) -> AlertId {
    route(hub, &[station(1, ChannelKind::Webhook)], now).await;
    outbox_lateness_unscoped(hub, now).await.unwrap();
    assert!(lane_next_wake_unscoped(hub).await.unwrap().is_some());
    let claimed = claim(hub, now).await;
    let sending = take(hub, claimed[0], now).await;
    let ids: Vec<AlertId> = sending.items.iter().map(|item| item.alert_id).collect();
    assert_eq!(alert_list_named_unscoped(hub, &ids).await.unwrap().len(), 1);
    notification_reference_unscoped(hub, channel(1), ids[0]).await.unwrap();
    notification_keep_message(hub, sending.notification.id, &message(sending.notification.id)).await.unwrap();
    assert!(sent(hub, claimed[0], &sending, now).await);
    notifications::lane_next(hub, claimed[0], None, (now, now, now)).await.unwrap();
    ids[0]
}

async fn open_and_due_alerts_are_found_without_the_others(db: Case) {
    fill_alerts(&db).await;
    let tick = Cell::new(100_000_000);
    reads_few(&db, async |hub| {
        tick.set(tick.get() + 10);
        let alert = open(hub, 0, at(tick.get())).await;
        assert_eq!(alert_count_open_unscoped(hub).await.unwrap().len(), 1);
        alert_list_due_unscoped(hub, at(tick.get()), 100).await.unwrap();
        assert_eq!(alert_list_archived_unscoped(hub, 100).await.unwrap(), []);
        assert_eq!(end(hub, 0, at(tick.get() + 1)).await, alert);
        assert_eq!(retention_alerts(hub, at(-1_000), 10).await.unwrap(), 0);
    })
    .await;
}

async fn lists_of_alerts_read_a_page(db: Case) {
    fill_alerts(&db).await;
    apart(&db, USUAL, async |hub| {
        open(hub, 1, at(100_000_000)).await;
    })
    .await;
    let list = async |hub: &Database, filter: Filter| alert_list(hub, &Scope::All, &Filter { limit: 30, ..filter }).await.unwrap().len();
    reads_few(&db, async |hub| {
        assert_eq!(list(hub, Filter::default()).await, 30);
        assert_eq!(list(hub, Filter { statuses: vec![AlertStatus::Open, AlertStatus::Acknowledged], ..Filter::default() }).await, 1);
        assert_eq!(list(hub, Filter { statuses: vec![AlertStatus::Resolved], ..Filter::default() }).await, 30);
    })
    .await;
    reads_few(&db, async |hub| {
        assert!(list(hub, Filter { automation_id: Some(7.into()), ..Filter::default() }).await > 10);
        assert_eq!(list(hub, Filter { automation_id: Some(999.into()), ..Filter::default() }).await, 0);
        assert!(list(hub, Filter { rule_id: Some(id_at(0, 7)), ..Filter::default() }).await <= 30);
    })
    .await;
    // Of which there are none, or few.
    reads_few(&db, async |hub| {
        assert_eq!(list(hub, Filter { types: vec![AlertType::Hub], ..Filter::default() }).await, 0);
        assert_eq!(list(hub, Filter { types: vec![AlertType::Hub, AlertType::Late], ..Filter::default() }).await, 0);
    })
    .await;
    reads_few(&db, async |hub| assert_eq!(list(hub, Filter { severities: vec![Severity::Critical], ..Filter::default() }).await, 0)).await;
    reads_few(&db, async |hub| {
        let id = alert_list(hub, &Scope::All, &Filter { limit: 1, ..Filter::default() }).await.unwrap()[0].id;
        assert!(alert_get(hub, &Scope::All, id).await.unwrap().is_some());
        assert!(!alert_list_story_unscoped(hub, id, 10).await.unwrap().is_empty());
    })
    .await;
}

async fn the_outbox_is_emptied_without_what_was_sent(db: Case) {
    fill_alerts(&db).await;
    let tick = Cell::new(100_000_000);
    reads_few(&db, async |hub| {
        tick.set(tick.get() + 10);
        // A thousand messages told of this incident before.
        open(hub, 0, at(tick.get())).await;
        tell(hub, at(tick.get())).await;
        end(hub, 0, at(tick.get() + 1)).await;
        tell(hub, at(tick.get() + 1)).await;
    })
    .await;
}

async fn the_log_of_messages_reads_a_page(db: Case) {
    fill_alerts(&db).await;
    let list = async |hub: &Database, filter: notifications::Filter| {
        notification_list(hub, &notifications::Filter { limit: 30, ..filter }).await.unwrap()
    };
    reads_few(&db, async |hub| {
        let page = list(hub, notifications::Filter::default()).await;
        assert_eq!(page.len(), 30);
        let ids: Vec<_> = page.iter().map(|one| one.id).collect();
        notification_alerts(hub, &ids, 3).await.unwrap();
        notification_attempts(hub, ids[0], 10).await.unwrap();
    })
    .await;
    reads_few_as_planned(&db, async |hub| {
        let of = |nth: u128| notifications::Filter { channel_id: Some(ChannelId::from(Uuid::from_u128(nth))), ..Default::default() };
        assert_eq!((list(hub, of(1)).await.len(), list(hub, of(2)).await.len()), (30, 0));
        let of_state = |state| notifications::Filter { state: Some(state), ..Default::default() };
        assert_eq!(list(hub, of_state(NotificationState::Waiting)).await, []);
        assert_eq!(list(hub, of_state(NotificationState::Failed)).await, []);
        assert_eq!(list(hub, notifications::Filter { alert_id: Some(id_at(0, 7)), ..Default::default() }).await, []);
        assert_eq!(retention_notifications(hub, at(-1_000), 10).await.unwrap(), 0);
    })
    .await;
}

async fn due_report_plans_are_found_without_the_others(db: Case) {
    let plan = stored(&db).await;
    let due = "timestamptz '2026-02-01' + nth * interval '1 second'";
    multiply(&db, "report_plans", "id", &format!("'id', {ID}, 'name', 'plan ' || nth, 'due_at', {due}")).await;
    for planner in PLANNERS {
        let read = reads(&db, &["report_plans"], planner, async |hub: &Database| {
            for _ in 0..RUNS {
                assert_eq!(report_plan_list_due_unscoped(hub, at(1_000), 100).await.unwrap(), std::slice::from_ref(&plan));
            }
        });
        let read = read.await;
        // The entry and the row.
        assert!(read["report_plans"] <= 2 * i64::from(RUNS), "{planner}: {read:?}");
    }
}

async fn a_report_reads_its_period(db: Case) {
    fill_rules(&db).await;
    fill_alerts(&db).await;
    // 100 jobs ended in it.
    let (from, until) = (at(110_000_000), at(110_100_000));
    let selection = Selection { scope: &Scope::All, domain: None, from, until };
    reads_few_as_planned(&db, async |hub| {
        let runs = report_runs(hub, &selection).await.unwrap();
        assert_eq!(runs.values().map(|runs| runs.completed).sum::<u64>(), 100);
        assert_eq!(report_failures(hub, &selection, 10).await.unwrap(), []);
        assert_eq!(report_late(hub, &selection).await.unwrap().len(), 0);
        report_durations(hub, 7.into(), (from, until), 100).await.unwrap();
    })
    .await;
}
