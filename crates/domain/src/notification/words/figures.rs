//! Times, durations and numbers.

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};

use super::Voice;
use crate::schedule::words::Language;

const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

impl Voice {
    /// `14:30`, and on another day than today `14:30 de 26/11`.
    #[must_use]
    pub fn time(&self, at: DateTime<Utc>) -> String {
        let (local, today) = (self.zone.local(at), self.zone.local(self.now).date());
        let time = format!("{:02}:{:02}", local.hour(), local.minute());
        let date = local.date();
        if date == today {
            return time;
        }
        let (day, month) = (date.day(), date.month0());
        let year = if date.year() == today.year() { String::new() } else { format!("{:04}", date.year()) };
        match self.language {
            Language::Pt if year.is_empty() => format!("{time} de {day:02}/{:02}", month + 1),
            Language::Pt => format!("{time} de {day:02}/{:02}/{year}", month + 1),
            Language::En => {
                let month = MONTHS.get(month as usize).copied().unwrap_or_default();
                format!("{time} on {day} {month} {year}").trim_end().to_owned()
            }
        }
    }

    /// The time and how far its zone is from UTC: `14:30 (UTC-3)`.
    pub(super) fn zoned(&self, at: DateTime<Utc>) -> String {
        format!("{} ({})", self.time(at), self.offset(at))
    }

    /// How long, from when to when: `12 min (14:30 – 14:42, UTC-3)`.
    pub(super) fn span(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> String {
        format!("{} ({} – {}, {})", self.duration(until - from), self.time(from), self.time(until), self.offset(until))
    }

    fn offset(&self, at: DateTime<Utc>) -> String {
        let minutes = (self.zone.local(at) - at.naive_utc()).num_minutes();
        let (sign, hours, minutes) = (if minutes < 0 { '-' } else { '+' }, minutes.abs() / 60, minutes.abs() % 60);
        match (hours, minutes) {
            (0, 0) => "UTC".to_owned(),
            (hours, 0) => format!("UTC{sign}{hours}"),
            (hours, minutes) => format!("UTC{sign}{hours}:{minutes:02}"),
        }
    }

    /// `às 14:30`, `à 01:15`, `at 14:30`.
    pub(super) fn at(&self, at: DateTime<Utc>) -> String {
        match self.language {
            Language::Pt if self.zone.local(at).hour() == 1 => format!("à {}", self.time(at)),
            Language::Pt => format!("às {}", self.time(at)),
            Language::En => format!("at {}", self.time(at)),
        }
    }

    /// `45 s`, `20 min`, `2 h 5 min`, `3 d 4 h`: as exactly as one would say.
    #[must_use]
    pub fn duration(&self, length: TimeDelta) -> String {
        let seconds = length.num_seconds().max(0);
        let pair = |big: i64, unit: &str, small: i64, less: &str| {
            if small == 0 { format!("{big} {unit}") } else { format!("{big} {unit} {small} {less}") }
        };
        match seconds {
            0..=99 => format!("{seconds} s"),
            100..=3569 => format!("{} min", (seconds + 30) / 60),
            3570..=86_369 => {
                let minutes = (seconds + 30) / 60;
                pair(minutes / 60, "h", minutes % 60, "min")
            }
            _ => {
                let hours = (seconds + 1800) / 3600;
                pair(hours / 24, "d", hours % 24, "h")
            }
        }
    }

    /// The same of seconds as they were measured; those below ten with a decimal.
    pub(super) fn seconds(&self, seconds: f64) -> String {
        if (0.0..9.95).contains(&seconds) && seconds.fract() > 0.05 {
            return format!("{} s", self.number(seconds));
        }
        #[expect(clippy::cast_possible_truncation, reason = "bounded")]
        self.duration(TimeDelta::seconds(seconds.clamp(0.0, 1e12).round() as i64))
    }

    /// `1.200` or `1,200`; a decimal where there is one.
    #[must_use]
    pub fn number(&self, number: f64) -> String {
        let (group, decimal) = match self.language {
            Language::Pt => ('.', ','),
            Language::En => (',', '.'),
        };
        let text = format!("{:.1}", number.clamp(-1e15, 1e15));
        let (whole, tenth) = text.split_once('.').unwrap_or((&text, "0"));
        let digits = whole.trim_start_matches('-');
        let mut grouped = String::new();
        for (nth, digit) in digits.chars().enumerate() {
            if nth > 0 && (digits.len() - nth).is_multiple_of(3) {
                grouped.push(group);
            }
            grouped.push(digit);
        }
        let sign = if whole.starts_with('-') { "-" } else { "" };
        if tenth == "0" { format!("{sign}{grouped}") } else { format!("{sign}{grouped}{decimal}{tenth}") }
    }
}
