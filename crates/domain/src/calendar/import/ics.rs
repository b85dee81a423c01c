use chrono::{Datelike, NaiveDate, NaiveDateTime};
use icalendar::parser::{Component, Property, read_calendar, unfold};

use super::{
    Closings, DAY_S, MAX_EVENTS, MAX_FAULTS, MAX_RECURRING, YEARS, add, fault,
    recurrence::{Budget, Rule},
    size_fault,
};
use crate::{
    Fault,
    schedule::{Zone, Zones},
};

/// How deep components of a file may be nested. The parser calls itself for each.
const MAX_DEPTH: usize = 8;
/// Maximum length of an event, in days.
const MAX_EVENT_DAYS: i64 = 366;

/// Reads the events of an iCalendar file as days on which nobody works. Times with a zone of their own become those of `zone`; events that
/// recur without end do so until `until`.
pub fn ics(text: &str, zones: &Zones, zone: &Zone, until: NaiveDate) -> Result<Closings, Vec<Fault>> {
    if let Some(fault) = size_fault(text) {
        return Err(vec![fault]);
    }
    let text = unfold(text.strip_prefix('\u{feff}').unwrap_or(text));
    if let Some(message) = too_much(&text) {
        return Err(vec![fault(message)]);
    }
    let calendar = read_calendar(text.trim_end()).map_err(|error| vec![fault(unreadable(&error))])?;
    let mut reader = Reader { zones, zone, until, budget: Budget::default(), closings: Closings::new() };
    let mut faults = Vec::new();
    for event in calendar.components.iter().filter(|component| component.name.as_str().eq_ignore_ascii_case("VEVENT")) {
        if let Err(message) = reader.event(event) {
            let name: String = value(event, "SUMMARY").unwrap_or("without a SUMMARY").chars().take(60).collect();
            faults.push(fault(format!("event {name}: {message}")));
        }
        if faults.len() == MAX_FAULTS {
            break;
        }
    }
    if faults.is_empty() { Ok(reader.closings) } else { Err(faults) }
}

/// What is too large to be parsed, told from the lines alone.
fn too_much(text: &str) -> Option<String> {
    let (mut events, mut recurring, mut depth, mut deepest) = (0, 0, 0_usize, 0);
    for line in text.lines() {
        let begins = |word: &str| line.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word));
        if begins("BEGIN:") {
            depth += 1;
            deepest = deepest.max(depth);
            events += usize::from(begins("BEGIN:VEVENT"));
        } else if begins("END:") {
            depth = depth.saturating_sub(1);
        } else if begins("RRULE") {
            recurring += 1;
        }
    }
    if events > MAX_EVENTS {
        return Some(format!("must have at most {MAX_EVENTS} events, not {events}"));
    }
    if recurring > MAX_RECURRING {
        return Some(format!("must have at most {MAX_RECURRING} recurring events, not {recurring}"));
    }
    (deepest > MAX_DEPTH).then(|| format!("must not nest components more than {MAX_DEPTH} deep"))
}

/// The parser's message, whose lines are where it was and what it tried, as one line.
fn unreadable(error: &str) -> String {
    let line = error.split_once("at line ").and_then(|(_, rest)| rest.split_once(',')).map(|(line, _)| line);
    match line {
        Some(line) => format!("line {line}: is not iCalendar (lines that continue the one before are not counted)"),
        None => "is not iCalendar: it must begin with BEGIN:VCALENDAR".to_owned(),
    }
}

struct Reader<'a> {
    zones: &'a Zones,
    zone: &'a Zone,
    until: NaiveDate,
    budget: Budget,
    closings: Closings,
}

/// A start or end: a day, or a time of the reader's zone.
#[derive(Clone, Copy)]
enum Moment {
    Day(NaiveDate),
    Time(NaiveDateTime),
}

impl Moment {
    fn seconds(self) -> i64 {
        match self {
            Self::Day(date) => i64::from(date.to_epoch_days()) * DAY_S,
            Self::Time(time) => time.and_utc().timestamp(),
        }
    }

    fn date(self) -> NaiveDate {
        match self {
            Self::Day(date) => date,
            Self::Time(time) => time.date(),
        }
    }
}

impl Reader<'_> {
    fn event(&mut self, event: &Component<'_>) -> Result<(), String> {
        if value(event, "STATUS").is_some_and(|status| status.eq_ignore_ascii_case("CANCELLED")) {
            return Ok(());
        }
        if event.properties.iter().any(|property| property.name.as_str().eq_ignore_ascii_case("RDATE")) {
            return Err("RDATE is not supported; make events of its own of the dates".to_owned());
        }
        let start = self.moment(property(event, "DTSTART").ok_or("has no DTSTART")?)?;
        let length = self.length(event, start)?;
        if !(0..=MAX_EVENT_DAYS * DAY_S).contains(&length) {
            return Err(format!("must end after it starts, and within {MAX_EVENT_DAYS} days"));
        }
        let name = value(event, "SUMMARY").unwrap_or_default();
        let dates = match value(event, "RRULE") {
            Some(rule) => Rule::parse(rule)?.dates(start.date(), self.until, &mut self.budget)?,
            None => vec![start.date()],
        };
        let except = self.exceptions(event)?;
        let time = start.seconds() - Moment::Day(start.date()).seconds();
        for date in dates.into_iter().filter(|date| !except.contains(date)) {
            let from = Moment::Day(date).seconds() + time;
            add(&mut self.closings, name, (from, from + length))?;
        }
        Ok(())
    }

    /// Length of an event, in seconds.
    fn length(&self, event: &Component<'_>, start: Moment) -> Result<i64, String> {
        if let Some(end) = property(event, "DTEND") {
            return Ok(self.moment(end)?.seconds() - start.seconds());
        }
        match (value(event, "DURATION"), start) {
            (Some(text), _) => duration(text).ok_or_else(|| format!("DURATION: \"{}\" is no duration of days and hours", cut(text))),
            (None, Moment::Day(_)) => Ok(DAY_S),
            (None, Moment::Time(_)) => Ok(0),
        }
    }

    fn exceptions(&self, event: &Component<'_>) -> Result<Vec<NaiveDate>, String> {
        let mut dates = Vec::new();
        for property in event.properties.iter().filter(|property| property.name.as_str().eq_ignore_ascii_case("EXDATE")) {
            for text in property.val.as_str().split(',') {
                dates.push(self.read(property, text)?.date());
            }
        }
        Ok(dates)
    }

    fn moment(&self, property: &Property<'_>) -> Result<Moment, String> {
        self.read(property, property.val.as_str())
    }

    fn read(&self, property: &Property<'_>, text: &str) -> Result<Moment, String> {
        let name = property.name.as_str();
        let unreadable = || format!("{name}: \"{}\" is no date or time from {} to {}", cut(text), YEARS.start(), YEARS.end());
        let text = text.trim();
        let moment = if text.len() == 8 {
            Moment::Day(NaiveDate::parse_from_str(text, "%Y%m%d").map_err(|_| unreadable())?)
        } else {
            let (local, utc) = text.strip_suffix('Z').map_or((text, false), |local| (local, true));
            let time = NaiveDateTime::parse_from_str(local, "%Y%m%dT%H%M%S").map_err(|_| unreadable())?;
            let zone = property.params.iter().find(|parameter| parameter.key.as_str().eq_ignore_ascii_case("TZID"));
            let zone = zone.and_then(|parameter| parameter.val.as_ref()).map(|zone| zone.as_str().trim_matches('"'));
            Moment::Time(match zone {
                _ if utc => self.zone.local(time.and_utc()),
                Some(zone) => {
                    let zone = self.zones.get(zone).map_err(|error| format!("{name}: TZID {error}"))?;
                    self.zone.local(zone.instant(time).ok_or_else(unreadable)?)
                }
                None => time,
            })
        };
        if YEARS.contains(&moment.date().year()) { Ok(moment) } else { Err(unreadable()) }
    }
}

/// Seconds of `P1D`, `PT1H30M`, `P2W`.
fn duration(text: &str) -> Option<i64> {
    let digits = text.strip_prefix('P')?;
    let (mut total, mut number, mut in_time) = (0_i64, None::<i64>, false);
    for character in digits.chars() {
        let unit = match character {
            '0'..='9' => {
                let digit = i64::from(character.to_digit(10)?);
                number = Some(number.unwrap_or(0).checked_mul(10)?.checked_add(digit)?);
                continue;
            }
            'T' if !in_time && number.is_none() => {
                in_time = true;
                continue;
            }
            'W' if !in_time => 7 * DAY_S,
            'D' if !in_time => DAY_S,
            'H' if in_time => 3600,
            'M' if in_time => 60,
            'S' if in_time => 1,
            _ => return None,
        };
        total = total.checked_add(number.take()?.checked_mul(unit)?)?;
    }
    number.is_none().then_some(total)
}

fn property<'a>(event: &'a Component<'_>, name: &str) -> Option<&'a Property<'a>> {
    event.properties.iter().find(|property| property.name.as_str().eq_ignore_ascii_case(name))
}

fn value<'a>(event: &'a Component<'_>, name: &str) -> Option<&'a str> {
    property(event, name).map(|property| property.val.as_str())
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}
