use super::*;
use crate::{
    calendar::Hours,
    schedule::{Zone, Zones},
};

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn sao_paulo() -> Zone {
    Zones::bundled().get("America/Sao_Paulo").unwrap()
}

fn read(events: &str) -> Result<Closings, Vec<Fault>> {
    let text = format!("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{}END:VCALENDAR\r\n", events.replace('\n', "\r\n"));
    ics(&text, &Zones::bundled(), &sao_paulo(), date("2030-12-31"))
}

fn event(lines: &str) -> Result<Closings, Vec<Fault>> {
    read(&format!("BEGIN:VEVENT\nSUMMARY:Feriado\n{lines}\nEND:VEVENT\n"))
}

#[track_caller]
fn days(lines: &str) -> Vec<String> {
    event(lines).unwrap().into_keys().map(|day| day.to_string()).collect()
}

#[track_caller]
fn refused(lines: &str) -> String {
    event(lines).unwrap_err().remove(0).message
}

#[test]
fn events_become_days_and_hours() {
    let closings = read(
        "BEGIN:VTIMEZONE\nTZID:America/Sao_Paulo\nEND:VTIMEZONE\n\
         BEGIN:VEVENT\nDTSTART;VALUE=DATE:20261224\nDTEND;VALUE=DATE:20261227\nSUMMARY:Recesso\\, f\n im de ano\nBEGIN:VALARM\nTRIGGER:-PT1H\nEND:VALARM\nEND:VEVENT\n\
         BEGIN:VEVENT\nDTSTART;TZID=America/New_York:20261130T220000\nDURATION:PT4H\nSUMMARY:Manutenção\nEND:VEVENT\n\
         BEGIN:VEVENT\nDTSTART:20261202T120000Z\nDTEND:20261202T150000Z\nEND:VEVENT\n\
         BEGIN:VEVENT\nDTSTART:20261203T080000\nDTEND:20261203T090000\nSTATUS:CANCELLED\nEND:VEVENT\n",
    )
    .unwrap();
    let shown: Vec<_> = closings.iter().map(|(day, closing)| (day.to_string(), closing.name.as_str(), closing.hours.clone())).collect();
    let hour = 3600;
    assert_eq!(
        shown,
        [
            ("2026-12-01".to_owned(), "Manutenção", vec![(0, 4 * hour)]),
            ("2026-12-02".to_owned(), "", vec![(9 * hour, 12 * hour)]),
            ("2026-12-24".to_owned(), "Recesso, fim de ano", vec![(0, DAY_S)]),
            ("2026-12-25".to_owned(), "Recesso, fim de ano", vec![(0, DAY_S)]),
            ("2026-12-26".to_owned(), "Recesso, fim de ano", vec![(0, DAY_S)]),
        ]
    );
    let mut calendar = Calendar::weekdays("company");
    calendar.close(closings);
    assert!(!calendar.is_business_day(date("2026-12-24")) && !calendar.is_business_day(date("2026-12-26")));
    assert_eq!(calendar.hours(date("2026-12-02")).ranges(), [(0, 9 * hour), (12 * hour, DAY_S)]);
}

#[test]
fn recurring_events_are_expanded_until_their_end() {
    assert_eq!(days("DTSTART;VALUE=DATE:20280229\nRRULE:FREQ=YEARLY"), ["2028-02-29"]);
    assert_eq!(
        days("DTSTART;VALUE=DATE:20260125\nRRULE:FREQ=YEARLY\nEXDATE;VALUE=DATE:20280125"),
        ["2026-01-25", "2027-01-25", "2029-01-25", "2030-01-25"]
    );
    assert_eq!(days("DTSTART;VALUE=DATE:20261126\nRRULE:FREQ=YEARLY;BYMONTH=11;BYDAY=4TH;COUNT=2"), ["2026-11-26", "2027-11-25"]);
    assert_eq!(
        days("DTSTART;VALUE=DATE:20261130\nRRULE:FREQ=MONTHLY;BYDAY=-1MO;UNTIL=20270201T000000Z"),
        ["2026-11-30", "2026-12-28", "2027-01-25"]
    );
    assert_eq!(days("DTSTART;VALUE=DATE:20261031\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-1;COUNT=3"), ["2026-10-31", "2026-11-30", "2026-12-31"]);
    assert_eq!(days("DTSTART;VALUE=DATE:20261031\nRRULE:FREQ=MONTHLY;COUNT=3"), ["2026-10-31", "2026-12-31", "2027-01-31"]);
    assert_eq!(
        days("DTSTART;VALUE=DATE:20261125\nRRULE:FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,WE;COUNT=3"),
        ["2026-11-25", "2026-12-07", "2026-12-09"]
    );
    assert_eq!(
        days("DTSTART;VALUE=DATE:20261126\nRRULE:FREQ=DAILY;INTERVAL=10;UNTIL=20261216"),
        ["2026-11-26", "2026-12-06", "2026-12-16"]
    );
}

#[test]
fn what_is_not_understood_is_refused_and_named() {
    for (lines, part) in [
        ("SUMMARY:x", "has no DTSTART"),
        ("DTSTART:2026-11-26", "DTSTART: \"2026-11-26\" is no date"),
        ("DTSTART:20260230", "DTSTART: \"20260230\" is no date"),
        ("DTSTART:99990101", "is no date or time from 1900 to 2199"),
        ("DTSTART;TZID=America/Sao Paulo:20261126T100000", "did you mean America/Sao_Paulo"),
        ("DTSTART:20261126T100000\nDTEND:20261126T090000", "must end after it starts"),
        ("DTSTART:20261126\nDTEND:20291126", "within 366 days"),
        ("DTSTART:20261126T100000\nDURATION:1H", "DURATION"),
        ("DTSTART:20261126\nRRULE:FREQ=HOURLY", "FREQ=HOURLY is not"),
        ("DTSTART:20261126\nRRULE:FREQ=MONTHLY;BYSETPOS=1", "BYSETPOS is not supported"),
        ("DTSTART:20261126\nRRULE:FREQ=YEARLY;BYDAY=1MO", "need BYMONTH"),
        ("DTSTART:20261126\nRRULE:COUNT=3", "FREQ is missing"),
        ("DTSTART:20261126\nRRULE:FREQ=DAILY;COUNT=0", "\"COUNT=0\" cannot be read"),
        ("DTSTART:20261126\nRRULE:FREQ=MONTHLY;BYMONTHDAY=-2147483648", "cannot be read"),
        ("DTSTART:20261126\nRRULE:FREQ=MONTHLY;BYDAY=-2147483648MO", "cannot be read"),
        ("DTSTART:20261126\nRDATE:20261127", "RDATE is not supported"),
    ] {
        let message = refused(lines);
        assert!(message.contains(part), "{lines}: {message}");
    }
    for (text, part) in [("", "must begin with"), ("hello", "line 1"), ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nEND:VCALENDAR", "line 3")] {
        let fault = ics(text, &Zones::bundled(), &sao_paulo(), date("2030-12-31")).unwrap_err().remove(0);
        assert!(fault.message.contains(part) && fault.field == "file", "{text}: {fault:?}");
    }
}

#[test]
fn large_files_are_refused_before_they_are_parsed() {
    let huge = "BEGIN:VCALENDAR\n".to_owned() + &"X".repeat(50 << 20);
    let recurring = "BEGIN:VEVENT\nDTSTART:20260101\nRRULE:FREQ=DAILY\nEND:VEVENT\n".repeat(9_000);
    let events = "BEGIN:VEVENT\nDTSTART:20260101\nEND:VEVENT\n".repeat(100_000);
    let daily = "BEGIN:VEVENT\nDTSTART:19000101\nRRULE:FREQ=DAILY\nEND:VEVENT\n".repeat(900);
    for (text, part) in [
        (huge, "at most 4 MiB"),
        (recurring, "at most 1000 recurring events, not 9000"),
        (events, "at most 10000 events, not 100000"),
        ("BEGIN:A\n".repeat(500_000), "nest"),
    ] {
        let faults = ics(&text, &Zones::bundled(), &sao_paulo(), date("2030-12-31")).unwrap_err();
        assert!(faults[0].message.contains(part), "{faults:?}");
    }
    let faults = read(&daily).unwrap_err();
    assert!(faults.len() <= MAX_FAULTS && faults[0].message.contains("more than 20000 days"), "{faults:?}");
}

#[test]
fn tables_of_days_are_read() {
    let hour = 3600;
    for text in [
        "date,name,from,to\n2026-12-24,Véspera de Natal,12:00,\n25/12/2026,Natal,,\n",
        "\u{feff}Data;Nome;De;Até\r\n24/12/2026;Véspera de Natal;12:00;\r\n25/12/2026;\"Natal\";;\r\n",
    ] {
        let closings = csv(text).unwrap();
        let shown: Vec<_> = closings.iter().map(|(day, closing)| (day.to_string(), closing.name.as_str(), closing.hours.clone())).collect();
        assert_eq!(
            shown,
            [("2026-12-24".to_owned(), "Véspera de Natal", vec![(12 * hour, DAY_S)]), ("2026-12-25".to_owned(), "Natal", vec![(0, DAY_S)])]
        );
    }
    assert_eq!(csv("data\n01/01/2027").unwrap().len(), 1);
    for (text, part) in [
        ("", "line 1: must name the columns"),
        ("01/01/2027,Ano Novo", "line 1: there is no column \"01/01/2027\""),
        ("dat,name\n", "did you mean data?"),
        ("date\n31/02/2026\n", "line 2: \"31/02/2026\" is no date"),
        ("date,name\n2026-01-01,a\n01/02/26,b\n", "line 3: \"01/02/26\" is no date"),
        ("date,from,to\n2026-01-01,10:00,09:00\n", "line 2: to must be after from"),
        ("date,from\n2026-01-01,10h\n", "line 2: \"10h\" is no time"),
        ("date\n2026-01-01,x\n", "line 2: has 2 columns, not 1"),
    ] {
        let message = csv(text).unwrap_err().remove(0).message;
        assert!(message.contains(part), "{text:?}: {message}");
    }
    let long = "date\n".to_owned() + &"2026-01-01\n".repeat(MAX_EVENTS + 1);
    assert!(csv(&long).unwrap_err()[0].message.contains("at most 10000 lines"));
    let bad = "date\n".to_owned() + &"x\n".repeat(1000);
    assert_eq!(csv(&bad).unwrap_err().len(), MAX_FAULTS);
}

#[test]
fn the_form_of_a_file_is_seen_at_its_beginning() {
    for text in ["BEGIN:VCALENDAR\n", "\u{feff}begin:vcalendar", "\n\n BEGIN:VCALENDAR"] {
        assert_eq!(Format::of(text), Format::Ics, "{text:?}");
    }
    for text in ["", "date,name\n", "BEGIN:VCARD"] {
        assert_eq!(Format::of(text), Format::Csv, "{text:?}");
    }
}

#[test]
fn days_of_a_file_join_those_of_the_calendar_or_replace_them() {
    let mut calendar = Calendar::weekdays("company");
    for day in ["2026-12-24", "2026-12-31"] {
        calendar.days.insert(date(day), Day { name: "own".into(), hours: Hours::none() });
    }
    let closings = || csv("date,name,from\n2026-12-24,Natal,12:00\n2027-01-25,Aniversário,\n").unwrap();
    let merged = calendar.import(Mode::Merge, closings());
    let shown = |later: &Calendar| {
        let changes = calendar.day_changes(later);
        changes.into_iter().map(|change| format!("{} {} {}", change.changed, change.date, change.day.name)).collect::<Vec<_>>()
    };
    assert_eq!(shown(&merged), ["changed 2026-12-24 Natal", "added 2027-01-25 Aniversário"]);
    assert_eq!(merged.hours(date("2026-12-24")), Hours::none(), "a day on which nobody works stays one");
    let replaced = calendar.import(Mode::Replace, closings());
    assert_eq!(shown(&replaced), ["changed 2026-12-24 Natal", "removed 2026-12-31 own", "added 2027-01-25 Aniversário"]);
    assert_eq!(replaced.hours(date("2026-12-24")).texts(), ["00:00-12:00"]);
    assert_eq!(merged.import(Mode::Merge, closings()), merged, "once more changes nothing");
}
