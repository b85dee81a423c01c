use std::sync::Arc;

use tokio::sync::Semaphore;

use crate::Failure;

/// A small thread pool with a short queue, for work that would block a thread that serves requests. Clones share it.
#[derive(Clone, Debug)]
pub struct Pool {
    /// One permit for each thread.
    threads: Arc<Semaphore>,
    /// One permit for each job that runs or waits.
    places: Arc<Semaphore>,
}

impl Pool {
    /// A pool of `threads`, with a queue of `waiting`.
    #[must_use]
    pub fn new(threads: usize, waiting: usize) -> Self {
        Self { threads: Arc::new(Semaphore::new(threads)), places: Arc::new(Semaphore::new(threads + waiting)) }
    }

    /// Runs `work` on one of the threads. Work whose caller is dropped continues, and keeps its thread until it is done.
    ///
    /// # Errors
    /// [`Failure::Overloaded`] at once when the queue is full, [`Failure::Internal`] when the work panics.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let place = self.places.clone().try_acquire_owned().map_err(|_| Failure::Overloaded)?;
        let thread = self.threads.clone().acquire_owned().await.map_err(|error| Failure::Internal(error.to_string()))?;
        let task = tokio::task::spawn_blocking(move || {
            let _held = (place, thread);
            work()
        });
        task.await.map_err(|error| Failure::Internal(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn work_is_refused_when_the_queue_is_full_and_queued_work_runs() {
        let pool = Pool::new(1, 1);
        let (go, wait) = mpsc::channel::<()>();
        let (began, begins) = mpsc::channel::<()>();
        let held = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || (began.send(()).unwrap(), wait.recv().unwrap())).await.is_ok() }
        });
        tokio::task::yield_now().await;
        begins.recv().unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| 7).await }
        });
        tokio::task::yield_now().await;
        assert!(matches!(pool.run(|| ()).await, Err(Failure::Overloaded)));
        go.send(()).unwrap();
        assert!(held.await.unwrap());
        assert_eq!(waiting.await.unwrap().unwrap(), 7);
        assert!(pool.run(|| ()).await.is_ok(), "there is room again");
    }

    #[tokio::test]
    async fn work_whose_caller_is_dropped_keeps_its_thread() {
        let pool = Pool::new(1, 0);
        let (go, wait) = mpsc::channel::<()>();
        let (began, begins) = mpsc::channel::<()>();
        let left = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || (began.send(()).unwrap(), wait.recv().unwrap())).await.is_ok() }
        });
        tokio::task::yield_now().await;
        begins.recv().unwrap();
        left.abort();
        assert!(left.await.unwrap_err().is_cancelled());
        assert!(matches!(pool.run(|| ()).await, Err(Failure::Overloaded)));
        go.send(()).unwrap();
    }
}
