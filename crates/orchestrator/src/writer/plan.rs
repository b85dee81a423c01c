//! Plans a transaction without a database: rows and commands in, row changes, effects and replies out.
//!
//! A [`Plan`] is one transaction in the making. It never blocks, reads no clock and makes no random numbers; it names what it must know,
//! step by step, and [`super::commit`] reads it. This makes it testable as a pure function. Invariants, whatever the commands and their
//! order:
//!
//! - A terminal state is written once, and a job has at most one lease.
//! - A refused command leaves its row unchanged and does not affect other commands of the transaction.
//! - No start exceeds a limit: slots are counted under a lock and taken here.
//! - Commands of one transaction have the same result as one after the other, so that a refused transaction can be retried in halves.
//! - Nothing is refused because of a cached row alone: such a plan is doubtful, and is made again with rows that are read and locked.

mod accept;
pub(super) mod apply;
mod chunks;
mod effects;
pub(super) mod log;
mod place;
mod report;
mod retry;
mod rows;
#[cfg(test)]
mod tests;

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobId, WorkerId},
    policy::Overlap,
};
use store::jobs::{CandidateFilter, FullJob, Idempotent, JobRow, NewJob};
use uuid::Uuid;

pub(super) use self::effects::{Effects, JobChange};
pub(crate) use self::{accept::differs, apply::LeaseTimes, log::LogLimits};
use self::{
    apply::Terms,
    report::{is_undispatched, must_speak_for},
    rows::Rows,
};
use super::{
    cache::RowCache,
    command::{Change, Command, Done},
};
use crate::{
    dispatch::{
        Uncounted,
        select::{Look, Selection, View},
    },
    roster::Known,
};

/// The inputs of a plan, besides commands and reads.
#[derive(Clone, Copy)]
pub(crate) struct Circumstances<'a> {
    pub(crate) view: View<'a>,
    /// Cached rows; `None`: all rows are read and locked.
    pub(crate) cache: Option<&'a RowCache>,
    pub(crate) leases: LeaseTimes,
    pub(crate) log: LogLimits,
    pub(crate) chance: Chance<'a>,
}

/// Source of ids and random numbers.
#[derive(Clone, Copy)]
pub(crate) struct Chance<'a> {
    /// A new id, UUID v7.
    pub(crate) id: &'a (dyn Fn() -> Uuid + Sync),
    /// A number from 0 to 1.
    pub(crate) fraction: &'a (dyn Fn() -> f64 + Sync),
}

/// One transaction in the making.
pub(super) struct Plan<'a> {
    circumstances: Circumstances<'a>,
    commands: &'a [&'a Command],
    facts: Facts,
    pub(super) rows: Rows<'a>,
    pub(super) selection: Selection<'a>,
    effects: Effects,
    /// Whether a decision is based on a cached row that is not written.
    is_doubtful: bool,
}

/// What was read besides the rows, and what must be read next.
#[derive(Default)]
struct Facts {
    /// Jobs that were accepted before with the keys of new ones, by automation and key.
    accepted: HashMap<(AutomationId, String), Idempotent>,
    /// Jobs to which the overlap rule relates new ones, oldest first.
    neighbors: Vec<JobId>,
    /// Workers that hold jobs.
    holders: HashMap<WorkerId, Arc<Known>>,
    /// Jobs that failed in this transaction and are retried.
    retried: Vec<JobId>,
}

/// Jobs to which the overlap rule relates a new one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Neighborhood<'a> {
    pub(super) automation_id: AutomationId,
    /// Of the pending ones, only those of this queue.
    pub(super) queue: &'a str,
    /// With this concurrency key; `None`: all.
    pub(super) key: Option<&'a str>,
}

impl<'a> Plan<'a> {
    pub(super) fn new(circumstances: Circumstances<'a>, commands: &'a [&'a Command]) -> Self {
        Self {
            selection: Selection::new(circumstances.view),
            circumstances,
            commands,
            facts: Facts::default(),
            rows: Rows::default(),
            effects: Effects::default(),
            is_doubtful: false,
        }
    }

    /// Takes the cached rows, and returns the jobs whose rows must be read for [`Plan::add_rows`].
    pub(super) fn take_cached(&mut self) -> Vec<JobId> {
        let mut unknown = Vec::new();
        for id in self.commands.iter().flat_map(|command| command.job_ids()) {
            match self.circumstances.cache.and_then(|cache| cache.get(id)) {
                Some(row) => self.rows.insert(row.clone()),
                None => unknown.push(id),
            }
        }
        unknown
    }

    pub(super) fn add_rows(&mut self, rows: Vec<JobRow>) {
        rows.into_iter().for_each(|row| self.rows.insert(row));
    }

    /// Workers to find for [`Plan::add_holder`]: reports on their jobs have no lease token.
    pub(super) fn holders(&self) -> Vec<WorkerId> {
        let holder = |command: &&Command| match command {
            Command::Change(id, change, Some(_)) => must_speak_for(self.rows.get(*id)?, change),
            _ => None,
        };
        self.commands.iter().filter_map(holder).collect()
    }

    /// Automations whose retry policies may be needed. They must be cached before [`Plan::carry_out`].
    pub(super) fn policies(&self) -> Vec<AutomationId> {
        let may_fail = |command: &&Command| match command {
            Command::Change(id, change, _) if change.may_fail() => Some(self.rows.get(*id)?.automation_id),
            _ => None,
        };
        self.commands.iter().filter_map(may_fail).collect()
    }

    pub(super) fn add_holder(&mut self, id: WorkerId, worker: Arc<Known>) {
        self.facts.holders.insert(id, worker);
    }

    /// Automations and idempotency keys whose jobs must be read for [`Plan::add_accepted`].
    pub(super) fn keys(&self) -> Vec<(AutomationId, String)> {
        self.inserts().filter_map(|new| Some((new.automation_id, new.idempotency_key.clone()?))).collect()
    }

    pub(super) fn add_accepted(&mut self, accepted: Vec<Idempotent>) {
        self.facts.accepted.extend(accepted.into_iter().map(|job| ((job.automation_id, job.key.clone()), job)));
    }

    /// Limits to count for starts of jobs that are not dispatched: these must not exceed a limit either.
    pub(super) fn uncounted_starts(&self) -> Uncounted {
        let start = |command: &&Command| match command {
            Command::Change(id, change, _) if matches!(**change, Change::Start { .. }) => self.rows.get(*id),
            _ => None,
        };
        let starts = self.commands.iter().filter_map(start).filter(|row| is_undispatched(row));
        self.selection.admission.uncounted(self.circumstances.view.automations, starts)
    }

    /// Related jobs that must be read for [`Plan::add_neighbors`].
    pub(super) fn neighborhoods(&self) -> Vec<Neighborhood<'a>> {
        let mut seen = HashSet::new();
        let overlapping = self.inserts().filter(|new| new.overlap != Overlap::Queue);
        let place = |new: &'a NewJob| (new.automation_id, new.terms.concurrency_key.as_deref());
        let first = overlapping.filter(|new| seen.insert(place(new)));
        first.map(|new| Neighborhood { automation_id: new.automation_id, queue: &new.queue_name, key: place(new).1 }).collect()
    }

    pub(super) fn add_neighbors(&mut self, rows: Vec<JobRow>) {
        for row in rows {
            self.facts.neighbors.push(row.job.id);
            self.rows.insert_missing(row);
        }
    }

    /// Carries out the commands in order.
    pub(super) fn carry_out(&mut self) {
        self.effects.replies.reserve(self.commands.len());
        for command in self.commands {
            let reply = match command {
                Command::Insert(new, recording) => self.accept(new, recording.as_ref()).map(Done::Inserted),
                Command::Change(id, change, principal) => self.change(*id, change, principal.as_deref()).map(Done::Changed),
                Command::Heartbeat(request, principal) => Ok(Done::Renewed(self.heartbeat(request, principal))),
            };
            self.effects.replies.push(reply);
        }
    }

    /// Whether the plan must be made again, with rows that are read and locked.
    pub(super) const fn is_doubtful(&self) -> bool {
        self.is_doubtful
    }

    /// Starts to dispatch, if `dispatches` and anything could be dispatched; returns whether [`Selection::next_read`] must be followed.
    /// Call it after all commands and retries.
    pub(super) fn begin_dispatch(&mut self, dispatches: bool) -> bool {
        if self.effects.changed.iter().any(|job| job.status.is_terminal()) {
            self.selection.place_freed();
        }
        if !dispatches {
            self.selection.give_up();
            return false;
        }
        let could = self.selection.could_dispatch();
        if could {
            self.selection.begin();
        }
        could
    }

    /// The candidate filter of a read.
    pub(super) fn candidates<'l>(&self, look: &'l Look) -> CandidateFilter<'l> {
        look.candidates(self.now())
    }

    /// Limits of candidates that are not counted yet.
    pub(super) fn uncounted(&self, jobs: &[FullJob]) -> Uncounted {
        self.selection.admission.uncounted(self.circumstances.view.automations, jobs.iter().map(|job| &job.row))
    }

    pub(super) const fn now(&self) -> DateTime<Utc> {
        self.circumstances.view.now
    }

    /// The effects after the commit.
    pub(super) fn finish(self) -> Effects {
        Effects { findings: self.selection.finish(), written: self.rows.into_written(), ..self.effects }
    }

    fn inserts(&self) -> impl Iterator<Item = &'a NewJob> + use<'a> {
        self.commands.iter().filter_map(|command| match command {
            Command::Insert(new, _) => Some(&**new),
            Command::Change(..) | Command::Heartbeat(..) => None,
        })
    }
}

impl<'a> Circumstances<'a> {
    /// Whether this row came from the cache.
    fn remembers(&self, id: JobId) -> bool {
        self.cache.is_some_and(|cache| cache.get(id).is_some())
    }

    /// The terms for changes of this row.
    fn terms(&self, row: &JobRow) -> Terms<'a> {
        let automation = || self.view.automations.get(row.automation_id).and_then(|entry| entry.automation.draft.timeout_s);
        let timeout_s = row.terms.timeout_s.or_else(automation);
        Terms { leases: self.leases, timeout_s, log: self.log, now: self.view.now, new_id: self.chance.id }
    }
}
