//! The state that all tasks of an agent share.
//!
//! Each part has one owner of its truth: slots are semaphore permits held by the tasks that use them, never counted by hand; the worker id
//! is the hub's last answer to a registration; whether jobs are taken is the conjunction of the hub's pause and the disk's space. State
//! that tasks wait for is in `watch` channels, so that a change between the check and the wait is never missed.

use std::{
    future::Future,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use api_types::{RegisterRequest, RegisterResponse};
use broker::Broker;
use domain::ids::WorkerId;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use uuid::Uuid;

use crate::{Error, HubClient, HubError, Runner, Settings, backoff::Backoff, held::Held};

/// Why a worker takes no new jobs.
#[derive(Clone, Copy, Default)]
struct Closed {
    /// The hub has paused it.
    by_hub: bool,
    /// Its disk is full. Jobs would fail here one after the other, while other workers could run them.
    disk_full: bool,
}

impl Closed {
    const fn any(self) -> bool {
        self.by_hub || self.disk_full
    }
}

/// Shared by the tasks of an agent.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) hub: HubClient,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) held: Held,
    pub(super) slots: Arc<Semaphore>,
    /// The last free slot was taken.
    pub(super) full: Notify,
    /// True: every task ends at once.
    pub(super) abort: watch::Sender<bool>,
    worker_id: watch::Sender<WorkerId>,
    /// Instance id and name. Set once this process has locked the work folder.
    identity: OnceLock<Identity>,
    /// Set when the hub reports that another worker has the name.
    displaced: watch::Sender<Option<String>>,
    /// Why no new jobs are taken.
    intake: watch::Sender<Closed>,
    /// When a control message last set the drain state.
    drain_controlled_at: Mutex<Option<Instant>>,
}

/// Who this worker is.
#[derive(Clone, Debug)]
pub(super) struct Identity {
    instance: Uuid,
    pub(super) name: String,
}

impl Core {
    pub(super) fn new(settings: Settings, hub: HubClient, runner: Arc<dyn Runner>) -> Self {
        let slots = Arc::new(Semaphore::new(settings.slots as usize));
        let abort = watch::Sender::new(false);
        Self {
            settings,
            hub,
            runner,
            held: Held::default(),
            slots,
            full: Notify::new(),
            abort,
            worker_id: watch::Sender::new(Uuid::nil().into()),
            identity: OnceLock::new(),
            displaced: watch::Sender::new(None),
            intake: watch::Sender::new(Closed::default()),
            drain_controlled_at: Mutex::new(None),
        }
    }

    pub(super) fn worker_id(&self) -> WorkerId {
        *self.worker_id.borrow()
    }

    pub(super) fn watch_worker_id(&self) -> watch::Receiver<WorkerId> {
        self.worker_id.subscribe()
    }

    /// Waits until the worker takes no new jobs (`true`) or takes jobs (`false`). Cancel safe.
    pub(super) async fn drains(&self, drain: bool) {
        let mut now = self.intake.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _so = now.wait_for(|now| now.any() == drain).await;
    }

    /// Applies the drain state of a control message.
    pub(super) fn drain_now(&self, drain: bool) {
        *self.drain_controlled_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.set_drain(drain);
    }

    /// Applies the drain state of a heartbeat that was sent at `asked`, unless a control message came later.
    pub(super) fn drain_since(&self, drain: bool, asked: Instant) {
        let outdated = self.drain_controlled_at.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|at| at >= asked);
        if !outdated {
            self.set_drain(drain);
        }
    }

    fn set_drain(&self, drain: bool) {
        if self.intake.send_if_modified(|now| std::mem::replace(&mut now.by_hub, drain) != drain) {
            let jobs = self.held.ids().len();
            if drain {
                tracing::info!(jobs, "the worker is paused: it finishes its jobs and takes no new ones");
            } else {
                tracing::info!(jobs, "the worker takes jobs again");
            }
        }
    }

    /// Sets whether the disk of the work folder is too full for another job.
    pub(super) fn set_disk_full(&self, full: bool) {
        if self.intake.send_if_modified(|now| std::mem::replace(&mut now.disk_full, full) != full) {
            let folder = self.settings.work_dir.display();
            if full {
                tracing::warn!(%folder, "the disk of the work folder is full: no job is started until there is space");
            } else {
                tracing::info!(%folder, "the disk of the work folder has space again");
            }
        }
    }

    /// Waits until the work folder has space. Cancel safe.
    pub(super) async fn has_space(&self) {
        let mut now = self.intake.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _so = now.wait_for(|now| !now.disk_full).await;
    }

    /// Waits until every task has to end. Cancel safe.
    pub(super) async fn aborted(&self) {
        // The sender lives in `self`: waiting cannot fail.
        let mut abort = self.abort.subscribe();
        let _aborted = abort.wait_for(|abort| *abort).await;
    }

    /// Registers with the hub; retries without limit while the hub is unreachable.
    pub(super) async fn register(&self) -> Result<RegisterResponse, Error> {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        let mut logged = false;
        loop {
            match self.register_once().await {
                Ok(registered) => return Ok(registered),
                Err(error) if error.is_unauthorized() => return Err(Error::Refused(error)),
                Err(error) if error.name_taken().is_some() => {
                    return Err(Error::NameTaken(error.name_taken().unwrap_or_default().to_owned()));
                }
                Err(error) if !error.is_transient() => return Err(Error::Registration(error)),
                Err(error) => {
                    if !std::mem::replace(&mut logged, true) {
                        tracing::warn!(server = self.settings.server, %error, "cannot register; trying again");
                    }
                    tokio::time::sleep(backoff.step(error.retry_after())).await;
                }
            }
        }
    }

    /// Registers again after the hub has lost this worker's registration. If another worker has the name meanwhile, the agent stops.
    pub(super) async fn register_again(&self) -> Result<(), HubError> {
        tracing::warn!("the hub has no registration of this worker any more; registering again");
        let registered = self.register_once().await;
        if let Err(error) = &registered {
            tracing::warn!(%error, "cannot register again; trying again");
            if let Some(holder) = error.name_taken() {
                self.displaced.send_replace(Some(holder.to_owned()));
            }
        }
        registered.map(drop)
    }

    /// Waits until another worker has taken this one's name. Cancel safe.
    pub(super) async fn displaced(&self) -> Error {
        let mut displaced = self.displaced.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let holder = displaced.wait_for(Option::is_some).await.ok().and_then(|holder| holder.clone());
        Error::NameTaken(holder.unwrap_or_default())
    }

    /// Reads the worker's identity from its work folder. The caller holds the folder's lock.
    pub(super) fn identify(&self) -> Result<&Identity, Error> {
        let folder = &self.settings.work_dir;
        let failed = |cause| Error::WorkFolder { path: folder.display().to_string(), cause };
        let instance = crate::instance::instance_id(folder).map_err(failed)?;
        Ok(self.identity.get_or_init(|| Identity { instance, name: self.settings.worker_name(instance) }))
    }

    pub(super) fn name(&self) -> &str {
        self.identity.get().map_or("worker", |identity| &identity.name)
    }

    /// One attempt to register.
    async fn register_once(&self) -> Result<RegisterResponse, HubError> {
        let request = RegisterRequest {
            name: self.name().to_owned(),
            instance_id: self.identity.get().map(|identity| identity.instance),
            pid: Some(std::process::id()),
            queues: self.settings.queues.clone(),
            slots: self.settings.slots,
            version: env!("CARGO_PKG_VERSION").into(),
            hostname: crate::hostname(),
            uses_broker: self.settings.amqp.is_some(),
            labels: self.settings.labels.clone(),
        };
        let registered = self.hub.register(&request).await?;
        self.worker_id.send_if_modified(|current| std::mem::replace(current, registered.worker_id) != registered.worker_id);
        Ok(registered)
    }

    pub(super) fn connect_broker(&self) -> Result<Option<Broker>, Error> {
        let Some(url) = &self.settings.amqp else { return Ok(None) };
        let name = format!("regente worker {}", self.name());
        Broker::connect(url, &name).map(Some).map_err(|error| Error::Broker(error.to_string()))
    }

    /// Runs `work` as a task that keeps `slot` until its end.
    pub(super) fn spawn(self: &Arc<Self>, slot: OwnedSemaphorePermit, work: impl Future<Output = ()> + Send + 'static) {
        if self.slots.available_permits() == 0 {
            self.full.notify_waiters();
        }
        let core = self.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = core.aborted() => {}
                () = work => {}
            }
            drop(slot);
        });
    }
}

/// Waits until the agent takes no more jobs. Cancel safe.
pub(super) async fn over(stopped: &mut watch::Receiver<bool>) {
    // An error means that the agent is gone, which is the end too.
    let _over = stopped.wait_for(|stopped| *stopped).await;
}
