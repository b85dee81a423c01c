//! `regente calendar`.

mod fields;

use api_types::{
    Calendar, CalendarBlackout, CalendarDay, CalendarDaysFilter, CalendarFilter, CalendarImport, CalendarImportOptions, CalendarSummary,
    CalendarWeek, ExplainedDay, Holiday, HolidayFilter, ImportedDay,
};
use chrono::{Datelike as _, Days, Local, NaiveDate};
use clap::{Args, Subcommand};
use domain::calendar::{
    DayReason, HolidaySet,
    import::{Format, Mode},
};

use self::fields::{CreateArgs, UpdateArgs};
use super::{
    Exit, Fault, Outcome,
    named::Named,
    output::{Width, facts, listed, moment, table},
    parameters::read_file,
    remote::{Hub, Remote, parse},
};
use crate::terminal;

/// Arguments of `calendar`.
#[derive(Args)]
pub(crate) struct CalendarArgs {
    #[command(flatten)]
    remote: Remote,
    #[command(subcommand)]
    command: CalendarCommand,
}

#[derive(Subcommand)]
enum CalendarCommand {
    /// List calendars.
    List,
    /// Show one calendar.
    Show {
        /// Name or id.
        name: String,
    },
    /// Add a calendar, from options, a file, or both.
    Create(Box<CreateArgs>),
    /// Change a calendar, from options, a file, or both.
    Update(Box<UpdateArgs>),
    /// Delete a calendar that no schedule uses.
    Delete {
        /// Name or id.
        name: String,
    },
    /// Show which days are business days, and why.
    Days {
        /// Name or id.
        name: String,
        /// The first day; by default today.
        #[arg(long, value_name = "DATE")]
        from: Option<NaiveDate>,
        /// The last day; by default 30 days after the first.
        #[arg(long, value_name = "DATE")]
        to: Option<NaiveDate>,
    },
    /// Import the days of an iCalendar (.ics) or CSV file, on which nobody works.
    Import(Box<ImportArgs>),
    /// Show the holidays of a set in a year.
    Holidays {
        /// The set: br, br-bank, br-optional, or br- and a state, such as br-sp.
        set: HolidaySet,
        /// The year; by default this one.
        #[arg(long, value_name = "YEAR")]
        year: Option<i32>,
    },
}

#[derive(Args)]
struct ImportArgs {
    /// Name or id.
    name: String,
    /// The file, - for standard input.
    file: String,
    /// Replace the days that the calendar has; by default those of the file join them.
    #[arg(long)]
    replace: bool,
    /// Only show what would change.
    #[arg(long)]
    dry_run: bool,
    /// Form of the file, ics or csv; by default it is seen at its beginning.
    #[arg(long, value_name = "FORM")]
    format: Option<Format>,
    /// Zone of the times in an iCalendar file; by default that of the hub's settings.
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// The last day of recurring events without an end; by default the end of the tenth year from now.
    #[arg(long, value_name = "DATE")]
    until: Option<NaiveDate>,
}

pub(super) async fn run(args: CalendarArgs) -> Outcome {
    let (hub, is_json) = (args.remote.hub()?, args.remote.is_json());
    match args.command {
        CalendarCommand::List => {
            let filter = CalendarFilter { limit: Some(1000), ..CalendarFilter::default() };
            listed(&hub, hub.client.calendars(&filter), is_json, &COLUMNS, row).await
        }
        CalendarCommand::Show { name } => show(&hub, &name, is_json).await,
        CalendarCommand::Create(args) => {
            let call = hub.client.calendar_create(&args.request()?);
            hub.change(call, is_json, |calendar: &Calendar| format!("Calendar {} is added.", calendar.name)).await
        }
        CalendarCommand::Update(args) => {
            let calendar = whole(&hub, &args.name).await?;
            let call = hub.client.calendar_update(calendar.id, &args.request(calendar)?);
            hub.change(call, is_json, |calendar: &Calendar| format!("Calendar {} is changed.", calendar.name)).await
        }
        CalendarCommand::Delete { name } => {
            let calendar = find(&hub, &name).await?;
            hub.client.calendar_delete(calendar.id).await.map_err(|error| hub.fault(error))?;
            if !is_json {
                terminal::line(&format!("Calendar {} is deleted.", calendar.name))?;
            }
            Ok(Exit::Done)
        }
        CalendarCommand::Days { name, from, to } => days(&hub, &name, (from, to), is_json).await,
        CalendarCommand::Import(args) => import(&hub, *args, is_json).await,
        CalendarCommand::Holidays { set, year } => holidays(&hub, set, year, is_json).await,
    }
}

/// The calendar with this name, else with this id.
pub(super) async fn find(hub: &Hub, name: &str) -> Result<CalendarSummary, Fault> {
    let found = hub.client.calendar_named(name).await.map_err(|error| hub.fault(error))?;
    let named = Named { kind: "calendar", name };
    named.one(hub, Vec::from_iter(found), |_| "", async |id| hub.client.calendar(id).await.map(summary)).await
}

fn summary(calendar: Calendar) -> CalendarSummary {
    let Calendar { id, name, week, holidays, days, blackouts, created_at, updated_at, updated_by } = calendar;
    let count = |items: usize| u32::try_from(items).unwrap_or(u32::MAX);
    let (day_count, blackout_count) = (count(days.len()), count(blackouts.len()));
    CalendarSummary { id, name, week, holidays, day_count, blackout_count, created_at, updated_at, updated_by }
}

async fn whole(hub: &Hub, name: &str) -> Result<Calendar, Fault> {
    hub.client.calendar(find(hub, name).await?.id).await.map_err(|error| hub.fault(error))
}

async fn show(hub: &Hub, name: &str, is_json: bool) -> Outcome {
    let text = hub.client.calendar(find(hub, name).await?.id).text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    let calendar: Calendar = parse(&text)?;
    facts([
        ("calendar", Some(calendar.name)),
        ("id", Some(calendar.id.to_string())),
        ("hours", Some(week(&calendar.week))),
        ("holidays", Some(sets(&calendar.holidays))),
        ("days", Some(calendar.days.iter().map(day).collect::<Vec<_>>().join("\n"))),
        ("blackouts", Some(calendar.blackouts.iter().map(blackout).collect::<Vec<_>>().join("\n"))),
        ("created", Some(moment(calendar.created_at))),
        ("changed", Some(moment(calendar.updated_at))),
        ("by", calendar.updated_by),
    ])?;
    Ok(Exit::Done)
}

/// The days that have hours, those with the same hours in a row together: `monday-friday 08:00-18:00`.
fn week(week: &CalendarWeek) -> String {
    let [sunday, rest @ ..] = week.days();
    let mut lines: Vec<(&str, &str, &Vec<String>)> = Vec::new();
    for (name, hours) in rest.into_iter().chain([sunday]) {
        match lines.last_mut() {
            Some((_, last, same)) if *same == hours => *last = name,
            _ => lines.push((name, name, hours)),
        }
    }
    let lines = lines.into_iter().filter(|(.., hours)| !hours.is_empty()).map(|(first, last, hours)| {
        let days = if first == last { first.to_owned() } else { format!("{first}-{last}") };
        format!("{days} {}", hours.join(","))
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn sets(sets: &[HolidaySet]) -> String {
    sets.iter().map(|set| set.as_str()).collect::<Vec<_>>().join(", ")
}

fn day(day: &CalendarDay) -> String {
    format!("{} {} {}", day.date, hours(&day.hours), day.name).trim_end().to_owned()
}

fn hours(hours: &[String]) -> String {
    if hours.is_empty() { "off".to_owned() } else { hours.join(",") }
}

fn blackout(blackout: &CalendarBlackout) -> String {
    let CalendarBlackout { name, from, to, cron_expression, minutes } = blackout;
    let span = match (from, to, cron_expression, minutes) {
        (Some(from), Some(to), ..) => format!("{} to {}", moment(*from), moment(*to)),
        (.., Some(start), Some(minutes)) => format!("{start} for {minutes} min"),
        _ => String::new(),
    };
    format!("{span} {name}").trim().to_owned()
}

async fn days(hub: &Hub, name: &str, (from, to): (Option<NaiveDate>, Option<NaiveDate>), is_json: bool) -> Outcome {
    let from = from.unwrap_or_else(|| Local::now().date_naive());
    let to = to.unwrap_or_else(|| from.checked_add_days(Days::new(30)).unwrap_or(from));
    let call = hub.client.calendar_days(find(hub, name).await?.id, &CalendarDaysFilter { from, to });
    let columns = [("date", Width::Whole), ("day", Width::Whole), ("hours", Width::Whole), ("why", Width::Cut)];
    rows(&call.text().await.map_err(|error| hub.fault(error))?, is_json, &columns, |day: &ExplainedDay| {
        let why = match day.reason {
            DayReason::Week => String::new(),
            DayReason::Holiday => day.names.join(", "),
            DayReason::Day if day.names.is_empty() => "day of the calendar".to_owned(),
            DayReason::Day => day.names.join(", "),
        };
        vec![day.date.to_string(), day.date.weekday().to_string(), hours(&day.hours), why]
    })
}

async fn holidays(hub: &Hub, set: HolidaySet, year: Option<i32>, is_json: bool) -> Outcome {
    let filter = HolidayFilter { set, year: year.unwrap_or_else(|| Local::now().year()) };
    let columns = [("date", Width::Whole), ("day", Width::Whole), ("until", Width::Whole), ("holiday", Width::Cut)];
    let text = hub.client.holidays(&filter).text().await.map_err(|error| hub.fault(error))?;
    rows(&text, is_json, &columns, |holiday: &Holiday| {
        let until = holiday.until.clone().unwrap_or_default();
        vec![holiday.date.to_string(), holiday.date.weekday().to_string(), until, holiday.name.clone()]
    })
}

/// Prints an answer that is a list.
fn rows<T: serde::de::DeserializeOwned>(text: &str, is_json: bool, columns: &[(&str, Width)], row: impl Fn(&T) -> Vec<String>) -> Outcome {
    if is_json {
        terminal::line(text)?;
    } else {
        table(columns, &parse::<Vec<T>>(text)?.iter().map(row).collect::<Vec<_>>())?;
    }
    Ok(Exit::Done)
}

async fn import(hub: &Hub, args: ImportArgs, is_json: bool) -> Outcome {
    let ImportArgs { name, file, replace, dry_run, format, timezone, until } = args;
    let file = read_file(&file)?;
    let mode = replace.then_some(Mode::Replace);
    let calendar = find(hub, &name).await?;
    let options = CalendarImportOptions { format, mode, dry_run, timezone, until };
    let call = hub.client.calendar_import(calendar.id, &options, file.into());
    let text = call.text().await.map_err(|error| hub.fault(error))?;
    if is_json {
        terminal::line(&text)?;
        return Ok(Exit::Done);
    }
    let done: CalendarImport = parse(&text)?;
    let row = |day: &ImportedDay| vec![day.change.to_string(), day.date.to_string(), hours(&day.hours), day.name.clone()];
    let rows: Vec<_> = done.days.iter().map(row).collect();
    if !rows.is_empty() {
        table(&[("change", Width::Whole), ("date", Width::Whole), ("hours", Width::Whole), ("name", Width::Cut)], &rows)?;
    }
    let what = if dry_run { "would change" } else { "is changed" };
    let CalendarImport { added, changed, removed, .. } = done;
    terminal::note(&format!("Calendar {} {what}: {added} days added, {changed} changed, {removed} removed.", calendar.name));
    Ok(Exit::Done)
}

const COLUMNS: [(&str, Width); 5] =
    [("name", Width::Whole), ("holidays", Width::Cut), ("days", Width::Whole), ("blackouts", Width::Whole), ("changed", Width::Whole)];

fn row(calendar: &CalendarSummary) -> Vec<String> {
    let CalendarSummary { name, holidays, day_count, blackout_count, updated_at, .. } = calendar;
    vec![name.clone(), sets(holidays), day_count.to_string(), blackout_count.to_string(), moment(*updated_at)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_is_told_by_its_working_days() {
        let office = || vec!["08:00-12:00".to_owned(), "13:00-18:00".to_owned()];
        let friday = vec!["08:00-12:00".to_owned()];
        let told = week(&CalendarWeek::of([vec![], office(), office(), office(), office(), friday.clone(), friday]));
        assert_eq!(told, "monday-thursday 08:00-12:00,13:00-18:00\nfriday-saturday 08:00-12:00");
    }
}
