mod ahead;
mod faults;
mod late;
mod limits;
mod outcomes;
mod settle;
mod unusual;

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{Expectations, Look, Rule, Run, Target, Times};
use crate::{alert::Terms, calendar::Calendar, job::Status, schedule::Zones};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn rule(expect: Expectations) -> Rule {
    Rule {
        name: "invoices".to_owned(),
        target: Target::Automation(7.into()),
        expect,
        calendar_id: None,
        timezone: "America/Sao_Paulo".to_owned(),
        terms: Terms { resolve_after_minutes: 2, ..Terms::default() },
        enabled: true,
    }
}

fn times(calendar: Option<Calendar>) -> Times {
    Times { zone: Zones::bundled().get("America/Sao_Paulo").unwrap(), calendar: calendar.map(Arc::new) }
}

fn look<'a>(rule: &'a Rule, times: &'a Times, since: &str, now: &str) -> Look<'a> {
    Look { rule, times, since: at(since), now: at(now) }
}

fn run(nth: u128, status: Status, ended_at: &str) -> Run {
    Run {
        job_id: Uuid::from_u128(nth).into(),
        status,
        ended_at: at(ended_at),
        started_at: Some(at(ended_at) - TimeDelta::seconds(60)),
        took: Some(TimeDelta::seconds(60)),
        error_class: (status == Status::Failed).then(|| "BUSINESS_ERROR".to_owned()),
        error_message: None,
    }
}
