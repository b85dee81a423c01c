//! What a schedule does now: which slots run and which are skipped.
//!
//! A pure decision about the slots since the last decided one. Downtime, a pause, a suspended host and a clock that jumped forwards are the same
//! to it: slots that are late by more than the grace, which the misfire policy is for. What it costs depends on how many slots run, not on
//! how many were missed.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};

use super::{MisfirePolicy, Schedule, Slot};
use crate::wire::wire_names;

/// Maximum number of slots that run at once, whatever the policy.
pub const MAX_DUE: usize = 1000;
/// How far before the last decided slot the clock may be. A clock that is further back was wrong when that slot was decided.
const MAX_BEHIND: TimeDelta = TimeDelta::days(1);
/// Slots are whole seconds: the least time between two.
pub const SECOND: TimeDelta = TimeDelta::seconds(1);
/// Slots are counted up to this number.
const MAX_COUNT: usize = 10_000;
/// Slots that are looked at, before the rest counts as older ones.
const MAX_LOOK: usize = 200_000;

wire_names! {
    /// Why a slot does not run.
    pub enum SkipReason as "SkipReason" {
        /// It was missed, and the misfire policy does not run it.
        Missed = "missed",
        /// It was missed, and more were than the misfire limit.
        OverLimit = "over_limit",
        /// The schedule was paused.
        Paused = "paused",
        /// A blackout held it, and a later slot runs instead.
        Blackout = "blackout",
    }
}

wire_names! {
    /// What became of a slot.
    pub enum FireState as "FireState" {
        /// It has a job.
        Created = "created",
        /// It did not run: it was missed, or a pause or a blackout kept it back.
        Skipped = "skipped",
        /// The orchestrator accepted no job.
        Refused = "refused",
        /// It is to come.
        Planned = "planned",
    }
}

/// A time in which a schedule was paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PauseSpan {
    /// When it began.
    pub from: DateTime<Utc>,
    /// When it ended, or is going to; `None`: when somebody resumes.
    pub until: Option<DateTime<Utc>>,
}

impl PauseSpan {
    fn covers(self, at: DateTime<Utc>) -> bool {
        self.from <= at && self.until.is_none_or(|until| at < until)
    }
}

/// Slots in a row that are skipped for one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Why.
    pub reason: SkipReason,
    /// The first one.
    pub first: DateTime<Utc>,
    /// The last one.
    pub last: DateTime<Utc>,
    /// How many.
    pub count: usize,
    /// Whether there are more than counted.
    pub more: bool,
}

/// What a schedule does now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Decision {
    /// Slots that run, in order.
    pub runs: Vec<Slot>,
    /// Slots that do not.
    pub skipped: Vec<Skipped>,
    /// The last decided slot, from which the next decision goes on.
    pub cursor: DateTime<Utc>,
    /// When to decide again; `None`: never, or when somebody resumes.
    pub wake_at: Option<DateTime<Utc>>,
}

/// Slots that can start, and what came before them.
struct Ready {
    slots: Vec<Slot>,
    older: Option<Skipped>,
}

impl Schedule {
    /// What the schedule does at `now`. `cursor` is the last decided slot, or when the schedule was saved; `pauses` are those that ended after
    /// it, and the one that has not ended.
    #[must_use]
    pub fn decide(&self, cursor: DateTime<Utc>, pauses: &[PauseSpan], now: DateTime<Utc>) -> Decision {
        let cursor = if cursor.signed_duration_since(now) > MAX_BEHIND { now } else { cursor };
        if let Some(pause) = pauses.iter().find(|pause| pause.covers(now)) {
            return Decision { cursor, wake_at: pause.until, ..Decision::default() };
        }
        let Some(first) = self.next_slot(cursor) else { return Decision { cursor, ..Decision::default() } };
        if first.run_at > now {
            return Decision { cursor, wake_at: Some(first.run_at), ..Decision::default() };
        }
        let ready = self.ready(cursor, now);
        let Some(last) = ready.slots.last() else { return Decision { cursor, wake_at: Some(first.run_at), ..Decision::default() } };
        let cursor = last.at;
        let wake_at = self.next_slot(cursor).map(|next| next.run_at.max(now));
        let mut decision = Decision { cursor, wake_at, ..Decision::default() };
        decision.skipped.extend(ready.older);
        self.judge_ready(&ready.slots, pauses, now, &mut decision);
        decision
    }

    /// The last slots after `cursor` that can start: at most [`MAX_DUE`]. Looks back over longer and longer spans, so that a frequent schedule
    /// that was down for a year costs no more than a rare one. A slot that waits keeps those after it waiting.
    fn ready(&self, cursor: DateTime<Utc>, now: DateTime<Utc>) -> Ready {
        let mut span = TimeDelta::minutes(1);
        loop {
            let from = now.checked_sub_signed(span).map_or(cursor, |from| from.max(cursor));
            let mut slots: Vec<_> = self.slots_between(from, now).take_while(|slot| slot.run_at <= now).take(MAX_LOOK).collect();
            if from > cursor && slots.len() < MAX_DUE {
                span = span * 4;
                continue;
            }
            slots.drain(..slots.len().saturating_sub(MAX_DUE));
            let older = slots.first().and_then(|first| self.older(cursor, first.at));
            return Ready { slots, older };
        }
    }

    /// The slots between two instants, as one group.
    fn older(&self, after: DateTime<Utc>, before: DateTime<Utc>) -> Option<Skipped> {
        let reason = if self.misfire.policy == MisfirePolicy::All { SkipReason::OverLimit } else { SkipReason::Missed };
        self.group(after, before - SECOND, reason)
    }

    /// The slots after `after` until `until`, as one group.
    fn group(&self, after: DateTime<Utc>, until: DateTime<Utc>, reason: SkipReason) -> Option<Skipped> {
        let counted: Vec<_> = self.slots_between(after, until).take(MAX_COUNT + 1).collect();
        let (first, last) = (counted.first()?.at, counted.last()?.at);
        let more = counted.len() > MAX_COUNT;
        Some(Skipped { reason, first, last: if more { until } else { last }, count: counted.len().min(MAX_COUNT), more })
    }

    /// A group of skipped slots without those of `others`, which ran: what is left between them.
    #[must_use]
    pub fn without(&self, skipped: &Skipped, others: &BTreeSet<DateTime<Utc>>) -> Vec<Skipped> {
        let mut left = Vec::new();
        let mut after = skipped.first - SECOND;
        for other in others.range(skipped.first..=skipped.last) {
            left.extend(self.group(after, *other - SECOND, skipped.reason));
            after = *other;
        }
        left.extend(self.group(after, skipped.last, skipped.reason));
        left
    }

    fn judge_ready(&self, slots: &[Slot], pauses: &[PauseSpan], now: DateTime<Utc>, decision: &mut Decision) {
        let grace = TimeDelta::try_seconds(self.misfire.grace_s).unwrap_or(TimeDelta::MAX);
        let fate = |slot: &Slot| {
            if pauses.iter().any(|pause| pause.covers(slot.at)) {
                Fate::Missed(SkipReason::Paused)
            } else if now.signed_duration_since(slot.run_at) > grace {
                Fate::Missed(SkipReason::Missed)
            } else if slot.held {
                Fate::Held
            } else {
                Fate::OnTime
            }
        };
        let fates: Vec<_> = slots.iter().map(fate).collect();
        // From the last one back, because a later slot can stand for an earlier one.
        let (mut runs, mut extra, mut held_until) = (Vec::new(), 0, None);
        let mut reasons = Vec::new();
        for (slot, fate) in slots.iter().zip(fates).rev() {
            let reason = match (fate, self.misfire.policy) {
                (Fate::OnTime, _) => None,
                (Fate::Missed(_) | Fate::Held, MisfirePolicy::All) if extra < self.misfire.limit => {
                    extra += 1;
                    None
                }
                (Fate::Missed(_) | Fate::Held, MisfirePolicy::All) => Some(SkipReason::OverLimit),
                (Fate::Held, _) if held_until.replace(slot.run_at) == Some(slot.run_at) => Some(SkipReason::Blackout),
                (Fate::Held, _) => None,
                (Fate::Missed(_), MisfirePolicy::Last) if runs.is_empty() => None,
                (Fate::Missed(reason), MisfirePolicy::Last | MisfirePolicy::Skip) => Some(reason),
            };
            match reason {
                None => runs.push(*slot),
                Some(reason) => reasons.push((reason, slot.at)),
            }
        }
        runs.reverse();
        decision.runs = runs;
        reasons.into_iter().rev().for_each(|(reason, at)| decision.skip(reason, at));
    }
}

/// What became of a slot before the policy is asked.
enum Fate {
    OnTime,
    Held,
    Missed(SkipReason),
}

impl Decision {
    fn skip(&mut self, reason: SkipReason, at: DateTime<Utc>) {
        match self.skipped.last_mut() {
            Some(group) if group.reason == reason => {
                group.last = at;
                group.count += 1;
            }
            _ => self.skipped.push(Skipped { reason, first: at, last: at, count: 1, more: false }),
        }
    }
}
