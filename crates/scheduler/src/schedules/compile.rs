use std::{collections::HashMap, sync::Arc};

use domain::{
    Fault,
    calendar::Calendar,
    ids::{CalendarId, ScheduleId},
    schedule::{CalendarUse, Schedule, Spec, Zones, input},
};
use store::schedules::{self, Draft};

/// The schedule that a draft describes, for the rules. `calendars` has its calendar, if there is one.
///
/// # Errors
/// Each fault with its field: of a stored draft, a zone that new zone data does not have, or a calendar that is gone.
pub fn compile(
    id: ScheduleId,
    draft: &Draft,
    zones: &Zones,
    calendars: &HashMap<CalendarId, Arc<Calendar>>,
) -> Result<Schedule, Vec<Fault>> {
    let mut faults = Vec::new();
    let spec = keep(spec(&draft.spec), &mut faults);
    let zone = keep(input::zone(&draft.timezone, zones), &mut faults);
    let calendar = draft.calendar.map(|wanted| {
        let found = calendars.get(&wanted.id).cloned();
        let calendar = found.ok_or_else(|| Fault::new("calendar_id", "is no calendar"))?;
        Ok(CalendarUse { calendar, rule: wanted.rule, on_blackout: wanted.on_blackout })
    });
    let calendar = keep(calendar.transpose(), &mut faults);
    let (Some(spec), Some(zone), Some(calendar)) = (spec, zone, calendar) else { return Err(faults) };
    Ok(Schedule {
        calendar,
        window: draft.window,
        jitter_s: draft.jitter_s,
        start_at: draft.start_at,
        end_at: draft.end_at,
        enabled: draft.enabled,
        misfire: draft.misfire,
        job: draft.job.clone(),
        ..Schedule::new(id, spec, zone)
    })
}

fn spec(spec: &schedules::Spec) -> Result<Spec, Fault> {
    Ok(match spec {
        schedules::Spec::Cron(text) => Spec::Cron(input::cron(text)?),
        schedules::Spec::Interval { seconds, anchor } => Spec::Interval { seconds: *seconds, anchor: *anchor },
        schedules::Spec::Once(at) => Spec::Once(*at),
    })
}

fn keep<T>(outcome: Result<T, Fault>, faults: &mut Vec<Fault>) -> Option<T> {
    outcome.map_err(|fault| faults.push(fault)).ok()
}
