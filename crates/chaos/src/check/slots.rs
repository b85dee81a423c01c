//! Each slot of a schedule has one job, whatever failed.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::ids::{JobId, ScheduleId};

use super::{Breach, Evidence};
use crate::{
    observer::{Fire, JobRow, Pause, ScheduleRow},
    schedules::{Timetable, Treatment},
};

/// Slots that a breach names.
const NAMED: usize = 8;

/// Jobs of a schedule, without retries, by slot in seconds of UTC.
type Ran = BTreeMap<i64, Vec<JobId>>;

/// What was observed of schedules.
#[derive(Default)]
pub(crate) struct Timing {
    pub(crate) timetables: Vec<Timetable>,
    pub(crate) rows: HashMap<ScheduleId, ScheduleRow>,
    pub(crate) fires: Vec<Fire>,
    /// Every pause, also those that are over.
    pub(crate) pauses: Vec<Pause>,
}

/// Each slot between a schedule's creation and its end has exactly one job, and there are no others. Of a schedule under `skip`, slots of its
/// pauses may have none; of one whose times were changed, slots before the last change may have none.
pub(super) fn each_once(seen: &Evidence) -> Vec<Breach> {
    let (mut ran, mut found) = jobs(seen);
    for timetable in &seen.timing.timetables {
        let ran = ran.remove(&timetable.id()).unwrap_or_default();
        match faults(&seen.timing, timetable, &ran) {
            Ok(faults) => found.extend(faults),
            Err(error) => found.push(breach(timetable, Vec::new(), &format!("cannot be judged: {error:#}"))),
        }
    }
    let strangers = ran.into_values().flat_map(BTreeMap::into_values).flatten();
    found.extend(strangers.map(|job| Breach::new("slots", job, "a job of a schedule that is not part of the run")));
    found
}

/// The jobs of schedules, and those whose keys are not those of slots.
fn jobs(seen: &Evidence) -> (HashMap<ScheduleId, Ran>, Vec<Breach>) {
    let (mut ran, mut found) = (HashMap::<ScheduleId, Ran>::new(), Vec::new());
    for job in seen.jobs.iter().filter(|job| job.retry_of.is_none()) {
        let Some(schedule) = job.schedule_id else { continue };
        match slot(schedule, job) {
            Some(slot) => ran.entry(schedule).or_default().entry(slot).or_default().push(job.id),
            None => found.push(Breach::new("slots", job.id, format!("a schedule's job has the key {:?}", job.idempotency_key))),
        }
    }
    (ran, found)
}

fn slot(schedule: ScheduleId, job: &JobRow) -> Option<i64> {
    let slot = job.idempotency_key.as_deref()?.strip_prefix(&format!("schedule/{schedule}/"))?;
    Some(slot.parse::<DateTime<Utc>>().ok()?.timestamp())
}

fn faults(timing: &Timing, timetable: &Timetable, ran: &Ran) -> anyhow::Result<Vec<Breach>> {
    let Some(row) = timing.rows.get(&timetable.id()) else { return Ok(vec![breach(timetable, Vec::new(), "is gone")]) };
    let Due { must, may } = Due::of(timing, timetable, row)?;
    let jobs = |slots: &[i64]| slots.iter().filter_map(|slot| ran.get(slot)).flatten().copied().collect::<Vec<_>>();
    let mut found = Vec::new();
    let mut note = |slots: Vec<i64>, text: &str| {
        if !slots.is_empty() {
            found.push(breach(timetable, jobs(&slots), &format!("{text}: {}", named(&slots))));
        }
    };
    if !row.is_over {
        note(Vec::from([row.updated_at]), &format!("is still {} since", row.state));
    }
    note(must.iter().copied().filter(|slot| !ran.contains_key(slot)).collect(), "slots without a job");
    note(ran.iter().filter(|(_, jobs)| jobs.len() > 1).map(|(slot, _)| *slot).collect(), "slots with several jobs");
    note(ran.keys().copied().filter(|slot| !may.contains(slot)).collect(), "jobs at times that are no slots");
    let fires: Vec<&Fire> = timing.fires.iter().filter(|fire| fire.schedule_id == timetable.id()).collect();
    let made: BTreeMap<i64, Option<JobId>> =
        fires.iter().filter(|fire| fire.state == "created").map(|fire| (fire.slot, fire.job_id)).collect();
    let has_fire = |(slot, jobs): &(&i64, &Vec<JobId>)| made.get(slot).copied().flatten().is_some_and(|job| jobs.contains(&job));
    // A scheduler that was killed has asked for jobs and not written that; once the times are others, nobody decides those slots again.
    let is_dropped = |slot: &i64| timetable.treatment == Treatment::Retime && !must.contains(slot);
    note(
        ran.iter().filter(|one| !has_fire(one) && !is_dropped(one.0)).map(|(slot, _)| *slot).collect(),
        "slots with a job that their fire does not name",
    );
    note(made.keys().copied().filter(|slot| !ran.contains_key(slot)).collect(), "fires of jobs that do not exist");
    let is_wrong = |fire: &&&Fire| match fire.state.as_str() {
        "created" => false,
        "skipped" => !timetable.skips() || fire.reason.as_deref() != Some("paused"),
        _ => true,
    };
    for fire in fires.iter().filter(is_wrong) {
        note(vec![fire.slot], &format!("{} ({})", fire.state, fire.reason.as_deref().unwrap_or_default()));
    }
    if timetable.skips() {
        let is_kept = |slot: &i64| fires.iter().any(|fire| fire.state == "skipped" && (fire.slot..=fire.last_slot).contains(slot));
        note(may.iter().copied().filter(|slot| !ran.contains_key(slot) && !is_kept(slot)).collect(), "slots of which nothing is kept");
    }
    Ok(found)
}

/// Slots that must have a job, and those that may.
struct Due {
    must: BTreeSet<i64>,
    may: BTreeSet<i64>,
}

impl Due {
    fn of(timing: &Timing, timetable: &Timetable, row: &ScheduleRow) -> anyhow::Result<Self> {
        if timetable.treatment == Treatment::Retime {
            let all = timetable.expressions.iter().map(|expression| timetable.slots(0, Some(expression)));
            let may = all.collect::<anyhow::Result<Vec<_>>>()?.into_iter().flatten().collect();
            let must = timetable.slots(row.updated_at, row.expression.as_deref())?.into_iter().collect();
            return Ok(Self { must, may });
        }
        let may: BTreeSet<i64> = timetable.slots(row.created_at, None)?.into_iter().collect();
        let pauses: Vec<&Pause> = timing.pauses.iter().filter(|pause| pause.schedule_id == timetable.id()).collect();
        let is_paused = |slot: &i64| timetable.skips() && pauses.iter().any(|pause| (pause.from..pause.until).contains(slot));
        Ok(Self { must: may.iter().copied().filter(|slot| !is_paused(slot)).collect(), may })
    }
}

fn breach(timetable: &Timetable, jobs: Vec<JobId>, text: &str) -> Breach {
    Breach { promise: "slots", jobs, text: format!("schedule \"{}\": {text}", timetable.name) }
}

fn named(slots: &[i64]) -> String {
    let time = |slot: &i64| DateTime::from_timestamp(*slot, 0).unwrap_or_default().format("%H:%M:%S").to_string();
    let first: Vec<_> = slots.iter().take(NAMED).map(time).collect();
    let more = if slots.len() > NAMED { format!(" and {} more", slots.len() - NAMED) } else { String::new() };
    format!("{}{more}", first.join(", "))
}

#[cfg(test)]
mod tests {
    use domain::schedule::{Cron, Misfire, MisfirePolicy, Schedule, Spec, Zone};
    use uuid::Uuid;

    use super::*;

    const ID: ScheduleId = ScheduleId::new(Uuid::from_u128(5));
    const START: i64 = 1_795_651_200;
    const END: i64 = START + 20;

    fn job(slot: i64) -> JobRow {
        let key = DateTime::from_timestamp(slot, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ");
        JobRow {
            id: Uuid::from_u128(slot.try_into().unwrap()).into(),
            automation_id: 1,
            status: "completed".into(),
            trigger: "SCHEDULED".into(),
            attempt: 1,
            retry_of: None,
            error_class: None,
            idempotency_key: Some(format!("schedule/{ID}/{key}")),
            concurrency_key: None,
            schedule_id: Some(ID),
            ended: true,
            cancel_accepted: false,
        }
    }

    fn fire(slot: i64, state: &str, reason: Option<&str>) -> Fire {
        let job_id = (state == "created").then(|| job(slot).id);
        Fire { schedule_id: ID, slot, last_slot: slot, slots: 1, state: state.into(), reason: reason.map(Into::into), job_id }
    }

    /// A schedule that is due every four seconds, and was.
    fn fine(treatment: Treatment, policy: MisfirePolicy) -> Evidence {
        let spec = Spec::Cron(Cron::parse("*/4 * * * * *").unwrap());
        let end_at = DateTime::from_timestamp(END, 0);
        let rule = Schedule { end_at, misfire: Misfire { policy, ..Misfire::default() }, ..Schedule::new(ID, spec, Zone::utc()) };
        let rule = Schedule { start_at: DateTime::from_timestamp(START, 0), ..rule };
        let row = ScheduleRow {
            created_at: START,
            updated_at: START + 10,
            expression: Some("*/6 * * * * *".into()),
            state: "ended".into(),
            is_over: true,
        };
        let slots = (START + 4..END).step_by(4);
        Evidence {
            jobs: slots.clone().map(job).collect(),
            timing: Timing {
                timetables: vec![Timetable { name: "x", treatment, rule, expressions: vec!["*/4 * * * * *", "*/6 * * * * *"] }],
                rows: [(ID, row)].into(),
                fires: slots.map(|slot| fire(slot, "created", None)).collect(),
                pauses: Vec::new(),
            },
            ..Evidence::default()
        }
    }

    fn of(treatment: Treatment, policy: MisfirePolicy, spoil: impl FnOnce(&mut Evidence)) -> Vec<String> {
        let mut seen = fine(treatment, policy);
        spoil(&mut seen);
        each_once(&seen).into_iter().map(|breach| breach.text).collect()
    }

    #[track_caller]
    fn sees(text: &str, spoil: impl FnOnce(&mut Evidence)) {
        let found = of(Treatment::Leave, MisfirePolicy::All, spoil);
        assert!(found.iter().any(|one| one.contains(text)), "{text}: {found:?}");
    }

    fn forget(seen: &mut Evidence, slot: i64) {
        seen.jobs.retain(|row| row.id != job(slot).id);
        seen.timing.fires.retain(|fire| fire.slot != slot);
    }

    #[test]
    fn what_is_well_is_left_alone() {
        for treatment in [Treatment::Leave, Treatment::Edit, Treatment::Pause] {
            assert_eq!(of(treatment, MisfirePolicy::All, |_| {}), [""; 0]);
        }
        let retry = |seen: &mut Evidence| {
            seen.jobs.push(JobRow { id: Uuid::from_u128(9).into(), retry_of: Some(job(START + 4).id), ..job(START + 4) });
        };
        assert_eq!(of(Treatment::Leave, MisfirePolicy::All, retry), [""; 0]);
    }

    #[test]
    fn a_missing_slot_is_seen() {
        sees("slots without a job: 00:00:08", |seen| forget(seen, START + 8));
        sees("is gone", |seen| seen.timing.rows.clear());
        sees("is still active", |seen| {
            for row in seen.timing.rows.values_mut() {
                *row = ScheduleRow { is_over: false, state: "active".into(), ..row.clone() };
            }
        });
    }

    #[test]
    fn a_doubled_slot_is_seen() {
        sees("slots with several jobs: 00:00:12", |seen| {
            seen.jobs.push(JobRow { id: Uuid::from_u128(9).into(), ..job(START + 12) });
        });
    }

    #[test]
    fn a_job_that_no_slot_has_is_seen() {
        sees("no slots: 00:00:05", |seen| seen.jobs.push(job(START + 5)));
        sees("no slots: 00:00:20", |seen| seen.jobs.push(job(END)));
        sees("has the key", |seen| seen.jobs[0].idempotency_key = Some("schedule/x".into()));
        sees("not part of the run", |seen| seen.timing.timetables.clear());
    }

    #[test]
    fn a_fire_that_is_not_as_it_was_is_seen() {
        sees("their fire does not name", |seen| seen.timing.fires.truncate(2));
        sees("their fire does not name", |seen| seen.timing.fires[0].job_id = None);
        sees("jobs that do not exist", |seen| seen.jobs.truncate(2));
        sees("skipped (missed): 00:00:08", |seen| seen.timing.fires[1] = fire(START + 8, "skipped", Some("missed")));
        sees("refused (invalid): 00:00:08", |seen| seen.timing.fires[1] = fire(START + 8, "refused", Some("invalid")));
    }

    #[test]
    fn a_pause_excuses_its_slots_under_skip_alone() {
        let paused = |seen: &mut Evidence| {
            forget(seen, START + 8);
            seen.timing.fires.push(fire(START + 8, "skipped", Some("paused")));
            seen.timing.pauses.push(Pause { schedule_id: ID, from: START + 7, until: START + 12 });
        };
        assert_eq!(of(Treatment::Pause, MisfirePolicy::Skip, paused), [""; 0]);
        assert!(!of(Treatment::Pause, MisfirePolicy::All, paused).is_empty());
        let beside = |seen: &mut Evidence| {
            paused(seen);
            forget(seen, START + 12);
        };
        assert!(of(Treatment::Pause, MisfirePolicy::Skip, beside)[0].contains("slots without a job: 00:00:12"));
        let unkept = |seen: &mut Evidence| {
            paused(seen);
            seen.timing.fires.pop();
        };
        assert!(of(Treatment::Pause, MisfirePolicy::Skip, unkept)[0].contains("nothing is kept: 00:00:08"));
    }

    #[test]
    fn from_the_last_change_of_its_times_on_every_slot_counts() {
        // Due every four seconds until it was changed at 10, and then every six.
        let changed = |seen: &mut Evidence| {
            [8, 16].into_iter().for_each(|slot| forget(seen, START + slot));
            for slot in [12, 18] {
                forget(seen, START + slot);
                seen.jobs.push(job(START + slot));
                seen.timing.fires.push(fire(START + slot, "created", None));
            }
        };
        assert_eq!(of(Treatment::Retime, MisfirePolicy::All, changed), [""; 0]);
        let late = |seen: &mut Evidence| {
            changed(seen);
            forget(seen, START + 18);
        };
        assert!(of(Treatment::Retime, MisfirePolicy::All, late)[0].contains("slots without a job: 00:00:18"));
        let unwritten = |slot: i64| {
            of(Treatment::Retime, MisfirePolicy::All, |seen: &mut Evidence| {
                changed(seen);
                seen.timing.fires.retain(|fire| fire.slot != START + slot);
            })
        };
        assert_eq!(unwritten(4), [""; 0], "its scheduler was killed before the change");
        assert!(unwritten(18)[0].contains("their fire does not name: 00:00:18"));
    }
}
