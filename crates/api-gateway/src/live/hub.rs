//! The task that reads the bus for all readers, and checks who they are.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use actix_web::HttpRequest;
use domain::{ids::AutomationId, permission::Permission};
use futures_util::{FutureExt as _, StreamExt as _, stream};
use runtime::{
    Access, Context, Events, Failure, Shutdown, TaskError,
    events::{Event, Notice, Subscription},
};
use store::{
    Database,
    automations::{Placed, automation_list_places_unscoped},
    domains::domain_list_slugs_unscoped,
};
use tokio::{
    sync::Notify,
    time::{Instant, MissedTickBehavior, interval, sleep},
};

use super::{
    filter::Filter,
    reader::{End, Reader},
    sight::Subject,
    state::{Limits, State},
};
use crate::Settings;

/// How often everybody is checked, whatever happens: a token may end without a change.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// Pause between deliveries: events meanwhile share the next one, and its question who everybody is.
const PACE: Duration = Duration::from_millis(50);
/// Most events of one delivery.
const BATCH: usize = 500;
/// Readers that are checked at once.
const CHECKS: usize = 8;
/// Pause while the database does not say who somebody is.
const AGAIN: Duration = Duration::from_millis(500);
/// How long the bus is still read after the last reader has gone, for those that reconnect.
const LINGER: Duration = Duration::from_secs(300);

/// An event and what it is about; `None`: events were missed.
type Known = Option<(Subject, Arc<Event>)>;

fn known(notice: Notice) -> Known {
    match notice {
        Notice::Event(event) => Some((Subject::of(&event), event)),
        Notice::Missed => None,
    }
}

/// Every event of the bus.
const ALL: &[&str] = &[""];

/// The live events of this process. Clones share them.
#[derive(Clone)]
pub(crate) struct Live(Arc<Inner>);

struct Inner {
    state: Mutex<State>,
    /// The bus is to be read.
    attached: Notify,
    access: Access,
    events: Events,
    database: Database,
    limits: Limits,
    most_waiting: usize,
    heartbeat: Duration,
    /// Whether events of other services arrive here.
    is_complete: bool,
    shutdown: Shutdown,
}

/// A reader of live events; dropping it ends its stream.
pub(super) struct Watch {
    live: Live,
    number: u64,
    pub(super) reader: Arc<Reader>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.live.state().remove(self.number);
    }
}

impl Watch {
    /// Asks for other events, and goes on after `last`.
    pub(super) fn ask(&self, filter: Filter, last: Option<&str>) {
        self.live.state().ask(&self.reader, filter, last);
    }

    pub(super) fn heartbeat(&self) -> Duration {
        self.live.0.heartbeat
    }
}

impl Live {
    pub(crate) fn start(context: &Context, settings: &Settings) -> Self {
        let inner = Inner {
            state: Mutex::new(State::new(context.replica.id.to_string(), settings.event_window)),
            attached: Notify::new(),
            access: context.access.clone(),
            events: context.events.clone(),
            database: context.database.clone(),
            limits: Limits { all: settings.event_streams, per_caller: settings.event_streams_per_caller },
            most_waiting: settings.event_window * 2,
            heartbeat: settings.event_heartbeat,
            is_complete: context.broker.is_some() || context.elsewhere.is_empty(),
            shutdown: context.shutdown.clone(),
        };
        let live = Self(Arc::new(inner));
        let task = live.clone();
        context.tasks.spawn("gateway.events", move || task.clone().run());
        live
    }

    /// Opens a stream of the events that `filter` asks for and the caller may see, after the event `last`.
    pub(super) async fn open(&self, request: &HttpRequest, filter: Filter, last: Option<&str>) -> Result<Watch, Failure> {
        let credential = self.0.access.credential(request)?;
        if !self.0.is_complete {
            return Err(Failure::BrokerUnavailable("live events of services in other processes need a broker".to_owned()));
        }
        let identities = &self.0.access.identities;
        // What is kept is sent at once, and is for those who may see it now. Before later events everybody is checked: of many who come at
        // once, none waits for the database.
        let count = if last.is_some() { identities.changes().await? } else { identities.known_changes() };
        let principal = self.0.access.check(&credential).await?.principal;
        principal.require(Permission::RunRead)?;
        let caller = principal.name();
        // What the reader does not see from now on, it must learn.
        self.0.events.listen().await;
        let reader = Arc::new(Reader::new(credential, principal, count, filter, self.0.most_waiting));
        let mut state = self.state();
        if self.0.shutdown.is_triggered() {
            return Err(Failure::Overloaded);
        }
        self.attach(&mut state);
        let number = state.add(reader.clone(), caller, last, self.0.limits)?;
        Ok(Watch { live: self.clone(), number, reader })
    }

    /// Reads the bus from now on.
    fn attach(&self, state: &mut State) {
        if !std::mem::replace(&mut state.attached, true) {
            state.bus = Some(self.0.events.subscribe(ALL));
            self.0.attached.notify_one();
        }
    }

    async fn run(self) -> Result<(), TaskError> {
        if std::mem::take(&mut self.state().attached) {
            // The task before this one failed: what it had read is gone.
            let mut state = self.state();
            self.attach(&mut state);
            state.reset();
        }
        loop {
            let taken = self.state().bus.take();
            let Some(bus) = taken else {
                tokio::select! {
                    () = self.0.attached.notified() => continue,
                    () = self.0.shutdown.wait() => return Ok(()),
                }
            };
            tokio::select! {
                () = self.relay(bus) => {}
                () = self.0.shutdown.wait() => {
                    self.state().readers().for_each(|reader| reader.end(End::Stopping));
                    return Ok(());
                }
            }
        }
    }

    /// Delivers what the bus has, until nobody has listened for a while.
    async fn relay(&self, mut bus: Subscription) {
        let (mut check, mut heartbeat) = (interval(CHECK_EVERY), interval(self.0.heartbeat));
        check.set_missed_tick_behavior(MissedTickBehavior::Delay);
        heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut listened_at = Instant::now();
        loop {
            tokio::select! {
                notice = bus.next() => {
                    let mut notices = vec![notice];
                    while notices.len() < BATCH && let Some(notice) = bus.next().now_or_never() {
                        notices.push(notice);
                    }
                    self.deliver(notices).await;
                    sleep(PACE).await;
                }
                _ = heartbeat.tick() => self.state().alive(),
                _ = check.tick() => {
                    self.check_all().await;
                    let mut state = self.state();
                    if state.readers().next().is_some() {
                        listened_at = Instant::now();
                    } else if listened_at.elapsed() > LINGER {
                        return state.detach();
                    }
                }
            }
        }
    }

    /// Delivers events to those who may see them by what was committed before this call.
    async fn deliver(&self, notices: Vec<Notice>) {
        let events: Vec<_> = notices.into_iter().map(known).collect();
        let (events, count) = loop {
            match self.placed(&events).await {
                Ok(placed) => break placed,
                Err(error) => tracing::debug!(%error, "live events wait: the database does not say who may see them"),
            }
            sleep(AGAIN).await;
        };
        loop {
            let unchecked: Vec<Arc<Reader>> = {
                let mut state = self.state();
                let unchecked: Vec<_> = state.readers().filter(|reader| reader.is_older_than(count)).cloned().collect();
                if unchecked.is_empty() {
                    for event in events {
                        match event {
                            Some((subject, event)) => state.publish(&event, subject),
                            None => state.reset(),
                        }
                    }
                    return;
                }
                unchecked
            };
            if !self.check(unchecked, count).await {
                sleep(AGAIN).await;
            }
        }
    }

    /// Looks up where these events are, and how many changes of identities there were until now.
    async fn placed(&self, events: &[Known]) -> Result<(Vec<Known>, i64), Failure> {
        let subjects = || events.iter().flatten().map(|(subject, _)| subject);
        let ids: BTreeSet<AutomationId> = subjects().filter_map(|subject| subject.automation).collect();
        let queues: BTreeSet<&String> = subjects().flat_map(|subject| &subject.queues).collect();
        let (ids, queues): (Vec<_>, Vec<_>) = (ids.into_iter().collect(), queues.into_iter().cloned().collect());
        let places = automation_list_places_unscoped(&self.0.database, &ids, &queues).await?;
        let places: Vec<Arc<Placed>> = places.into_iter().map(Arc::new).collect();
        let slugs = domain_list_slugs_unscoped(&self.0.database, &subjects().filter_map(|subject| subject.domain).collect()).await?;
        let mut events = events.to_vec();
        events.iter_mut().flatten().for_each(|(subject, _)| subject.place(&places, &slugs));
        Ok((events, self.0.access.identities.changes().await?))
    }

    async fn check_all(&self) {
        let readers: Vec<_> = self.state().readers().cloned().collect();
        if readers.is_empty() {
            return;
        }
        if let Ok(count) = self.0.access.identities.changes().await {
            self.check(readers, count).await;
        }
    }

    /// Checks who these are now, `count` changes after the first, and ends the streams of those who may not listen any more; `false` when
    /// the database does not say.
    async fn check(&self, readers: Vec<Arc<Reader>>, count: i64) -> bool {
        let check = async |reader: Arc<Reader>| match self.0.access.check(&reader.credential).await {
            Ok(caller) => {
                if caller.principal.require(Permission::RunRead).is_err() {
                    reader.end(End::Forbidden);
                }
                reader.know(caller.principal, count);
                true
            }
            Err(Failure::Unauthorized(_)) => {
                reader.end(End::SignedOut);
                reader.lose(count);
                true
            }
            Err(error) => {
                tracing::debug!(%error, "a reader of live events could not be checked");
                false
            }
        };
        stream::iter(readers).map(check).buffer_unordered(CHECKS).all(async |checked| checked).await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
