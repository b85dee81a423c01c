//! Wakes the watchers of a job. A change costs nothing for watchers of other jobs.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use tokio::sync::watch;

/// The watchers by the id of what they watch. Clones share them.
#[derive(Clone, Default)]
pub(crate) struct Watchers<I>(Arc<Mutex<HashMap<I, watch::Sender<()>>>>);

/// A watcher of one job or worker.
pub(crate) struct Watch<I: Copy + Eq + Hash> {
    receiver: Option<watch::Receiver<()>>,
    watchers: Watchers<I>,
    id: I,
}

impl<I: Copy + Eq + Hash> Watchers<I> {
    /// Wakes the watchers of `id`.
    pub(crate) fn wake(&self, id: I) {
        if let Some(sender) = self.senders().get(&id) {
            sender.send_replace(());
        }
    }

    /// Watches `id` for changes from now on.
    pub(crate) fn watch(&self, id: I) -> Watch<I> {
        let receiver = self.senders().entry(id).or_insert_with(|| watch::Sender::new(())).subscribe();
        Watch { receiver: Some(receiver), watchers: self.clone(), id }
    }

    fn senders(&self) -> MutexGuard<'_, HashMap<I, watch::Sender<()>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<I: Copy + Eq + Hash> Watch<I> {
    /// Waits until it may have changed since the last call. Cancel-safe.
    pub(crate) async fn changed(&mut self) {
        if let Some(receiver) = &mut self.receiver
            && receiver.changed().await.is_ok()
        {
            return;
        }
        // Unreachable: the sender exists as long as there are watchers.
        std::future::pending().await
    }
}

impl<I: Copy + Eq + Hash> Drop for Watch<I> {
    fn drop(&mut self) {
        self.receiver = None;
        let mut senders = self.watchers.senders();
        if senders.get(&self.id).is_some_and(|sender| sender.receiver_count() == 0) {
            senders.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use uuid::Uuid;

    use super::*;

    #[tokio::test]
    async fn a_change_wakes_only_its_watchers() {
        let (watchers, mine, other) = (Watchers::default(), Uuid::now_v7(), Uuid::now_v7());
        let (mut first, mut second, mut third) = (watchers.watch(mine), watchers.watch(mine), watchers.watch(other));
        watchers.wake(mine);
        watchers.wake(mine);
        assert!(first.changed().now_or_never().is_some() && second.changed().now_or_never().is_some());
        assert!(first.changed().now_or_never().is_none(), "two changes between two calls wake once");
        assert!(third.changed().now_or_never().is_none());
        drop(first);
        watchers.wake(mine);
        assert!(second.changed().now_or_never().is_some());
        drop((second, third));
        assert!(watchers.senders().is_empty(), "nothing is kept without watchers");
    }
}
