//! Past and coming fires between two instants, in the order of slots: what a calendar view shows.
//!
//! Past ones are rows. Coming ones are computed, schedule by schedule, and only as many are kept as the page shows, so that memory does not follow
//! the number of schedules.

use std::collections::{BTreeMap, HashMap};

use api_types::{Fire, FireFilter};
use auth::Permitted;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Fault,
    ids::ScheduleId,
    schedule::{PauseSpan, Zone},
};
use runtime::{Failure, page_size};
use store::schedules::{self, Draft, Filter, Paused, Schedule, fire_list, schedule_list, schedule_list_pauses};

use super::{
    Schedules, compile, convert,
    manage::{beside, calendar_ids},
};

/// Longest time between `from` and `to`.
const MAX_SPAN: TimeDelta = TimeDelta::days(366);
/// The usual one.
const USUAL_SPAN: TimeDelta = TimeDelta::days(7);
/// Schedules that are read at once.
const PAGE: u64 = 500;

/// The place of a fire in the list.
type Key = (DateTime<Utc>, ScheduleId);

/// What is listed.
struct Wanted {
    from: DateTime<Utc>,
    to: DateTime<Utc>,
    after: Option<Key>,
    limit: usize,
    now: DateTime<Utc>,
}

impl Schedules {
    /// A page of fires, and where the next one begins if there may be more.
    pub(crate) async fn fires(&self, by: &Permitted, query: FireFilter) -> Result<(Vec<Fire>, Option<String>), Failure> {
        let limit = page_size(query.limit, 100, 1000)?;
        let wanted = wanted(&query, limit as usize, (self.clock)())?;
        let FireFilter { schedule_id, automation_id, domain, .. } = query;
        let filter = Filter { ids: schedule_id.into_iter().collect(), automation_id, domain, limit: PAGE, ..Filter::default() };
        let mut found = BTreeMap::new();
        self.add_coming(by, filter.clone(), &wanted, &mut found).await?;
        self.add_past(by, &filter, &wanted, &mut found).await?;
        let fires: Vec<Fire> = found.into_values().take(wanted.limit).collect();
        let next = fires.last().filter(|_| fires.len() == wanted.limit).map(key_text);
        Ok((fires, next))
    }

    async fn add_past(&self, by: &Permitted, filter: &Filter, wanted: &Wanted, found: &mut BTreeMap<Key, Fire>) -> Result<(), Failure> {
        let past = schedules::FireFilter {
            schedule_ids: filter.ids.clone(),
            automation_id: filter.automation_id,
            domain: filter.domain.clone(),
            from: Some(wanted.from),
            to: Some(wanted.to),
            limit: wanted.limit as u64,
            after: wanted.after,
        };
        let past = fire_list(&self.database, by.scope(), &past).await?;
        let mut ids: Vec<ScheduleId> = past.iter().map(|fire| fire.schedule_id).collect();
        ids.sort_unstable();
        ids.dedup();
        if ids.is_empty() {
            return Ok(());
        }
        let owners = schedule_list(&self.database, by.scope(), &Filter { ids, ..Filter::default() }).await?;
        let owners: HashMap<ScheduleId, Draft> = owners.into_iter().map(|schedule| (schedule.id, schedule.draft)).collect();
        for fire in past {
            let Some(draft) = owners.get(&fire.schedule_id) else { continue };
            let zone = self.zones.get(&draft.timezone).unwrap_or_else(|_| Zone::utc());
            found.insert((fire.slot_at, fire.schedule_id), convert::past_fire(&fire, (draft, &zone)));
        }
        Ok(())
    }

    async fn add_coming(&self, by: &Permitted, filter: Filter, wanted: &Wanted, found: &mut BTreeMap<Key, Fire>) -> Result<(), Failure> {
        let mut filter = Filter { enabled: Some(true), ..filter };
        loop {
            let page = schedule_list(&self.database, by.scope(), &filter).await?;
            let (Some(last), is_full) = (page.last().map(|last| last.id), page.len() as u64 == PAGE) else { return Ok(()) };
            self.add_coming_of(by, page, wanted, found).await?;
            if !is_full {
                return Ok(());
            }
            filter.after = Some(last);
        }
    }

    async fn add_coming_of(
        &self,
        by: &Permitted,
        page: Vec<Schedule>,
        wanted: &Wanted,
        found: &mut BTreeMap<Key, Fire>,
    ) -> Result<(), Failure> {
        let ids: Vec<ScheduleId> = page.iter().map(|schedule| schedule.id).collect();
        let pauses = schedule_list_pauses(&self.database, by.scope(), &ids).await?;
        let (calendars, zones) =
            (self.calendars.get(&calendar_ids(page.iter().map(|schedule| &schedule.draft))).await?, self.zones.clone());
        let Wanted { from, to, after, limit, now } = *wanted;
        let mut kept = std::mem::take(found);
        *found = beside(move || {
            for schedule in &page {
                let Ok(compiled) = compile(schedule.id, &schedule.draft, &zones, &calendars) else { continue };
                let spans: Vec<PauseSpan> = pauses.iter().filter(|paused| paused.schedule_id == schedule.id).map(Paused::span).collect();
                // Slots from `from` on, and before `to`, which are whole seconds.
                let begin =
                    schedule.cursor_at.max(from - TimeDelta::seconds(1)).max(after.map_or(from, |(slot, _)| slot) - TimeDelta::seconds(1));
                let slots = compiled.slots_between(begin, to - TimeDelta::nanoseconds(1));
                for slot in slots.filter(|slot| slot.at >= from && slot.at < to) {
                    let key = (slot.at, schedule.id);
                    if after.is_some_and(|after| key <= after) {
                        continue;
                    }
                    if kept.len() >= limit && kept.last_key_value().is_some_and(|(last, _)| key > *last) {
                        break;
                    }
                    let is_paused =
                        spans.iter().any(|span| span.from <= slot.at.max(now) && span.until.is_none_or(|until| slot.at < until));
                    kept.insert(key, convert::planned_fire(slot, schedule, is_paused));
                    if kept.len() > limit {
                        kept.pop_last();
                    }
                }
            }
            kept
        })
        .await?;
        Ok(())
    }
}

fn wanted(query: &FireFilter, limit: usize, now: DateTime<Utc>) -> Result<Wanted, Failure> {
    let bad = |field: &str, message: &str| Failure::BadQuery(vec![Fault::new(field, message)]);
    let from = query.from.unwrap_or(now);
    let to = query.to.or_else(|| from.checked_add_signed(USUAL_SPAN)).unwrap_or(from);
    if to <= from {
        return Err(bad("to", "must be after from"));
    }
    if to.signed_duration_since(from) > MAX_SPAN {
        return Err(bad("to", "must be at most 366 days after from"));
    }
    let unreadable = || bad("after", "is not the end of a page: follow its Link header");
    let after = query.after.as_deref().map(|text| key(text).ok_or_else(unreadable)).transpose()?;
    Ok(Wanted { from, to, after, limit, now })
}

/// Microseconds since 1970 of the slot, and the schedule.
fn key_text(fire: &Fire) -> String {
    format!("{}_{}", fire.slot_at.timestamp_micros(), fire.schedule_id)
}

fn key(text: &str) -> Option<Key> {
    let (slot, id) = text.split_once('_')?;
    Some((DateTime::from_timestamp_micros(slot.parse().ok()?)?, id.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_a_beginning_an_end_and_a_limit() {
        let at = |text: &str| -> DateTime<Utc> { text.parse().unwrap() };
        let now = at("2026-11-27T12:00:00Z");
        let of = |from: Option<&str>, to: Option<&str>, after: Option<&str>| {
            let query = FireFilter { from: from.map(at), to: to.map(at), after: after.map(str::to_owned), ..FireFilter::default() };
            wanted(&query, 10, now).map(|wanted| (wanted.from, wanted.to)).map_err(|failure| failure.to_string())
        };
        assert_eq!(of(None, None, None), Ok((now, at("2026-12-04T12:00:00Z"))));
        assert!(of(None, Some("2026-11-27T12:00:00Z"), None).unwrap_err().starts_with("to: must be after"));
        assert!(of(None, Some("2027-11-29T12:00:00Z"), None).unwrap_err().starts_with("to: must be at most"));
        for bad in ["", "x", "1_x", "9223372036854775807_00000000-0000-0000-0000-000000000000"] {
            assert!(of(None, None, Some(bad)).unwrap_err().starts_with("after: "), "{bad}");
        }
    }
}
