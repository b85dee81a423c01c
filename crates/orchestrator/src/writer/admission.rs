use std::collections::HashMap;

use store::{Error, LazyTransaction};

/// How many more jobs each limited automation may have at once. Its row is locked, so that two hubs do not count the same free place.
#[derive(Default)]
pub(super) struct Limits {
    free: HashMap<i32, Option<i64>>,
}

impl Limits {
    /// Learns the limits of these automations, those that are not known yet.
    pub(super) async fn load(&mut self, txn: &LazyTransaction<'_>, automation_ids: Vec<i32>) -> Result<(), Error> {
        let mut unknown: Vec<i32> = automation_ids.into_iter().filter(|id| !self.free.contains_key(id)).collect();
        unknown.sort_unstable();
        unknown.dedup();
        if unknown.is_empty() {
            return Ok(());
        }
        let txn = txn.get().await?;
        let limits = store::automations::automation_lock_limits_in_txn(txn, &unknown).await?;
        let active = store::jobs::job_count_active_in_txn(txn, &unknown).await?;
        for (id, limit) in limits {
            let used: i64 = active.iter().filter(|(counted, _)| *counted == id).map(|(_, jobs)| jobs).sum();
            self.free.insert(id, limit.map(|limit| limit - used));
        }
        Ok(())
    }

    /// Takes one place of this automation; `false` when there is none.
    pub(super) fn take(&mut self, automation_id: i32) -> bool {
        match self.free.get_mut(&automation_id) {
            Some(Some(free)) if *free <= 0 => false,
            Some(Some(free)) => {
                *free -= 1;
                true
            }
            Some(None) | None => true,
        }
    }

    /// Automations without a free place.
    pub(super) fn full(&self) -> Vec<i32> {
        self.free.iter().filter(|(_, free)| free.is_some_and(|free| free <= 0)).map(|(id, _)| *id).collect()
    }
}
