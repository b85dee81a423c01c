//! Inserts new jobs: idempotency, overlap, and immediate dispatch.

use domain::ids::JobId;
use runtime::Failure;
use store::jobs::NewJob;

use super::{JobChange, Plan, apply::apply, report::has_place};
use crate::{
    dispatch::{
        Publication, message,
        overlap::{self, Decision, Neighbor},
    },
    writer::{
        command::{Action, Change, Control, Inserted},
        recording::Recording,
    },
};

impl Plan<'_> {
    pub(super) fn accept(&mut self, new: &NewJob, recording: Option<&Recording>) -> Result<Inserted, Failure> {
        if let Some(replayed) = self.accepted_before(new) {
            return Ok(replayed);
        }
        match self.beside_others(new) {
            Decision::Add => {}
            Decision::Skip(id) => return Err(Failure::overlap_skipped(id)),
            Decision::Join(id) => return Ok(Inserted { id, replayed: true, differs: false }),
            Decision::Replace(others) => self.replace(&others, new.id),
        }
        self.rows.add_entry(recording.map(|recording| recording.entry(new, new.id)));
        self.add(new.clone());
        Ok(Inserted { id: new.id, replayed: false, differs: false })
    }

    /// The job that was accepted with the same idempotency key, before or in this transaction.
    fn accepted_before(&self, new: &NewJob) -> Option<Inserted> {
        let key = new.idempotency_key.as_ref()?;
        let is_same = |other: &&NewJob| other.automation_id == new.automation_id && other.idempotency_key.as_ref() == Some(key);
        let earlier = || self.rows.new_jobs().iter().find(is_same).map(|other| (other.id, &other.request_digest));
        let stored = self.facts.accepted.get(&(new.automation_id, key.clone())).map(|job| (job.job_id, &job.request_digest));
        let (id, digest) = stored.or_else(earlier)?;
        Some(Inserted { id, replayed: true, differs: differs(digest.as_deref(), new.request_digest.as_deref()) })
    }

    /// What the overlap rule says, by jobs that were there before and by those of this transaction.
    fn beside_others(&self, new: &NewJob) -> Decision {
        let stored = self.facts.neighbors.iter().filter_map(|id| self.rows.get(*id));
        let stored = stored.filter(|row| overlap::is_beside(new, row.automation_id, row.terms.concurrency_key.as_ref()));
        let stored = stored.map(|row| Neighbor { id: row.job.id, is_held: row.job.status.is_held() });
        let added = self.rows.new_jobs().iter();
        let added = added.filter(|other| overlap::is_beside(new, other.automation_id, other.terms.concurrency_key.as_ref()));
        let added = added.map(|other| Neighbor { id: other.id, is_held: false });
        let has_ended = |id: JobId| self.rows.get(id).is_some_and(|row| row.job.status.is_terminal());
        overlap::decide(new.overlap, stored.chain(added).filter(|neighbor| !has_ended(neighbor.id)))
    }

    fn replace(&mut self, others: &[JobId], by: JobId) {
        for id in others {
            let reason = Some(format!("replaced by job {by}"));
            if let Some(new) = self.rows.new_jobs().iter().find(|new| new.id == *id) {
                // It is inserted as it is, and then changed like those that were there before.
                let row = new.row();
                self.rows.insert_missing(row);
                self.effects.publications.retain(|publication| publication.job_id != *id);
            }
            self.act(*id, &Change::Control(Control { action: Action::Cancel, by: "overlap rule".to_owned(), change: None, reason }));
        }
    }

    /// Applies a change that follows from another command; a job that does not allow it stays unchanged.
    fn act(&mut self, id: JobId, change: &Change) {
        let Some(row) = self.rows.get_mut(id) else { return };
        let (before, had_place) = (row.job.status, has_place(row));
        let terms = self.circumstances.terms(row);
        if let Ok(applied) = apply(row, change, terms)
            && applied.dirty
        {
            let lines = applied.lines.map(|(first, lines)| (first, lines.into_owned().into()));
            self.rows.add_lines(id, lines);
            self.rows.add_event(applied.event);
            self.send_control(id, applied.control);
            self.changed(id, before, had_place);
        }
    }

    /// Inserts a job, and publishes it in the same transaction if nothing is ahead of it.
    pub(super) fn add(&mut self, mut new: NewJob) {
        let automation = self.circumstances.view.automations.get(new.automation_id);
        let publishes = automation.filter(|_| self.selection.publishes_at_once(&new));
        let message = publishes.map(|entry| message::job_message(&entry.automation, &new.row(), new.parameters.clone()));
        match message.and_then(|message| Publication::new(message, new.origin.traceparent.as_deref())) {
            Some(publication) => {
                self.effects.publications.push(publication);
                new.dispatch_started_at = Some(self.circumstances.view.now);
            }
            None => self.selection.add_candidate(&new.queue_name),
        }
        self.effects.created.push(JobChange::created(&new));
        self.rows.add(new);
    }
}

/// Whether two requests differ. An unknown digest counts as equal.
pub(crate) fn differs(one: Option<&str>, other: Option<&str>) -> bool {
    matches!((one, other), (Some(one), Some(other)) if one != other)
}
