//! What the operator does to schedules. Each pause has an end: one whose request was not answered ends by itself.

use std::sync::atomic::Ordering;

use api_types::{PauseRequest, ScheduleUpdate};
use chrono::{TimeDelta, Utc};
use rand::{RngExt as _, rngs::StdRng};
use reqwest::StatusCode;

use super::Operator;
use crate::schedules::{Timetable, Treatment};

/// Minimum and maximum duration of a pause, in seconds.
const PAUSED_S: (i64, i64) = (3, 9);

impl Operator {
    /// Pauses, resumes or changes one of the schedules that are there for it.
    pub(super) async fn act_on_schedule(&self, hub: usize, random: &mut StdRng) {
        let treated: Vec<&Timetable> = self.world.timetables.iter().filter(|one| one.treatment != Treatment::Leave).collect();
        let Some(one) = treated.get(random.random_range(0..treated.len().max(1))) else { return };
        let (client, id) = (self.world.api.client(hub), one.id());
        let (what, answer) = match one.treatment {
            Treatment::Pause if random.random_ratio(1, 4) => ("resume", client.schedule_resume(id).await),
            Treatment::Pause => {
                let until = Utc::now() + TimeDelta::seconds(random.random_range(PAUSED_S.0..=PAUSED_S.1));
                ("pause", client.schedule_pause(id, &PauseRequest { until: Some(until), reason: None }).await)
            }
            _ => ("change", client.schedule_update(id, &change(one, random)).await),
        };
        match answer {
            Ok(_) if what == "resume" => {}
            Ok(_) => {
                let count = if what == "pause" { &self.schedule_pauses } else { &self.schedule_changes };
                count.fetch_add(1, Ordering::Relaxed);
            }
            Err(error) => {
                if let Some(status) = error.status().and_then(|status| StatusCode::from_u16(status).ok()) {
                    self.judge(hub, &format!("{what} of schedule \"{}\"", one.name), status, &error.to_string());
                }
            }
        }
    }
}

fn change(one: &Timetable, random: &mut StdRng) -> ScheduleUpdate {
    let expression = one.expressions.get(random.random_range(0..one.expressions.len().max(1)));
    ScheduleUpdate {
        cron_expression: expression.filter(|_| one.treatment == Treatment::Retime).map(|text| Some((*text).to_owned())),
        priority: Some(Some(random.random_range(0..=8))),
        ..ScheduleUpdate::default()
    }
}
