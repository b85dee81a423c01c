//! Calendars: changed by revision, kept while schedules use them.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use domain::{
    Scope,
    calendar::{Blackout, BlackoutSpan, Calendar, Day, DayRule, HolidaySet, Hours, OnBlackout},
    ids::{AutomationId, CalendarId},
    schedule::Cron,
};
use serde_json::{Value, json};
use store::{
    Error,
    audit::{self, audit_list},
    calendars::{
        Deletion, Filter, Stored, Update, calendar_delete, calendar_get_unscoped, calendar_insert, calendar_list_revisions_unscoped,
        calendar_list_unscoped, calendar_update,
    },
    schedules::{self, CalendarUse, schedule_delete, schedule_finish, schedule_insert, schedule_update},
};
use test_support::change;

use crate::{
    case::Case,
    fixtures::{at, id_at},
    schedules::{automation, claimed, decided},
};

both!(
    every_hub_begins_with_calendars_of_brazil,
    a_calendar_is_read_as_it_was_written,
    a_change_counts_the_revision_and_an_outdated_one_changes_nothing,
    names_are_unique,
    lists_have_the_numbers_of_days_and_blackouts,
    the_trail_names_the_days_that_differ,
    a_calendar_is_deleted_once,
    a_calendar_that_schedules_use_stays,
    a_schedule_never_has_a_calendar_that_is_gone,
    a_change_wakes_the_schedules_that_use_it,
);

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn office(name: &str) -> Calendar {
    let mut calendar = Calendar::with_holidays(name, [HolidaySet::Br, HolidaySet::BrSp]);
    calendar.week[6] = Hours::parse(&["08:00-12:00"]).unwrap();
    calendar.days.insert(date("2026-12-24"), Day { name: "Véspera de Natal".into(), hours: Hours::parse(&["08:00-12:00"]).unwrap() });
    calendar.days.insert(date("2027-01-25"), Day { name: "Aniversário".into(), hours: Hours::none() });
    let once = BlackoutSpan::Once { from: at(1), to: at(2) };
    let recurring = BlackoutSpan::Recurring { start: Cron::parse("0 18 L * *").unwrap(), minutes: 720 };
    calendar.blackouts = vec![Blackout { name: "move".into(), span: once }, Blackout { name: String::new(), span: recurring }];
    calendar
}

/// The first of the calendars that every hub begins with.
pub(crate) fn brazil() -> CalendarId {
    uuid::Uuid::from_u128(0x019a_c000_0000_7000_8000_0000_0000_0001).into()
}

fn using(automation: AutomationId, name: &str, id: CalendarId) -> schedules::Draft {
    let calendar = Some(CalendarUse { id, rule: DayRule::Only, on_blackout: OnBlackout::Skip });
    schedules::Draft { calendar, ..crate::schedules::draft(automation, name) }
}

async fn insert(db: &Case, nth: u32) -> Stored {
    calendar_insert(db, &change(), id_at(1, nth), &office(&format!("office {nth}")), at(1)).await.unwrap()
}

async fn update(db: &Case, stored: &Stored, calendar: &Calendar) -> Update {
    calendar_update(db, (&change(), "calendar.update"), (stored.id, stored.revision), calendar, at(5)).await.unwrap()
}

async fn every_hub_begins_with_calendars_of_brazil(db: Case) {
    let first = calendar_list_unscoped(&db, &Filter { limit: 10, ..Filter::default() }).await.unwrap();
    let shown: Vec<_> = first.iter().map(|calendar| (calendar.name.as_str(), calendar.holidays.as_slice())).collect();
    assert_eq!(shown, [("Brasil (nacional)", &[HolidaySet::Br][..]), ("Brasil (bancos)", &[HolidaySet::BrBank])]);
    let business = async |nth: usize, year, month| {
        let stored = calendar_get_unscoped(&db, first[nth].id).await.unwrap().unwrap();
        assert_eq!((stored.calendar.faults(), stored.revision, stored.updated_by), (vec![], 1, None));
        stored.calendar.business_day_of_month(year, month, 1).unwrap().to_string()
    };
    assert_eq!((business(0, 2025, 3).await, business(1, 2025, 3).await), ("2025-03-03".to_owned(), "2025-03-05".to_owned()));
    assert_eq!((business(0, 2026, 11).await, business(0, 2027, 1).await), ("2026-11-03".to_owned(), "2027-01-04".to_owned()));
}

async fn a_calendar_is_read_as_it_was_written(db: Case) {
    let stored = insert(&db, 1).await;
    assert_eq!(stored.calendar, office("office 1"));
    assert_eq!((stored.revision, stored.created_at, stored.updated_at), (1, at(1), at(1)));
    assert_eq!(calendar_get_unscoped(&db, stored.id).await.unwrap(), Some(stored));
    assert_eq!(calendar_get_unscoped(&db, id_at(1, 9)).await.unwrap(), None);
}

async fn a_change_counts_the_revision_and_an_outdated_one_changes_nothing(db: Case) {
    let stored = insert(&db, 1).await;
    let changed = Calendar { blackouts: vec![], ..office("renamed") };
    let Update::Done(now) = update(&db, &stored, &changed).await else { panic!("it is not outdated") };
    assert_eq!((now.revision, &now.calendar, now.created_at, now.updated_at), (2, &changed, at(1), at(5)));
    assert_eq!(update(&db, &stored, &office("again")).await, Update::Outdated);
    assert_eq!(calendar_get_unscoped(&db, stored.id).await.unwrap(), Some(*now.clone()));
    let missing: CalendarId = id_at(1, 9);
    assert_eq!(update(&db, &Stored { id: missing, ..stored.clone() }, &changed).await, Update::Missing);
    let revisions = calendar_list_revisions_unscoped(&db, &[stored.id, missing]).await.unwrap();
    assert_eq!(revisions, [(stored.id, 2)]);
    // Of those who change the same revision at the same time, one does.
    let other = db.other_hub().await;
    let (one, two, by) = (office("one"), office("two"), change());
    let there = calendar_update(&other, (&by, "calendar.update"), (now.id, now.revision), &two, at(6));
    let (here, there) = tokio::join!(update(&db, &now, &one), there);
    let both = [here, there.unwrap()];
    assert_eq!(both.iter().filter(|update| **update == Update::Outdated).count(), 1, "{both:?}");
    other.close().await.unwrap();
}

async fn names_are_unique(db: Case) {
    let (first, second) = (insert(&db, 1).await, insert(&db, 2).await);
    let taken = calendar_insert(&db, &change(), id_at(1, 3), &first.calendar, at(1)).await;
    assert!(matches!(taken, Err(Error::Duplicate(_))), "{taken:?}");
    let renamed = calendar_update(&db, (&change(), "calendar.update"), (second.id, 1), &first.calendar, at(2)).await;
    assert!(matches!(renamed, Err(Error::Duplicate(_))), "{renamed:?}");
    assert_eq!(calendar_get_unscoped(&db, second.id).await.unwrap(), Some(second));
}

async fn lists_have_the_numbers_of_days_and_blackouts(db: Case) {
    let stored = insert(&db, 1).await;
    let list = async |filter: Filter| calendar_list_unscoped(&db, &Filter { limit: 10, ..filter }).await.unwrap();
    let named = list(Filter { name: Some("office 1".to_owned()), ..Filter::default() }).await;
    let [summary] = named.as_slice() else { panic!("{named:?}") };
    assert_eq!((summary.id, summary.days, summary.blackouts, &summary.week), (stored.id, 2, 2, &stored.calendar.week));
    let all = list(Filter::default()).await;
    let after = list(Filter { after: Some(all[1].id), ..Filter::default() }).await;
    assert_eq!((all.len(), after), (3, named));
}

async fn the_trail_names_the_days_that_differ(db: Case) {
    let stored = insert(&db, 1).await;
    let mut few = office("office 1");
    few.days.remove(&date("2027-01-25"));
    few.days.insert(date("2026-12-31"), Day { name: "x".into(), hours: Hours::none() });
    let Update::Done(now) = update(&db, &stored, &few).await else { panic!("it is not outdated") };
    let many: BTreeMap<_, _> = date("2030-01-01").iter_days().take(5_000).map(|day| (day, few.days[&date("2026-12-31")].clone())).collect();
    let many = Calendar { days: many, ..few };
    calendar_update(&db, (&change(), "calendar.import"), (now.id, now.revision), &many, at(6)).await.unwrap();
    let filter = audit::Filter { target_kind: Some("calendar".to_owned()), ..audit::Filter::default() };
    let entries: Vec<_> = audit_list(&db, &filter, None, 10).await.unwrap().into_iter().map(|(entry, _)| entry).collect();
    let value = |text: &Option<String>| -> Value { serde_json::from_str(text.as_deref().unwrap()).unwrap() };
    let [newest, middle, first] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((first.action.as_str(), &first.before), ("calendar.create", &None));
    assert_eq!(value(&first.after)["days/2026-12-24"], json!({"name": "Véspera de Natal", "hours": ["08:00-12:00"]}));
    assert_eq!(value(&middle.before), json!({"days/2027-01-25": {"name": "Aniversário", "hours": []}}));
    assert_eq!(value(&middle.after), json!({"days/2026-12-31": {"name": "x", "hours": []}}));
    assert_eq!((value(&newest.before), value(&newest.after)), (json!({"days": "2 days"}), json!({"days": "5000 days"})));
}

async fn a_calendar_is_deleted_once(db: Case) {
    let stored = insert(&db, 1).await;
    assert_eq!(calendar_delete(&db, &change(), stored.id, at(2)).await.unwrap(), Deletion::Done("office 1".to_owned()));
    assert_eq!(calendar_delete(&db, &change(), stored.id, at(2)).await.unwrap(), Deletion::Missing);
    assert_eq!(calendar_get_unscoped(&db, stored.id).await.unwrap(), None);
}

async fn a_calendar_that_schedules_use_stays(db: Case) {
    let (stored, automation) = (insert(&db, 1).await, automation(&db, "a").await);
    let mut ids = Vec::new();
    for nth in 0..22 {
        let draft = using(automation, &format!("s{nth:02}"), stored.id);
        ids.push(schedule_insert(&db, &change(), id_at(2, nth), &draft, at(2)).await.unwrap().id);
    }
    let Deletion::Used { count, schedules } = calendar_delete(&db, &change(), stored.id, at(3)).await.unwrap() else {
        panic!("it is used")
    };
    assert_eq!((count, schedules.len(), &schedules[0]), (22, 20, &("s00".to_owned(), automation)));
    let other = using(automation, "s00", brazil());
    let moved = schedule_update(&db, (&Scope::All, &change()), (ids[0], None), &other, at(3)).await.unwrap();
    assert!(matches!(moved, schedules::Update::Done(_)));
    for id in &ids[1..] {
        assert!(schedule_delete(&db, (&Scope::All, &change()), *id, at(3)).await.unwrap());
    }
    assert_eq!(calendar_delete(&db, &change(), stored.id, at(4)).await.unwrap(), Deletion::Done("office 1".to_owned()));
    let gone = using(automation, "s00", stored.id);
    let dangling = schedule_update(&db, (&Scope::All, &change()), (ids[0], None), &gone, at(5)).await;
    assert!(matches!(dangling, Err(Error::Dangling("calendar_id"))), "{dangling:?}");
}

async fn a_schedule_never_has_a_calendar_that_is_gone(db: Case) {
    let (automation, other) = (automation(&db, "a").await, db.other_hub().await);
    for nth in 1..=20 {
        let id = insert(&db, nth).await.id;
        let (draft, by) = (using(automation, &format!("s{nth}"), id), change());
        let used = schedule_insert(&db, &by, id_at(2, nth), &draft, at(2));
        let (used, deleted) = tokio::join!(used, calendar_delete(&other, &by, id, at(2)));
        match (used, deleted.unwrap()) {
            (Ok(_), Deletion::Used { count: 1, .. }) | (Err(Error::Dangling("calendar_id")), Deletion::Done(_)) => {}
            outcome => panic!("{outcome:?}"),
        }
    }
    other.close().await.unwrap();
}

async fn a_change_wakes_the_schedules_that_use_it(db: Case) {
    let (stored, automation) = (insert(&db, 1).await, automation(&db, "a").await);
    for (nth, id) in [(1, stored.id), (2, brazil())] {
        schedule_insert(&db, &change(), id_at(2, nth), &using(automation, &format!("s{nth}"), id), at(2)).await.unwrap();
    }
    let claim = claimed(&db, 3).await;
    let decisions: Vec<_> = claim.iter().map(|schedule| decided(schedule, Some(at(1_000_000)))).collect();
    schedule_finish(&db, at(30_003), &decisions).await.unwrap();
    assert_eq!(claimed(&db, 4).await, []);
    let _done = update(&db, &stored, &office("renamed")).await;
    let woken: Vec<_> = claimed(&db, 5).await.into_iter().map(|schedule| schedule.draft.name).collect();
    assert_eq!(woken, ["s1"]);
}
