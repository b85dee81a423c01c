//! Applies placements to rows.

use domain::{ids::WorkerId, job::Caller};
use store::jobs::FullJob;

use super::{JobChange, Plan, apply};
use crate::dispatch::{
    Publication, message,
    select::{Destination, Placement},
};

impl Plan<'_> {
    /// Dispatches jobs, whose rows the transaction has locked.
    pub(in crate::writer) fn place(&mut self, placements: Vec<Placement>) {
        for Placement { job, destination } in placements {
            match destination {
                Destination::Broker => self.publish(job),
                Destination::Claim { id, worker_id } => self.assign(id, worker_id, job),
            }
        }
    }

    fn publish(&mut self, job: FullJob) {
        let FullJob { mut row, parameters } = job;
        let Some(entry) = self.circumstances.view.automations.get(row.automation_id) else { return };
        let message = message::job_message(&entry.automation, &row, parameters);
        self.effects.publications.extend(Publication::new(message, row.origin.traceparent.as_deref()));
        row.dispatch_started_at = Some(self.circumstances.view.now);
        self.rows.add_placed(row);
    }

    /// Starts a job for the worker of a claim; a job that it holds already is unchanged.
    fn assign(&mut self, claim: u64, worker_id: WorkerId, job: FullJob) {
        let FullJob { mut row, parameters } = job;
        let before = row.job.status;
        let caller = Caller { worker_id: Some(worker_id), lease_token: None };
        let Some(entry) = self.circumstances.view.automations.get(row.automation_id) else { return };
        let terms = self.circumstances.terms(&row);
        if apply::start(&mut row, &caller, terms).is_err() {
            return;
        }
        self.effects.changed.push(JobChange::of(&row, before));
        let assignment = message::assignment(&row, &entry.automation, parameters);
        self.effects.assignments.entry(claim).or_default().extend(assignment);
        self.rows.add_placed(row);
    }
}
