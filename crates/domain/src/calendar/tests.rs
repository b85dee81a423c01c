mod properties;

use chrono::{DateTime, Utc};

use super::*;
use crate::schedule::{Cron, Zone};

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn easter_is_where_published_tables_have_it() {
    for day in [
        "1818-03-22",
        "1943-04-25",
        "1954-04-18",
        "1981-04-19",
        "2000-04-23",
        "2024-03-31",
        "2025-04-20",
        "2027-03-28",
        "2038-04-25",
        "2049-04-18",
    ] {
        let day = date(day);
        assert_eq!(easter(day.year()), Some(day));
    }
    assert_eq!(easter(i32::MAX), None);
}

#[test]
fn holidays_begin_with_their_laws() {
    let br = Calendar::with_holidays("br", [HolidaySet::Br]);
    let names = |day: &str| br.holidays_on(date(day)).map(|holiday| holiday.name).collect::<Vec<_>>();
    assert_eq!(names("2023-11-20"), [""; 0]);
    assert_eq!(names("2024-11-20"), ["Dia Nacional de Zumbi e da Consciência Negra"]);
    assert_eq!(names("2026-04-03"), ["Sexta-feira Santa"]);
    assert_eq!((names("2026-02-17"), names("2026-06-04")), (vec![], vec![]), "Carnival and Corpus Christi are no national holidays");
    for day in ["01-01", "04-21", "05-01", "09-07", "10-12", "11-02", "11-15", "11-20", "12-25"] {
        assert_eq!(names(&format!("2026-{day}")).len(), 1, "{day}");
    }
}

#[test]
fn the_first_business_day_differs_between_calendars() {
    let national = Calendar::with_holidays("national", [HolidaySet::Br]);
    let bank = Calendar::with_holidays("bank", [HolidaySet::BrBank]);
    let first = |calendar: &Calendar, year, month| calendar.business_day_of_month(year, month, 1).unwrap().to_string();
    assert_eq!(first(&national, 2025, 3), "2025-03-03");
    assert_eq!(first(&bank, 2025, 3), "2025-03-05");
    assert_eq!(first(&national, 2026, 11), "2026-11-03");
    assert_eq!(first(&national, 2027, 1), "2027-01-04");
    assert_eq!(national.business_day_of_month(2026, 11, -1), Some(date("2026-11-30")));
    assert_eq!(national.business_day_of_month(2026, 5, 5), Some(date("2026-05-08")));
    assert_eq!(national.business_day_of_month(2026, 11, 23), None);
    assert_eq!(national.business_day_of_month(2026, 11, 0), None);
}

#[test]
fn ash_wednesday_is_a_business_day_from_14_h() {
    let calendar = Calendar::with_holidays("federal", [HolidaySet::Br, HolidaySet::BrOptional]);
    assert_eq!(calendar.hours(date("2026-02-18")).ranges(), [(14 * 3600, 86_400)]);
    assert!(calendar.is_business_day(date("2026-02-18")));
    assert!(!calendar.is_business_day(date("2026-02-16")) && !calendar.is_business_day(date("2026-06-04")));
}

#[test]
fn states_add_their_own_days() {
    let sp = Calendar::with_holidays("sp", [HolidaySet::Br, HolidaySet::BrSp]);
    let rj = Calendar::with_holidays("rj", [HolidaySet::Br, HolidaySet::BrRj]);
    assert!(!sp.is_business_day(date("2027-07-09")) && rj.is_business_day(date("2027-07-09")));
    assert!(!rj.is_business_day(date("2027-02-09")) && sp.is_business_day(date("2027-02-09")));
    assert!(!rj.is_business_day(date("2027-04-23")));
    let acre = Calendar::with_holidays("ac", [HolidaySet::BrAc]);
    assert!(
        acre.is_business_day(date("2026-11-17")) && !acre.is_business_day(date("2026-11-20")),
        "from Tuesday to Thursday it moves to Friday"
    );
}

#[test]
fn own_days_count_instead_of_the_week_and_the_holidays() {
    let mut calendar = Calendar::with_holidays("company", [HolidaySet::Br]);
    calendar.days.insert(date("2026-11-28"), Day { name: "inventory".into(), hours: Hours::all() });
    calendar.days.insert(date("2026-12-25"), Day { name: "on call".into(), hours: Hours::all() });
    calendar.days.insert(date("2026-12-24"), Day { name: "closed".into(), hours: Hours::none() });
    assert!(calendar.is_business_day(date("2026-11-28")) && calendar.is_business_day(date("2026-12-25")));
    assert!(!calendar.is_business_day(date("2026-12-24")));
    assert_eq!(calendar.business_days_from(date("2026-11-27"), 1), Some(date("2026-11-28")));
    assert_eq!(calendar.business_days_from(date("2026-11-29"), 0), Some(date("2026-11-28")));
    assert_eq!(calendar.business_days_from(date("2026-11-29"), -2), Some(date("2026-11-27")));
}

#[test]
fn rules_are_read_by_name() {
    for (name, nth, rule) in [
        ("only", None, DayRule::Only),
        ("except", None, DayRule::Except),
        ("next_business_day", None, DayRule::Next),
        ("previous_business_day", None, DayRule::Previous),
        ("nth_business_day", Some(-1), DayRule::Nth(-1)),
    ] {
        let parsed = DayRule::parse(name, nth).unwrap();
        assert_eq!((parsed, parsed.name()), (rule, name));
        assert!(DayRule::NAMES.contains(&name));
    }
    for (name, nth, field) in [
        ("never", None, "calendar_rule"),
        ("nth_business_day", None, "business_day"),
        ("nth_business_day", Some(0), "business_day"),
        ("nth_business_day", Some(24), "business_day"),
        ("nth_business_day", Some(i32::MIN), "business_day"),
        ("only", Some(1), "business_day"),
    ] {
        assert_eq!(DayRule::parse(name, nth).unwrap_err().field, field, "{name} {nth:?}");
    }
}

#[test]
fn blackouts_end_before_their_end() {
    let zone = Zone::utc();
    let mut calendar = Calendar::weekdays("x");
    let span = BlackoutSpan::Once { from: at("2026-11-28T00:00:00Z"), to: at("2026-11-29T00:00:00Z") };
    calendar.blackouts.push(Blackout { name: "maintenance".into(), span });
    // A blackout that begins on Wednesday covers the night to Thursday, and not the one before.
    let span = BlackoutSpan::Recurring { start: Cron::parse("0 22 * * WED").unwrap(), minutes: 9 * 60 };
    calendar.blackouts.push(Blackout { name: "closing".into(), span });
    let end = |text: &str| calendar.blackout_end(&zone, at(text).timestamp()).map(|end| DateTime::from_timestamp(end, 0).unwrap());
    assert_eq!(end("2026-11-27T23:59:59Z"), None);
    assert_eq!(end("2026-11-28T00:00:00Z"), Some(at("2026-11-29T00:00:00Z")));
    assert_eq!(end("2026-11-28T23:59:59Z"), Some(at("2026-11-29T00:00:00Z")));
    assert_eq!(end("2026-11-29T00:00:00Z"), None);
    assert_eq!(end("2026-11-25T02:00:00Z"), None);
    assert_eq!(end("2026-11-26T02:00:00Z"), Some(at("2026-11-26T07:00:00Z")));
    assert_eq!(end("2026-11-26T07:00:00Z"), None);
}

#[test]
fn blackouts_one_after_another_are_one() {
    let mut calendar = Calendar::weekdays("x");
    for (from, to) in [("2026-11-28T00:00:00Z", "2026-11-28T04:00:00Z"), ("2026-11-28T03:00:00Z", "2026-11-28T05:00:00Z")] {
        calendar.blackouts.push(Blackout { name: String::new(), span: BlackoutSpan::Once { from: at(from), to: at(to) } });
    }
    let end = calendar.blackout_end(&Zone::utc(), at("2026-11-28T01:00:00Z").timestamp());
    assert_eq!(end, Some(at("2026-11-28T05:00:00Z").timestamp()));
    let span = BlackoutSpan::Recurring { start: Cron::parse("* * * * *").unwrap(), minutes: 1 };
    calendar.blackouts.push(Blackout { name: "always".into(), span });
    assert!(calendar.blackout_end(&Zone::utc(), 0).is_some(), "one without end is not searched without end");
}

#[test]
fn each_fault_names_its_field() {
    assert_eq!(Calendar::with_holidays("Brasil", [HolidaySet::Br]).faults(), []);
    let mut bad = Calendar::weekdays("");
    bad.week = std::array::from_fn(|_| Hours::none());
    bad.days.insert(date("2026-12-24"), Day { name: "\u{202e}".into(), hours: Hours::none() });
    let span = BlackoutSpan::Once { from: at("2026-11-28T00:00:00Z"), to: at("2026-11-28T00:00:00Z") };
    bad.blackouts.push(Blackout { name: String::new(), span });
    let span = BlackoutSpan::Recurring { start: Cron::parse("@daily").unwrap(), minutes: 0 };
    bad.blackouts.push(Blackout { name: "x".repeat(201), span });
    let fields: Vec<_> = bad.faults().into_iter().map(|fault| fault.field).collect();
    assert_eq!(fields, ["name", "week", "days/2026-12-24/name", "blackouts/0/to", "blackouts/1/name", "blackouts/1/minutes"]);
}

#[test]
fn a_day_is_explained() {
    let mut calendar = Calendar::with_holidays("company", [HolidaySet::Br, HolidaySet::BrSp]);
    calendar.days.insert(date("2026-12-24"), Day { name: "Véspera".into(), hours: Hours::none() });
    let shown = |day: &str| {
        let explained = calendar.explain(date(day));
        (explained.hours.is_empty(), explained.reason, explained.names.join(", "))
    };
    assert_eq!(shown("2026-11-27"), (false, DayReason::Week, String::new()));
    assert_eq!(shown("2026-11-28"), (true, DayReason::Week, String::new()));
    assert_eq!(shown("2026-11-20"), (true, DayReason::Holiday, "Dia Nacional de Zumbi e da Consciência Negra".to_owned()));
    assert_eq!(shown("2026-12-24"), (true, DayReason::Day, "Véspera".to_owned()));
}

#[test]
fn holidays_of_a_year_are_listed_by_day() {
    let days = |set: HolidaySet, year| set.in_year(year).map(|(day, _)| day.to_string()).collect::<Vec<_>>();
    assert_eq!(days(HolidaySet::BrSp, 2026), ["2026-07-09"]);
    assert_eq!(days(HolidaySet::BrOptional, 2026), ["2026-02-16", "2026-02-17", "2026-02-18", "2026-06-04"]);
    assert_eq!((days(HolidaySet::Br, 2026).len(), days(HolidaySet::Br, 2023).len()), (10, 9));
    assert_eq!(days(HolidaySet::Br, i32::MAX), [""; 0]);
}
