//! Output of commands: tables that fit the terminal, the API's unchanged JSON, log lines.

use std::{
    borrow::Cow,
    fmt::Write as _,
    io::{self, IsTerminal as _, Write as _},
};

use api_types::LogLine;
use chrono::{DateTime, Local, TimeDelta, Utc};
use client::List;
use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Row, Table, presets};
use console::{Style, Term};
use domain::log::Level;
use futures_util::TryStreamExt as _;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Exit, Fault, Outcome, remote::Hub};
use crate::terminal;

/// A table with one line per row and without empty columns. On a terminal, columns that are not `whole` are cut to its width; elsewhere
/// nothing is cut.
pub(super) fn table(columns: &[(&str, Width)], rows: &[Vec<String>]) -> io::Result<()> {
    let has_text = |nth: usize| rows.iter().filter_map(|row| row.get(nth)).any(|cell| !cell.is_empty());
    let used: Vec<usize> = (0..columns.len()).filter(|nth| rows.is_empty() || has_text(*nth)).collect();
    let row = |cells: &[String]| {
        let cells = used.iter().filter_map(|nth| cells.get(*nth)).map(|text| Cell::new(one_line(text)));
        let mut row = Row::from(cells.collect::<Vec<_>>());
        row.max_height(1);
        row
    };
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_truncation_indicator("…");
    if let Some((_, width)) = Term::stdout().size_checked() {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table.set_header(row(&columns.iter().map(|(name, _)| name.to_uppercase()).collect::<Vec<_>>()));
    table.add_rows(rows.iter().map(|cells| row(cells)));
    for (column, nth) in table.column_iter_mut().zip(&used) {
        column.set_padding((0, 2));
        match columns.get(*nth).map(|(_, width)| *width) {
            Some(Width::Whole) => column.set_constraint(ColumnConstraint::ContentWidth),
            Some(Width::AtLeast(width)) => column.set_constraint(ColumnConstraint::LowerBoundary(comfy_table::Width::Fixed(width))),
            Some(Width::Cut) | None => column,
        };
    }
    let text = table.to_string();
    let lines: Vec<_> = text.lines().map(str::trim_end).collect();
    terminal::line(&lines.join("\n"))
}

/// Behaviour of a column on a narrow terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    /// Never cut, because people copy it.
    Whole,
    /// May be cut to at least this width.
    AtLeast(u16),
    /// May be cut.
    Cut,
}

/// Names and values, one per line; omits those without a value.
pub(super) fn facts<'a>(facts: impl IntoIterator<Item = (&'a str, Option<String>)>) -> io::Result<()> {
    let mut text = String::new();
    for (name, value) in facts {
        let Some(value) = value.filter(|value| !value.is_empty()) else { continue };
        let value = plain(&value).replace('\n', "\n               ");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{name:<14} {value}");
    }
    terminal::text(&text)
}

/// A value for people: a string without quotes, anything else as JSON.
pub(super) fn pretty(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        value => serde_json::to_string_pretty(value).unwrap_or_default(),
    }
}

/// Prints a list as one JSON array of the hub's own items, one by one as they arrive.
pub(super) async fn json_list<T: DeserializeOwned + Send + 'static>(hub: &Hub, list: List<T>, most: usize) -> Result<(), Fault> {
    let mut items = list.raw().items();
    let mut out = io::BufWriter::new(io::stdout().lock());
    let mut before = "[";
    for _ in 0..most {
        let Some(item) = items.try_next().await.map_err(|error| hub.fault(error))? else { break };
        write!(out, "{before}{item}")?;
        before = ",\n";
    }
    out.write_all(if before == "[" { b"[]\n" } else { b"]\n" })?;
    Ok(out.flush()?)
}

/// All of a list: the hub's JSON, or a table with this row for each item.
pub(super) async fn listed<T: DeserializeOwned + Send + 'static>(
    hub: &Hub,
    list: List<T>,
    is_json: bool,
    columns: &[(&str, Width)],
    row: impl Fn(&T) -> Vec<String>,
) -> Outcome {
    if is_json {
        json_list(hub, list, usize::MAX).await?;
    } else {
        let items = list.take(usize::MAX).await.map_err(|error| hub.fault(error))?;
        table(columns, &items.iter().map(row).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

/// A time in the local time zone.
pub(super) fn moment(time: DateTime<Utc>) -> String {
    time.with_timezone(&Local).format("%Y-%m-%d %H:%M:%S").to_string()
}

/// A duration in its two largest units.
pub(super) fn duration(time: TimeDelta) -> String {
    let (seconds, tenths) = (time.num_seconds().max(0), time.subsec_millis().max(0) / 100);
    match seconds {
        0..60 => format!("{seconds}.{tenths} s"),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3600..86400 => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
        _ => format!("{} d {} h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// An age in its largest unit.
pub(super) fn age(time: TimeDelta) -> String {
    let seconds = time.num_seconds().max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86400),
    }
}

/// Text from outside without terminal control sequences.
pub(super) fn plain(text: &str) -> Cow<'_, str> {
    let harmless = |c: char| !c.is_control() || matches!(c, '\n' | '\t');
    if text.chars().all(harmless) {
        return text.into();
    }
    let text = console::strip_ansi_codes(text).replace("\r\n", "\n");
    text.chars().map(|c| if harmless(c) { c } else { '\u{fffd}' }).collect::<String>().into()
}

fn one_line(text: &str) -> String {
    plain(text).replace(['\n', '\t'], " ")
}

/// Prints log lines for people, coloured on a terminal.
pub(crate) struct LogPrinter {
    is_error_stream: bool,
    time_format: &'static str,
}

impl LogPrinter {
    /// To standard output, with times of day.
    pub(crate) const fn live() -> Self {
        Self { is_error_stream: false, time_format: "%H:%M:%S%.3f" }
    }

    /// With dates.
    pub(super) const fn dated() -> Self {
        Self { time_format: "%Y-%m-%d %H:%M:%S%.3f", ..Self::live() }
    }

    /// To standard error: standard output has the result.
    pub(super) const fn beside() -> Self {
        Self { is_error_stream: true, ..Self::live() }
    }

    pub(crate) fn print(&self, line: &LogLine) -> io::Result<()> {
        let style = Style::new().for_stdout();
        let style = if self.is_error_stream { Style::new().for_stderr() } else { style };
        let (level, message) = match line.level {
            Level::Debug => (style.clone().dim(), style.dim()),
            Level::Info => (style.clone().green(), style),
            Level::Warning => (style.clone().yellow(), style),
            Level::Error => (style.clone().red(), style),
            Level::Critical => (style.clone().red().bold(), style.bold()),
        };
        let time = line.timestamp.with_timezone(&Local).format(self.time_format).to_string();
        let indent = format!("\n{:width$}", "", width = time.len() + 12);
        let text = plain(line.message.trim_end_matches(['\n', '\r'])).replace('\n', &indent);
        let text = format!("  {time} {} {}", level.apply_to(format!("{:8}", line.level.as_str())), message.apply_to(text));
        if self.is_error_stream { writeln!(io::stderr().lock(), "{text}") } else { terminal::line(&text) }
    }
}

/// Whether a person can be asked at the terminal.
pub(super) fn is_interactive() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terminal_control_sequences_are_removed() {
        for (text, shown) in [
            ("São João\tR$ 1,00\n2", "São João\tR$ 1,00\n2"),
            ("\u{1b}[31mred\u{1b}[0m", "red"),
            ("\u{1b}]0;title\u{7}x", "x"),
            ("a\r\nb\rc\u{9b}2J\u{7}", "a\nb\u{fffd}c\u{fffd}2J\u{fffd}"),
        ] {
            let shown_text = plain(text);
            assert!(!shown_text.contains(['\u{1b}', '\u{7}', '\u{9b}']), "{shown_text:?}");
            if !text.contains("title") && !text.contains('\u{9b}') {
                assert_eq!(shown_text, shown);
            }
        }
    }

    #[test]
    fn durations_have_two_units() {
        for (seconds, text) in [(0, "0.0 s"), (59, "59.0 s"), (61, "1 min 1 s"), (3700, "1 h 1 min"), (100_000, "1 d 3 h"), (-5, "0.0 s")] {
            assert_eq!(duration(TimeDelta::seconds(seconds)), text);
        }
        assert_eq!(duration(TimeDelta::milliseconds(2150)), "2.1 s");
    }
}
