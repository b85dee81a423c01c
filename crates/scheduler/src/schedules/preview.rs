//! When a schedule would fire, without saving it.

use std::collections::BTreeSet;

use api_types::{SchedulePreview, SchedulePreviewQuery};
use auth::Permitted;
use domain::{
    Fault,
    calendar::DayRule,
    ids::{AutomationId, CalendarId, ScheduleId},
    schedule::input,
};
use runtime::Failure;
use store::{
    calendars::{self, calendar_list_unscoped},
    schedules::{CalendarUse, Draft, Spec},
};
use uuid::Uuid;

use super::{
    Schedules, compile,
    convert::{next_fire, words},
    draft,
    manage::beside,
};

/// Upper bound of the fires of a preview.
const MAX_FIRES: u32 = 1000;

impl Schedules {
    /// The next fires of what the query describes. Calendars are for everybody who reads automations.
    pub(crate) async fn preview(&self, _by: &Permitted, query: SchedulePreviewQuery) -> Result<SchedulePreview, Failure> {
        let now = (self.clock)();
        let (from, count) = (query.from.unwrap_or(now), query.n.unwrap_or(10));
        let draft = self.previewed(&query).await?;
        let calendars: BTreeSet<CalendarId> = draft.calendar.map(|calendar| calendar.id).into_iter().collect();
        let (calendars, zones) = (self.calendars.get(&calendars).await?, self.zones.clone());
        let found = beside(move || {
            let schedule = compile(nobody(), &draft, &zones, &calendars)?;
            let faults = schedule.faults(now);
            if !faults.is_empty() {
                return Err(faults);
            }
            let next = schedule.next_slots(from, count as usize);
            Ok(SchedulePreview {
                cron_expression: query.cron,
                timezone: schedule.zone.name().to_owned(),
                words: words(&schedule),
                next_fires: next.into_iter().map(next_fire).collect(),
            })
        });
        found.await?.map_err(|faults| Failure::BadQuery(faults.into_iter().map(as_parameter).collect()))
    }

    async fn previewed(&self, query: &SchedulePreviewQuery) -> Result<Draft, Failure> {
        let mut faults = Vec::new();
        if query.n.is_some_and(|n| !(1..=MAX_FIRES).contains(&n)) {
            faults.push(Fault::new("n", format!("must be 1 to {MAX_FIRES}")));
        }
        let window = input::window(query.window_start.as_deref(), query.window_end.as_deref());
        let window = window.map_err(|found| faults.extend(found)).unwrap_or_default();
        let rule = DayRule::parse(query.calendar_rule.as_deref().unwrap_or("only"), query.business_day);
        let rule = rule.map_err(|fault| faults.push(fault)).unwrap_or_default();
        let calendar = match &query.calendar {
            Some(name) => self.calendar_named(name).await?,
            None => None,
        };
        if let (Some(name), None) = (&query.calendar, calendar) {
            faults.push(Fault::new("calendar", format!("\"{}\" is no calendar", name.chars().take(100).collect::<String>())));
        }
        if !faults.is_empty() {
            return Err(Failure::BadQuery(faults));
        }
        let timezone = query.timezone.clone().unwrap_or_else(|| self.zone.name().to_owned());
        let on_blackout = query.on_blackout.unwrap_or_default();
        Ok(Draft {
            spec: Spec::Cron(query.cron.clone()),
            calendar: calendar.map(|id| CalendarUse { id, rule, on_blackout }),
            window,
            ..draft::empty(AutomationId::new(0), String::new(), timezone)
        })
    }

    /// The calendar with this name, else with this id.
    pub(super) async fn calendar_named(&self, name: &str) -> Result<Option<CalendarId>, Failure> {
        let filter = calendars::Filter { name: Some(name.to_owned()), limit: 1, ..calendars::Filter::default() };
        if let Some(found) = calendar_list_unscoped(&self.database, &filter).await?.pop() {
            return Ok(Some(found.id));
        }
        let Ok(id) = name.parse::<CalendarId>() else { return Ok(None) };
        Ok(self.calendars.get(&BTreeSet::from([id])).await?.into_keys().next())
    }
}

/// A schedule that is not saved.
fn nobody() -> ScheduleId {
    Uuid::nil().into()
}

/// The fault of a field as that of the parameter.
fn as_parameter(fault: Fault) -> Fault {
    let field = match fault.field.as_str() {
        "cron_expression" => "cron",
        "calendar_id" => "calendar",
        other => other,
    };
    Fault { field: field.to_owned(), ..fault }
}
