//! Calendars: what schedules take for working days, imported from files of others.

use api_types::{AuditEntry, Calendar, CalendarImport, CalendarSummary, ExplainedDay, Holiday, Schedule};
use domain::calendar::DayReason;
use e2e::{Answer, Delivery, World, on_both};
use reqwest::Method;
use serde_json::{Value, json};

use crate::{
    grants::{domain, grant, user},
    support::{automation, calm, fields},
};

on_both!(
    a_hub_begins_with_calendars_of_brazil,
    a_calendar_is_added_changed_and_deleted,
    a_calendar_that_schedules_use_is_kept,
    what_a_calendar_cannot_be_is_named_by_field,
    a_file_is_imported_whole_or_not_at_all,
    files_come_in_forms_and_in_other_encodings,
    files_that_are_too_large_are_refused,
    calendars_are_read_by_many_and_changed_by_who_may_publish_everywhere,
    each_change_is_on_record,
);

const CALENDARS: &str = "/api/v1/calendars";

async fn create(world: &World, body: Value) -> Calendar {
    world.client.post(CALENDARS, &body).await.expect(201).json()
}

async fn put(world: &World, calendar: &Calendar, body: &Value) -> Answer {
    world.client.send(world.client.request(Method::PUT, &format!("{CALENDARS}/{}", calendar.id)).json(body)).await
}

async fn get(world: &World, calendar: &Calendar) -> Calendar {
    world.client.get(&format!("{CALENDARS}/{}", calendar.id)).await.expect(200).json()
}

async fn import(world: &World, calendar: &Calendar, query: &str, file: impl Into<reqwest::Body>) -> Answer {
    let path = format!("{CALENDARS}/{}/import{query}", calendar.id);
    world.client.send(world.client.request(Method::POST, &path).body(file)).await
}

async fn days(world: &World, id: impl std::fmt::Display, span: (&str, &str)) -> Vec<ExplainedDay> {
    world.client.get(&format!("{CALENDARS}/{id}/days?from={}&to={}", span.0, span.1)).await.expect(200).json()
}

async fn a_hub_begins_with_calendars_of_brazil(delivery: Delivery) {
    let world = calm(delivery).await;
    let all: Vec<CalendarSummary> = world.client.get(CALENDARS).await.expect(200).json();
    let names: Vec<_> = all.iter().map(|calendar| calendar.name.as_str()).collect();
    assert_eq!(names, ["Brasil (nacional)", "Brasil (bancos)"]);
    let first = async |nth: usize, (from, to): (&str, &str)| {
        let days = days(&world, all[nth].id, (from, to)).await;
        days.into_iter().find(|day| day.business_day).unwrap().date.to_string()
    };
    assert_eq!(first(0, ("2025-03-01", "2025-03-31")).await, "2025-03-03");
    assert_eq!(first(1, ("2025-03-01", "2025-03-31")).await, "2025-03-05");
    assert_eq!(first(0, ("2026-11-01", "2026-11-30")).await, "2026-11-03");
    assert_eq!(first(0, ("2027-01-01", "2027-01-31")).await, "2027-01-04");
    let explained = days(&world, all[0].id, ("2026-11-19", "2026-11-21")).await;
    let shown: Vec<_> = explained.iter().map(|day| (day.business_day, day.reason, day.names.len(), day.hours.len())).collect();
    assert_eq!(shown, [(true, DayReason::Week, 0, 1), (false, DayReason::Holiday, 1, 0), (false, DayReason::Week, 0, 0)]);
    let holidays: Vec<Holiday> = world.client.get(&format!("{CALENDARS}/holidays?set=br-optional&year=2026")).await.expect(200).json();
    let shown: Vec<_> = holidays.iter().map(|day| (day.date.to_string(), day.until.as_deref())).collect();
    let expected = [("2026-02-16", None), ("2026-02-17", None), ("2026-02-18", Some("14:00")), ("2026-06-04", None)];
    assert_eq!(shown, expected.map(|(day, until)| (day.to_owned(), until)));
    for (query, field) in [
        ("holidays?set=br-xx&year=2026", "set"),
        ("holidays?set=br&year=99999", "year"),
        ("019ac000-0000-7000-8000-000000000001/days?from=2026-12-01&to=2026-11-01", "to"),
        ("019ac000-0000-7000-8000-000000000001/days?from=2026-01-01&to=2046-01-01", "to"),
        ("019ac000-0000-7000-8000-000000000001/days?from=2026-02-30&to=2026-03-01", "from"),
    ] {
        let problem = world.client.get(&format!("{CALENDARS}/{query}")).await.problem(400);
        assert_eq!(fields(&problem), [field], "{query}");
    }
    world.end().await;
}

async fn a_calendar_is_added_changed_and_deleted(delivery: Delivery) {
    let world = calm(delivery).await;
    let calendar =
        create(&world, json!({"name": "Office", "holidays": ["br", "br-sp"], "days": [{"date": "2026-12-24", "name": "Eve"}]})).await;
    assert_eq!((calendar.week.monday[0].as_str(), calendar.week.sunday.len()), ("00:00-24:00", 0));
    assert_eq!(world.client.post(CALENDARS, &json!({"name": "Office"})).await.problem(409).code, "name_taken");
    let listed: Vec<CalendarSummary> = world.client.get(&format!("{CALENDARS}?name=Office")).await.expect(200).json();
    assert_eq!((listed.len(), listed[0].id, listed[0].day_count), (1, calendar.id, 1));
    // What was read can be sent back, and is refused once somebody else changed it.
    let read = serde_json::to_value(get(&world, &calendar).await).unwrap();
    let mut body = read.clone();
    body["week"]["saturday"] = json!(["08:00-12:00"]);
    let changed: Calendar = put(&world, &calendar, &body).await.expect(200).json();
    assert_eq!((changed.week.saturday, changed.days), (vec!["08:00-12:00".to_owned()], calendar.days.clone()));
    assert_eq!(put(&world, &calendar, &body).await.problem(409).code, "changed_meanwhile");
    let kept: Calendar = put(&world, &calendar, &json!({"name": "Head office"})).await.expect(200).json();
    assert_eq!((kept.name.as_str(), kept.days.len(), kept.holidays.len()), ("Head office", 1, 2));
    let other = put(&world, &calendar, &json!({"id": uuid::Uuid::nil()})).await.problem(422);
    assert_eq!(fields(&other), ["id"]);
    let path = format!("{CALENDARS}/{}", calendar.id);
    let delete = async || world.client.send(world.client.request(Method::DELETE, &path)).await;
    let _gone = delete().await.expect(204);
    let _missing =
        (delete().await.problem(404), world.client.get(&path).await.problem(404), put(&world, &calendar, &json!({})).await.problem(404));
    world.end().await;
}

async fn a_calendar_that_schedules_use_is_kept(delivery: Delivery) {
    let world = calm(delivery).await;
    let (calendar, invoices) = (create(&world, json!({"name": "Office"})).await, automation(&world, "invoices").await);
    let body = json!({"automation_id": invoices.id, "name": "daily", "cron_expression": "@daily", "calendar_id": calendar.id});
    let schedule: Schedule = world.client.post("/api/v1/schedules", &body).await.expect(201).json();
    let delete = async |path: String| world.client.send(world.client.request(Method::DELETE, &path)).await;
    let refused = delete(format!("{CALENDARS}/{}", calendar.id)).await.problem(409);
    assert_eq!(refused.code, "calendar_in_use");
    assert!(refused.detail.contains(&format!("\"daily\" of automation {}", invoices.id)), "{refused:?}");
    assert_eq!(get(&world, &calendar).await, calendar);
    let _gone = delete(format!("/api/v1/schedules/{}", schedule.id)).await.expect(204);
    let _gone = delete(format!("{CALENDARS}/{}", calendar.id)).await.expect(204);
    world.end().await;
}

async fn what_a_calendar_cannot_be_is_named_by_field(delivery: Delivery) {
    let world = calm(delivery).await;
    for (body, expected) in [
        (json!({}), vec!["name"]),
        (json!({"name": " "}), vec!["name"]),
        (json!({"name": "x", "week": {}}), vec!["week"]),
        (json!({"name": "x", "week": {"monday": ["8h-12h"]}}), vec!["week/monday/0"]),
        (json!({"name": "x", "holidays": ["br", "br-xx"]}), vec!["holidays/1"]),
        (json!({"name": "x", "days": [{"date": "2026-02-30"}]}), vec!["days/0/date"]),
        (json!({"name": "x", "days": [{"date": "2026-12-24"}, {"date": "2026-12-24"}]}), vec!["days/1/date"]),
        (json!({"name": "x", "blackouts": [{"cron_expression": "0 0 30 2 *", "minutes": 60}]}), vec!["blackouts/0/cron_expression"]),
        (json!({"name": "x", "blackouts": [{"cron_expression": "@daily", "minutes": 0}]}), vec!["blackouts/0/minutes"]),
        (json!({"name": "x", "blackouts": [{"from": "2026-12-01"}]}), vec!["blackouts/0"]),
        (json!({"name": "x", "hollidays": []}), vec!["hollidays"]),
    ] {
        let problem = world.client.post(CALENDARS, &body).await.problem(422);
        assert_eq!(fields(&problem), expected, "{body}");
    }
    let all: Vec<CalendarSummary> = world.client.get(CALENDARS).await.expect(200).json();
    assert_eq!(all.len(), 2, "nothing is half written");
    world.end().await;
}

const ICS: &str = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nBEGIN:VEVENT\r\nDTSTART;VALUE=DATE:20270125\r\nRRULE:FREQ=YEARLY;COUNT=3\r\n\
    SUMMARY:Aniversário de São Paulo\r\nEND:VEVENT\r\nBEGIN:VEVENT\r\nDTSTART;TZID=America/New_York:20261224T100000\r\nDURATION:PT4H\r\n\
    SUMMARY:Maintenance\r\nEND:VEVENT\r\nEND:VCALENDAR\r\n";

async fn a_file_is_imported_whole_or_not_at_all(delivery: Delivery) {
    let world = calm(delivery).await;
    let calendar = create(&world, json!({"name": "Office", "days": [{"date": "2026-12-31", "name": "own"}]})).await;
    let planned: CalendarImport = import(&world, &calendar, "?dry_run=true", ICS).await.expect(200).json();
    assert_eq!((planned.dry_run, planned.format.as_str(), planned.added, planned.changed, planned.removed), (true, "ics", 4, 0, 0));
    assert_eq!(get(&world, &calendar).await, calendar, "a look changes nothing");
    let done: CalendarImport = import(&world, &calendar, "", ICS).await.expect(200).json();
    assert_eq!(done, CalendarImport { dry_run: false, ..planned });
    let shown: Vec<_> = get(&world, &calendar).await.days.into_iter().map(|day| format!("{} {}", day.date, day.hours.join(","))).collect();
    // 10:00 in New York is 12:00 in São Paulo.
    assert_eq!(shown, ["2026-12-24 00:00-12:00,16:00-24:00", "2026-12-31 ", "2027-01-25 ", "2028-01-25 ", "2029-01-25 "]);
    let again: CalendarImport = import(&world, &calendar, "?mode=merge", ICS).await.expect(200).json();
    assert_eq!((again.added, again.changed, again.removed), (0, 0, 0));
    let elsewhere: CalendarImport =
        import(&world, &calendar, "?timezone=America/New_York&mode=replace&dry_run=true", ICS).await.expect(200).json();
    assert_eq!(
        (elsewhere.changed, elsewhere.removed, elsewhere.days[0].hours.clone()),
        (1, 1, vec!["00:00-10:00".to_owned(), "14:00-24:00".to_owned()])
    );
    let before = get(&world, &calendar).await;
    for (file, parts) in [
        ("date,name\n2026-01-01,a\n31/02/2026,b\nx,c\n", vec!["line 3: \"31/02/2026\"", "line 4: \"x\""]),
        ("datte\n2026-01-01\n", vec!["did you mean date?"]),
        ("BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Natal\nDTSTART:20261301\nEND:VEVENT\nEND:VCALENDAR", vec!["event Natal: DTSTART"]),
        (
            "BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261224\nRRULE:FREQ=DAILY;BYSETPOS=1\nEND:VEVENT\nEND:VCALENDAR",
            vec!["BYSETPOS is not supported"],
        ),
        ("", vec!["must not be empty"]),
    ] {
        let problem = import(&world, &calendar, "", file).await.problem(422);
        assert!(problem.errors.iter().all(|error| error.field == "file") && problem.errors.len() == parts.len(), "{problem:?}");
        assert!(parts.iter().all(|part| problem.detail.contains(part)), "{problem:?}");
    }
    assert_eq!(get(&world, &calendar).await, before, "a file with a fault changes nothing");
    for (query, field) in
        [("?timezone=America/Sao%20Paulo", "timezone"), ("?until=3000-01-01", "until"), ("?mode=join", "mode"), ("?format=xls", "format")]
    {
        let problem = import(&world, &calendar, query, ICS).await.problem(400);
        assert_eq!(fields(&problem), [field], "{query}");
    }
    world.end().await;
}

async fn files_come_in_forms_and_in_other_encodings(delivery: Delivery) {
    let world = calm(delivery).await;
    let calendar = create(&world, json!({"name": "Office"})).await;
    let path = format!("{CALENDARS}/{}/import?mode=replace", calendar.id);
    let latin = b"data;nome\n24/12/2026;V\xe9spera\n".to_vec();
    let send = async |field: &str| {
        let head = format!("--x\r\nContent-Disposition: form-data; name=\"{field}\"; filename=\"dias.csv\"\r\n\r\n");
        let form = [head.as_bytes(), &latin, b"\r\n--x--\r\n"].concat();
        let request = world.client.request(Method::POST, &path).header("content-type", "multipart/form-data; boundary=x");
        world.client.send(request.body(form)).await
    };
    let done: CalendarImport = send("file").await.expect(200).json();
    assert_eq!((done.added, done.format.as_str(), done.days[0].name.as_str()), (1, "csv", "Véspera"));
    assert_eq!(fields(&send("other").await.problem(422)), ["file"]);
    let cut = world.client.request(Method::POST, &path).header("content-type", "multipart/form-data; boundary=x").body("--x\r\n");
    assert_eq!(world.client.send(cut).await.problem(400).code, "bad_request");
    let utf16: Vec<u8> =
        [0xff, 0xfe].into_iter().chain("date,name\n2026-12-25,Véspera\n".encode_utf16().flat_map(u16::to_le_bytes)).collect();
    let done: CalendarImport = import(&world, &calendar, "?mode=replace", utf16).await.expect(200).json();
    assert_eq!((done.added, done.removed, done.days[1].name.as_str()), (1, 1, "Véspera"));
    let spreadsheet = import(&world, &calendar, "", b"PK\x03\x04\x14\0\x06\0".to_vec()).await.problem(422);
    assert!(spreadsheet.detail.contains("saved as CSV"), "{spreadsheet:?}");
    world.end().await;
}

async fn files_that_are_too_large_are_refused(delivery: Delivery) {
    let world = calm(delivery).await;
    let calendar = create(&world, json!({"name": "Office"})).await;
    let huge = "BEGIN:VCALENDAR\n".to_owned() + &"X".repeat(50 << 20);
    // The hub answers before all of it is sent, and may close the connection.
    let path = format!("{CALENDARS}/{}/import", calendar.id);
    match world.client.request(Method::POST, &path).body(huge).send().await {
        Ok(answer) => assert_eq!(answer.status().as_u16(), 413),
        Err(error) => assert!(error.is_request() || error.is_body(), "{error:?}"),
    }
    let recurring = "BEGIN:VCALENDAR\n".to_owned() + &"BEGIN:VEVENT\nRRULE:FREQ=DAILY\n".repeat(100_000);
    let problem = import(&world, &calendar, "", recurring).await.problem(422);
    assert!(problem.detail.contains("at most 10000 events, not 100000"), "{problem:?}");
    let daily = "BEGIN:VEVENT\nDTSTART:19000101\nRRULE:FREQ=DAILY\nEND:VEVENT\n".repeat(900);
    let daily = format!("BEGIN:VCALENDAR\n{daily}END:VCALENDAR\n");
    let problem = import(&world, &calendar, "", daily).await.problem(422);
    assert!(problem.detail.contains("more than 20000 days"), "{problem:?}");
    let lines = "date\n".to_owned() + &"2026-01-01\n".repeat(10_001);
    let problem = import(&world, &calendar, "", lines).await.problem(422);
    assert!(problem.detail.contains("at most 10000 lines"), "{problem:?}");
    assert_eq!(get(&world, &calendar).await, calendar);
    world.end().await;
}

async fn calendars_are_read_by_many_and_changed_by_who_may_publish_everywhere(delivery: Delivery) {
    let world = calm(delivery).await;
    let calendar = create(&world, json!({"name": "Office"})).await;
    let path = format!("{CALENDARS}/{}", calendar.id);
    let ((ana, token), finance) = (user(&world, "ana").await, domain(&world, "finance").await);
    let ask = async |method: Method, path: &str| {
        let request = world.client.bare(method.clone(), path).bearer_auth(&token);
        let request = if method == Method::GET { request } else { request.json(&json!({"name": "x"})) };
        world.client.send(request).await.status.as_u16()
    };
    assert_eq!((ask(Method::GET, &path).await, ask(Method::POST, CALENDARS).await), (403, 403));
    grant(&world, &ana, json!({"right": "maintainer", "domain_id": finance.id})).await;
    world.everywhere("the grant counts", async || ask(Method::GET, &path).await == 200).await;
    for (method, path) in
        [(Method::POST, CALENDARS), (Method::PUT, &path), (Method::DELETE, &path), (Method::POST, &format!("{path}/import"))]
    {
        assert_eq!(ask(method.clone(), path).await, 403, "{method} {path}");
    }
    grant(&world, &ana, json!({"right": "robot.publish"})).await;
    world.everywhere("the wider grant counts", async || ask(Method::PUT, &path).await == 200).await;
    assert_eq!(get(&world, &calendar).await.updated_by.as_deref(), Some("ana"));
    world.end().await;
}

async fn each_change_is_on_record(delivery: Delivery) {
    let world = calm(delivery).await;
    let calendar = create(&world, json!({"name": "Office"})).await;
    let _imported = import(&world, &calendar, "", "date\n2026-12-24\n").await.expect(200);
    let _same = import(&world, &calendar, "", "date\n2026-12-24\n").await.expect(200);
    let _deleted = world.client.send(world.client.request(Method::DELETE, &format!("{CALENDARS}/{}", calendar.id))).await.expect(204);
    let path = format!("/api/v1/audit?target_kind=calendar&target_id={}", calendar.id);
    let entries: Vec<AuditEntry> = world.client.get(&path).await.expect(200).json();
    let actions: Vec<_> = entries.iter().map(|entry| entry.action.as_str()).collect();
    assert_eq!(actions, ["calendar.delete", "calendar.import", "calendar.create"]);
    world.end().await;
}
