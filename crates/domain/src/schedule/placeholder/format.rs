use std::fmt::Write;

use chrono::{Datelike, NaiveDateTime, Timelike};

/// How a date is written: `yyyy yy MM M dd d HH H mm m ss s`, text between single quotes, and other characters as they are.
pub(super) struct Format<'a>(Vec<Part<'a>>);

enum Part<'a> {
    Text(&'a str),
    Field(Field, usize),
}

#[derive(Clone, Copy)]
enum Field {
    Year,
    YearOfCentury,
    Month,
    Day,
    Hour,
    Minute,
    Second,
}

impl<'a> Format<'a> {
    pub(super) fn parse(text: &'a str) -> Result<Self, String> {
        if text.is_empty() {
            return Err("a format is missing after |, such as yyyy-MM-dd".to_owned());
        }
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            let length = rest.find(|character| character != first).unwrap_or(rest.len());
            let (run, after) = rest.split_at(length);
            if first == '\'' {
                let quoted = rest.get(1..).and_then(|rest| rest.split_once('\''));
                let (quoted, after) = quoted.ok_or("a quote ' has no end")?;
                parts.push(Part::Text(if quoted.is_empty() { "'" } else { quoted }));
                rest = after;
                continue;
            }
            parts.push(if first.is_alphabetic() { field(run)? } else { Part::Text(run) });
            rest = after;
        }
        Ok(Self(parts))
    }

    pub(super) fn write(&self, at: NaiveDateTime, to: &mut String) {
        for part in &self.0 {
            match part {
                Part::Text(text) => to.push_str(text),
                // Writing to a string does not fail.
                Part::Field(field, width) => drop(write!(to, "{:0width$}", field.of(at))),
            }
        }
    }
}

fn field<'a>(run: &str) -> Result<Part<'a>, String> {
    let field = match run {
        "yyyy" => Field::Year,
        "yy" => Field::YearOfCentury,
        "MM" | "M" => Field::Month,
        "dd" | "d" => Field::Day,
        "HH" | "H" => Field::Hour,
        "mm" | "m" => Field::Minute,
        "ss" | "s" => Field::Second,
        _ => {
            let shown: String = run.chars().take(10).collect();
            let meant = match run.chars().next() {
                Some('D') => "; write dd for the day",
                Some('Y' | 'A' | 'a' | 'y') => "; write yyyy for the year",
                Some('h') => "; write HH for the hour",
                _ => "",
            };
            return Err(format!(
                "the format has {shown}{meant}; it takes yyyy, yy, MM, M, dd, d, HH, H, mm, m, ss, s and text between quotes '"
            ));
        }
    };
    Ok(Part::Field(field, run.len()))
}

impl Field {
    fn of(self, at: NaiveDateTime) -> i32 {
        let small = |value: u32| i32::try_from(value).unwrap_or_default();
        match self {
            Self::Year => at.year(),
            Self::YearOfCentury => at.year().rem_euclid(100),
            Self::Month => small(at.month()),
            Self::Day => small(at.day()),
            Self::Hour => small(at.hour()),
            Self::Minute => small(at.minute()),
            Self::Second => small(at.second()),
        }
    }
}
