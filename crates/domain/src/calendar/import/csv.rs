use chrono::{NaiveDate, NaiveTime, Timelike};

use super::{Closings, DAY_S, MAX_EVENTS, MAX_FAULTS, add, fault, size_fault};
use crate::{Fault, calendar::hours::end_of, text::nearest};

/// Columns and their names, in English and Portuguese.
const COLUMNS: [(&str, Column); 10] = [
    ("date", Column::Date),
    ("data", Column::Date),
    ("name", Column::Name),
    ("nome", Column::Name),
    ("from", Column::From),
    ("de", Column::From),
    ("início", Column::From),
    ("to", Column::To),
    ("até", Column::To),
    ("fim", Column::To),
];

#[derive(Clone, Copy, PartialEq, Eq)]
enum Column {
    Date,
    Name,
    From,
    To,
}

/// Reads a table of days on which nobody works. Its first line names the columns: `date` (dd/MM/yyyy or yyyy-MM-dd), and where they are wanted
/// `name`, `from` and `to` (HH:MM), between which nobody works. Columns are separated by commas or semicolons.
pub fn csv(text: &str) -> Result<Closings, Vec<Fault>> {
    if let Some(fault) = size_fault(text) {
        return Err(vec![fault]);
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.lines().next().unwrap_or_default();
    let delimiter = if first.contains(';') { b';' } else { b',' };
    let mut reader = csv::ReaderBuilder::new().delimiter(delimiter).flexible(true).trim(csv::Trim::All).from_reader(text.as_bytes());
    let columns = columns(reader.headers().map_err(|error| vec![fault(error.to_string())])?).map_err(|fault| vec![fault])?;
    let (mut closings, mut faults) = (Closings::new(), Vec::new());
    for (index, record) in reader.records().enumerate() {
        if index >= MAX_EVENTS {
            faults.push(fault(format!("must have at most {MAX_EVENTS} lines")));
            break;
        }
        let line = record.as_ref().ok().and_then(csv::StringRecord::position).map_or(index as u64 + 2, csv::Position::line);
        let added = record.map_err(|error| error.to_string()).and_then(|record| add_line(&mut closings, &columns, &record));
        if let Err(message) = added {
            faults.push(fault(format!("line {line}: {message}")));
        }
        if faults.len() == MAX_FAULTS {
            break;
        }
    }
    if faults.is_empty() { Ok(closings) } else { Err(faults) }
}

fn columns(header: &csv::StringRecord) -> Result<Vec<Column>, Fault> {
    let mut columns = Vec::new();
    for name in header {
        let lower = name.to_lowercase();
        let Some((_, column)) = COLUMNS.iter().find(|(known, _)| *known == lower) else {
            let shown: String = name.chars().take(40).collect();
            let hint = match nearest(&shown, COLUMNS.iter().map(|(name, _)| *name)).first() {
                Some(name) => format!("; did you mean {name}?"),
                None => "; there are date, name, from and to".to_owned(),
            };
            return Err(fault(format!("line 1: there is no column \"{shown}\"{hint}")));
        };
        columns.push(*column);
    }
    if columns.contains(&Column::Date) { Ok(columns) } else { Err(fault("line 1: must name the columns, date among them")) }
}

fn add_line(closings: &mut Closings, columns: &[Column], record: &csv::StringRecord) -> Result<(), String> {
    let cell = |column: Column| {
        let index = columns.iter().position(|other| *other == column);
        index.and_then(|index| record.get(index)).unwrap_or_default()
    };
    if record.len() > columns.len() {
        return Err(format!("has {} columns, not {}", record.len(), columns.len()));
    }
    let date = date(cell(Column::Date))?;
    let from = time(cell(Column::From))?.map_or(0, |time| i64::from(time.num_seconds_from_midnight()));
    let to = time(cell(Column::To))?.map_or(DAY_S, end_of);
    if from >= to {
        return Err("to must be after from".to_owned());
    }
    let midnight = i64::from(date.to_epoch_days()) * DAY_S;
    add(closings, cell(Column::Name), (midnight + from, midnight + to))
}

fn date(text: &str) -> Result<NaiveDate, String> {
    let parsed = NaiveDate::parse_from_str(text, "%Y-%m-%d").or_else(|_| NaiveDate::parse_from_str(text, "%d/%m/%Y"));
    let in_range = parsed.ok().filter(|date| super::YEARS.contains(&chrono::Datelike::year(date)));
    in_range.ok_or_else(|| format!("\"{}\" is no date from 1900 to 2199, as dd/MM/yyyy or yyyy-MM-dd", cut(text)))
}

fn time(text: &str) -> Result<Option<NaiveTime>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let parsed = NaiveTime::parse_from_str(text, "%H:%M").or_else(|_| NaiveTime::parse_from_str(text, "%H:%M:%S"));
    parsed.map(Some).map_err(|_| format!("\"{}\" is no time, as HH:MM", cut(text)))
}

fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}
