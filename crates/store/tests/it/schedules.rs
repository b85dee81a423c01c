//! Schedules: what is written, who sees it, and that of several schedulers one decides.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    calendar::{DayRule, OnBlackout},
    ids::{AutomationId, ScheduleId},
    policy::{Overlap, Overrides, Pause},
    schedule::{AutomationState, Misfire, MisfirePolicy, PauseSpan, ScheduleState, StateReason, Window},
    scope::Places,
};
use serde_json::json;
use store::{
    Error,
    automations::{automation_archive, automation_insert, automation_pause},
    retention::retention_fires,
    schedules::{
        AT_ONCE, CalendarUse, Claim, Decided, Draft, Filter, Fire, FireFilter, FireState, Schedule, Spec, Update,
        automation_list_standing_unscoped, fire_list, fire_list_last, schedule_any_ahead_unscoped, schedule_claim, schedule_count,
        schedule_delete, schedule_finish, schedule_get, schedule_insert, schedule_list, schedule_list_pauses,
        schedule_list_pauses_unscoped, schedule_list_revisions_in_txn, schedule_lock_in_txn, schedule_next_wake_unscoped, schedule_pause,
        schedule_resume, schedule_update, schedule_wake_changed, schedule_wake_of_calendar_in_txn, schedule_wake_page, scheduler_state,
        scheduler_state_put,
    },
};
use test_support::change;

use crate::{
    calendars::brazil,
    case::Case,
    fixtures::{at, draft as automation_draft, id_at, object},
};

both!(
    what_was_saved_is_read_again,
    a_change_names_its_revision_and_its_automation,
    only_other_times_move_the_cursor,
    a_scope_shows_only_schedules_of_its_automations,
    lists_come_in_pages,
    of_several_schedulers_one_has_a_schedule,
    a_decision_is_written_unless_somebody_woke_the_schedule,
    what_became_of_a_slot_is_kept_once,
    a_claim_that_ended_is_another_ones,
    a_pause_has_a_beginning_and_an_end,
    changes_elsewhere_wake_schedules,
    what_was_read_under_the_lock_stays_all,
    old_fires_are_removed,
    the_state_is_shared,
);

pub(crate) fn draft(automation: AutomationId, name: &str) -> Draft {
    Draft {
        automation_id: automation,
        name: name.to_owned(),
        spec: Spec::Cron("0 9 * * *".to_owned()),
        timezone: "America/Sao_Paulo".to_owned(),
        calendar: None,
        window: None,
        jitter_s: 0,
        start_at: None,
        end_at: None,
        enabled: true,
        misfire: Misfire::default(),
        parameters: serde_json::Map::new(),
        job: Overrides::default(),
        version_id: None,
        environment: None,
    }
}

pub(crate) async fn automation(db: &Case, name: &str) -> AutomationId {
    automation_insert(db, &Scope::All, &change(), &automation_draft(name), at(0)).await.unwrap().id
}

/// So many schedules of a new automation.
async fn schedules(db: &Case, count: u32) -> Vec<Schedule> {
    let automation = automation(db, "a").await;
    let mut all = Vec::new();
    for nth in 0..count {
        all.push(schedule_insert(db, &change(), id_at(1, nth), &draft(automation, &format!("s{nth}")), at(1)).await.unwrap());
    }
    all
}

pub(crate) async fn claimed(db: &Case, now: i64) -> Vec<Schedule> {
    schedule_claim(db, &Claim { now: at(now), until: at(now + 30_000), limit: 100 }).await.unwrap()
}

pub(crate) fn decided(schedule: &Schedule, wake_at: Option<DateTime<Utc>>) -> Decided {
    Decided {
        id: schedule.id,
        cursor_at: schedule.cursor_at,
        wake_at,
        last_slot_at: None,
        state: ScheduleState::Active,
        state_reason: None,
        pauses_over: None,
        fires: Vec::new(),
    }
}

fn fire(id: ScheduleId, slot: i64, state: FireState) -> Fire {
    let job_id = (state == FireState::Created).then(|| id_at(slot, 1));
    Fire {
        schedule_id: id,
        slot_at: at(slot),
        last_slot_at: at(slot),
        slots: 1,
        more: false,
        run_at: Some(at(slot)),
        state,
        reason: None,
        detail: None,
        job_id,
        decided_at: at(slot + 5),
    }
}

async fn what_was_saved_is_read_again(db: Case) {
    let automation = automation(&db, "a").await;
    let plain = draft(automation, "plain");
    let all = Draft {
        calendar: Some(CalendarUse { id: brazil(), rule: DayRule::Nth(-2), on_blackout: OnBlackout::Hold }),
        window: Some(Window { start: "22:00:00".parse().unwrap(), end: "07:30:15".parse().unwrap() }),
        jitter_s: 30,
        start_at: Some(at(5)),
        end_at: Some(at(500)),
        misfire: Misfire { policy: MisfirePolicy::All, limit: 7, grace_s: 90 },
        parameters: object(json!({"day": "{{today}}", "deep": [{"x": 1}]})),
        job: Overrides {
            priority: Some(9),
            timeout_s: Some(60),
            queue_timeout_s: Some(61),
            max_attempts: Some(3),
            cancel_grace_s: Some(4),
            concurrency_key: Some("k".to_owned()),
            not_before: None,
            overlap: Some(Overlap::Skip),
            max_concurrency: Some(2),
            retry_backoff_s: Some(10),
        },
        version_id: Some(id_at(0, 8)),
        environment: Some("PROD".to_owned()),
        ..draft(automation, "all")
    };
    let every = Draft { spec: Spec::Interval { seconds: 90, anchor: at(3) }, ..draft(automation, "every") };
    let once = Draft { spec: Spec::Once(at(4)), enabled: false, ..draft(automation, "once") };
    for (nth, draft) in (1..).zip([plain, all, every, once]) {
        let id = id_at(1, nth);
        let saved = schedule_insert(&db, &change(), id, &draft, at(1)).await.unwrap();
        assert_eq!(schedule_get(&db, &Scope::All, id).await.unwrap().as_ref(), Some(&saved));
        assert_eq!((&saved.draft, saved.cursor_at, saved.wake_at, saved.revision), (&draft, at(1), Some(AT_ONCE), 1));
        assert_eq!((saved.state, saved.state_reason, saved.updated_by.is_some()), (ScheduleState::Active, None, true));
    }
}

async fn a_change_names_its_revision_and_its_automation(db: Case) {
    let first = schedules(&db, 2).await.remove(0);
    let by = change();
    let update = async |scope: &Scope, id, revision, draft: &Draft| schedule_update(&db, (scope, &by), (id, revision), draft, at(2)).await;
    let renamed = Draft { name: "renamed".to_owned(), ..first.draft.clone() };
    let Update::Done(now) = update(&Scope::All, first.id, Some(1), &renamed).await.unwrap() else { panic!("refused") };
    assert_eq!((now.draft.name.as_str(), now.revision, now.updated_at), ("renamed", 2, at(2)));
    assert_eq!(update(&Scope::All, first.id, Some(1), &renamed).await.unwrap(), Update::Stale(2));
    assert_eq!(update(&Scope::All, id_at(9, 9), None, &renamed).await.unwrap(), Update::Missing);
    assert_eq!(update(&nowhere(), first.id, None, &renamed).await.unwrap(), Update::Missing);
    let taken = Draft { name: "s1".to_owned(), ..first.draft.clone() };
    assert!(matches!(update(&Scope::All, first.id, None, &taken).await, Err(Error::Duplicate(_))));
    let of_nothing = Draft { automation_id: 999.into(), ..first.draft.clone() };
    assert!(matches!(update(&Scope::All, first.id, None, &of_nothing).await, Err(Error::Dangling("automation_id"))));
    assert!(matches!(schedule_insert(&db, &by, id_at(1, 9), &of_nothing, at(2)).await, Err(Error::Dangling("automation_id"))));
    assert!(!schedule_delete(&db, (&nowhere(), &by), first.id, at(3)).await.unwrap());
    assert!(schedule_delete(&db, (&Scope::All, &by), first.id, at(3)).await.unwrap());
    assert!(!schedule_delete(&db, (&Scope::All, &by), first.id, at(3)).await.unwrap());
    assert_eq!(schedule_count(&db, &Scope::All, &Filter::default()).await.unwrap(), 1);
}

async fn only_other_times_move_the_cursor(db: Case) {
    let schedule = schedules(&db, 1).await.remove(0);
    let same =
        Draft { parameters: object(json!({"x": 1})), jitter_s: 5, misfire: Misfire { grace_s: 1, ..Misfire::default() }, ..schedule.draft };
    let other = Draft { spec: Spec::Cron("0 10 * * *".to_owned()), ..same.clone() };
    let off = Draft { enabled: false, ..other.clone() };
    for (millis, draft, cursor) in [(10, &same, 1), (20, &other, 20), (30, &other, 20), (40, &off, 40)] {
        let update = schedule_update(&db, (&Scope::All, &change()), (schedule.id, None), draft, at(millis)).await.unwrap();
        let Update::Done(now) = update else { panic!("{update:?}") };
        assert_eq!((now.cursor_at, now.wake_at), (at(cursor), Some(AT_ONCE)), "{millis}");
    }
}

fn nowhere() -> Scope {
    Scope::Only(Places::default())
}

async fn a_scope_shows_only_schedules_of_its_automations(db: Case) {
    let mine = schedules(&db, 2).await;
    let theirs = automation(&db, "b").await;
    schedule_insert(&db, &change(), id_at(2, 1), &draft(theirs, "s"), at(1)).await.unwrap();
    let scope = Scope::Only(Places { automations: BTreeSet::from([mine[0].draft.automation_id]), ..Places::default() });
    let ids = |all: Vec<Schedule>| all.into_iter().map(|one| one.id).collect::<Vec<_>>();
    let seen = ids(schedule_list(&db, &scope, &Filter::default()).await.unwrap());
    assert_eq!(seen, [mine[0].id, mine[1].id]);
    assert_eq!(schedule_get(&db, &scope, id_at(2, 1)).await.unwrap(), None);
    let pause = Pause { at: at(2), until: None, reason: None, by: "ana".to_owned() };
    let paused = schedule_pause(&db, (&scope, &change()), &Filter::default(), &pause).await.unwrap();
    assert_eq!(paused, [mine[0].id, mine[1].id]);
    assert_eq!(schedule_list_pauses(&db, &nowhere(), &paused).await.unwrap(), []);
    assert_eq!(schedule_list_pauses(&db, &scope, &[mine[0].id, id_at(2, 1)]).await.unwrap().len(), 1);
    let all = claimed(&db, 3).await;
    let fired: Vec<_> = all.iter().map(|one| Decided { fires: vec![fire(one.id, 2, FireState::Created)], ..decided(one, None) }).collect();
    schedule_finish(&db, at(30_003), &fired).await.unwrap();
    let filter = FireFilter { limit: 10, ..FireFilter::default() };
    assert_eq!(fire_list(&db, &scope, &filter).await.unwrap().len(), 2);
    assert_eq!(fire_list(&db, &Scope::All, &filter).await.unwrap().len(), 3);
    assert_eq!(fire_list_last(&db, &scope, id_at(2, 1), 10).await.unwrap(), []);
}

async fn lists_come_in_pages(db: Case) {
    let all = schedules(&db, 5).await;
    let off = Draft { enabled: false, ..all[3].draft.clone() };
    schedule_update(&db, (&Scope::All, &change()), (all[3].id, None), &off, at(2)).await.unwrap();
    let page = async |filter: Filter| {
        let found = schedule_list(&db, &Scope::All, &filter).await.unwrap();
        found.into_iter().map(|one| one.draft.name).collect::<Vec<_>>()
    };
    assert_eq!(page(Filter { limit: 2, ..Filter::default() }).await, ["s0", "s1"]);
    assert_eq!(page(Filter { limit: 2, after: Some(all[1].id), ..Filter::default() }).await, ["s2", "s3"]);
    assert_eq!(page(Filter { enabled: Some(false), ..Filter::default() }).await, ["s3"]);
    assert_eq!(page(Filter { search: Some("S4".to_owned()), ..Filter::default() }).await, ["s4"]);
    assert_eq!(page(Filter { name: Some("s1".to_owned()), ..Filter::default() }).await, ["s1"]);
    assert_eq!(page(Filter { ids: vec![all[0].id, all[2].id], ..Filter::default() }).await, ["s0", "s2"]);
    assert!(page(Filter { automation_id: Some(999.into()), ..Filter::default() }).await.is_empty());
    assert!(page(Filter { states: vec![ScheduleState::Ended], ..Filter::default() }).await.is_empty());
}

async fn of_several_schedulers_one_has_a_schedule(db: Case) {
    schedules(&db, 40).await;
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let database = db.database.clone();
            tokio::spawn(async move {
                let mut mine = Vec::new();
                loop {
                    let claim = Claim { now: at(2), until: at(30_000), limit: 7 };
                    let some = schedule_claim(&database, &claim).await.unwrap();
                    if some.is_empty() {
                        return mine;
                    }
                    mine.extend(some.into_iter().map(|one| one.id));
                }
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in tasks {
        all.extend(task.await.unwrap());
    }
    // Rows that another was claiming were left to it, and may have been left by the last of them all.
    all.extend(schedule_claim(&db, &Claim { now: at(2), until: at(30_000), limit: 100 }).await.unwrap().into_iter().map(|one| one.id));
    let distinct: BTreeSet<_> = all.iter().copied().collect();
    assert_eq!((all.len(), distinct.len()), (40, 40));
    assert_eq!(schedule_next_wake_unscoped(&db).await.unwrap(), Some(at(30_000)));
}

async fn a_decision_is_written_unless_somebody_woke_the_schedule(db: Case) {
    let all = schedules(&db, 3).await;
    let claimed = claimed(&db, 2).await;
    assert_eq!(claimed.len(), 3);
    schedule_update(&db, (&Scope::All, &change()), (all[1].id, None), &all[1].draft, at(3)).await.unwrap();
    let next = |one: &Schedule| Decided {
        cursor_at: at(2),
        last_slot_at: Some(at(2)),
        state: ScheduleState::Ended,
        state_reason: Some(StateReason::NoDate),
        ..decided(one, Some(at(60_000)))
    };
    let outcome: Vec<_> = claimed.iter().map(next).collect();
    let mut written = schedule_finish(&db, at(30_002), &outcome).await.unwrap();
    written.sort_unstable();
    assert_eq!(written, [all[0].id, all[2].id]);
    let now = schedule_get(&db, &Scope::All, all[0].id).await.unwrap().unwrap();
    assert_eq!((now.cursor_at, now.wake_at, now.last_slot_at), (at(2), Some(at(60_000)), Some(at(2))));
    assert_eq!((now.state, now.state_reason, now.revision), (ScheduleState::Ended, Some(StateReason::NoDate), 1));
    let woken = schedule_get(&db, &Scope::All, all[1].id).await.unwrap().unwrap();
    assert_eq!((woken.cursor_at, woken.wake_at, woken.state), (at(1), Some(AT_ONCE), ScheduleState::Active));
}

async fn what_became_of_a_slot_is_kept_once(db: Case) {
    let schedule = schedules(&db, 1).await.remove(0);
    let keep = async |fires: Vec<Fire>| {
        let outcome = Decided { fires, ..decided(&schedule, None) };
        schedule_finish(&db, at(77), &[outcome]).await.unwrap();
    };
    let skipped = Fire {
        last_slot_at: at(9),
        slots: 3,
        more: true,
        run_at: None,
        reason: Some("missed".to_owned()),
        ..fire(schedule.id, 7, FireState::Skipped)
    };
    let refused = Fire { reason: Some("invalid".to_owned()), detail: Some("why".to_owned()), ..fire(schedule.id, 10, FireState::Refused) };
    keep(vec![skipped.clone(), refused.clone()]).await;
    let created = fire(schedule.id, 10, FireState::Created);
    keep(vec![Fire { slots: 9, ..skipped.clone() }, created.clone()]).await;
    keep(vec![refused, Fire { job_id: Some(id_at(8, 8)), ..created.clone() }]).await;
    assert_eq!(fire_list_last(&db, &Scope::All, schedule.id, 10).await.unwrap(), [created.clone(), skipped.clone()]);
    let page = async |filter: FireFilter| fire_list(&db, &Scope::All, &FireFilter { limit: 1, ..filter }).await.unwrap();
    assert_eq!(page(FireFilter::default()).await, std::slice::from_ref(&skipped));
    assert_eq!(
        page(FireFilter { after: Some((skipped.slot_at, schedule.id)), ..FireFilter::default() }).await,
        std::slice::from_ref(&created)
    );
    assert_eq!(page(FireFilter { from: Some(at(8)), to: Some(at(11)), ..FireFilter::default() }).await, std::slice::from_ref(&created));
    assert_eq!(page(FireFilter { to: Some(at(7)), ..FireFilter::default() }).await, []);
    assert!(schedule_delete(&db, (&Scope::All, &change()), schedule.id, at(3)).await.unwrap());
    assert_eq!(db.rows("schedule_fires").await, 0);
}

async fn a_claim_that_ended_is_another_ones(db: Case) {
    let schedule = schedules(&db, 1).await.remove(0);
    let first = claimed(&db, 2).await;
    assert_eq!(first[0].wake_at, Some(at(30_002)));
    assert_eq!(claimed(&db, 30_001).await, []);
    assert_eq!(claimed(&db, 30_002).await.len(), 1);
    // The first one was frozen, and wakes: it has nothing to say, but what it did has happened.
    let late = Decided { fires: vec![fire(schedule.id, 2, FireState::Created)], ..decided(&first[0], None) };
    assert_eq!(schedule_finish(&db, at(30_002), &[late]).await.unwrap(), []);
    assert_eq!(fire_list_last(&db, &Scope::All, schedule.id, 10).await.unwrap().len(), 1);
    assert_eq!(schedule_finish(&db, at(60_002), &[decided(&schedule, None)]).await.unwrap(), [schedule.id]);
    assert_eq!(schedule_next_wake_unscoped(&db).await.unwrap(), None);
}

async fn a_pause_has_a_beginning_and_an_end(db: Case) {
    let all = schedules(&db, 2).await;
    let ids = [all[0].id, all[1].id];
    let one = Filter { ids: vec![ids[0]], ..Filter::default() };
    let by = change();
    let pause = |from, until: Option<i64>| Pause { at: at(from), until: until.map(at), reason: Some("why".into()), by: "ana".into() };
    let spans = async || schedule_list_pauses_unscoped(&db, &ids).await.unwrap().remove(&ids[0]).unwrap_or_default();
    schedule_finish(&db, at(30_002), &claimed(&db, 2).await.iter().map(|one| decided(one, None)).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(schedule_pause(&db, (&Scope::All, &by), &one, &pause(10, None)).await.unwrap(), [ids[0]]);
    assert_eq!(schedule_next_wake_unscoped(&db).await.unwrap(), Some(AT_ONCE));
    assert_eq!(spans().await, [PauseSpan { from: at(10), until: None }]);
    // Another pause takes the place of the one that lasts.
    schedule_pause(&db, (&Scope::All, &by), &one, &pause(20, Some(100))).await.unwrap();
    assert_eq!(spans().await, [PauseSpan { from: at(10), until: Some(at(20)) }, PauseSpan { from: at(20), until: Some(at(100)) }]);
    assert_eq!(schedule_resume(&db, (&Scope::All, &by), &Filter::default(), at(30)).await.unwrap(), [ids[0]]);
    assert_eq!(schedule_resume(&db, (&Scope::All, &by), &Filter::default(), at(31)).await.unwrap(), []);
    assert_eq!(spans().await[1], PauseSpan { from: at(20), until: Some(at(30)) });
    let over = Decided { pauses_over: Some(at(25)), ..decided(&all[0], None) };
    assert_eq!(schedule_finish(&db, at(1), std::slice::from_ref(&over)).await.unwrap(), []);
    assert_eq!(spans().await.len(), 2, "whoever decides again needs them");
    assert_eq!(schedule_finish(&db, AT_ONCE, &[over]).await.unwrap(), [ids[0]]);
    assert_eq!(spans().await, [PauseSpan { from: at(20), until: Some(at(30)) }]);
    // Twice at the same instant.
    for until in [None, Some(99)] {
        schedule_pause(&db, (&Scope::All, &by), &one, &pause(40, until)).await.unwrap();
    }
    assert_eq!(spans().await.last(), Some(&PauseSpan { from: at(40), until: Some(at(99)) }));
}

async fn changes_elsewhere_wake_schedules(db: Case) {
    let automations = [automation(&db, "a").await, automation(&db, "b").await];
    let calendar = Some(CalendarUse { id: brazil(), rule: DayRule::Only, on_blackout: OnBlackout::Skip });
    let drafts = [
        draft(automations[0], "0"),
        Draft { calendar, ..draft(automations[1], "1") },
        Draft { enabled: false, ..draft(automations[1], "2") },
    ];
    for (nth, draft) in (0..).zip(&drafts) {
        schedule_insert(&db, &change(), id_at(1, nth), draft, at(1)).await.unwrap();
    }
    let settle = async || {
        let decisions: Vec<_> = claimed(&db, 2).await.iter().map(|one| decided(one, None)).collect();
        schedule_finish(&db, at(30_002), &decisions).await.unwrap();
    };
    let woken = async || {
        let all = schedule_list(&db, &Scope::All, &Filter::default()).await.unwrap();
        let woken = all.iter().filter(|one| one.wake_at == Some(AT_ONCE)).map(|one| one.draft.name.clone()).collect::<String>();
        settle().await;
        woken
    };
    assert_eq!(woken().await, "012");
    let seen = schedule_wake_changed(&db, 0).await.unwrap();
    assert_eq!((seen > 0, woken().await.as_str()), (true, "012"));
    assert_eq!((schedule_wake_changed(&db, seen).await.unwrap(), woken().await.as_str()), (seen, ""));
    automation_archive(&db, &change(), automations[0], at(3)).await.unwrap();
    let pause = Pause { at: at(3), until: Some(at(50)), reason: None, by: "ana".to_owned() };
    let later = schedule_wake_changed(&db, seen).await.unwrap();
    assert_eq!((later > seen, woken().await.as_str()), (true, "0"));
    automation_pause(&db, &change(), automations[1], &pause, at(3)).await.unwrap();
    let standing = automation_list_standing_unscoped(&db, &automations, at(49)).await.unwrap();
    assert_eq!((standing[&automations[0]].state, standing[&automations[1]].state), (AutomationState::Archived, AutomationState::Paused));
    assert_eq!(standing[&automations[1]].paused_until, Some(at(50)));
    let standing = automation_list_standing_unscoped(&db, &automations, at(50)).await.unwrap();
    assert_eq!((standing[&automations[1]].state, standing[&automations[1]].paused_until), (AutomationState::Ready, None));
    let txn = db.begin().await.unwrap();
    assert_eq!(schedule_wake_of_calendar_in_txn(&txn, brazil()).await.unwrap(), 1);
    txn.commit().await.unwrap();
    assert_eq!(woken().await, "1");
    let first = schedule_wake_page(&db, None, 2).await.unwrap();
    assert_eq!((first, woken().await.as_str()), (Some(id_at(1, 1)), "01"));
    assert_eq!((schedule_wake_page(&db, first, 2).await.unwrap(), woken().await.as_str()), (Some(id_at(1, 2)), ""));
    assert_eq!(schedule_wake_page(&db, Some(id_at(1, 2)), 2).await.unwrap(), None);
    assert!(schedule_any_ahead_unscoped(&db, at(0)).await.unwrap());
    assert!(!schedule_any_ahead_unscoped(&db, at(1)).await.unwrap());
}

async fn what_was_read_under_the_lock_stays_all(db: Case) {
    let automation = automation(&db, "a").await;
    let txn = db.begin().await.unwrap();
    schedule_lock_in_txn(&txn).await.unwrap();
    assert_eq!(schedule_list_revisions_in_txn(&txn, &[automation]).await.unwrap(), []);
    let (by, new) = (change(), draft(automation, "new"));
    let adds = schedule_insert(&db, &by, id_at(1, 1), &new, at(1));
    tokio::pin!(adds);
    // It never ends before the transaction does: this cannot fail by chance.
    assert!(tokio::time::timeout(std::time::Duration::from_millis(200), &mut adds).await.is_err(), "it waits");
    assert_eq!(schedule_list_revisions_in_txn(&txn, &[automation]).await.unwrap(), []);
    txn.commit().await.unwrap();
    assert_eq!(adds.await.unwrap().draft, new);
}

async fn old_fires_are_removed(db: Case) {
    let schedule = schedules(&db, 1).await.remove(0);
    let fires = (1..=5).map(|slot| fire(schedule.id, slot * 1000, FireState::Created)).collect();
    schedule_finish(&db, at(1), &[Decided { fires, ..decided(&schedule, None) }]).await.unwrap();
    assert_eq!(retention_fires(&db, at(4000), 2).await.unwrap(), 2);
    assert_eq!(retention_fires(&db, at(4000), 2).await.unwrap(), 1);
    let left = fire_list_last(&db, &Scope::All, schedule.id, 10).await.unwrap();
    assert_eq!(left.iter().map(|fire| fire.slot_at).collect::<Vec<_>>(), [at(5000), at(4000)]);
}

async fn the_state_is_shared(db: Case) {
    assert_eq!(scheduler_state(&db, "zones").await.unwrap(), None);
    for version in ["2026f", "2026g"] {
        scheduler_state_put(&db, "zones", version).await.unwrap();
        assert_eq!(scheduler_state(&db, "zones").await.unwrap().as_deref(), Some(version));
    }
}
