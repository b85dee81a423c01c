//! State of the job queues at the broker. A queue with a profile is declared by the hub. Any other queue is declared by its consumers, with
//! arguments that the hub cannot know, so the hub checks for it passively until it exists.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use broker::{Broker, Error, QueueDepth};
use domain::automation::QueueProfile;
use runtime::{Shutdown, TaskError};
use store::{Database, automations::Automation};
use tokio::{
    sync::Notify,
    time::{Instant, sleep_until, timeout},
};

use crate::{
    catalog::Catalog,
    notices::{Notice, Notices},
};

/// Ticks between two attempts to apply a profile to a queue that is in use.
const APPLY_EVERY: u32 = 10;
/// Time limit of the broker for one queue.
const PATIENCE: Duration = Duration::from_secs(20);
/// Time limit of a request that waits for it.
const REQUEST_PATIENCE: Duration = Duration::from_secs(3);
/// Time after which an unused finding is dropped.
const KEPT_FOR: Duration = Duration::from_secs(60);

/// The job queues at the broker.
#[derive(Clone)]
pub(crate) struct BrokerQueues(Arc<Shared>);

struct Shared {
    broker: Option<Arc<Broker>>,
    catalog: Arc<Catalog>,
    /// Time between two checks of a queue with a backlog.
    tick: Duration,
    /// Queues to check, and queues with a problem.
    queues: Mutex<BTreeMap<String, Queue>>,
    requested: Notify,
}

#[derive(Default)]
struct Queue {
    /// When it is checked next.
    due: Option<Instant>,
    looked_at: Option<Instant>,
    finding: Finding,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
enum Finding {
    #[default]
    None,
    /// It is not declared.
    Missing,
    /// Its arguments differ from its profile, and it is in use.
    InUse(QueueProfile, QueueDepth),
    /// The broker refused its profile.
    Refused(QueueProfile, String),
}

impl BrokerQueues {
    pub(crate) fn new(broker: Option<Arc<Broker>>, catalog: Arc<Catalog>, tick: Duration) -> Self {
        Self(Arc::new(Shared { broker, catalog, tick, queues: Mutex::default(), requested: Notify::new() }))
    }

    /// Whether messages can be published to `queue` now. Requests a check of an unknown queue.
    pub(crate) fn is_ready(&self, queue: &str) -> bool {
        let Some(broker) = self.0.broker.as_ref().filter(|broker| broker.is_connected()) else { return false };
        let is_ready = broker.has_ensured(queue);
        if !is_ready {
            self.request_check(queue);
        }
        is_ready
    }

    /// Requests a check of `queue`, unless it was checked a moment ago.
    pub(crate) fn request_check(&self, queue: &str) {
        if self.0.broker.is_none() {
            return;
        }
        let mut queues = self.queues();
        let known = match queues.get_mut(queue) {
            Some(known) => known,
            None => queues.entry(queue.to_owned()).or_default(),
        };
        let now = Instant::now();
        let earliest = known.looked_at.map_or(now, |at| now.max(at + self.0.tick));
        if known.due.is_none_or(|due| due > earliest) {
            known.due = Some(earliest);
            self.0.requested.notify_one();
        }
    }

    /// Requests a check of all queues with a profile.
    pub(crate) fn check_named(&self) {
        for queue in self.0.catalog.cached().named_queues() {
            self.request_check(&queue);
        }
    }

    /// Checks `queue` at once. The check continues when it exceeds the time limit of a request.
    pub(crate) async fn check_now(&self, queue: &str) {
        let (this, queue) = (self.clone(), queue.to_owned());
        let looking = tokio::spawn(async move {
            if !this.look(&queue).await {
                this.request_check(&queue);
            }
            // It may be due again.
            this.0.requested.notify_one();
        });
        let _ = timeout(REQUEST_PATIENCE, looking).await;
    }

    /// Whether a check found `queue` undeclared.
    pub(crate) fn is_missing(&self, queue: &str) -> bool {
        let is_known = self.0.broker.as_ref().is_none_or(|broker| broker.has_ensured(queue));
        !is_known && self.queues().get(queue).is_some_and(|known| known.finding == Finding::Missing)
    }

    /// Why the profile of this automation has not taken effect.
    pub(crate) fn warning(&self, automation: &Automation) -> Option<String> {
        let (queue, named) = (&automation.draft.queue_name, automation.draft.queue_profile?);
        let finding = self.queues().get(queue)?.finding.clone();
        match finding {
            Finding::InUse(profile, depth) if profile == named => Some(format!(
                "queue \"{queue}\" keeps the arguments it has, which are not those of queue_profile \"{}\": it is in use (messages: {}, \
                 consumers: {}); the hub declares it anew when it is empty and nobody consumes it",
                named.as_str(),
                depth.messages,
                depth.consumers
            )),
            Finding::Refused(profile, error) if profile == named => {
                Some(format!("queue \"{queue}\" could not be declared with queue_profile \"{}\": {error}", named.as_str()))
            }
            _ => None,
        }
    }

    /// Checks queues as they become due.
    pub(crate) async fn run(self, notices: Notices, shutdown: Shutdown) -> Result<(), TaskError> {
        loop {
            let now = Instant::now();
            let (queue, due) = self.next().unwrap_or_else(|| (String::new(), now + KEPT_FOR));
            if due > now {
                tokio::select! {
                    () = shutdown.wait() => return Ok(()),
                    () = self.0.requested.notified() => {}
                    () = sleep_until(due) => {}
                }
            } else if self.look(&queue).await {
                notices.send(Notice::Candidates(vec![queue]));
            }
        }
    }

    /// Checks queues with a backlog as soon as the broker is back.
    pub(crate) async fn watch(
        self,
        broker: Arc<Broker>,
        database: Database,
        notices: Notices,
        shutdown: Shutdown,
    ) -> Result<(), TaskError> {
        let mut connected = broker.watch_connected();
        loop {
            tokio::select! {
                () = shutdown.wait() => return Ok(()),
                changed = connected.changed() => changed?,
            }
            if *connected.borrow_and_update() {
                tracing::info!("broker connected");
                self.check_named();
                let queues = store::jobs::job_queues_waiting(&database).await.unwrap_or_default();
                notices.send(Notice::Candidates(queues));
            } else {
                tracing::warn!("broker unreachable; jobs are accepted and stay pending");
            }
        }
    }

    fn next(&self) -> Option<(String, Instant)> {
        let mut queues = self.queues();
        queues.retain(|_, known| known.due.is_some() || known.looked_at.is_some_and(|at| at.elapsed() < KEPT_FOR));
        let next = queues.iter().filter_map(|(queue, known)| Some((queue, known.due?))).min_by_key(|(_, due)| *due);
        next.map(|(queue, due)| (queue.clone(), due))
    }

    /// Declares or adopts `queue`; returns whether messages can be published to it.
    async fn look(&self, queue: &str) -> bool {
        let Some(broker) = &self.0.broker else { return false };
        let found = timeout(PATIENCE, find(broker, queue, self.0.catalog.cached().queue_profile(queue))).await;
        let finding = found.unwrap_or(Err(Error::Disconnected));
        let mut queues = self.queues();
        let known = queues.entry(queue.to_owned()).or_default();
        let now = Instant::now();
        (known.looked_at, known.due) = (Some(now), None);
        match finding {
            Ok(finding) => {
                if let (Finding::Refused(_, error), true) = (&finding, finding != known.finding) {
                    tracing::warn!(error, queue.name = queue, "the queue's profile could not be applied");
                }
                known.due = matches!(finding, Finding::InUse(..)).then(|| now + self.0.tick * APPLY_EVERY);
                known.finding = finding;
            }
            // Another hub, which has not heard of the profile yet perhaps, recreates it all the time.
            Err(Error::QueueNotFound { .. }) => known.due = Some(now + self.0.tick),
            // It is requested again while jobs wait for it.
            Err(error) => tracing::debug!(%error, queue.name = queue, "the queue could not be checked"),
        }
        drop(queues);
        broker.has_ensured(queue)
    }

    fn queues(&self) -> MutexGuard<'_, BTreeMap<String, Queue>> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn find(broker: &Broker, queue: &str, profile: Option<QueueProfile>) -> Result<Finding, Error> {
    let Some(profile) = profile else {
        return match broker.adopt_queue(queue).await {
            Ok(_) => Ok(Finding::None),
            Err(Error::QueueNotFound { .. }) => Ok(Finding::Missing),
            Err(error) => Err(error),
        };
    };
    match broker.apply_profile(queue, of_broker(profile)).await {
        Ok(None) => Ok(Finding::None),
        Ok(Some(depth)) => Ok(Finding::InUse(profile, depth)),
        Err(error) if !broker.is_connected() || matches!(error, Error::QueueNotFound { .. }) => Err(error),
        // It cannot be changed, for example because of its type or the user's permissions. An existing queue is used as it is.
        Err(error) => match broker.adopt_queue(queue).await {
            Ok(_) | Err(Error::QueueNotFound { .. }) => Ok(Finding::Refused(profile, error.to_string())),
            Err(error) => Err(error),
        },
    }
}

const fn of_broker(profile: QueueProfile) -> broker::QueueProfile {
    match profile {
        QueueProfile::Regente => broker::QueueProfile::Regente,
        QueueProfile::Maestro => broker::QueueProfile::Maestro,
        QueueProfile::Plain => broker::QueueProfile::Plain,
    }
}
