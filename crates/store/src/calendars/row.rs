//! Calendars as rows. A calendar is written and read whole, so what it consists of is JSON.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};
use domain::{
    calendar::{Blackout, BlackoutSpan, Calendar, Day, Hours},
    schedule::Cron,
};
use sea_orm::ActiveValue::Set;
use serde::{Deserialize, Serialize, Serializer, de::DeserializeOwned};
use serde_json::{Map, Value, json};

use super::Stored;
use crate::{
    Error,
    entity::calendar::{ActiveModel, Model},
};

/// How many changed days an entry of the audit trail names.
const MAX_AUDITED: usize = 100;

/// A blackout: once from an instant to another, or for some minutes whenever an expression fires.
#[derive(Serialize, Deserialize)]
struct BlackoutCell {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<DateTime<Utc>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cron_expression: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    minutes: Option<u32>,
}

/// The columns that people set.
pub(super) fn to_row(calendar: &Calendar) -> Result<ActiveModel, Error> {
    let count = |items: usize| i32::try_from(items).map_err(|_| Error::Refused("a calendar has too many items".to_owned()));
    let blackouts: Vec<_> = calendar.blackouts.iter().map(BlackoutCell::from).collect();
    Ok(ActiveModel {
        name: Set(calendar.name.clone()),
        week: Set(json(&calendar.week)?),
        holidays: Set(json(&calendar.holidays)?),
        days: Set(json(&calendar.days)?),
        blackouts: Set(json(&blackouts)?),
        day_count: Set(count(calendar.days.len())?),
        blackout_count: Set(count(blackouts.len())?),
        ..Default::default()
    })
}

pub(super) fn from_row(row: Model) -> Result<Stored, Error> {
    let Model { id, name, week, holidays, days, blackouts, revision, created_at, updated_at, updated_by, .. } = row;
    let corrupt = |column: &str| Error::Corrupt(format!("calendars.{column} of {id}"));
    let blackouts: Vec<BlackoutCell> = read(blackouts).ok_or_else(|| corrupt("blackouts"))?;
    let calendar = Calendar {
        name,
        week: read(week).ok_or_else(|| corrupt("week"))?,
        holidays: read(holidays).ok_or_else(|| corrupt("holidays"))?,
        days: read::<BTreeMap<NaiveDate, Day>>(days).ok_or_else(|| corrupt("days"))?,
        blackouts: blackouts.into_iter().map(BlackoutCell::read).collect::<Option<_>>().ok_or_else(|| corrupt("blackouts"))?,
    };
    Ok(Stored { id: id.into(), calendar, revision, created_at, updated_at, updated_by })
}

/// Hours of each day of the week.
pub(super) fn week(cell: Value) -> Option<[Hours; 7]> {
    read(cell)
}

pub(super) fn read<T: DeserializeOwned>(cell: Value) -> Option<T> {
    serde_json::from_value(cell).ok()
}

fn json(value: &impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(value).map_err(|error| Error::Refused(error.to_string()))
}

impl From<&Blackout> for BlackoutCell {
    fn from(blackout: &Blackout) -> Self {
        let name = blackout.name.clone();
        match &blackout.span {
            BlackoutSpan::Once { from, to } => Self { name, from: Some(*from), to: Some(*to), cron_expression: None, minutes: None },
            BlackoutSpan::Recurring { start, minutes } => {
                Self { name, from: None, to: None, cron_expression: Some(start.to_string()), minutes: Some(*minutes) }
            }
        }
    }
}

impl BlackoutCell {
    fn read(self) -> Option<Blackout> {
        let span = match self {
            Self { from: Some(from), to: Some(to), .. } => BlackoutSpan::Once { from, to },
            Self { cron_expression: Some(start), minutes: Some(minutes), .. } => {
                BlackoutSpan::Recurring { start: Cron::parse(&start).ok()?, minutes }
            }
            _ => return None,
        };
        Some(Blackout { name: self.name, span })
    }
}

/// A calendar in the audit trail: each day is a field, so that an entry has those that differ, and the number of them where they are many.
pub(super) struct Audited<'a> {
    calendar: &'a Calendar,
    names_days: bool,
}

impl<'a> Audited<'a> {
    /// One that is new, or gone.
    pub(super) fn new(calendar: &'a Calendar) -> Self {
        Self { calendar, names_days: calendar.days.len() <= MAX_AUDITED }
    }

    /// One before and after a change.
    pub(super) fn both(before: &'a Calendar, after: &'a Calendar) -> [Self; 2] {
        let names_days = before.day_changes(after).len() <= MAX_AUDITED;
        [before, after].map(|calendar| Self { calendar, names_days })
    }
}

impl Serialize for Audited<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Calendar { name, week, holidays, days, blackouts } = self.calendar;
        let blackouts: Vec<_> = blackouts.iter().map(BlackoutCell::from).collect();
        let mut fields = Map::new();
        let cells = [("name", json!(name)), ("week", json!(week)), ("holidays", json!(holidays)), ("blackouts", json!(blackouts))];
        fields.extend(cells.map(|(field, cell)| (field.to_owned(), cell)));
        if self.names_days {
            fields.extend(days.iter().map(|(date, day)| (format!("days/{date}"), json!(day))));
        } else {
            fields.insert("days".to_owned(), json!(format!("{} days", days.len())));
        }
        fields.serialize(serializer)
    }
}
