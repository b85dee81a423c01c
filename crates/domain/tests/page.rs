//! What docs/SCHEDULES.md says of expressions and clock changes is what happens.
#![expect(clippy::unwrap_used, reason = "a test's way to fail")]

use chrono::{DateTime, NaiveDate, Utc};
use domain::schedule::{Cron, Zones, words::Language};

fn page() -> String {
    std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/SCHEDULES.md")).unwrap()
}

/// The cells of the page's tables, without spaces around them.
fn rows(page: &str) -> Vec<Vec<&str>> {
    let rows = page.lines().filter_map(|line| line.strip_prefix('|')?.strip_suffix('|'));
    rows.map(|row| row.split('|').map(str::trim).collect()).collect()
}

fn code(cell: &str) -> Option<&str> {
    cell.strip_prefix('`')?.strip_suffix('`')
}

#[test]
fn the_examples_have_the_words_of_the_page() {
    let page = page();
    let mut examples = 0;
    for row in rows(&page) {
        let [cron, words] = *row else { continue };
        let Some(cron) = code(cron).and_then(|cron| Cron::parse(cron).ok()) else { continue };
        assert_eq!(cron.words(Language::En), words, "{cron}");
        examples += 1;
    }
    assert_eq!(examples, 10);
}

#[test]
fn clock_changes_end_as_the_table_says() {
    let page = page();
    let (mut place, mut checked) = (None, 0);
    for row in rows(&page) {
        let [at, _, cron, fires] = *row else { continue };
        let Some(cron) = code(cron) else { continue };
        if let Some((zone, rest)) = at.split_once(", ") {
            let zone = Zones::bundled().get(zone).unwrap();
            let day = rest.get(..10).and_then(|day| day.parse::<NaiveDate>().ok());
            place = Some((zone, day.unwrap_or("2026-02-21".parse().unwrap())));
        }
        let (zone, day) = place.clone().unwrap();
        let begin = day.pred_opt().unwrap().and_hms_opt(12, 0, 0).unwrap().and_utc();
        let cron = Cron::parse(cron).unwrap();
        let on_day = |at: &DateTime<Utc>| zone.local(*at).date() == day || (*at - begin).num_hours() < 24;
        let times = std::iter::successors(cron.next(&zone, begin), |at| cron.next(&zone, *at)).take_while(on_day);
        let times: Vec<_> = times.map(|at| at.format("%H:%M").to_string()).collect();
        let told: Vec<_> = fires.split(|c: char| !c.is_ascii_digit() && c != ':').filter(|word| word.len() == 5).collect();
        match fires.split([',', ' ']).next().unwrap() {
            "once" | "always" => assert_eq!(times.first().map(String::as_str), told.first().copied(), "{cron} {day}"),
            "both" => assert!(told.iter().all(|time| times.iter().any(|at| at == time)), "{cron} {day}: {times:?}"),
            "not" => assert_eq!(times, [""; 0], "{cron} {day}"),
            other => panic!("{other}: {fires}"),
        }
        checked += 1;
    }
    assert_eq!(checked, 10);
}
