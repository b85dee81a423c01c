//! The writer's task: collects requests and notices, commits them, and performs the effects.

use runtime::{Failure, Shutdown, Tasks};
use store::Error;
use tokio::{
    sync::mpsc,
    time::{Duration, Instant, sleep_until},
};

use super::{
    Writer,
    command::{Command, Envelope, Request},
    commit::{Commit, job_ids},
    deps::Deps,
    memory::Memory,
    plan::{Effects, JobChange},
    upkeep::{self, Upkeep},
};
use crate::{
    dispatch::Publisher,
    events::JobNow,
    notices::{Notice, Notices},
};

/// Maximum number of commands in a transaction.
const MOST_COMMANDS: usize = 256;
/// Maximum sleep when nothing is due.
const IDLE: Duration = Duration::from_secs(60);

/// Starts the writer, which ends after `shutdown` once earlier requests are answered.
pub(crate) fn start(
    deps: Deps,
    (notices, received): (Notices, mpsc::UnboundedReceiver<Notice>),
    tasks: &Tasks,
    shutdown: Shutdown,
) -> Writer {
    let (requests, receiver) = mpsc::channel(deps.queue_limit);
    let publisher = Publisher::start(deps.broker.clone(), notices.clone(), tasks);
    let run = Run { deps, publisher, memory: Memory::default(), upkeep: Upkeep::default() };
    tasks.spawn_once("orchestrator.writer", run.until(shutdown, receiver, received));
    Writer::new(requests, notices)
}

struct Run {
    deps: Deps,
    publisher: Publisher,
    memory: Memory,
    upkeep: Upkeep,
}

impl Run {
    async fn until(mut self, shutdown: Shutdown, mut requests: mpsc::Receiver<Request>, mut notices: mpsc::UnboundedReceiver<Notice>) {
        let mut asked = Vec::with_capacity(MOST_COMMANDS);
        let mut news = Vec::new();
        loop {
            let wake_at = self.wake_at();
            tokio::select! {
                biased;
                () = shutdown.wait() => break,
                _ = requests.recv_many(&mut asked, MOST_COMMANDS) => {}
                _ = notices.recv_many(&mut news, MOST_COMMANDS) => {}
                () = sleep_until(wake_at) => {}
            }
            // Lets runnable requests send their commands: costs an idle hub nothing, and enlarges the transactions of a busy one.
            tokio::task::yield_now().await;
            while asked.len() < MOST_COMMANDS
                && let Ok(request) = requests.try_recv()
            {
                asked.push(request);
            }
            while news.len() < MOST_COMMANDS
                && let Ok(notice) = notices.try_recv()
            {
                news.push(notice);
            }
            self.step(&mut asked, &mut news).await;
        }
        requests.close();
        while requests.recv_many(&mut asked, MOST_COMMANDS).await > 0 {
            self.step(&mut asked, &mut news).await;
        }
        self.memory.state.claims.drain().for_each(|waiting| waiting.answer(Vec::new()));
    }

    fn wake_at(&self) -> Instant {
        let due = self.memory.state.claims.next_deadline().into_iter().chain(self.upkeep.confirm_at).chain(self.memory.state.next_start_at);
        due.min().unwrap_or_else(|| Instant::now() + IDLE)
    }

    async fn step(&mut self, asked: &mut Vec<Request>, news: &mut Vec<Notice>) {
        self.take_notices(news).await;
        if self.memory.state.next_start_at.is_some_and(|at| at <= Instant::now()) {
            self.memory.state.next_start_at = None;
            self.memory.state.retry_held_back();
        }
        let writes = self.keep_claims(asked);
        self.upkeep.run(&self.deps, &mut self.memory).await;
        if !writes.is_empty() || self.could_dispatch() {
            self.write(writes).await;
        }
        let now = Instant::now();
        while let Some(expired) = self.memory.state.claims.remove_expired(now) {
            expired.answer(Vec::new());
        }
    }

    async fn take_notices(&mut self, news: &mut Vec<Notice>) {
        let mut refresh = None;
        for notice in news.drain(..) {
            match notice {
                Notice::Confirmed(id) => self.upkeep.confirmed(id, Instant::now()),
                Notice::Unconfirmed(id, queue) => self.upkeep.unconfirmed.push((id, queue)),
                Notice::Lost(message) => self.upkeep.lost.push(message),
                Notice::Candidates(queues) => self.memory.state.candidate_queues.extend(queues),
                Notice::ClaimAbandoned(claim) => drop(self.memory.state.claims.remove(claim)),
                Notice::Worker(worker) => {
                    let (lease, now) = (self.deps.leases.agent, (self.deps.clock)());
                    self.memory.state.set_worker(*worker, |worker| worker.life.state(lease, now));
                }
                Notice::Refresh(workers) => refresh = Some(workers.or(refresh.flatten())),
            }
        }
        if let Some(workers) = refresh {
            upkeep::refresh(&self.deps, &mut self.memory, workers).await;
        }
    }

    /// Moves claims out of the requests: they wait until there are jobs for them.
    fn keep_claims(&mut self, asked: &mut Vec<Request>) -> Vec<Envelope> {
        let mut writes = Vec::with_capacity(asked.len());
        for request in asked.drain(..) {
            match request {
                Request::Write(envelope) => writes.push(envelope),
                Request::Claim(claim, reply) => {
                    // A worker has one claim. The client of an earlier claim is gone; jobs that were assigned to it are assigned again.
                    if let Some(earlier) = self.memory.state.claims.remove_of(claim.request.worker_id) {
                        earlier.answer(Vec::new());
                    }
                    // A client that is already gone sends no further notice.
                    if !reply.is_closed() {
                        self.memory.state.add_claim(claim, reply, Instant::now());
                    }
                }
            }
        }
        writes
    }

    fn could_dispatch(&self) -> bool {
        let is_connected = self.deps.broker.as_ref().is_some_and(|broker| broker.is_connected());
        self.memory.state.could_dispatch(is_connected.then_some(self.deps.window))
    }

    /// Writes the commands in one transaction; if the database refuses it, in halves, so that a bad command fails alone.
    async fn write(&mut self, writes: Vec<Envelope>) {
        let mut stack = vec![writes];
        while let Some(mut part) = stack.pop() {
            let commands: Vec<&Command> = part.iter().map(|envelope| &envelope.command).collect();
            let commit = Commit { deps: &self.deps, memory: &self.memory };
            match commit.run(&commands).await {
                Ok(effects) => self.perform(part, effects),
                Err(error) => {
                    self.memory.rows.forget(job_ids(&commands));
                    // Repeated conflicts would recur in each half, and take time.
                    let is_hopeless = matches!(error, Error::Unavailable(_) | Error::Conflict(_));
                    if is_hopeless {
                        self.deps.writes.failed(&error);
                    }
                    if is_hopeless || part.len() <= 1 {
                        refuse(part, &error);
                        continue;
                    }
                    tracing::debug!(%error, commands = part.len(), "transaction refused; retrying in halves");
                    let second = part.split_off(part.len() / 2);
                    stack.push(second);
                    stack.push(part);
                }
            }
        }
    }

    /// Performs the effects of a commit.
    fn perform(&mut self, writes: Vec<Envelope>, mut effects: Effects) {
        let now = (self.deps.clock)();
        if !effects.written.is_empty() {
            self.deps.writes.worked();
        }
        self.deps.job_metrics.count((&self.deps.roster, &self.deps.catalog), &effects);
        effects.remember(&mut self.memory, now, Instant::now());
        effects.changed.iter().chain(&effects.created).for_each(|job| self.deps.followers.wake(job.id));
        effects.publications.into_iter().for_each(|publication| self.publisher.publish(publication));
        for (envelope, reply) in writes.into_iter().zip(effects.replies) {
            // The requester may be gone; the command is carried out all the same.
            let _ = envelope.reply.send(reply);
        }
        effects.control.into_iter().for_each(|message| self.deps.control.send(message));
        for (claim, jobs) in effects.assignments {
            if let Some(waiting) = self.memory.state.claims.remove(claim) {
                waiting.answer(jobs);
            }
        }
        if self.deps.events.has_receivers() {
            let created = effects.created.iter().map(|job| job_now(job).created(now));
            let changed = effects.changed.iter().filter(|job| job.changed_status).map(|job| job_now(job).changed(now));
            created.chain(changed).for_each(|event| self.deps.events.publish(event));
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

fn job_now(job: &JobChange) -> JobNow {
    let JobChange { id, queue: _, automation_id, status, changed_status: _, error_class, worker_id, ref traceparent } = *job;
    JobNow { id, automation_id, status, error_class, worker_id, traceparent: traceparent.clone() }
}
