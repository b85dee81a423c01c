use std::{
    future::Future,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use api_types::{RegisterRequest, RegisterResponse};
use broker::Broker;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, watch};
use uuid::Uuid;

use crate::{Error, HubClient, HubError, Runner, Settings, backoff::Backoff, held::Held};

/// Why a worker takes nothing new.
#[derive(Clone, Copy, Default)]
struct Closed {
    /// The hub has paused it.
    by_hub: bool,
    /// Its disk is full: a job would fail at once, and the next one too, while other workers could do them.
    no_room: bool,
}

impl Closed {
    const fn any(self) -> bool {
        self.by_hub || self.no_room
    }
}

/// What the tasks of an agent share.
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
    worker_id: watch::Sender<Uuid>,
    /// What tells this process from another of its name, and the name; known once the work folder is this process's.
    identity: OnceLock<Identity>,
    /// Another worker has the name, says the hub.
    displaced: watch::Sender<Option<String>>,
    /// Why nothing new is taken.
    intake: watch::Sender<Closed>,
    /// When a control message last said whether to drain.
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
            worker_id: watch::Sender::new(Uuid::nil()),
            identity: OnceLock::new(),
            displaced: watch::Sender::new(None),
            intake: watch::Sender::new(Closed::default()),
            drain_controlled_at: Mutex::new(None),
        }
    }

    pub(super) fn worker_id(&self) -> Uuid {
        *self.worker_id.borrow()
    }

    pub(super) fn watch_worker_id(&self) -> watch::Receiver<Uuid> {
        self.worker_id.subscribe()
    }

    /// Waits until the worker takes nothing new (`true`) or takes jobs (`false`). Cancel safe.
    pub(super) async fn drains(&self, drain: bool) {
        let mut now = self.intake.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _so = now.wait_for(|now| now.any() == drain).await;
    }

    /// What a control message says holds at once.
    pub(super) fn drain_now(&self, drain: bool) {
        *self.drain_controlled_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        self.set_drain(drain);
    }

    /// What a heartbeat asked at `asked` says holds unless a control message came later.
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
                tracing::info!(jobs, "the worker is paused: it ends what it has and takes nothing new");
            } else {
                tracing::info!(jobs, "the worker takes jobs again");
            }
        }
    }

    /// Notes whether the work folder has room for another job.
    pub(super) fn set_cramped(&self, cramped: bool) {
        if self.intake.send_if_modified(|now| std::mem::replace(&mut now.no_room, cramped) != cramped) {
            let folder = self.settings.work_dir.display();
            if cramped {
                tracing::warn!(%folder, "the disk of the work folder is full: no job is started until there is room");
            } else {
                tracing::info!(%folder, "there is room in the work folder again");
            }
        }
    }

    /// Waits until the work folder has room. Cancel safe.
    pub(super) async fn has_room(&self) {
        let mut now = self.intake.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let _so = now.wait_for(|now| !now.no_room).await;
    }

    /// Waits until every task has to end. Cancel safe.
    pub(super) async fn aborted(&self) {
        // The sender lives in `self`: waiting cannot fail.
        let mut abort = self.abort.subscribe();
        let _aborted = abort.wait_for(|abort| *abort).await;
    }

    /// Registers with the hub, for as long as it takes.
    pub(super) async fn register(&self) -> Result<RegisterResponse, Error> {
        let mut backoff = Backoff::new(Duration::from_secs(10));
        let mut told = false;
        loop {
            match self.register_once().await {
                Ok(registered) => return Ok(registered),
                Err(error) if error.is_unauthorized() => return Err(Error::Refused(error)),
                Err(error) if error.name_taken().is_some() => {
                    return Err(Error::NameTaken(error.name_taken().unwrap_or_default().to_owned()));
                }
                Err(error) if !error.is_transient() => return Err(Error::Registration(error)),
                Err(error) => {
                    if !std::mem::replace(&mut told, true) {
                        tracing::warn!(server = self.settings.server, %error, "cannot register yet");
                    }
                    tokio::time::sleep(backoff.step(error.retry_after())).await;
                }
            }
        }
    }

    /// Registers again with a hub that does not know this worker any more. Another worker that has the name meanwhile ends the agent.
    pub(super) async fn register_again(&self) -> Result<(), HubError> {
        tracing::warn!("the hub does not know this worker any more, registering again");
        let registered = self.register_once().await;
        if let Err(error) = &registered {
            tracing::warn!(%error, "cannot register again yet");
            if let Some(holder) = error.name_taken() {
                self.displaced.send_replace(Some(holder.to_owned()));
            }
        }
        registered.map(drop)
    }

    /// Waits until another worker has this one's name. Cancel safe.
    pub(super) async fn displaced(&self) -> Error {
        let mut displaced = self.displaced.subscribe();
        // The sender lives in `self`: waiting cannot fail.
        let holder = displaced.wait_for(Option::is_some).await.ok().and_then(|holder| holder.clone());
        Error::NameTaken(holder.unwrap_or_default())
    }

    /// Learns who this worker is from its work folder, whose lock this process has.
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
        self.worker_id.send_if_modified(|known| std::mem::replace(known, registered.worker_id) != registered.worker_id);
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
