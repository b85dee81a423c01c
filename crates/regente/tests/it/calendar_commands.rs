//! Commands for calendars.

use api_types::{Calendar, CalendarImport};

use crate::{
    hub_commands::{done, idle, refused},
    process::Place,
};

fn json<T: serde::de::DeserializeOwned>(text: &str) -> T {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

async fn shown(place: &Place, name: &str) -> Calendar {
    json(&done(place, &["calendar", "show", name, "-o", "json"]).await.out)
}

#[tokio::test]
async fn a_calendar_is_made_of_options_and_of_files() {
    let (place, hub) = idle().await;
    let listed = done(&place, &["calendar", "list"]).await.out;
    assert!(listed.contains("Brasil (nacional)") && listed.contains("Brasil (bancos)"), "{listed}");
    let create = ["calendar", "create", "office", "--holidays", "br,br-sp", "--hours", "mon-fri=08:00-12:00,13:00-18:00"];
    assert_eq!(done(&place, &[&create[..], &["--off", "2026-12-24=Eve"]].concat()).await.out, "Calendar office is added.\n");
    let text = done(&place, &["calendar", "show", "office"]).await.out;
    for line in
        ["hours          monday-friday 08:00-12:00,13:00-18:00\n", "holidays       br, br-sp\n", "days           2026-12-24 off Eve\n"]
    {
        assert!(text.contains(line), "{line} in {text}");
    }
    let update = ["calendar", "update", "office", "--name", "head office", "--on", "2026-12-26=inventory", "--forget", "2026-12-24"];
    assert_eq!(done(&place, &update).await.out, "Calendar head office is changed.\n");
    let days: Vec<_> = shown(&place, "head office").await.days.into_iter().map(|day| (day.date.to_string(), day.name, day.works)).collect();
    assert_eq!(days, [("2026-12-26".to_owned(), "inventory".to_owned(), Some(true))]);
    let days = done(&place, &["calendar", "days", "head office", "--from", "2026-11-19", "--to", "2026-11-20"]).await.out;
    let lines: Vec<_> = days.lines().skip(1).collect();
    assert!(lines[0].starts_with("2026-11-19  Thu  08:00-12:00,13:00-18:00"), "{days}");
    assert!(lines[1].starts_with("2026-11-20  Fri  off") && lines[1].ends_with("Dia Nacional de Zumbi e da Consciência Negra"), "{days}");
    let file = place.write("calendar.json", r#"{"blackouts": [{"name": "closing", "cron_expression": "0 18 L * *", "minutes": 720}]}"#);
    done(&place, &["calendar", "update", "head office", "-F", &file]).await;
    assert!(done(&place, &["calendar", "show", "head office"]).await.out.contains("blackouts      0 18 L * * for 720 min closing\n"));
    let id = shown(&place, "head office").await.id.to_string();
    assert_eq!(done(&place, &["calendar", "delete", &id]).await.out, "Calendar head office is deleted.\n");
    let missing = refused(&place, &["calendar", "show", "head office"], 1).await;
    assert!(missing.contains("there is no calendar \"head office\"") && missing.contains("regente calendar list"), "{missing}");
    let said = refused(&place, &["calendar", "create", "x", "--off", "2026-12-24", "--hours", "mon=9-8"], 65).await;
    assert!(said.contains("week/monday/0: must be hours such as 08:00-12:00"), "{said}");
    hub.stop().await;
}

#[tokio::test]
async fn days_come_from_files_and_holidays_need_none() {
    let (place, hub) = idle().await;
    done(&place, &["calendar", "create", "office"]).await;
    let file = place.write("dias.csv", "data;nome\n25/01/2027;Aniversário de São Paulo\n24/12/2026;Véspera\n");
    let planned = done(&place, &["calendar", "import", "office", &file, "--dry-run"]).await;
    assert!(planned.err.contains("Calendar office would change: 2 days added, 0 changed, 0 removed."), "{planned:?}");
    assert!(planned.out.contains("added   2027-01-25  off    Aniversário de São Paulo"), "{planned:?}");
    assert_eq!(shown(&place, "office").await.days, []);
    let done_: CalendarImport = json(&done(&place, &["calendar", "import", "office", &file, "-o", "json"]).await.out);
    assert_eq!((done_.added, done_.dry_run), (2, false));
    let other = place.write("dias.ics", "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261231\nEND:VEVENT\nEND:VCALENDAR\n");
    done(&place, &["calendar", "import", "office", &other, "--replace", "--format", "ics", "--timezone", "UTC", "--until", "2030-12-31"])
        .await;
    assert_eq!(shown(&place, "office").await.days.len(), 1);
    let bad = place.write("bad.csv", "date\n2026-12-24\nx\n");
    let said = refused(&place, &["calendar", "import", "office", &bad], 65).await;
    assert!(said.contains("file: line 3: \"x\" is no date"), "{said}");
    let holidays = done(&place, &["calendar", "holidays", "br-optional", "--year", "2026"]).await.out;
    assert!(holidays.contains("2026-02-18  Wed  14:00  Quarta-feira de Cinzas"), "{holidays}");
    hub.stop().await;
}
