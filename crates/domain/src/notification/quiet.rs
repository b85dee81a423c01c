//! Quiet hours: when a channel holds what it is told back until they end.

use chrono::{DateTime, Datelike, Days, Utc};

use super::channel::{QuietHours, Weekday};
use crate::{alert::Severity, schedule::Zone};

impl QuietHours {
    /// When the quiet hours end that hold an alert of this severity back at `at`; `None`: it is told at once.
    #[must_use]
    pub fn holds(&self, zone: &Zone, severity: Severity, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        if self.break_through.is_some_and(|least| severity >= least) { None } else { self.ends(zone, at) }
    }

    /// When the quiet hours end that `at` is in; `None`: it is in none.
    #[must_use]
    pub fn ends(&self, zone: &Zone, at: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let today = zone.local(at).date();
        // The window that began yesterday may still be open, and ends first.
        [today.checked_sub_days(Days::new(1)), Some(today)].into_iter().flatten().find_map(|day| {
            if !(self.days.is_empty() || self.days.contains(&weekday(day.weekday()))) {
                return None;
            }
            let last = if self.until <= self.from { day.checked_add_days(Days::new(1))? } else { day };
            let (begin, end) = (zone.instant(day.and_time(self.from))?, zone.instant(last.and_time(self.until))?);
            (begin <= at && at < end).then_some(end)
        })
    }
}

const fn weekday(day: chrono::Weekday) -> Weekday {
    match day {
        chrono::Weekday::Mon => Weekday::Monday,
        chrono::Weekday::Tue => Weekday::Tuesday,
        chrono::Weekday::Wed => Weekday::Wednesday,
        chrono::Weekday::Thu => Weekday::Thursday,
        chrono::Weekday::Fri => Weekday::Friday,
        chrono::Weekday::Sat => Weekday::Saturday,
        chrono::Weekday::Sun => Weekday::Sunday,
    }
}

#[cfg(test)]
mod tests {
    use chrono::NaiveTime;

    use super::*;
    use crate::schedule::Zones;

    fn zone(name: &str) -> Zone {
        Zones::bundled().get(name).unwrap()
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn time(text: &str) -> NaiveTime {
        text.parse().unwrap()
    }

    fn night(days: &[Weekday]) -> QuietHours {
        let timezone = "America/Sao_Paulo".to_owned();
        QuietHours { timezone, from: time("22:00:00"), until: time("07:00:00"), days: days.to_vec(), break_through: None }
    }

    #[test]
    fn the_first_minute_is_quiet_and_the_last_is_not() {
        let (quiet, zone) = (night(&[]), zone("America/Sao_Paulo"));
        let end = Some(at("2026-11-27T10:00:00Z"));
        for (local_is, time, expected) in [
            ("21:59:59", "2026-11-27T00:59:59Z", None),
            ("22:00:00", "2026-11-27T01:00:00Z", end),
            ("23:10", "2026-11-27T02:10:00Z", end),
            ("23:59:30", "2026-11-27T02:59:30Z", end),
            ("06:59:59", "2026-11-27T09:59:59Z", end),
            ("07:00:00", "2026-11-27T10:00:00Z", None),
        ] {
            assert_eq!(quiet.ends(&zone, at(time)), expected, "{local_is}");
        }
    }

    #[test]
    fn a_day_is_the_one_on_which_the_window_begins() {
        // 2026-11-25 is a Wednesday.
        let (quiet, zone) = (night(&[Weekday::Wednesday]), zone("America/Sao_Paulo"));
        assert_eq!(quiet.ends(&zone, at("2026-11-25T05:00:00Z")), None, "Wednesday 02:00");
        assert_eq!(quiet.ends(&zone, at("2026-11-26T05:00:00Z")), Some(at("2026-11-26T10:00:00Z")), "Thursday 02:00");
        assert_eq!(quiet.ends(&zone, at("2026-11-27T02:00:00Z")), None, "Thursday 23:00");
    }

    #[test]
    fn hours_of_one_day_end_on_it() {
        let quiet = QuietHours { from: time("12:00:00"), until: time("13:30:00"), ..night(&[]) };
        let zone = zone("America/Sao_Paulo");
        assert_eq!(quiet.ends(&zone, at("2026-11-27T15:00:00Z")), Some(at("2026-11-27T16:30:00Z")));
        assert_eq!(quiet.ends(&zone, at("2026-11-27T16:30:00Z")), None);
    }

    #[test]
    fn clock_changes_move_the_window_with_the_local_time() {
        let zone = zone("America/New_York");
        // Spring forward on 2027-03-14 02:00 -> 03:00; fall back on 2027-11-07 02:00 -> 01:00.
        assert_eq!(night(&[]).ends(&zone, at("2027-03-14T06:30:00Z")), Some(at("2027-03-14T11:00:00Z")));
        assert_eq!(night(&[]).ends(&zone, at("2027-11-07T06:30:00Z")), Some(at("2027-11-07T12:00:00Z")));
        let in_gap = QuietHours { until: time("02:30:00"), ..night(&[]) };
        assert_eq!(in_gap.ends(&zone, at("2027-03-14T06:00:00Z")), Some(at("2027-03-14T07:00:00Z")), "02:30 does not exist");
        assert_eq!(in_gap.ends(&zone, at("2027-03-14T07:00:00Z")), None);
    }

    #[test]
    fn what_is_severe_enough_breaks_through() {
        let quiet = QuietHours { break_through: Some(Severity::Critical), ..night(&[]) };
        let (zone, night) = (zone("America/Sao_Paulo"), at("2026-11-27T02:10:00Z"));
        assert_eq!(quiet.holds(&zone, Severity::Critical, night), None);
        assert_eq!(quiet.holds(&zone, Severity::Error, night), Some(at("2026-11-27T10:00:00Z")));
        assert_eq!(self::night(&[]).holds(&zone, Severity::Critical, night), Some(at("2026-11-27T10:00:00Z")));
    }
}
