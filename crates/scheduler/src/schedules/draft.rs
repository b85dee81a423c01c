//! Applies a request to a draft. What it cannot read has a fault and keeps its value.

use api_types::ScheduleUpdate;
use chrono::{DateTime, Utc};
use domain::{
    Fault,
    calendar::{DayRule, OnBlackout},
    ids::AutomationId,
    policy::Overrides,
    schedule::{Misfire, input},
};
use store::schedules::{CalendarUse, Draft, Spec};

/// A draft without times, which the request must have.
pub(super) fn empty(automation_id: AutomationId, name: String, timezone: String) -> Draft {
    Draft {
        automation_id,
        name,
        spec: Spec::Once(DateTime::UNIX_EPOCH),
        timezone,
        calendar: None,
        window: None,
        jitter_s: 0,
        start_at: None,
        end_at: None,
        enabled: true,
        misfire: Misfire::default(),
        parameters: serde_json::Map::new(),
        job: Overrides::default(),
        version_id: None,
        environment: None,
    }
}

/// A new draft: one of [`empty`] with the values of the request. `anchor` is the first slot of an interval without a start.
pub(super) fn created(empty: Draft, request: ScheduleUpdate, anchor: DateTime<Utc>) -> (Draft, Vec<Fault>) {
    apply(empty, request, (None, anchor))
}

/// The draft with the changes of the request; an interval keeps its anchor, unless it gets a start.
pub(super) fn changed(draft: Draft, request: ScheduleUpdate, anchor: DateTime<Utc>) -> (Draft, Vec<Fault>) {
    let before = draft.spec.clone();
    apply(draft, request, (Some(before), anchor))
}

fn apply(mut draft: Draft, mut request: ScheduleUpdate, (spec, anchor): (Option<Spec>, DateTime<Utc>)) -> (Draft, Vec<Fault>) {
    let mut faults = Vec::new();
    set(&mut draft.name, request.name.take().map(|name| name.trim().to_owned()));
    set(&mut draft.timezone, request.timezone.take());
    set(&mut draft.start_at, request.start_at);
    set(&mut draft.end_at, request.end_at);
    match when(&request, spec.as_ref(), draft.start_at.unwrap_or(anchor)) {
        Ok(spec) => draft.spec = with_start(spec, draft.start_at),
        Err(fault) => faults.push(fault),
    }
    match calendar(&request, draft.calendar) {
        Ok(calendar) => draft.calendar = calendar,
        Err(fault) => faults.push(fault),
    }
    match window(&mut request, &draft) {
        Ok(window) => draft.window = window,
        Err(found) => faults.extend(found),
    }
    set(&mut draft.jitter_s, request.jitter_s);
    set(&mut draft.enabled, request.enabled);
    set(&mut draft.misfire.policy, request.misfire_policy);
    set(&mut draft.misfire.limit, request.misfire_limit);
    set(&mut draft.misfire.grace_s, request.misfire_grace_s);
    set(&mut draft.parameters, request.parameters.take());
    set(&mut draft.version_id, request.version_id);
    set(&mut draft.environment, request.environment.take());
    set_job(&mut draft.job, request);
    (draft, faults)
}

fn set_job(job: &mut Overrides, request: ScheduleUpdate) {
    set(&mut job.priority, request.priority);
    set(&mut job.timeout_s, request.timeout_s);
    set(&mut job.queue_timeout_s, request.queue_timeout_s);
    set(&mut job.max_attempts, request.max_attempts);
    set(&mut job.cancel_grace_s, request.cancel_grace_s);
    set(&mut job.concurrency_key, request.concurrency_key);
    set(&mut job.overlap, request.overlap);
    set(&mut job.max_concurrency, request.max_concurrency);
    set(&mut job.retry_backoff_s, request.retry_backoff_s);
}

/// When it is due: what the request gives, else what was before.
fn when(request: &ScheduleUpdate, before: Option<&Spec>, anchor: DateTime<Utc>) -> Result<Spec, Fault> {
    let given = (request.cron_expression.clone().flatten(), request.interval_s.flatten(), request.run_once_at.flatten());
    let missing = || Fault::new("cron_expression", "must be given, or interval_s, or run_once_at");
    match given {
        (Some(expression), None, None) => Ok(Spec::Cron(expression)),
        (None, Some(seconds), None) => match before {
            Some(Spec::Interval { anchor, .. }) => Ok(Spec::Interval { seconds, anchor: *anchor }),
            _ => Ok(Spec::Interval { seconds, anchor }),
        },
        (None, None, Some(at)) => Ok(Spec::Once(at)),
        (None, None, None) => {
            let is_cleared = match before {
                Some(Spec::Cron(_)) => request.cron_expression.is_some(),
                Some(Spec::Interval { .. }) => request.interval_s.is_some(),
                Some(Spec::Once(_)) => request.run_once_at.is_some(),
                None => true,
            };
            before.filter(|_| !is_cleared).cloned().ok_or_else(missing)
        }
        (_, interval, _) => {
            let field = if interval.is_some() { "interval_s" } else { "run_once_at" };
            Err(Fault::new(field, "must be omitted: a schedule has one of cron_expression, interval_s and run_once_at"))
        }
    }
}

fn with_start(spec: Spec, start_at: Option<DateTime<Utc>>) -> Spec {
    match (spec, start_at) {
        (Spec::Interval { seconds, .. }, Some(anchor)) => Spec::Interval { seconds, anchor },
        (spec, _) => spec,
    }
}

fn calendar(request: &ScheduleUpdate, before: Option<CalendarUse>) -> Result<Option<CalendarUse>, Fault> {
    let id = request.calendar_id.unwrap_or(before.map(|calendar| calendar.id));
    let before = before.filter(|_| id.is_some());
    let current = before.map_or(DayRule::default(), |calendar| calendar.rule);
    let name = request.calendar_rule.as_deref().unwrap_or(current.name());
    let nth = match (request.business_day, current) {
        (Some(given), _) => given,
        (None, DayRule::Nth(nth)) if name == current.name() => Some(nth),
        (None, _) => None,
    };
    let rule = DayRule::parse(name, nth)?;
    let on_blackout = request.on_blackout.or(before.map(|calendar| calendar.on_blackout)).unwrap_or_default();
    match id {
        Some(id) => Ok(Some(CalendarUse { id, rule, on_blackout })),
        None if rule != DayRule::default() => Err(Fault::new("calendar_rule", "needs a calendar_id")),
        None if on_blackout != OnBlackout::default() => Err(Fault::new("on_blackout", "needs a calendar_id")),
        None => Ok(None),
    }
}

fn window(request: &mut ScheduleUpdate, draft: &Draft) -> Result<Option<domain::schedule::Window>, Vec<Fault>> {
    let before = draft.window;
    let start = request.window_start.take().unwrap_or_else(|| before.map(|window| input::time_of_day_text(window.start)));
    let end = request.window_end.take().unwrap_or_else(|| before.map(|window| input::time_of_day_text(window.end)));
    input::window(start.as_deref(), end.as_deref())
}

fn set<T>(place: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *place = value;
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    fn request(value: Value) -> ScheduleUpdate {
        serde_json::from_value(value).unwrap()
    }

    const NOW: &str = "2026-11-27T12:00:00Z";

    fn new(value: Value) -> (Draft, Vec<String>) {
        let (draft, faults) = created(empty(7.into(), "Schedule 1".into(), "America/Sao_Paulo".into()), request(value), at(NOW));
        (draft, faults.into_iter().map(|fault| fault.field).collect())
    }

    fn then(draft: &Draft, value: Value) -> (Draft, Vec<String>) {
        let (draft, faults) = changed(draft.clone(), request(value), at("2026-11-28T12:00:00Z"));
        (draft, faults.into_iter().map(|fault| fault.field).collect())
    }

    #[test]
    fn a_change_of_when_replaces_what_was_before() {
        let (daily, _) = new(json!({"cron_expression": "0 8 * * *"}));
        let (hourly, faults) = then(&daily, json!({"interval_s": 3600}));
        assert_eq!((&hourly.spec, faults), (&Spec::Interval { seconds: 3600, anchor: at("2026-11-28T12:00:00Z") }, vec![]));
        let (faster, _) = then(&hourly, json!({"interval_s": 60, "cron_expression": null, "run_once_at": null}));
        assert_eq!(faster.spec, Spec::Interval { seconds: 60, anchor: at("2026-11-28T12:00:00Z") }, "the anchor stays");
        let (moved, _) = then(&hourly, json!({"start_at": "2026-12-01T00:30:00Z"}));
        assert_eq!(moved.spec, Spec::Interval { seconds: 3600, anchor: at("2026-12-01T00:30:00Z") });
        assert_eq!(then(&daily, json!({"name": "x"})).0.spec, daily.spec);
        assert_eq!(then(&daily, json!({"cron_expression": null})).1, ["cron_expression"]);
        assert_eq!(then(&daily, json!({"interval_s": null})), (daily.clone(), vec![]));
        assert_eq!(then(&daily, json!({"cron_expression": "0 9 * * *", "interval_s": 60})).1, ["interval_s"]);
        assert_eq!(then(&daily, json!({"cron_expression": "0 9 * * *", "run_once_at": NOW})).1, ["run_once_at"]);
        assert_eq!(new(json!({})).1, ["cron_expression"]);
    }

    #[test]
    fn a_calendar_has_its_rule_and_takes_it_along() {
        let id = "00000000-0000-0000-0000-000000000001";
        let (last, faults) =
            new(json!({"cron_expression": "0 8 * * *", "calendar_id": id, "calendar_rule": "nth_business_day", "business_day": -1}));
        assert_eq!((last.calendar.unwrap().rule, faults), (DayRule::Nth(-1), vec![]));
        assert_eq!(then(&last, json!({"jitter_s": 5})).0.calendar, last.calendar);
        assert_eq!(then(&last, json!({"calendar_rule": "except"})).0.calendar.unwrap().rule, DayRule::Except);
        assert_eq!(then(&last, json!({"calendar_id": null})), (Draft { calendar: None, ..last.clone() }, vec![]));
        assert_eq!(then(&last, json!({"business_day": null})).1, ["business_day"]);
        assert_eq!(new(json!({"cron_expression": "0 8 * * *", "calendar_rule": "except"})).1, ["calendar_rule"]);
        assert_eq!(new(json!({"cron_expression": "0 8 * * *", "on_blackout": "hold"})).1, ["on_blackout"]);
        assert_eq!(new(json!({"cron_expression": "0 8 * * *", "calendar_rule": "never"})).1, ["calendar_rule"]);
        assert_eq!(new(json!({"cron_expression": "0 8 * * *", "business_day": 1})).1, ["business_day"]);
    }

    #[test]
    fn a_window_is_changed_by_either_end() {
        let (night, _) = new(json!({"cron_expression": "0 * * * *", "window_start": "22:00", "window_end": "06:00"}));
        let (longer, faults) = then(&night, json!({"window_end": "07:30:15"}));
        assert_eq!(faults, [""; 0]);
        assert_eq!(input::time_of_day_text(longer.window.unwrap().end), "07:30:15");
        assert_eq!(then(&night, json!({"window_start": null, "window_end": null})).0.window, None);
        assert_eq!(then(&night, json!({"window_start": null})).1, ["window_start"]);
        assert_eq!(
            new(json!({"cron_expression": "0 * * * *", "window_start": "10pm", "window_end": "6"})).1,
            ["window_start", "window_end"]
        );
    }
}
