use std::collections::HashSet;

use domain::{ids::AutomationId, policy::Overlap};
use runtime::Failure;
use store::{Error, jobs::NewJob};
use uuid::Uuid;

use super::{
    Change, Command, Inserted,
    batch::Batch,
    change::{Action, Control},
};

/// Jobs beside a new one that are looked at.
const MOST_BESIDE: u64 = 1000;

impl Batch<'_> {
    /// The rule for a new job beside others of its automation.
    pub(super) fn overlap(&self, new: &NewJob) -> Overlap {
        self.deps.catalog.peek(new.automation_id).map(|entry| entry.automation.draft.policy.overlap).unwrap_or_default()
    }

    /// Loads the jobs that new ones may overlap with.
    pub(super) async fn load_overlaps(&mut self, commands: &[&Command]) -> Result<(), Error> {
        let mut seen = HashSet::new();
        for command in commands {
            let Command::Insert(new) = command else { continue };
            let place = (new.automation_id, new.terms.concurrency_key.as_deref());
            if self.overlap(new) == Overlap::Queue || !seen.insert(place) {
                continue;
            }
            let txn = self.txn.get().await?;
            if seen.len() == 1 {
                store::jobs::job_lock_admission_in_txn(txn).await?;
            }
            let beside = store::jobs::job_list_active_in_txn(txn, place.0, &new.queue_name, place.1, MOST_BESIDE).await?;
            for row in beside {
                self.overlaps.push(row.job.id);
                self.rows.entry(row.job.id).or_insert(row);
            }
        }
        Ok(())
    }

    /// What the rule makes of a new job: `None` when it is to be added.
    pub(super) fn beside_others(&mut self, new: &NewJob) -> Result<Option<Inserted>, Failure> {
        let overlap = self.overlap(new);
        if overlap == Overlap::Queue {
            return Ok(None);
        }
        let same = |automation_id: AutomationId, key: Option<&String>| {
            automation_id == new.automation_id && (new.terms.concurrency_key.is_none() || key == new.terms.concurrency_key.as_ref())
        };
        let rows = self.overlaps.iter().filter_map(|id| self.rows.get(id));
        let rows = rows.filter(|row| !row.job.status.is_terminal() && same(row.automation_id, row.terms.concurrency_key.as_ref()));
        let beside: Vec<(Uuid, bool)> = rows.map(|row| (row.job.id, row.job.status.is_held())).collect();
        // Of requests that share a transaction the first is there already.
        let earlier = self.new.iter().find(|other| same(other.automation_id, other.terms.concurrency_key.as_ref())).map(|other| other.id);
        match overlap {
            Overlap::Queue => Ok(None),
            Overlap::Skip => match beside.first().map(|(id, _)| *id).or(earlier) {
                Some(id) => {
                    let detail = format!("job {id} of this automation waits or runs; its overlap rule is to skip the new request");
                    Err(Failure::conflict("overlap_skipped", detail))
                }
                None => Ok(None),
            },
            Overlap::Coalesce => {
                let waits = beside.iter().find(|(_, held)| !held).map(|(id, _)| *id).or(earlier);
                Ok(waits.map(|id| Inserted { id, replayed: true, differs: false }))
            }
            Overlap::Replace => {
                for (id, _) in beside {
                    let reason = Some(format!("replaced by job {}", new.id));
                    self.act(id, &Change::Control(Control { action: Action::Cancel, by: "overlap rule".to_owned(), reason }));
                }
                // Nobody has seen an earlier one of this transaction: its request gets this one.
                match self.new.iter_mut().find(|other| Some(other.id) == earlier) {
                    Some(other) => {
                        other.parameters.clone_from(&new.parameters);
                        Ok(earlier.map(|id| Inserted { id, replayed: false, differs: false }))
                    }
                    None => Ok(None),
                }
            }
        }
    }
}
