use std::{
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use api_types::{RegisterRequest, RegisterResponse};
use broker::Broker;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use uuid::Uuid;

use crate::{Error, HubClient, HubError, Runner, Settings, backoff::Backoff, held::Held};

/// What the tasks of an agent share.
pub(super) struct Core {
    pub(super) settings: Settings,
    pub(super) hub: HubClient,
    pub(super) runner: Arc<dyn Runner>,
    pub(super) held: Held,
    pub(super) slots: Arc<Semaphore>,
    /// True: every task ends at once.
    pub(super) abort: watch::Sender<bool>,
    worker_id: Mutex<Uuid>,
}

impl Core {
    pub(super) fn new(settings: Settings, hub: HubClient, runner: Arc<dyn Runner>) -> Self {
        let slots = Arc::new(Semaphore::new(settings.slots as usize));
        let abort = watch::Sender::new(false);
        Self { settings, hub, runner, held: Held::default(), slots, abort, worker_id: Mutex::new(Uuid::nil()) }
    }

    pub(super) fn worker_id(&self) -> Uuid {
        *self.worker_id.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// One attempt to register.
    pub(super) async fn register_once(&self) -> Result<RegisterResponse, HubError> {
        let request = RegisterRequest {
            name: self.settings.name.clone(),
            queues: self.settings.queues.clone(),
            slots: self.settings.slots,
            version: env!("CARGO_PKG_VERSION").into(),
            hostname: crate::hostname(),
            uses_broker: self.settings.amqp.is_some(),
            labels: Vec::new(),
        };
        let registered = self.hub.register(&request).await?;
        *self.worker_id.lock().unwrap_or_else(PoisonError::into_inner) = registered.worker_id;
        Ok(registered)
    }

    pub(super) fn connect_broker(&self) -> Result<Option<Broker>, Error> {
        let Some(url) = &self.settings.amqp else { return Ok(None) };
        let name = format!("regente worker {}", self.settings.name);
        Broker::connect(url, &name).map(Some).map_err(|error| Error::Broker(error.to_string()))
    }

    /// Runs `work` as a task that keeps `slot` until its end.
    pub(super) fn spawn(self: &Arc<Self>, slot: OwnedSemaphorePermit, work: impl Future<Output = ()> + Send + 'static) {
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
