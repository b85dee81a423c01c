use chrono::{NaiveTime, Timelike as _};
use domain::{
    calendar::{DayRule, OnBlackout},
    policy::{Overlap, Overrides},
    schedule::{Misfire, MisfirePolicy, ScheduleState, StateReason, Window},
};
use sea_orm::ActiveValue::Set;
use serde_json::Value;

use super::{CalendarUse, Draft, Schedule, Spec};
use crate::{Error, entity::schedule};

/// The row without id, state and times, which the caller sets.
pub(super) fn to_row(draft: &Draft) -> Result<schedule::ActiveModel, Error> {
    let number = |value: u32| i32::try_from(value).map_err(|error| Error::Refused(error.to_string()));
    let second = |time: NaiveTime| i32::try_from(time.num_seconds_from_midnight()).unwrap_or_default();
    let (cron, interval, anchor, once) = match &draft.spec {
        Spec::Cron(expression) => (Some(expression.clone()), None, None, None),
        Spec::Interval { seconds, anchor } => (None, Some(*seconds), Some(*anchor), None),
        Spec::Once(at) => (None, None, None, Some(*at)),
    };
    let nth = draft.calendar.and_then(|calendar| if let DayRule::Nth(nth) = calendar.rule { Some(nth) } else { None });
    let job = draft.job.clone();
    Ok(schedule::ActiveModel {
        automation_id: Set(draft.automation_id.get()),
        name: Set(draft.name.clone()),
        cron_expression: Set(cron),
        interval_s: Set(interval),
        anchor_at: Set(anchor),
        run_once_at: Set(once),
        timezone: Set(draft.timezone.clone()),
        calendar_id: Set(draft.calendar.map(|calendar| calendar.id.get())),
        calendar_rule: Set(draft.calendar.map(|calendar| calendar.rule.name().to_owned())),
        business_day: Set(nth),
        on_blackout: Set(draft.calendar.map(|calendar| calendar.on_blackout.as_str().to_owned())),
        window_start_s: Set(draft.window.map(|window| second(window.start))),
        window_end_s: Set(draft.window.map(|window| second(window.end))),
        jitter_s: Set(draft.jitter_s),
        start_at: Set(draft.start_at),
        end_at: Set(draft.end_at),
        enabled: Set(draft.enabled),
        misfire_policy: Set(draft.misfire.policy.as_str().to_owned()),
        misfire_limit: Set(number(draft.misfire.limit)?),
        misfire_grace_s: Set(draft.misfire.grace_s),
        parameters: Set(Value::Object(draft.parameters.clone())),
        priority: Set(job.priority),
        timeout_s: Set(job.timeout_s),
        queue_timeout_s: Set(job.queue_timeout_s),
        max_attempts: Set(job.max_attempts.map(number).transpose()?),
        cancel_grace_s: Set(job.cancel_grace_s),
        concurrency_key: Set(job.concurrency_key),
        overlap: Set(job.overlap.map(|rule| rule.as_str().to_owned())),
        max_concurrency: Set(job.max_concurrency.map(number).transpose()?),
        retry_backoff_s: Set(job.retry_backoff_s),
        version_id: Set(draft.version_id.map(Into::into)),
        environment: Set(draft.environment.clone()),
        ..Default::default()
    })
}

pub(super) fn from_row(row: schedule::Model) -> Result<Schedule, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("schedules.{column} of {}", row.id));
    let draft = Draft {
        automation_id: row.automation_id.into(),
        spec: spec(&row).ok_or_else(|| corrupt("cron_expression"))?,
        calendar: calendar(&row).map_err(corrupt)?,
        window: window(&row),
        misfire: Misfire {
            policy: MisfirePolicy::parse(&row.misfire_policy).ok_or_else(|| corrupt("misfire_policy"))?,
            limit: row.misfire_limit.try_into().map_err(|_| corrupt("misfire_limit"))?,
            grace_s: row.misfire_grace_s,
        },
        parameters: row.parameters.as_object().cloned().ok_or_else(|| corrupt("parameters"))?,
        job: job(&row).map_err(corrupt)?,
        version_id: row.version_id.map(Into::into),
        name: row.name.clone(),
        timezone: row.timezone.clone(),
        jitter_s: row.jitter_s,
        start_at: row.start_at,
        end_at: row.end_at,
        enabled: row.enabled,
        environment: row.environment.clone(),
    };
    Ok(Schedule {
        id: row.id.into(),
        draft,
        cursor_at: row.cursor_at,
        wake_at: row.wake_at,
        last_slot_at: row.last_slot_at,
        state: ScheduleState::parse(&row.state).ok_or_else(|| corrupt("state"))?,
        state_reason: row
            .state_reason
            .as_deref()
            .map(|reason| StateReason::parse(reason).ok_or_else(|| corrupt("state_reason")))
            .transpose()?,
        revision: row.revision,
        created_at: row.created_at,
        updated_at: row.updated_at,
        updated_by: row.updated_by,
    })
}

fn spec(row: &schedule::Model) -> Option<Spec> {
    let interval = row.interval_s.zip(row.anchor_at).map(|(seconds, anchor)| Spec::Interval { seconds, anchor });
    row.cron_expression.clone().map(Spec::Cron).or(interval).or_else(|| row.run_once_at.map(Spec::Once))
}

fn calendar(row: &schedule::Model) -> Result<Option<CalendarUse>, &'static str> {
    let Some(id) = row.calendar_id else { return Ok(None) };
    let rule = DayRule::parse(row.calendar_rule.as_deref().unwrap_or_default(), row.business_day).map_err(|_| "calendar_rule")?;
    let on_blackout = row.on_blackout.as_deref().and_then(OnBlackout::parse).ok_or("on_blackout")?;
    Ok(Some(CalendarUse { id: id.into(), rule, on_blackout }))
}

fn window(row: &schedule::Model) -> Option<Window> {
    let time = |second: i32| NaiveTime::from_num_seconds_from_midnight_opt(second.try_into().ok()?, 0);
    let (start, end) = row.window_start_s.zip(row.window_end_s)?;
    Some(Window { start: time(start)?, end: time(end)? })
}

fn job(row: &schedule::Model) -> Result<Overrides, &'static str> {
    let number = |value: Option<i32>, column: &'static str| value.map(u32::try_from).transpose().map_err(|_| column);
    Ok(Overrides {
        priority: row.priority,
        timeout_s: row.timeout_s,
        queue_timeout_s: row.queue_timeout_s,
        max_attempts: number(row.max_attempts, "max_attempts")?,
        cancel_grace_s: row.cancel_grace_s,
        concurrency_key: row.concurrency_key.clone(),
        not_before: None,
        overlap: row.overlap.as_deref().map(|rule| Overlap::parse(rule).ok_or("overlap")).transpose()?,
        max_concurrency: number(row.max_concurrency, "max_concurrency")?,
        retry_backoff_s: row.retry_backoff_s,
    })
}
