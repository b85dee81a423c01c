use super::*;
use crate::schedule::zone::Zones;

fn zone(name: &str) -> Zone {
    Zones::bundled().get(name).unwrap()
}

fn at(text: &str) -> DateTime<Utc> {
    let text = if text.contains('T') { text.to_owned() } else { format!("{text}T00:00") };
    let text = if text.len() == 16 { format!("{text}:00Z") } else { format!("{text}Z") };
    text.parse().unwrap()
}

/// The fires of `cron` after `after` are `expected`, in UTC.
#[track_caller]
fn fires(cron: &str, zone_name: &str, after: &str, expected: &[&str]) {
    let (parsed, zone) = (Cron::parse(cron).unwrap(), zone(zone_name));
    let mut from = at(after);
    for expected in expected {
        let next = parsed.next(&zone, from);
        assert_eq!(next, Some(at(expected)), "{cron} in {zone_name} after {from}");
        from = next.unwrap();
    }
}

#[test]
fn a_day_matches_either_field_unless_one_begins_with_a_star() {
    fires("0 0 13 * 5", "UTC", "2026-11-26", &["2026-11-27", "2026-12-04", "2026-12-11", "2026-12-13", "2026-12-18"]);
    fires("0 9 1-7 * 1", "UTC", "2026-11-26T12:00", &["2026-11-30T09:00", "2026-12-01T09:00", "2026-12-02T09:00"]);
    fires("0 9 * * 1#1", "UTC", "2026-11-26T12:00", &["2026-12-07T09:00", "2027-01-04T09:00"]);
    fires("0 0 */2 * 1", "UTC", "2026-11-26", &["2026-12-07", "2026-12-21", "2027-01-11"]);
    fires("0 0 1,15 * */2", "UTC", "2026-11-26", &["2026-12-01", "2026-12-15", "2027-04-01"]);
    fires("0 0 *,13 * 5", "UTC", "2026-11-26", &["2026-11-27", "2026-12-04", "2026-12-11"]);
    fires("0 0 1-31 * 5", "UTC", "2026-11-26", &["2026-11-27", "2026-11-28", "2026-11-29"]);
}

#[test]
fn sunday_is_0_and_7() {
    for sunday in ["0", "7", "SUN", "sun"] {
        fires(&format!("0 0 * * {sunday}"), "UTC", "2026-11-26", &["2026-11-29", "2026-12-06"]);
    }
    fires("0 0 * * 5-7", "UTC", "2026-11-26", &["2026-11-27", "2026-11-28", "2026-11-29", "2026-12-04"]);
    fires("0 0 * * 1-5", "UTC", "2026-11-28T01:00", &["2026-11-30"]);
    fires("0 0 * * 1-7/2", "UTC", "2026-11-26", &["2026-11-27", "2026-11-29", "2026-11-30", "2026-12-02"]);
    assert_eq!(Cron::parse("0 0 * * 8").unwrap_err().to_string(), "day of week: 8 is not 0 to 7");
}

#[test]
fn the_nearest_weekday_and_the_last_stay_in_the_month() {
    fires("0 12 1W * *", "UTC", "2027-04-30T13:00", &["2027-05-03T12:00", "2027-06-01T12:00", "2027-07-01T12:00", "2027-08-02T12:00"]);
    fires("0 12 LW * *", "UTC", "2027-01-31T13:00", &["2027-02-26T12:00", "2027-03-31T12:00"]);
    fires("0 12 L * *", "UTC", "2028-01-31T13:00", &["2028-02-29T12:00", "2028-03-31T12:00"]);
    fires("0 0 31W * *", "UTC", "2026-10-01", &["2026-10-30", "2026-12-31", "2027-01-29"]);
    fires("0 0 15w * *", "UTC", "2026-11-01", &["2026-11-16", "2026-12-15", "2027-01-15"]);
    fires("0 0 * * 5L", "UTC", "2026-11-01", &["2026-11-27", "2026-12-25"]);
    fires("0 0 * * FRI#5", "UTC", "2026-11-01", &["2027-01-29", "2027-04-30"]);
    fires("0 0 L * MON#1,5L", "UTC", "2026-11-26", &["2026-11-27", "2026-11-30", "2026-12-07", "2026-12-25", "2026-12-31"]);
}

#[test]
fn leap_days_are_found_over_a_year_that_is_none() {
    fires("0 0 29 2 *", "UTC", "2026-11-26", &["2028-02-29", "2032-02-29"]);
    fires("0 0 29 2 *", "UTC", "2096-03-01", &["2104-02-29"]);
    fires("0 0 29 2 */7", "UTC", "2088-03-01", &["2128-02-29"]);
}

#[test]
fn dates_that_never_come_are_refused() {
    for never in ["0 0 31 2 *", "0 0 30 2 *", "0 0 31 4,6 *", "0 0 31W 2,4,6,9,11 *", "0 0 30 2 */3", "*/5 * 31 9 *"] {
        let error = Cron::parse(never).unwrap_err();
        assert_eq!((error.field, error.problem), (Some(CronField::DayOfMonth), CronProblem::Never), "{never}");
    }
    for rare in ["0 0 31 2 1", "0 0 29 2 *", "0 0 29 2 */7", "0 0 * 2 1#5", "0 0 LW 2 *"] {
        assert!(Cron::parse(rare).is_ok(), "{rare}");
    }
}

#[test]
fn fixed_times_and_intervals_differ_when_clocks_change() {
    let new_york = "America/New_York";
    fires("30 2 * * *", new_york, "2027-03-13T12:00", &["2027-03-14T07:00", "2027-03-15T06:30"]);
    fires("30 1 * * *", new_york, "2027-11-06T12:00", &["2027-11-07T05:30", "2027-11-08T06:30"]);
    fires("0,30 2,3 * * *", new_york, "2027-03-13T12:00", &["2027-03-14T07:00", "2027-03-14T07:30", "2027-03-15T06:00"]);
    fires("30 * * * *", new_york, "2027-11-07T04:45", &["2027-11-07T05:30", "2027-11-07T06:30", "2027-11-07T07:30"]);
    fires("*/30 2 * * *", new_york, "2027-03-13T12:00", &["2027-03-15T06:00", "2027-03-15T06:30"]);
    fires("*/30 1 * * *", new_york, "2027-11-07T04:45", &["2027-11-07T05:00", "2027-11-07T05:30", "2027-11-07T06:00", "2027-11-07T06:30"]);
    fires("15 0-23 * * *", new_york, "2027-11-07T04:45", &["2027-11-07T05:15", "2027-11-07T07:15"]);
    fires("0 30 2 * * *", new_york, "2027-03-13T12:00", &["2027-03-14T07:00", "2027-03-15T06:30"]);
    fires("*/30 30 1 * * *", new_york, "2027-11-07T05:30:15", &["2027-11-07T05:30:30", "2027-11-07T06:30", "2027-11-07T06:30:30"]);
}

#[test]
fn zones_of_the_south_of_half_hours_and_of_whole_days() {
    let sao_paulo = "America/Sao_Paulo";
    fires("0 0 * * *", sao_paulo, "2018-11-03T12:00", &["2018-11-04T03:00", "2018-11-05T02:00"]);
    fires("0 9 10 * *", sao_paulo, "2018-10-17T12:00", &["2018-11-10T11:00"]);
    fires("30 23 * * *", sao_paulo, "2019-02-16T12:00", &["2019-02-17T01:30", "2019-02-18T02:30"]);
    fires("30 * * * *", sao_paulo, "2019-02-17T01:00", &["2019-02-17T01:30", "2019-02-17T02:30", "2019-02-17T03:30"]);
    fires("0 0 * * *", sao_paulo, "2026-02-20T12:00", &["2026-02-21T03:00", "2026-02-22T03:00", "2026-02-23T03:00"]);
    let lord_howe = "Australia/Lord_Howe";
    fires("15 2 * * *", lord_howe, "2026-10-03T00:00", &["2026-10-03T15:30", "2026-10-04T15:15"]);
    fires("45 1 * * *", lord_howe, "2027-04-02T20:00", &["2027-04-03T14:45", "2027-04-04T15:15"]);
    fires("*/15 * * * *", lord_howe, "2027-04-03T14:40", &["2027-04-03T14:45", "2027-04-03T15:00", "2027-04-03T15:15", "2027-04-03T15:30"]);
    let london = "Europe/London";
    fires("30 1 * * *", london, "2027-03-27T12:00", &["2027-03-28T01:00", "2027-03-29T00:30"]);
    fires("30 1 * * *", london, "2027-10-30T12:00", &["2027-10-31T00:30", "2027-11-01T01:30"]);
    fires("0 9 * * *", "Asia/Kolkata", "2026-11-26", &["2026-11-26T03:30", "2026-11-27T03:30"]);
    fires("30 0 * * *", "America/St_Johns", "2006-04-01T12:00", &["2006-04-02T03:31", "2006-04-03T03:00"]);
    fires("0 12 * * *", "Asia/Kathmandu", "2026-11-26", &["2026-11-26T06:15"]);
    fires("0 12 30 12 *", "Pacific/Apia", "2011-12-01", &["2011-12-30T10:00", "2012-12-29T22:00"]);
    fires("0 9 * * 1-5", "Africa/Casablanca", "2026-11-27T12:00", &["2026-11-30T09:00"]);
    fires("0 9 * * *", "America/Vancouver", "2026-11-27T20:00", &["2026-11-28T16:00"]);
}

#[test]
fn the_next_fire_is_strictly_after() {
    fires("0 12 * * *", "UTC", "2026-11-26T12:00:00.000", &["2026-11-27T12:00"]);
    fires("0 12 * * *", "UTC", "2026-11-26T11:59:59.999", &["2026-11-26T12:00"]);
    fires("0 12 * * *", "UTC", "2026-11-26T12:00:00.001", &["2026-11-27T12:00"]);
    fires("*/20 * * * * *", "UTC", "2026-11-26T23:59:41", &["2026-11-27", "2026-11-27T00:00:20"]);
}

#[test]
fn names_stand_for_expressions() {
    for (name, meaning) in [("@yearly", "0 0 1 1 *"), ("@Weekly", "0 0 * * 0"), ("@midnight", "0 0 * * *"), ("@hourly", "0 * * * *")] {
        let (named, meant) = (Cron::parse(name).unwrap(), Cron::parse(meaning).unwrap());
        assert_eq!(Cron { text: meaning.into(), ..named }, meant, "{name}");
    }
    fires("0 9 1 JAN-mar,Dec *", "UTC", "2026-11-26", &["2026-12-01T09:00", "2027-01-01T09:00", "2027-02-01T09:00", "2027-03-01T09:00"]);
    assert_eq!(Cron::parse(" 0\t9  * * MON-FRI ").unwrap().as_str(), "0 9 * * MON-FRI");
}

#[test]
fn a_fault_names_the_field_the_position_and_what_was_expected() {
    for (cron, position, message) in [
        ("0 0 1 13 *", 7, "month: 13 is not 1 to 12"),
        ("60 * * * *", 1, "minute: 60 is not 0 to 59"),
        ("0 24 * * *", 3, "hour: 24 is not 0 to 23"),
        ("0 0 0 * *", 5, "day of month: 0 is not 1 to 31"),
        ("0 0 1,32 * *", 7, "day of month: 32 is not 1 to 31"),
        ("60 0 0 1 1 *", 1, "second: 60 is not 0 to 59"),
        ("0 0 * * 1,MOM", 11, "day of week: \"MOM\" is not 0 to 7 or SUN to SAT; did you mean MON?"),
        ("0 0 * JUNE *", 7, "month: \"JUNE\" is not 1 to 12 or JAN to DEC; did you mean JUN?"),
        ("0 seven * * *", 3, "hour: \"seven\" is not 0 to 23"),
        ("0 22-6 * * *", 3, "hour: 22-6 runs backwards: the first value of a range must not exceed the last; write 22-23,0-6"),
        ("0 23-6 * * *", 3, "hour: 23-6 runs backwards: the first value of a range must not exceed the last; write 23,0-6"),
        ("0 0 * * 5-0", 9, "day of week: 5-0 runs backwards: the first value of a range must not exceed the last; write 5-7"),
        ("5/15 * * * *", 1, "minute: 5/15 has a step without a range; write 5-59/15"),
        ("*/0 * * * *", 3, "minute: the step 0 is not a number from 1"),
        ("*/x * * * *", 3, "minute: the step x is not a number from 1"),
        ("1,,2 * * * *", 3, "minute: a value is missing"),
        ("1, * * * *", 3, "minute: a value is missing"),
        ("0 0 ? * 1", 5, "day of month: ? is not cron; write *"),
        ("0 0 * * L", 9, "day of week: L needs a day of the week before it: 5L is the last Friday of the month"),
        ("0 0 * * 1#6", 11, "day of week: #6 is not #1 to #5"),
        ("0 0 W * *", 5, "day of month: a value is missing"),
        ("0 0 31 2 *", 5, "day of month: never fires: no year has such a date"),
        ("-1 * * * *", 1, "minute: a value is missing"),
        ("0 0 * * +1", 9, "day of week: \"+1\" is not 0 to 7 or SUN to SAT"),
        ("0 0 ção * *", 5, "day of month: \"ção\" is not 1 to 31"),
        ("0 0 1,ção,33 * *", 7, "day of month: \"ção\" is not 1 to 31"),
        ("99999999999999999999 * * * *", 1, "minute: 99999999999999999999 is not 0 to 59"),
    ] {
        let error = Cron::parse(cron).unwrap_err();
        assert_eq!((error.position, error.to_string().as_str()), (position, message), "{cron}");
        assert!(error.field.is_some());
    }
    for (cron, message) in [
        ("", "an expression has 5 fields (minute, hour, day of month, month, day of week) or 6 (seconds first), not 0"),
        ("* * * *", "an expression has 5 fields (minute, hour, day of month, month, day of week) or 6 (seconds first), not 4"),
        ("0 0 1 1 * 2027 2028", "an expression has 5 fields (minute, hour, day of month, month, day of week) or 6 (seconds first), not 7"),
        ("@reboot", "@reboot names no time: a schedule is not bound to a machine that starts"),
        ("@dayly", "@dayly is not one of @yearly, @annually, @monthly, @weekly, @daily, @midnight, @hourly; did you mean @daily, @yearly?"),
        ("CRON_TZ=UTC 0 0 * * *", "the time zone has a field of its own and is not part of the expression"),
        (&"1,".repeat(600), "an expression has at most 1000 characters"),
    ] {
        let error = Cron::parse(cron).unwrap_err();
        assert_eq!((error.field, error.to_string().as_str()), (None, message), "{cron}");
    }
}
