//! Imports files of days. A file comes from anywhere, so its size is bounded before it is read, and reading it is bounded by the rules; it
//! is done beside the threads that serve requests.

use std::borrow::Cow;

use actix_web::web::Bytes;
use api_types::{CalendarImport, CalendarImportOptions, ImportedDay};
use chrono::{DateTime, Datelike as _, NaiveDate, Utc};
use domain::{
    Fault,
    calendar::{
        Calendar, DayChange, DayChanged,
        import::{Format, MAX_BYTES, Mode, YEARS},
    },
    ids::CalendarId,
    schedule::{Zone, Zones},
};
use encoding_rs::{Encoding, WINDOWS_1252};
use runtime::{Editor, Failure};

use super::Calendars;

/// For how many years events without an end are expanded.
const YEARS_AHEAD: i32 = 10;

impl Calendars {
    /// Imports a file into a calendar, or says what that would change.
    pub(crate) async fn import(
        &self,
        by: &Editor,
        id: CalendarId,
        options: CalendarImportOptions,
        file: Bytes,
    ) -> Result<CalendarImport, Failure> {
        by.require_everywhere()?;
        let (dry_run, mode) = (options.dry_run, options.mode.unwrap_or_default());
        let reading = self.reading(options)?;
        let current = self.get(by, id).await?;
        let calendar = current.calendar.clone();
        let read = tokio::task::spawn_blocking(move || reading.import(&calendar, mode, &file)).await;
        let (format, later, changes) = read.map_err(|error| Failure::Internal(error.to_string()))??;
        if !dry_run {
            self.write(by, "calendar.import", current, later).await?;
        }
        Ok(outcome(dry_run, format, changes))
    }

    fn reading(&self, options: CalendarImportOptions) -> Result<Reading, Failure> {
        let bad = |field: &str, message: String| Failure::BadQuery(vec![Fault::new(field, message)]);
        let zone = match &options.timezone {
            Some(name) => self.zones.get(name).map_err(|error| bad("timezone", error.to_string()))?,
            None => self.zone.clone(),
        };
        let until = options.until.unwrap_or_else(|| usual_end((self.clock)()));
        if !YEARS.contains(&until.year()) {
            return Err(bad("until", format!("must be a date from {} to {}", YEARS.start(), YEARS.end())));
        }
        Ok(Reading { format: options.format, zones: self.zones.clone(), zone, until })
    }
}

/// How a file is read.
struct Reading {
    format: Option<Format>,
    zones: std::sync::Arc<Zones>,
    zone: Zone,
    until: NaiveDate,
}

impl Reading {
    /// The form of the file, the calendar with its days, and those that change.
    fn import(&self, calendar: &Calendar, mode: Mode, file: &[u8]) -> Result<(Format, Calendar, Vec<DayChange>), Failure> {
        let text = decode(file).map_err(|fault| Failure::Invalid(vec![fault]))?;
        let format = self.format.unwrap_or_else(|| Format::of(&text));
        let closings = format.read(&text, &self.zones, &self.zone, self.until).map_err(Failure::Invalid)?;
        let later = calendar.import(mode, closings);
        let faults = later.faults();
        if !faults.is_empty() {
            return Err(Failure::Invalid(faults));
        }
        let changes = calendar.day_changes(&later);
        Ok((format, later, changes))
    }
}

/// The text of a file: in the encoding that its byte order mark says, else UTF-8, else windows-1252, which spreadsheets write.
fn decode(file: &[u8]) -> Result<Cow<'_, str>, Fault> {
    if file.len() > MAX_BYTES {
        return Err(Fault::new("file", format!("must have at most {} MiB", MAX_BYTES >> 20)));
    }
    let text = match (Encoding::for_bom(file), std::str::from_utf8(file)) {
        (Some((encoding, _)), _) => encoding.decode(file).0,
        (None, Ok(text)) => text.into(),
        (None, Err(_)) => WINDOWS_1252.decode(file).0,
    };
    if text.trim().is_empty() {
        return Err(Fault::new("file", "must not be empty"));
    }
    if text.contains('\0') {
        return Err(Fault::new("file", "must be text: iCalendar, or a table that was saved as CSV"));
    }
    Ok(text)
}

fn usual_end(now: DateTime<Utc>) -> NaiveDate {
    let year = (now.year() + YEARS_AHEAD).min(*YEARS.end());
    NaiveDate::from_ymd_opt(year, 12, 31).unwrap_or_else(|| now.date_naive())
}

fn outcome(dry_run: bool, format: Format, changes: Vec<DayChange>) -> CalendarImport {
    let count = |what: DayChanged| changes.iter().fold(0, |count, change| count + u32::from(change.changed == what));
    CalendarImport {
        dry_run,
        format,
        added: count(DayChanged::Added),
        changed: count(DayChanged::Changed),
        removed: count(DayChanged::Removed),
        days: changes.into_iter().map(day).collect(),
    }
}

fn day(DayChange { date, changed, day }: DayChange) -> ImportedDay {
    ImportedDay { change: changed, date, name: day.name, hours: day.hours.texts() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_decoded_as_spreadsheets_and_calendars_write_it() {
        let utf16: Vec<u8> = [0xff, 0xfe].into_iter().chain("data\nVéspera".encode_utf16().flat_map(u16::to_le_bytes)).collect();
        for file in ["data\nVéspera".as_bytes(), "\u{feff}data\nVéspera".as_bytes(), b"data\nV\xe9spera", &utf16] {
            assert_eq!(decode(file).unwrap(), "data\nVéspera");
        }
        for (file, part) in
            [(&b"PK\x03\x04\x14\0\x06"[..], "saved as CSV"), (b" \n", "not be empty"), (&[b'x'; MAX_BYTES + 1], "at most 4 MiB")]
        {
            let fault = decode(file).unwrap_err();
            assert!(fault.field == "file" && fault.message.contains(part), "{fault:?}");
        }
    }

    #[test]
    fn events_without_an_end_are_expanded_for_ten_years() {
        assert_eq!(usual_end("2026-11-26T12:00:00Z".parse().unwrap()).to_string(), "2036-12-31");
        assert_eq!(usual_end("2199-11-26T12:00:00Z".parse().unwrap()).to_string(), "2199-12-31");
    }
}
