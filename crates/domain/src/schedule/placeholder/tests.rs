use serde_json::json;

use super::*;
use crate::calendar::HolidaySet;

fn dates(due: &str) -> Dates<'static> {
    Dates { due: due.parse().unwrap(), previous: None, calendar: None }
}

#[track_caller]
fn filled(text: &str, dates: &Dates<'_>) -> String {
    fill_text(text, dates).unwrap()
}

#[test]
fn each_name_is_a_date_of_the_due_time() {
    let dates = Dates { previous: Some("2026-11-20T08:00:00".parse().unwrap()), ..dates("2026-11-27T09:30:00") };
    for (text, expected) in [
        ("{{today}}", "27/11/2026"),
        ("{{yesterday}}", "26/11/2026"),
        ("{{tomorrow}}", "28/11/2026"),
        ("{{prev_run}}", "20/11/2026"),
        ("{{first_of_month}}", "01/11/2026"),
        ("{{last_of_month}}", "30/11/2026"),
        ("{{first_of_last_month}}", "01/10/2026"),
        ("{{last_of_last_month}}", "31/10/2026"),
        ("{{business_day}}", "27/11/2026"),
        ("{{next_business_day}}", "30/11/2026"),
        ("{{business_day-1}}", "26/11/2026"),
        ("{{today+5}} to {{ prev_run - 7 }}", "02/12/2026 to 13/11/2026"),
        ("{{yesterday-1}}", "25/11/2026"),
        ("{{first_of_month-1}}", "31/10/2026"),
        ("{{today|yyyy-MM-dd}}T{{today|HH:mm:ss}}", "2026-11-27T09:30:00"),
        ("{{today|d/M/yy 'às' H'h'm}}", "27/11/26 às 9h30"),
        ("{{today | ddMMyyyy}}", "27112026"),
        ("{{prev_run|HH:mm}}", "08:00"),
        ("no dates, {one} brace, }} and \\{{today}}", "no dates, {one} brace, }} and {{today}}"),
        ("", ""),
    ] {
        assert_eq!(filled(text, &dates), expected, "{text}");
    }
}

#[test]
fn months_of_different_lengths_and_years_are_crossed() {
    for (due, text, expected) in [
        ("2027-03-31T00:00:00", "{{last_of_last_month}}", "28/02/2027"),
        ("2028-03-31T00:00:00", "{{last_of_last_month}}", "29/02/2028"),
        ("2027-01-15T00:00:00", "{{first_of_last_month}}", "01/12/2026"),
        ("2027-01-01T23:59:59", "{{yesterday}}", "31/12/2026"),
        ("2028-02-28T00:00:00", "{{tomorrow}}", "29/02/2028"),
    ] {
        assert_eq!(filled(text, &dates(due)), expected);
    }
    assert_eq!(filled("{{prev_run}}", &dates("2027-01-15T00:00:00")), "15/01/2027", "the first run has no previous one");
}

#[test]
fn business_days_are_the_calendars() {
    let bank = Calendar::with_holidays("bank", [HolidaySet::BrBank]);
    let at = |due: &str, text: &str| filled(text, &Dates { calendar: Some(&bank), ..dates(due) });
    assert_eq!(at("2025-03-05T09:00:00", "{{business_day-1}}"), "28/02/2025", "after Carnival");
    assert_eq!(at("2025-02-28T09:00:00", "{{next_business_day}}"), "05/03/2025");
    assert_eq!(at("2025-03-04T09:00:00", "{{business_day}}"), "28/02/2025", "a holiday stands for the business day before it");
    assert_eq!(at("2025-03-04T09:00:00", "{{business_day-1}}"), "28/02/2025");
    assert_eq!(at("2025-03-04T09:00:00", "{{business_day+1}} {{next_business_day+1}}"), "05/03/2025 06/03/2025");
    assert_eq!(filled("{{business_day-2}}", &dates("2025-03-04T09:00:00")), "28/02/2025", "without a calendar: Monday to Friday");
}

#[test]
fn strings_are_filled_at_any_depth_and_nothing_else() {
    let parameters = json!({
        "{{today}}": "{{today}}", "n": 1, "null": null,
        "list": ["x", {"deep": ["{{yesterday|yyyy-MM-dd}}"]}],
    });
    let expected = json!({
        "{{today}}": "27/11/2026", "n": 1, "null": null,
        "list": ["x", {"deep": ["2026-11-26"]}],
    });
    assert_eq!(faults(&parameters), []);
    assert_eq!(fill(&parameters, &dates("2026-11-27T09:30:00")).unwrap(), expected);
}

#[test]
fn misspelt_ones_are_refused_with_the_nearest_name_and_their_path() {
    let parameters = json!({"a": ["{{todya}}"], "b": {"c": "{{first_of_mouth}}"}, "d": "{{Today}}", "ok": "{{today}}"});
    let faults = faults(&parameters);
    let shown: Vec<_> = faults.iter().map(|fault| (fault.field.as_str(), fault.message.as_str())).collect();
    assert_eq!(shown[0], ("parameters/a/0", "{{todya}}: there is no such placeholder; did you mean today?"));
    assert_eq!(shown[1].0, "parameters/b/c");
    assert!(shown[1].1.contains("did you mean first_of_month"), "{}", shown[1].1);
    assert!(shown[2].1.contains("did you mean today"), "{}", shown[2].1);
    assert_eq!(shown.len(), 3);
    for (bad, part) in [
        ("{{nome do cliente}}", "there are today, yesterday"),
        ("{{}}", "there are today"),
        ("{{today", "has no end"),
        ("{{today+}}", "+ is not a number of days"),
        ("{{today+x}}", "+x is not a number of days from +0 to +3660"),
        ("{{today+99999}}", "is not a number of days"),
        ("{{today+-1}}", "is not a number of days"),
        ("{{business_day-367}}", "from -0 to -366"),
        ("{{today|}}", "a format is missing"),
        ("{{today|DD/MM/YYYY}}", "write dd for the day"),
        ("{{today|dd/MM/aaaa}}", "write yyyy for the year"),
        ("{{today|%Y}}", "write yyyy"),
        ("{{today|'x}}", "has no end"),
        ("{{today|dd x MM}}", "the format has x"),
    ] {
        let message = pieces(bad).map(|_| ()).unwrap_err();
        assert!(message.contains(part), "{bad}: {message}");
    }
}

#[test]
fn a_calendar_without_business_days_is_a_fault_and_not_an_endless_search() {
    let mut closed = Calendar::weekdays("closed");
    closed.week = std::array::from_fn(|_| crate::calendar::Hours::none());
    let dates = Dates { calendar: Some(&closed), ..dates("2026-11-27T09:30:00") };
    let fault = fill(&json!(["{{business_day-1}}"]), &dates).unwrap_err();
    assert_eq!(fault.field, "parameters/0");
}
