//! What people write of a schedule, read into types that cannot be wrong afterwards. A fault names the field of the API and says what to do.

use chrono::{NaiveTime, Timelike as _};

use super::{Cron, Window, Zone, Zones};
use crate::{Fault, text::has_hidden};

/// Maximum length of a schedule's name, in characters.
pub const MAX_NAME: usize = 200;

/// Reads an expression; the fault says where it is wrong.
pub fn cron(text: &str) -> Result<Cron, Fault> {
    Cron::parse(text).map_err(|error| Fault::new("cron_expression", format!("{error} (character {})", error.position)))
}

/// Finds a zone by its name; the fault has the nearest ones.
pub fn zone(name: &str, zones: &Zones) -> Result<Zone, Fault> {
    zones.get(name).map_err(|error| Fault::new("timezone", error.to_string()))
}

/// Reads the hours in which a schedule fires.
pub fn window(start: Option<&str>, end: Option<&str>) -> Result<Option<Window>, Vec<Fault>> {
    let (start, end) = match (start, end) {
        (None, None) => return Ok(None),
        (Some(start), Some(end)) => (time_of_day("window_start", start), time_of_day("window_end", end)),
        (Some(_), None) => return Err(vec![Fault::new("window_end", "must be given with window_start")]),
        (None, Some(_)) => return Err(vec![Fault::new("window_start", "must be given with window_end")]),
    };
    match (start, end) {
        (Ok(start), Ok(end)) => Ok(Some(Window { start, end })),
        (start, end) => Err(start.err().into_iter().chain(end.err()).collect()),
    }
}

/// Reads a time of day.
pub fn time_of_day(field: &str, text: &str) -> Result<NaiveTime, Fault> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
    let time = NaiveTime::parse_from_str(text, "%H:%M:%S").or_else(|_| NaiveTime::parse_from_str(text, "%H:%M"));
    // A leap second is no time of day.
    let time = time.ok().filter(|time| is_plain && time.nanosecond() == 0);
    time.ok_or_else(|| Fault::new(field, "must be a time of day, such as 07:30 or 22:00:00"))
}

/// Writes a time of day as [`window`] reads it.
#[must_use]
pub fn time_of_day_text(time: NaiveTime) -> String {
    time.format(if time.second() == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
}

/// What is wrong with a name.
#[must_use]
pub fn name_fault(name: &str) -> Option<Fault> {
    if name.trim().is_empty() || name.chars().count() > MAX_NAME {
        return Some(Fault::new("name", format!("must have 1 to {MAX_NAME} characters")));
    }
    has_hidden(name).then(|| Fault::new("name", "must not contain invisible characters"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused<T: std::fmt::Debug>(outcome: Result<T, Fault>, field: &str, part: &str) {
        let fault = outcome.unwrap_err();
        assert!(fault.field == field && fault.message.contains(part), "{fault:?}");
    }

    #[test]
    fn each_fault_names_its_field_and_says_what_to_do() {
        refused(cron("30 25 * * *"), "cron_expression", "hour: 25 is not 0 to 23 (character 4)");
        refused(cron("0 0 30 2 *"), "cron_expression", "never fires");
        refused(cron(""), "cron_expression", "5 fields");
        refused(zone("America/Sao Paulo", &Zones::bundled()), "timezone", "did you mean America/Sao_Paulo");
        for (name, part) in [(" ", "1 to 200"), (&"x".repeat(201), "1 to 200"), ("a\u{202e}b", "invisible")] {
            assert!(name_fault(name).unwrap().message.contains(part), "{name}");
        }
        assert_eq!(name_fault(&"é".repeat(200)), None);
    }

    #[test]
    fn a_window_has_two_times_of_day() {
        let read = |start, end| window(start, end).map(|window| window.map(|Window { start, end }| [start, end].map(time_of_day_text)));
        assert_eq!(read(None, None), Ok(None));
        assert_eq!(read(Some("22:00"), Some("07:00:30")), Ok(Some(["22:00".to_owned(), "07:00:30".to_owned()])));
        assert_eq!(read(Some("00:00:00"), Some("23:59:59")), Ok(Some(["00:00".to_owned(), "23:59:59".to_owned()])));
        assert_eq!(read(Some("08:00"), None).unwrap_err()[0].field, "window_end");
        assert_eq!(read(None, Some("08:00")).unwrap_err()[0].field, "window_start");
        for bad in ["", "7h30", "24:00", "07:60", "23:59:60", "07:30:00.5", "07:30 ", "+7:30", "07:30-03:00"] {
            let faults = read(Some(bad), Some(bad)).unwrap_err();
            let fields: Vec<_> = faults.iter().map(|fault| fault.field.as_str()).collect();
            assert_eq!(fields, ["window_start", "window_end"], "{bad}");
        }
    }
}
