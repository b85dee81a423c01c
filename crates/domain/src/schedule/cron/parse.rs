//! The grammar of crontab(5), and `L`, `LW`, `nW`, `d#n` and `dL` of other schedulers.

use super::{
    Cron, LAST, MAX_CRON,
    days::Days,
    error::{CronError, CronField, CronProblem},
};
use crate::text::nearest;

const NAMED: [(&str, &str); 7] = [
    ("@yearly", "0 0 1 1 *"),
    ("@annually", "0 0 1 1 *"),
    ("@monthly", "0 0 1 * *"),
    ("@weekly", "0 0 * * 0"),
    ("@daily", "0 0 * * *"),
    ("@midnight", "0 0 * * *"),
    ("@hourly", "0 * * * *"),
];
const MONTHS: [&str; 12] = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS: [&str; 7] = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

use CronField::{DayOfMonth, DayOfWeek, Hour, Minute, Month, Second};

impl CronField {
    const fn low(self) -> u32 {
        match self {
            DayOfMonth | Month => 1,
            _ => 0,
        }
    }

    const fn high(self) -> u32 {
        match self {
            Second | Minute => 59,
            Hour => 23,
            DayOfMonth => 31,
            Month => 12,
            DayOfWeek => 7,
        }
    }

    const fn names(self) -> &'static [&'static str] {
        match self {
            Month => &MONTHS,
            DayOfWeek => &WEEKDAYS,
            _ => &[],
        }
    }

    fn expected(self) -> String {
        match self {
            Month => "1 to 12 or JAN to DEC".to_owned(),
            DayOfWeek => "0 to 7 or SUN to SAT".to_owned(),
            _ => format!("{} to {}", self.low(), self.high()),
        }
    }
}

/// A part of the expression, and the byte at which it begins.
#[derive(Clone, Copy)]
struct Part<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Part<'a> {
    fn split_once(self, separator: char) -> Option<(Self, Self)> {
        let (before, after) = self.text.split_once(separator)?;
        let at = self.at + before.len() + separator.len_utf8();
        Some((Part { text: before, at: self.at }, Part { text: after, at }))
    }

    /// Without the last character, if that is `letter`, small or capital.
    fn strip(self, letter: char) -> Option<Self> {
        let text = self.text.strip_suffix([letter, letter.to_ascii_lowercase()])?;
        Some(Part { text, ..self })
    }
}

/// A fault before its field is known.
struct Bad {
    at: usize,
    problem: CronProblem,
}

fn bad<T>(part: Part<'_>, problem: CronProblem) -> Result<T, Bad> {
    Err(Bad { at: part.at, problem })
}

/// Values of a field: its bits, and what only the fields of days have.
#[derive(Default)]
struct Values {
    bits: u64,
    star: bool,
    last: bool,
    last_weekday: bool,
    nearest: u64,
    nth: u64,
}

pub(super) fn expression(text: &str) -> Result<Cron, CronError> {
    let whole = |problem| CronError { field: None, position: 1, problem };
    if text.chars().count() > MAX_CRON {
        return Err(whole(CronProblem::TooLong { max: MAX_CRON }));
    }
    let trimmed = text.trim_ascii();
    if trimmed.starts_with("TZ=") || trimmed.starts_with("CRON_TZ=") {
        return Err(whole(CronProblem::Zone));
    }
    if trimmed.starts_with('@') {
        return named(trimmed).map_err(whole).and_then(|meaning| Ok(Cron { text: trimmed.to_owned(), ..expression(meaning)? }));
    }
    let parts = fields(text);
    let (second, rest) = match parts.as_slice() {
        [second, rest @ ..] if rest.len() == 5 => (Some(*second), rest),
        rest => (None, rest),
    };
    let &[minute, hour, of_month, month, of_week] = rest else { return Err(whole(CronProblem::FieldCount(parts.len()))) };
    let read = |field, part: Part<'_>| {
        list(field, part).map_err(|bad| {
            let position = text.get(..bad.at).map_or(0, |before| before.chars().count()) + 1;
            CronError { field: Some(field), position, problem: bad.problem }
        })
    };
    let second = second.map(|part| read(Second, part)).transpose()?.unwrap_or(Values { bits: 1, ..Values::default() });
    let (minute, hour) = (read(Minute, minute)?, read(Hour, hour)?);
    let days = days(read(DayOfMonth, of_month)?, &read(Month, month)?, &read(DayOfWeek, of_week)?);
    if !days.is_possible() {
        let position = text.get(..of_month.at).map_or(0, |before| before.chars().count()) + 1;
        return Err(CronError { field: Some(DayOfMonth), position, problem: CronProblem::Never });
    }
    let interval = second.star || minute.star || hour.star;
    let text = parts.iter().map(|part| part.text).collect::<Vec<_>>().join(" ");
    Ok(Cron { text, second: second.bits, minute: minute.bits, hour: hour.bits, days, interval })
}

fn named(text: &str) -> Result<&'static str, CronProblem> {
    let name = text.to_ascii_lowercase();
    if name == "@reboot" {
        return Err(CronProblem::Reboot);
    }
    NAMED.iter().find(|(known, _)| *known == name).map(|(_, meaning)| *meaning).ok_or_else(|| {
        let given: String = text.chars().take(30).collect();
        CronProblem::UnknownName { nearest: nearest(&given, NAMED.iter().map(|(name, _)| *name)), given }
    })
}

fn fields(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut begin = None;
    for (at, character) in text.char_indices().chain([(text.len(), ' ')]) {
        match (character.is_ascii_whitespace(), begin) {
            (true, Some(from)) => {
                parts.push(Part { text: &text[from..at], at: from });
                begin = None;
            }
            (false, None) => begin = Some(at),
            _ => {}
        }
    }
    parts
}

fn days(of_month: Values, month: &Values, of_week: &Values) -> Days {
    let narrow = |bits: u64| u32::try_from(bits).unwrap_or_default();
    let sunday = of_week.bits >> 7 & 1;
    Days {
        months: month.bits,
        of_month: narrow(of_month.bits),
        last: of_month.last,
        last_weekday: of_month.last_weekday,
        nearest: narrow(of_month.nearest),
        of_week: narrow((of_week.bits | sunday) & 0x7f),
        nth: of_week.nth,
        both: of_month.star || of_week.star,
    }
}

fn list(field: CronField, part: Part<'_>) -> Result<Values, Bad> {
    let mut values = Values { star: part.text.starts_with('*'), ..Values::default() };
    let mut rest = Some(part);
    while let Some(list) = rest {
        let (one, more) = list.split_once(',').map_or((list, None), |(one, more)| (one, Some(more)));
        if !special(field, one, &mut values)? {
            values.bits |= range(field, one)?;
        }
        rest = more;
    }
    Ok(values)
}

/// Reads `L`, `LW`, `nW`, `dL` and `d#n`; `false`: it is none of them.
fn special(field: CronField, part: Part<'_>, values: &mut Values) -> Result<bool, Bad> {
    match field {
        DayOfMonth if part.text.eq_ignore_ascii_case("L") => values.last = true,
        DayOfMonth if part.text.eq_ignore_ascii_case("LW") => values.last_weekday = true,
        DayOfMonth => match part.strip('W') {
            Some(day) => values.nearest |= 1 << value(field, day)?,
            None => return Ok(false),
        },
        DayOfWeek if part.text.eq_ignore_ascii_case("L") => return bad(part, CronProblem::LastOfWhich),
        DayOfWeek => {
            let (weekday, nth) = match (part.strip('L'), part.split_once('#')) {
                (Some(weekday), _) => (weekday, LAST),
                (None, Some((weekday, count))) => (weekday, nth(count)?),
                (None, None) => return Ok(false),
            };
            values.nth |= 1 << (value(field, weekday)? % 7 * 6 + nth);
        }
        Second | Minute | Hour | Month => return Ok(false),
    }
    Ok(true)
}

fn nth(count: Part<'_>) -> Result<u32, Bad> {
    match count.text {
        "1" => Ok(0),
        "2" => Ok(1),
        "3" => Ok(2),
        "4" => Ok(3),
        "5" => Ok(4),
        given => bad(count, CronProblem::BadCount { given: cut(given) }),
    }
}

fn range(field: CronField, part: Part<'_>) -> Result<u64, Bad> {
    let (values, step) = part.split_once('/').map_or((part, None), |(values, step)| (values, Some(step)));
    let (low, high) = if values.text == "*" {
        (field.low(), field.high())
    } else if let Some((low, high)) = values.split_once('-') {
        let (first, last) = (value(field, low)?, value(field, high)?);
        if first > last {
            return bad(part, CronProblem::Backwards { given: cut(values.text), instead: forwards(field, first, last) });
        }
        (first, last)
    } else {
        let single = value(field, values)?;
        if step.is_some() {
            let instead = format!("{single}-{}/{}", top(field), step.map_or("", |step| step.text));
            return bad(part, CronProblem::StepWithoutRange { given: cut(part.text), instead: cut(&instead) });
        }
        (single, single)
    };
    let step = step.map_or(Ok(1), step_size)?;
    Ok((low..=high).step_by(step).fold(0, |bits, value| bits | 1 << value))
}

/// The range that was meant by one that runs backwards: round the end of the day, week or year.
fn forwards(field: CronField, first: u32, last: u32) -> String {
    match (field, last) {
        (DayOfWeek, 0) => format!("{first}-7"),
        _ if first == top(field) => format!("{first},{}-{last}", field.low()),
        _ => format!("{first}-{},{}-{last}", top(field), field.low()),
    }
}

/// The highest value that is not another name of the lowest.
const fn top(field: CronField) -> u32 {
    match field {
        DayOfWeek => 6,
        _ => field.high(),
    }
}

fn step_size(part: Part<'_>) -> Result<usize, Bad> {
    match number(part.text).map(usize::try_from) {
        Some(Ok(step)) if step > 0 => Ok(step),
        _ => bad(part, CronProblem::BadStep { given: cut(part.text) }),
    }
}

fn value(field: CronField, part: Part<'_>) -> Result<u32, Bad> {
    if part.text.is_empty() {
        return bad(part, CronProblem::Missing);
    }
    if part.text == "?" {
        return bad(part, CronProblem::QuestionMark);
    }
    if part.text.bytes().all(|byte| byte.is_ascii_digit()) {
        let (low, high) = (field.low(), field.high());
        let in_range = number(part.text).filter(|value| (low..=high).contains(value));
        return in_range.map_or_else(|| bad(part, CronProblem::OutOfRange { given: cut(part.text), low, high }), Ok);
    }
    let names = field.names();
    if let Some(index) = names.iter().position(|name| name.eq_ignore_ascii_case(part.text)) {
        return Ok(u32::try_from(index).unwrap_or_default() + field.low());
    }
    let given = cut(part.text);
    let nearest = nearest(&given, names.iter().copied());
    bad(part, CronProblem::NotAValue { given, expected: field.expected(), nearest })
}

/// A number of digits alone; too large ones are the largest.
fn number(text: &str) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().unwrap_or(u32::MAX))
}

/// A text of the input for a message, not longer than a line.
fn cut(text: &str) -> String {
    text.chars().take(40).collect()
}
