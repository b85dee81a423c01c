//! What docs/SCHEDULES.md says of expressions and clock changes is what happens.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test's way to fail")]

use std::collections::BTreeSet;

use chrono::{DateTime, Datelike as _, Days, NaiveDate, NaiveDateTime, NaiveTime, TimeDelta, Utc};
use domain::{
    ids::ScheduleId,
    schedule::{Cron, Schedule, Slot, Spec, Zone, Zones, words::Language},
};

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

/// A row of the table of clock changes. Cells that are empty are those of the row above.
struct Row<'a> {
    zone: Zone,
    /// The day in question; `None`: no clock changes any more.
    day: Option<NaiveDate>,
    change: &'a str,
    local: &'a str,
    cron: &'a str,
    fires: &'a str,
}

fn changes(page: &str) -> Vec<Row<'_>> {
    let (mut place, mut local, mut found) = ("", "", Vec::new());
    for row in rows(page) {
        let [at, time, cron, fires] = *row else { continue };
        let Some(cron) = code(cron) else { continue };
        (place, local) = if at.is_empty() { (place, local) } else { (at, time) };
        let (zone, when) = place.split_once(", ").unwrap();
        let (day, change) = when.split_once(": ").map_or((None, ""), |(day, change)| (Some(day.parse().unwrap()), change));
        found.push(Row { zone: Zones::bundled().get(zone).unwrap(), day, change, local, cron, fires });
    }
    found
}

/// The times of day in a text.
fn times(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_digit() && c != ':').filter(|word| word.len() == 5).collect()
}

impl Row<'_> {
    fn shown(&self) -> String {
        format!("{} {:?} {}", self.zone.name(), self.day, self.cron)
    }

    /// Slots of the days from `first` to `last`, on the zone's clock.
    fn slots(&self, first: NaiveDate, last: NaiveDate) -> Vec<Slot> {
        let schedule = Schedule::new(ScheduleId::new(uuid::Uuid::nil()), Spec::Cron(Cron::parse(self.cron).unwrap()), self.zone.clone());
        let [from, to] = [first - Days::new(2), last + Days::new(2)].map(|day| day.and_time(NaiveTime::MIN).and_utc());
        schedule.slots_between(from, to).filter(|slot| (first..=last).contains(&slot.local.date())).collect()
    }

    /// The clock's change is the one of the first column, and does to the time of the second what that says.
    fn check_change(&self, day: NaiveDate) {
        let noon = (day.and_hms_opt(12, 0, 0).unwrap()).and_utc();
        let minutes = || (-36 * 60..36 * 60).map(|minute| noon + TimeDelta::minutes(minute));
        let offset = |at: DateTime<Utc>| self.zone.local(at).and_utc() - at;
        let changes: Vec<_> = minutes().filter(|at| offset(*at) != offset(*at - TimeDelta::minutes(1))).collect();
        let [change] = *changes else { panic!("{}: {changes:?}", self.shown()) };
        let [after, before] = [change, change - TimeDelta::minutes(1)].map(|at| self.zone.local(at));
        let until = before + TimeDelta::minutes(1);
        let (skipped, repeated) = (after > until, after < until);
        assert_eq!((skipped, repeated), (self.change.ends_with("skipped"), self.change.ends_with("repeated")), "{}", self.shown());
        let end = |time: NaiveDateTime| time.format("%H:%M").to_string().replace("00:00", "24:00");
        let told = times(self.change);
        match told[..] {
            [from, to] if skipped => assert_eq!((from, to), (&*until.format("%H:%M").to_string(), &*end(after)), "{}", self.shown()),
            [from, to] => assert_eq!((from, to), (&*after.format("%H:%M").to_string(), &*end(until)), "{}", self.shown()),
            _ => assert_eq!(after - until, TimeDelta::days(1), "{}", self.shown()),
        }
        if let [time] = times(self.local)[..] {
            let meant = day.and_time(format!("{time}:00").parse().unwrap());
            let happens = minutes().filter(|at| self.zone.local(*at) == meant).count();
            assert_eq!(happens, if skipped { 0 } else { 2 }, "{}: {time}", self.shown());
        }
    }

    /// It fires as the last column says, which has times of UTC, then of the zone's clock behind a `=`, and a day of the month where it is another.
    fn check_fires(&self) {
        let Some(day) = self.day else {
            let [first, last] = ["2019-03-01", "2026-12-31"].map(|day| day.parse().unwrap());
            let slots = self.slots(first, last);
            assert_eq!(slots.len() as i64, (last - first).num_days() + 1, "{}", self.shown());
            assert!(slots.iter().all(|slot| format!("always {}", slot.at.format("%H:%M")) == self.fires), "{}", self.shown());
            return;
        };
        self.check_change(day);
        let mut slots = self.slots(day, day);
        let (utc, local) = self.fires.split_once(" = ").unwrap_or((self.fires, ""));
        let count = match self.fires.split([',', ' ']).next().unwrap() {
            "not" => 0,
            "once" => 1,
            "both" => {
                let repeated = times(self.change);
                slots.retain(|slot| (repeated[0]..repeated[1]).contains(&&*slot.local.format("%H:%M").to_string()));
                2
            }
            other => panic!("{other}: {}", self.fires),
        };
        let date = |text: &str, usual: NaiveDate| {
            let told = text.split_once(" on the ").and_then(|(_, day)| day.trim_end_matches(char::is_alphabetic).parse::<u32>().ok());
            told.map_or(usual, |told| [usual.pred_opt(), usual.succ_opt()].into_iter().flatten().find(|day| day.day() == told).unwrap())
        };
        let shown = |time: NaiveDateTime| (time.date(), time.format("%H:%M").to_string());
        let told = |text: &str| times(text).into_iter().map(|time| (date(text, day), time.to_owned())).collect::<Vec<_>>();
        let found: Vec<_> = slots.iter().map(|slot| shown(slot.at.naive_utc())).collect();
        assert_eq!((found, slots.len()), (told(utc), count), "{}: {}", self.shown(), self.fires);
        for (slot, told) in slots.iter().zip(told(local)) {
            assert_eq!(shown(self.zone.local(slot.at)), told, "{}: {}", self.shown(), self.fires);
        }
    }
}

#[test]
fn clock_changes_end_as_the_table_says() {
    let page = page();
    let rows = changes(&page);
    rows.iter().for_each(Row::check_fires);
    let zones: BTreeSet<_> = rows.iter().map(|row| row.zone.name()).collect();
    assert_eq!((rows.len(), zones.len()), (17, 8), "{zones:?}");
}
