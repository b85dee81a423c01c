use std::{collections::HashMap, sync::Arc, time::Duration};

use api_types::ClaimRequest;
use chrono::TimeDelta;
use runtime::{Clock, Events, Failure, Shutdown, Tasks, WriteHealth};
use store::{Database, Error, workers::Worker};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::{
    Command, Envelope, Request, Writer,
    batch::{Batch, Done, Place, Touched},
    cache::RowCache,
    change::LeaseTimes,
    log::LogLimits,
};
use crate::{
    automations::Catalog,
    dispatch::{BrokerQueues, ControlMessages, DispatchState, Publisher, Window},
    events::JobNow,
    jobs::Live,
    notices::{Notice, Notices},
    workers::Roster,
};

/// Commands that share a transaction at most.
const MOST_COMMANDS: usize = 256;
/// How long confirmations wait for a transaction to ride along with.
const CONFIRM_WITHIN: Duration = Duration::from_millis(100);
/// A rate limit's next start is looked for again at least this often: the limit may be changed.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// How often a job's message is delivered without a start before the job waits for a person.
const MOST_UNSTARTED: i32 = 3;
/// How long a transaction that met another one is tried again.
const CONFLICT_PATIENCE: Duration = Duration::from_secs(3);

/// What the writer works with.
pub(crate) struct Deps {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) roster: Arc<Roster>,
    pub(crate) broker: Option<Arc<broker::Broker>>,
    pub(crate) broker_queues: BrokerQueues,
    pub(crate) live: Live,
    pub(crate) events: Events,
    pub(crate) control: ControlMessages,
    pub(crate) leases: LeaseTimes,
    pub(crate) log: LogLimits,
    pub(crate) window: Window,
    pub(crate) queue_limit: usize,
    pub(crate) writes: WriteHealth,
    pub(crate) clock: Clock,
}

impl Deps {
    pub(crate) fn lease_times(lease: &runtime::LeaseSettings) -> LeaseTimes {
        let seconds = |duration: Duration| TimeDelta::from_std(duration).unwrap_or(TimeDelta::MAX);
        LeaseTimes { agent: seconds(lease.agent), foreign: seconds(lease.foreign), silent: seconds(lease.silent) }
    }

    pub(crate) const fn log_limits(limits: &runtime::Limits) -> LogLimits {
        LogLimits { lines: limits.log_lines, bytes: limits.log_bytes }
    }

    pub(crate) const fn window(dispatch: &runtime::Dispatch) -> Window {
        Window { unknown: dispatch.window, lookahead: dispatch.lookahead }
    }
}

/// Starts the writer, which ends after `shutdown` when what was asked before is answered.
pub(crate) fn start(
    deps: Deps,
    (notices, received): (Notices, mpsc::UnboundedReceiver<Notice>),
    tasks: &Tasks,
    shutdown: Shutdown,
) -> Writer {
    let (requests, receiver) = mpsc::channel(deps.queue_limit);
    let publisher = Publisher::start(deps.broker.clone(), notices.clone(), tasks);
    let run = Run { deps, publisher, state: DispatchState::default(), cache: RowCache::default(), confirmed: Vec::new(), flush_at: None };
    tasks.spawn_once("orchestrator.writer", run.until(shutdown, receiver, received));
    Writer { requests, notices, claims: Arc::default() }
}

struct Run {
    deps: Deps,
    publisher: Publisher,
    state: DispatchState,
    cache: RowCache,
    confirmed: Vec<Uuid>,
    flush_at: Option<Instant>,
}

impl Run {
    async fn until(mut self, shutdown: Shutdown, mut commands: mpsc::Receiver<Request>, mut notices: mpsc::UnboundedReceiver<Notice>) {
        let mut requests = Vec::with_capacity(MOST_COMMANDS);
        let mut news = Vec::new();
        loop {
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                () = shutdown.wait() => break,
                _ = commands.recv_many(&mut requests, MOST_COMMANDS) => {}
                _ = notices.recv_many(&mut news, MOST_COMMANDS) => {}
                () = sleep_until(wake_at) => {}
            }
            // Requests that are ready to run get to hand in theirs: it costs an idle hub nothing and makes a busy one's transactions larger.
            tokio::task::yield_now().await;
            while requests.len() < MOST_COMMANDS
                && let Ok(request) = commands.try_recv()
            {
                requests.push(request);
            }
            while news.len() < MOST_COMMANDS
                && let Ok(notice) = notices.try_recv()
            {
                news.push(notice);
            }
            self.step(&mut requests, &mut news).await;
        }
        commands.close();
        while commands.recv_many(&mut requests, MOST_COMMANDS).await > 0 {
            self.step(&mut requests, &mut news).await;
        }
        self.state.claims.drain().for_each(|waiting| waiting.answer(Vec::new()));
    }

    fn wake_at(&self) -> Instant {
        let deadline = self.state.claims.next_deadline();
        deadline
            .into_iter()
            .chain(self.flush_at)
            .chain(self.state.next_start_at)
            .min()
            .unwrap_or_else(|| Instant::now() + Duration::from_secs(60))
    }

    async fn step(&mut self, requests: &mut Vec<Request>, news: &mut Vec<Notice>) {
        let (mut lost, mut unstarted) = (Vec::new(), Vec::new());
        let (mut refresh, mut known_workers) = (false, None);
        for notice in news.drain(..) {
            match notice {
                Notice::Confirmed(id) => {
                    self.confirmed.push(id);
                    self.flush_at.get_or_insert_with(|| Instant::now() + CONFIRM_WITHIN);
                }
                Notice::Unconfirmed(id, queue) => lost.push((id, queue)),
                Notice::Unstarted(id, queue) => unstarted.push((id, queue)),
                Notice::Candidates(queues) => self.state.candidate_queues.extend(queues),
                Notice::ClaimAbandoned(claim) => drop(self.state.claims.remove(claim)),
                Notice::Worker(worker) => {
                    let (lease, now) = (self.deps.leases.agent, (self.deps.clock)());
                    self.state.set_worker(*worker, |worker| worker.life.state(lease, now));
                }
                Notice::Refresh(workers) => {
                    refresh = true;
                    known_workers = workers.or(known_workers);
                }
            }
        }
        if refresh {
            self.refresh(known_workers).await;
        }
        if self.state.next_start_at.is_some_and(|at| at <= Instant::now()) {
            self.state.next_start_at = None;
            let held_back = std::mem::take(&mut self.state.held_back);
            self.state.candidate_queues.extend(held_back);
        }
        let writes = self.keep_claims(requests);
        if !lost.is_empty() {
            self.take_back(&lost, false).await;
        }
        if !unstarted.is_empty() {
            self.take_back(&unstarted, true).await;
        }
        if self.flush_at.is_some_and(|at| at <= Instant::now()) {
            self.flush_confirmed().await;
        }
        if !writes.is_empty() || self.could_give_out() {
            self.write(writes).await;
        }
        self.end_claims();
    }

    /// Takes the claims out of what came in: they wait until there are jobs for them.
    fn keep_claims(&mut self, requests: &mut Vec<Request>) -> Vec<Envelope> {
        let mut writes = Vec::with_capacity(requests.len());
        for request in requests.drain(..) {
            match request {
                Request::Write(envelope) => writes.push(envelope),
                Request::Claim(claim, reply) => {
                    // A worker has one claim. Nobody waits any more for the answer to an earlier one; what it got is assigned again.
                    if let Some(earlier) = self.state.claims.remove_of(claim.request.worker_id) {
                        earlier.answer(Vec::new());
                    }
                    // Whoever hung up before this has been forgotten already.
                    if !reply.is_closed() {
                        self.state.add_claim(claim, reply, Instant::now());
                    }
                }
            }
        }
        writes
    }

    fn could_give_out(&self) -> bool {
        let connected = self.deps.broker.as_ref().is_some_and(|broker| broker.is_connected());
        let has_room = |queue: &String| self.state.claims.has_claims(queue) || (connected && self.state.room(queue, self.deps.window) > 0);
        self.state.claims.has_fresh() || self.state.candidate_queues.iter().any(has_room)
    }

    fn end_claims(&mut self) {
        let now = Instant::now();
        while let Some(expired) = self.state.claims.remove_expired(now) {
            expired.answer(Vec::new());
        }
    }

    /// Writes what came in, in one transaction; when the database refuses, in halves, so that what is bad fails alone.
    async fn write(&mut self, writes: Vec<Envelope>) {
        let mut stack = vec![writes];
        while let Some(mut part) = stack.pop() {
            match self.transaction(&part).await {
                Ok(done) => self.committed(part, done),
                // What met another transaction again and again would do so in parts too, each taking its time.
                Err(error @ (Error::Unavailable(_) | Error::Conflict(_))) => {
                    self.deps.writes.failed(&error);
                    refuse(part, &error);
                }
                Err(error) if part.len() <= 1 => refuse(part, &error),
                Err(error) => {
                    tracing::debug!(%error, commands = part.len(), "transaction refused, trying its halves");
                    let second = part.split_off(part.len() / 2);
                    stack.push(second);
                    stack.push(part);
                }
            }
        }
    }

    async fn transaction(&mut self, writes: &[Envelope]) -> Result<Done, Error> {
        let commands: Vec<&Command> = writes.iter().map(|envelope| &envelope.command).collect();
        match self.attempts(&commands, true).await {
            Err(error @ (Error::Refused(_) | Error::Corrupt(_) | Error::Duplicate(_))) => {
                let written = self.attempts(&commands, false).await?;
                // What was asked for is fine: it is a waiting job that cannot be given out.
                tracing::error!(%error, "jobs could not be given out; tried again with the next tick");
                Ok(written)
            }
            outcome => outcome,
        }
    }

    /// One transaction, again when it met another one: then with rows that are locked when they are loaded.
    async fn attempts(&mut self, commands: &[&Command], give_out: bool) -> Result<Done, Error> {
        let begun = Instant::now();
        let mut careful = false;
        loop {
            let txn = self.deps.database.begin_lazily();
            let place = Place { deps: &self.deps, state: &self.state, cache: &self.cache, txn: &txn, careful };
            let outcome = match Batch::new(place).run(commands, give_out).await {
                Ok(done) => txn.commit().await.map(|()| done),
                Err(error) => Err(error),
            };
            if outcome.is_err() {
                self.cache.forget(commands.iter().flat_map(|command| command.job_ids()));
            }
            match outcome {
                // The first attempt may have waited long for whoever changed a row: that is no reason not to try with locked rows.
                Err(Error::Conflict(_)) if !careful || begun.elapsed() < CONFLICT_PATIENCE => careful = true,
                outcome => return outcome,
            }
        }
    }

    fn committed(&mut self, writes: Vec<Envelope>, done: Done) {
        let now = (self.deps.clock)();
        if !done.written.is_empty() {
            self.deps.writes.worked();
        }
        for touched in done.touched.iter().chain(&done.created) {
            self.state.committed(&touched.queue, touched.id, touched.status, touched.worker_id);
            if touched.status.is_terminal() {
                let freed = std::mem::take(&mut self.state.held_back);
                self.state.candidate_queues.extend(freed);
            }
            self.deps.live.notify(touched.id);
        }
        done.written.into_iter().for_each(|row| self.cache.committed(row));
        done.taken_back.iter().for_each(|(id, queue)| self.state.released(queue, *id));
        self.state.candidate_queues.extend(done.waiting);
        self.state.held_back.extend(done.held_back);
        if let Some(at) = done.look_again_at {
            let pause = (at - now).to_std().unwrap_or_default().min(LONGEST_PAUSE);
            let at = Instant::now() + pause;
            self.state.next_start_at = Some(self.state.next_start_at.map_or(at, |earlier| earlier.min(at)));
        }
        for queue in &done.exhausted {
            self.state.candidate_queues.remove(queue);
        }
        self.state.found_empty(done.empty, Instant::now());
        for publication in done.publications {
            self.state.dispatched(&publication.queue, publication.job_id);
            self.publisher.publish(publication);
        }
        for (envelope, reply) in writes.into_iter().zip(done.replies) {
            // Whoever asked may be gone; what was asked is done all the same.
            let _ = envelope.reply.send(reply);
        }
        for order in done.orders {
            self.deps.control.send(order.worker_id, order.command, Some(order.job_id));
        }
        self.answer_claims(done.given);
        if self.deps.events.is_wanted() {
            let created = done.created.iter().map(|job| job_now(job).created(now));
            let changed = done.touched.iter().filter(|job| job.changed_status).map(|job| job_now(job).changed(now));
            created.chain(changed).for_each(|event| self.deps.events.publish(event));
        }
    }

    fn answer_claims(&mut self, given: HashMap<u64, Vec<api_types::JobAssignment>>) {
        self.state.claims.mark_seen();
        for (claim, jobs) in given {
            if let Some(waiting) = self.state.claims.remove(claim) {
                waiting.answer(jobs);
            }
        }
    }

    /// Lets jobs wait again. A message that was delivered is not sent for ever.
    async fn take_back(&mut self, lost: &[(Uuid, String)], delivered: bool) {
        let ids: Vec<Uuid> = lost.iter().map(|(id, _)| *id).collect();
        let now = (self.deps.clock)();
        let attempt = async {
            let txn = self.deps.database.begin().await?;
            let held = match delivered {
                true => store::jobs::job_undeliver_in_txn(&txn, &ids, MOST_UNSTARTED, now).await?,
                false => store::jobs::job_undispatch_in_txn(&txn, &ids).await.map(|_| 0)?,
            };
            txn.commit().await.map(|()| held)
        };
        match attempt.await {
            Ok(held) => {
                if held > 0 {
                    tracing::warn!(jobs = held, "messages were delivered several times and never started; their jobs wait for a person");
                }
                self.cache.forget(ids);
                lost.iter().for_each(|(id, queue)| self.state.released(queue, *id));
            }
            // The sweep finds them later.
            Err(error) => tracing::warn!(%error, jobs = ids.len(), "unconfirmed jobs not taken back yet"),
        }
    }

    async fn flush_confirmed(&mut self) {
        self.flush_at = None;
        let mut ids = std::mem::take(&mut self.confirmed);
        // A job that was started meanwhile needs no note: its start says that the message arrived.
        ids.retain(|id| self.state.is_undelivered(*id));
        if ids.is_empty() {
            return;
        }
        let attempt = async {
            let txn = self.deps.database.begin().await?;
            store::jobs::job_confirm_dispatched_in_txn(&txn, &ids, (self.deps.clock)()).await?;
            txn.commit().await
        };
        if let Err(error) = attempt.await {
            tracing::warn!(%error, jobs = ids.len(), "confirmations not noted; the messages may be sent twice");
        }
        self.cache.forget(ids);
    }

    /// Reads again what waits and runs, and takes in who works, when that was read.
    async fn refresh(&mut self, workers: Option<Vec<Worker>>) {
        let now = (self.deps.clock)();
        let database = &self.deps.database;
        if let Some(workers) = workers {
            self.state.set_workers(workers, |worker| worker.life.state(self.deps.leases.agent, now));
        }
        let read = async {
            let undelivered = store::jobs::job_list_undelivered_unscoped(database).await?;
            let held = store::jobs::job_list_held_unscoped(database).await?;
            let waiting = store::jobs::job_queues_waiting(database).await?;
            Ok::<_, Error>((undelivered, held, waiting))
        };
        match read.await {
            Ok((undelivered, held, waiting)) => {
                self.state.set_jobs(undelivered.into_iter().map(|(id, queue, _)| (id, queue)).collect(), held);
                self.state.candidate_queues.extend(waiting);
                let stranded = self.state.stranded();
                if !stranded.is_empty() {
                    self.take_back(&stranded, false).await;
                }
            }
            Err(error) => tracing::warn!(%error, "what waits and runs could not be read"),
        }
    }
}

fn refuse(writes: Vec<Envelope>, error: &Error) {
    for envelope in writes {
        let failure = match error {
            Error::Unavailable(text) | Error::Conflict(text) => Failure::Unavailable(text.clone()),
            other => Failure::Internal(other.to_string()),
        };
        let _ = envelope.reply.send(Err(failure));
    }
}

const fn job_now(job: &Touched) -> JobNow {
    JobNow { id: job.id, automation_id: job.automation_id, status: job.status, error_class: job.error_class, worker_id: job.worker_id }
}

/// What a claim must be.
pub(crate) fn check_claim(request: &ClaimRequest) -> Result<(), Failure> {
    let mut faults = domain::automation::queue_faults(&request.queues);
    if request.max > 1000 {
        faults.push(domain::Fault::new("max", "must be 0 to 1000"));
    }
    if !(0.0..=60.0).contains(&request.wait_s) {
        faults.push(domain::Fault::new("wait_s", "must be 0 to 60 seconds"));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
}
