//! Converts rows to API types.

use std::collections::HashMap;

use api_types::{NextFire, ScheduleWords};
use chrono::{DateTime, TimeDelta, Utc};
use domain::schedule::{AutomationState, FireState, PauseSpan, Slot, Zone, input, words::Language};
use store::schedules::{Draft, Fire, Paused, Schedule, Spec};

/// How many fires an answer shows, of those to come and of the past ones.
pub(super) const FIRES: usize = 10;

/// What an answer says of a schedule besides its row.
pub(super) struct Shown<'a> {
    pub(super) schedule: &'a Schedule,
    pub(super) compiled: &'a domain::schedule::Schedule,
    pub(super) automation: (&'a str, AutomationState),
    pub(super) pauses: &'a [Paused],
    pub(super) last_fires: &'a [Fire],
}

impl Shown<'_> {
    /// The schedule at `now`.
    pub(super) fn at(self, now: DateTime<Utc>) -> api_types::Schedule {
        let Self { schedule, compiled, automation: (automation_name, automation), pauses, last_fires } = self;
        let spans: Vec<PauseSpan> = pauses.iter().map(Paused::span).collect();
        let standing = compiled.standing(schedule.cursor_at, &spans, automation, now);
        let pause = pauses.iter().map(|paused| &paused.pause).find(|pause| pause.at <= now && pause.holds(now));
        let next = compiled.next_slots(schedule.cursor_at.max(now), FIRES);
        let last_fires = last_fires.iter().map(|fire| past_fire(fire, (&schedule.draft, &compiled.zone))).collect();
        api_types::Schedule {
            id: schedule.id,
            automation_name: automation_name.to_owned(),
            words: words(compiled),
            state: standing.state,
            state_reason: standing.reason,
            next_fires: next.into_iter().map(next_fire).collect(),
            last_fires,
            paused_at: pause.map(|pause| pause.at),
            paused_until: pause.and_then(|pause| pause.until),
            paused_reason: pause.and_then(|pause| pause.reason.clone()),
            paused_by: pause.map(|pause| pause.by.clone()),
            revision: schedule.revision,
            created_at: schedule.created_at,
            updated_at: schedule.updated_at,
            updated_by: schedule.updated_by.clone(),
            ..of_draft(schedule.draft.clone())
        }
    }
}

/// What people set; the rest is empty.
fn of_draft(draft: Draft) -> api_types::Schedule {
    let (cron_expression, interval_s, run_once_at) = match draft.spec {
        Spec::Cron(expression) => (Some(expression), None, None),
        Spec::Interval { seconds, .. } => (None, Some(seconds), None),
        Spec::Once(at) => (None, None, Some(at)),
    };
    let rule = draft.calendar.map_or_else(Default::default, |calendar| calendar.rule);
    api_types::Schedule {
        id: uuid::Uuid::nil().into(),
        automation_id: draft.automation_id,
        automation_name: String::new(),
        name: draft.name,
        cron_expression,
        interval_s,
        run_once_at,
        timezone: draft.timezone,
        words: ScheduleWords::default(),
        calendar_id: draft.calendar.map(|calendar| calendar.id),
        calendar_rule: rule.name().to_owned(),
        business_day: if let domain::calendar::DayRule::Nth(nth) = rule { Some(nth) } else { None },
        on_blackout: draft.calendar.map(|calendar| calendar.on_blackout).unwrap_or_default(),
        window_start: draft.window.map(|window| input::time_of_day_text(window.start)),
        window_end: draft.window.map(|window| input::time_of_day_text(window.end)),
        jitter_s: draft.jitter_s,
        start_at: draft.start_at,
        end_at: draft.end_at,
        enabled: draft.enabled,
        misfire_policy: draft.misfire.policy,
        misfire_limit: draft.misfire.limit,
        misfire_grace_s: draft.misfire.grace_s,
        parameters: draft.parameters,
        priority: draft.job.priority,
        timeout_s: draft.job.timeout_s,
        max_attempts: draft.job.max_attempts,
        retry_backoff_s: draft.job.retry_backoff_s,
        overlap: draft.job.overlap,
        max_concurrency: draft.job.max_concurrency,
        queue_timeout_s: draft.job.queue_timeout_s,
        cancel_grace_s: draft.job.cancel_grace_s,
        concurrency_key: draft.job.concurrency_key,
        version_id: draft.version_id,
        environment: draft.environment,
        state: domain::schedule::ScheduleState::Active,
        state_reason: None,
        next_fires: Vec::new(),
        last_fires: Vec::new(),
        paused_at: None,
        paused_until: None,
        paused_reason: None,
        paused_by: None,
        revision: 0,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        updated_by: None,
    }
}

/// The fields that an export has, by their names in the API: those that differ from their defaults. `calendars` has the names of calendars.
pub(super) fn document(draft: Draft, calendars: &HashMap<domain::ids::CalendarId, String>) -> serde_json::Map<String, serde_json::Value> {
    let calendar = draft.calendar.and_then(|calendar| calendars.get(&calendar.id).cloned());
    let none = super::draft::empty(draft.automation_id, String::new(), String::new());
    let fields = |draft: Draft| match serde_json::to_value(of_draft(draft)) {
        Ok(serde_json::Value::Object(fields)) => fields,
        _ => serde_json::Map::new(),
    };
    let (mut fields, usual) = (fields(draft), fields(none));
    fields.retain(|name, value| super::document::FIELDS.contains(&name.as_str()) && usual.get(name) != Some(value));
    // Its default is a time that none has.
    fields.retain(|_, value| !value.is_null());
    if let Some(name) = calendar {
        fields.insert("calendar".to_owned(), name.into());
    }
    fields
}

pub(super) fn words(schedule: &domain::schedule::Schedule) -> ScheduleWords {
    ScheduleWords { pt_br: schedule.words(Language::Pt), en: schedule.words(Language::En) }
}

pub(super) fn next_fire(slot: Slot) -> NextFire {
    NextFire { slot_at: slot.at, local: slot.local, run_at: slot.run_at }
}

/// A fire that was decided.
pub(super) fn past_fire(fire: &Fire, (draft, zone): (&Draft, &Zone)) -> api_types::Fire {
    let lateness = fire.run_at.map(|run_at| fire.decided_at.signed_duration_since(run_at));
    api_types::Fire {
        schedule_id: fire.schedule_id,
        schedule_name: draft.name.clone(),
        automation_id: draft.automation_id,
        slot_at: fire.slot_at,
        local: zone.local(fire.slot_at),
        last_slot_at: fire.last_slot_at,
        slots: fire.slots,
        more: fire.more,
        run_at: fire.run_at,
        state: fire.state,
        reason: fire.reason.clone(),
        detail: fire.detail.clone(),
        job_id: fire.job_id,
        decided_at: Some(fire.decided_at),
        lateness_s: lateness.map(seconds),
    }
}

/// A fire that is to come, of a schedule that is paused then or not.
pub(super) fn planned_fire(slot: Slot, schedule: &Schedule, is_paused: bool) -> api_types::Fire {
    api_types::Fire {
        schedule_id: schedule.id,
        schedule_name: schedule.draft.name.clone(),
        automation_id: schedule.draft.automation_id,
        slot_at: slot.at,
        local: slot.local,
        last_slot_at: slot.at,
        slots: 1,
        more: false,
        run_at: Some(slot.run_at),
        state: FireState::Planned,
        reason: is_paused.then(|| domain::schedule::SkipReason::Paused.as_str().to_owned()),
        detail: None,
        job_id: None,
        decided_at: None,
        lateness_s: None,
    }
}

/// Seconds, to the millisecond. A replica whose clock is behind decides no earlier than it was due.
fn seconds(time: TimeDelta) -> f64 {
    let milliseconds = u32::try_from(time.num_milliseconds().max(0)).unwrap_or(u32::MAX);
    f64::from(milliseconds) / 1000.0
}
