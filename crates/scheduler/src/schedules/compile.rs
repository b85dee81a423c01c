use std::{collections::HashMap, sync::Arc};

use domain::{
    Fault,
    calendar::Calendar,
    ids::{CalendarId, ScheduleId},
    schedule::{CalendarUse, Cron, Schedule, Spec, Zone, Zones},
};
use store::schedules::{Draft, Spec as Written};

/// The schedule of a draft. `calendars` has the one that it obeys, if there is such a calendar.
///
/// # Errors
/// Every fault of what cannot be read: `cron_expression`, `timezone`, `calendar_id`. What can be read may still have
/// [faults](Schedule::faults).
pub fn compile(
    id: ScheduleId,
    draft: &Draft,
    zones: &Zones,
    calendars: &HashMap<CalendarId, Arc<Calendar>>,
) -> Result<Schedule, Vec<Fault>> {
    let mut faults = Vec::new();
    let spec = match &draft.spec {
        Written::Cron(expression) => match Cron::parse(expression) {
            Ok(cron) => Spec::Cron(cron),
            Err(error) => {
                faults.push(Fault::new("cron_expression", error.to_string()));
                Spec::Once(draft_time())
            }
        },
        Written::Interval { seconds, anchor } => Spec::Interval { seconds: *seconds, anchor: *anchor },
        Written::Once(at) => Spec::Once(*at),
    };
    let zone = zones.get(&draft.timezone).unwrap_or_else(|error| {
        faults.push(Fault::new("timezone", error.to_string()));
        Zone::utc()
    });
    let calendar = draft.calendar.and_then(|used| match calendars.get(&used.id) {
        Some(calendar) => Some(CalendarUse { calendar: calendar.clone(), rule: used.rule, on_blackout: used.on_blackout }),
        None => {
            faults.push(Fault::new("calendar_id", "there is no such calendar"));
            None
        }
    });
    if !faults.is_empty() {
        return Err(faults);
    }
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

/// Stands for the times of an expression that is refused anyway.
const fn draft_time() -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::UNIX_EPOCH
}
