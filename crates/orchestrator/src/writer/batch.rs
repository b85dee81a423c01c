use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use api_types::JobAssignment;
use auth::Principal;
use chrono::{DateTime, Utc};
use domain::{
    ids::AutomationId,
    job::{Caller, Refusal, Status},
    policy::{Overlap, Pause, PauseScope},
};
use runtime::Failure;
use store::{
    Error, LazyTransaction,
    job_events::JobEvent,
    job_logs::{Chunk, Line},
    jobs::{Idempotent, JobRow, NewJob},
};
use uuid::Uuid;

use super::{
    Change, Command, Deps, Inserted, Outcome, Reply,
    admission::Limits,
    cache::RowCache,
    change::{Changed, Terms, apply},
};
use crate::{
    dispatch::{DispatchState, Publication, message},
    jobs::{differs, next_attempt},
    workers::check_holder,
};

/// Log lines a row holds at most.
const LINES_PER_CHUNK: usize = 1000;
/// Bytes of log lines a row holds at most, unless one line alone has more: a page of lines reads whole rows.
const BYTES_PER_CHUNK: usize = 128 * 1024;

/// One shared transaction in the making.
pub(super) struct Batch<'a> {
    pub(super) deps: &'a Deps,
    pub(super) state: &'a DispatchState,
    pub(super) txn: &'a LazyTransaction<'a>,
    pub(super) now: DateTime<Utc>,
    pub(super) limits: Limits,
    pub(super) done: Done,
    cache: &'a RowCache,
    /// Rows are locked when they are loaded, none is taken from memory.
    careful: bool,
    /// Something was decided by a remembered row that is not written.
    doubtful: bool,
    pub(super) rows: HashMap<Uuid, JobRow>,
    /// Jobs beside which new ones are asked for.
    pub(super) overlaps: Vec<Uuid>,
    dirty: BTreeSet<Uuid>,
    lines: Vec<(Uuid, i64, Cow<'a, [Line]>)>,
    events: Vec<JobEvent>,
    pub(super) new: Vec<NewJob>,
    failed: Vec<Uuid>,
    /// Rows that were given out and are not written yet.
    pub(super) given_rows: Vec<JobRow>,
}

/// What a committed transaction leads to.
#[derive(Default)]
pub(super) struct Done {
    /// One for each command, in their order.
    pub(super) replies: Vec<Reply>,
    /// Messages to send now.
    pub(super) publications: Vec<Publication>,
    /// Messages chosen for each queue in this transaction.
    pub(super) handed: BTreeMap<String, usize>,
    /// Jobs whose row changed, with queue, automation and status.
    pub(super) touched: Vec<Touched>,
    /// Jobs that were accepted.
    pub(super) created: Vec<Touched>,
    /// Queues in which a job may wait now.
    pub(super) waiting: BTreeSet<String>,
    /// Queues in which a limit holds jobs back.
    pub(super) held_back: BTreeSet<String>,
    /// When a rate limit that held jobs back admits one.
    pub(super) look_again_at: Option<DateTime<Utc>>,
    /// Queues in which none waits that could be given out.
    pub(super) exhausted: Vec<String>,
    /// Queues in which a look found nothing more.
    pub(super) empty: Vec<String>,
    /// Jobs for waiting claims, by their ids.
    pub(super) given: HashMap<u64, Vec<JobAssignment>>,
    /// Jobs that wait again, with their queues.
    pub(super) taken_back: Vec<(Uuid, String)>,
    /// What workers must do at once.
    pub(super) orders: Vec<Order>,
    /// Rows as they were written.
    pub(super) written: Vec<JobRow>,
}

/// What a worker must do with a job.
pub(super) struct Order {
    pub(super) worker_id: Uuid,
    pub(super) command: messages::worker_control::Command,
    pub(super) job_id: Uuid,
}

/// A job that changed.
pub(super) struct Touched {
    pub(super) id: Uuid,
    pub(super) queue: String,
    pub(super) automation_id: AutomationId,
    pub(super) status: Status,
    pub(super) changed_status: bool,
    pub(super) error_class: Option<&'static str>,
    pub(super) worker_id: Option<Uuid>,
}

/// What a batch works with beside the commands.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) deps: &'a Deps,
    pub(super) state: &'a DispatchState,
    pub(super) cache: &'a RowCache,
    pub(super) txn: &'a LazyTransaction<'a>,
    pub(super) careful: bool,
}

impl<'a> Batch<'a> {
    pub(super) fn new(place: Place<'a>) -> Self {
        let Place { deps, state, cache, txn, careful } = place;
        Self {
            now: (deps.clock)(),
            deps,
            state,
            cache,
            txn,
            careful,
            doubtful: false,
            limits: Limits::default(),
            done: Done::default(),
            rows: HashMap::new(),
            overlaps: Vec::new(),
            dirty: BTreeSet::new(),
            lines: Vec::new(),
            events: Vec::new(),
            new: Vec::new(),
            failed: Vec::new(),
            given_rows: Vec::new(),
        }
    }

    /// Carries out `commands`, then gives out what waits, unless that is to be left out. The transaction is to be committed then, if it has
    /// begun: what a single statement can do is done without one.
    pub(super) async fn run(mut self, commands: &[&'a Command], give_out: bool) -> Result<Done, Error> {
        self.load(commands).await?;
        self.find_holders(commands).await?;
        let replayed = self.replayed(commands).await?;
        self.admit_unannounced(commands).await?;
        self.load_overlaps(commands).await?;
        for command in commands {
            let reply = match command {
                Command::Insert(new) => self.insert(new, &replayed).map(Outcome::Inserted),
                Command::Change(id, change, principal) => self.change(*id, change, principal.as_deref()).map(Outcome::Changed),
                Command::Heartbeat(request, principal) => Ok(Outcome::Renewed(self.heartbeat(request, principal))),
            };
            self.done.replies.push(reply);
        }
        if self.doubtful {
            return Err(Error::Conflict("a remembered row may be outdated".to_owned()));
        }
        self.limits.write(self.txn).await?;
        self.add_retries().await?;
        if self.done.touched.iter().any(|job| job.status.is_terminal()) {
            // The places that they leave are taken in this transaction.
            self.done.waiting.extend(self.state.held_back.iter().cloned());
        }
        let gives_out = give_out && self.could_give_out();
        self.write(gives_out).await?;
        if gives_out {
            self.give_out().await?;
        } else if !give_out {
            self.done.exhausted = self.state.candidate_queues.iter().chain(&self.done.waiting).cloned().collect();
        }
        Ok(self.done)
    }

    /// Rows from memory as far as they are known, else from the database.
    async fn load(&mut self, commands: &[&Command]) -> Result<(), Error> {
        let mut unknown: Vec<Uuid> = Vec::new();
        for id in commands.iter().flat_map(|command| command.job_ids()) {
            match self.cache.get(id).filter(|_| !self.careful) {
                Some(row) => drop(self.rows.insert(id, row.clone())),
                None => unknown.push(id),
            }
        }
        if unknown.is_empty() {
            return Ok(());
        }
        let loaded = match self.careful {
            true => store::jobs::job_load_for_update_in_txn(self.txn.get().await?, &unknown).await?,
            false => store::jobs::job_load(self.txn, &unknown).await?,
        };
        self.rows.extend(loaded.into_iter().map(|row| (row.job.id, row)));
        Ok(())
    }

    async fn replayed(&self, commands: &[&Command]) -> Result<HashMap<(AutomationId, String), Idempotent>, Error> {
        let keys: Vec<(AutomationId, String)> = commands
            .iter()
            .filter_map(|command| match command {
                Command::Insert(new) => Some((new.automation_id, new.idempotency_key.clone()?)),
                _ => None,
            })
            .collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        let found = store::jobs::job_find_idempotent_unscoped(self.txn, &keys).await?;
        Ok(found.into_iter().map(|known| ((known.automation_id, known.key.clone()), known)).collect())
    }

    /// Learns the limits for starts of jobs that were not given out, or no longer are: these must not pass a limit either.
    async fn admit_unannounced(&mut self, commands: &[&Command]) -> Result<(), Error> {
        let starts = commands.iter().filter_map(|command| match command {
            Command::Change(id, change, _) if matches!(**change, Change::Start { .. }) => self.rows.get(id),
            _ => None,
        });
        self.limits.load(self.txn, &self.deps.catalog, starts.filter(|row| is_unannounced(row))).await
    }

    fn insert(&mut self, new: &NewJob, replayed: &HashMap<(AutomationId, String), Idempotent>) -> Result<Inserted, Failure> {
        if let Some(key) = &new.idempotency_key {
            let is_same = |other: &&NewJob| other.automation_id == new.automation_id && other.idempotency_key.as_ref() == Some(key);
            let earlier = || self.new.iter().find(is_same).map(|other| (other.id, &other.request_digest));
            let stored = replayed.get(&(new.automation_id, key.clone())).map(|known| (known.job_id, &known.request_digest));
            if let Some((id, digest)) = stored.or_else(earlier) {
                let differs = differs(digest.as_deref(), new.request_digest.as_deref());
                return Ok(Inserted { id, replayed: true, differs });
            }
        }
        if let Some(inserted) = self.beside_others(new)? {
            return Ok(inserted);
        }
        let mut new = new.clone();
        self.send_at_once(&mut new);
        let id = new.id;
        self.new.push(new);
        Ok(Inserted { id, replayed: false, differs: false })
    }

    /// Chooses a new job for the broker in the same transaction, when nothing is before it.
    fn send_at_once(&mut self, new: &mut NewJob) {
        let queue = &new.queue_name;
        let behind = self.state.candidate_queues.contains(queue) || self.done.waiting.contains(queue) || self.state.claims.takes_any(queue);
        let catalog = &self.deps.catalog;
        let limited = catalog.is_limited(new.automation_id)
            || new.terms.concurrency_key.is_some()
            || !new.terms.requires.is_empty()
            || self.overlap(new) != Overlap::Queue;
        let paused = || catalog.pause_of(new.automation_id, queue, self.now).is_some();
        let free = !behind && new.not_before.is_none() && !limited && !paused() && self.broker_room(queue) > 0;
        let publication = if free { self.publication(new) } else { None };
        match publication {
            Some(publication) => {
                new.dispatch_started_at = Some(self.now);
                *self.done.handed.entry(queue.clone()).or_default() += 1;
                self.done.publications.push(publication);
            }
            None => {
                self.done.waiting.insert(queue.clone());
            }
        }
    }

    fn publication(&self, new: &NewJob) -> Option<Publication> {
        let entry = self.deps.catalog.peek(new.automation_id)?;
        let message = message::job_message(&entry.automation, &new.row(), new.parameters.clone());
        Publication::new(message)
    }

    /// Messages that may be sent to `queue` now. None before it is known to be there.
    pub(super) fn broker_room(&self, queue: &str) -> usize {
        let handed = self.done.handed.get(queue).copied().unwrap_or(0);
        let room = self.state.room(queue, self.deps.window).saturating_sub(handed);
        if room > 0 && self.deps.broker_queues.is_ready(queue) { room } else { 0 }
    }

    /// Makes sure that the roster knows the workers whose jobs are reported on without a lease token.
    async fn find_holders(&self, commands: &[&Command]) -> Result<(), Error> {
        for command in commands {
            if let Command::Change(id, change, Some(_)) = command
                && let Some(holder) = self.rows.get(id).and_then(|row| must_speak_for(row, change))
            {
                self.deps.roster.find(holder).await?;
            }
        }
        Ok(())
    }

    fn change(&mut self, id: Uuid, change: &'a Change, principal: Option<&Principal>) -> Result<Changed, Failure> {
        let remembered = !self.careful && self.cache.get(id).is_some();
        let row = self.rows.get_mut(&id).ok_or_else(|| Failure::NotFound(format!("job {id}")))?;
        if let Some(principal) = principal {
            principal.limits.check_queues([&row.queue_name])?;
            if let Some(holder) = must_speak_for(row, change) {
                let known = self.deps.roster.get(holder);
                check_holder(principal, holder, known.as_deref()).inspect_err(|_| self.doubtful |= remembered)?;
            }
        }
        if let Change::Start { caller } = change {
            let paused = self.deps.catalog.pause_of(row.automation_id, &row.queue_name, self.now);
            if let Some((scope, pause)) = paused
                && row.job.status == Status::Pending
                && caller.worker_id.is_some()
            {
                self.take_back(id);
                return Err(paused_conflict(scope, &pause));
            }
            if is_unannounced(row) {
                let admitted = self.limits.take(&self.deps.catalog, row, self.now);
                admitted.map_err(|reason| Failure::conflict("limit_reached", reason))?;
            }
        }
        let before = row.job.status;
        let terms = terms(self.deps, row, self.now);
        let effects = apply(row, change, terms).inspect_err(|_| self.doubtful |= remembered)?;
        self.doubtful |= remembered && !effects.dirty;
        if let Some((first, lines)) = effects.lines {
            self.lines.push((id, first, lines));
        }
        self.events.extend(effects.event);
        self.order(id, effects.order);
        if effects.dirty {
            self.wrote(id, before);
        }
        Ok(effects.changed)
    }

    /// Does to a job what nobody asked for by itself; one that it does not fit stays as it is.
    pub(super) fn act(&mut self, id: Uuid, change: &Change) {
        let Some(row) = self.rows.get_mut(&id) else { return };
        let before = row.job.status;
        let terms = terms(self.deps, row, self.now);
        if let Ok(effects) = apply(row, change, terms)
            && effects.dirty
        {
            self.lines.extend(effects.lines.map(|(first, lines)| (id, first, Cow::Owned(lines.into_owned()))));
            self.events.extend(effects.event);
            self.order(id, effects.order);
            self.wrote(id, before);
        }
    }

    /// Lets a job wait again whose message reached a worker during a pause.
    fn take_back(&mut self, id: Uuid) {
        let Some(row) = self.rows.get_mut(&id).filter(|row| row.dispatch_started_at.is_some()) else { return };
        row.dispatch_started_at = None;
        row.dispatched_at = None;
        self.done.taken_back.push((id, row.queue_name.clone()));
        self.dirty.insert(id);
    }

    fn order(&mut self, job_id: Uuid, command: Option<messages::worker_control::Command>) {
        let holder = self.rows.get(&job_id).and_then(|row| row.job.lease.as_ref()).and_then(|lease| lease.worker_id);
        self.done.orders.extend(holder.zip(command).map(|(worker_id, command)| Order { worker_id, command, job_id }));
    }

    /// A row is to be written that had this status before.
    fn wrote(&mut self, id: Uuid, before: Status) {
        let Some(row) = self.rows.get(&id) else { return };
        self.dirty.insert(id);
        if row.job.status == Status::Failed && before != Status::Failed {
            self.failed.push(id);
        }
        self.done.touched.push(touched(row, before));
    }

    pub(super) fn terms(&self, row: &JobRow) -> Terms {
        terms(self.deps, row, self.now)
    }

    fn heartbeat(&mut self, request: &api_types::HeartbeatRequest, principal: &Principal) -> api_types::HeartbeatResponse {
        let mut response = api_types::HeartbeatResponse::default();
        for held in &request.jobs {
            let caller = Caller { worker_id: Some(request.worker_id), lease_token: Some(held.lease_token) };
            let renewed = match self.rows.get_mut(&held.job_id) {
                Some(row) if principal.limits.check_queues([&row.queue_name]).is_ok() => {
                    row.job.renew(&caller, self.deps.leases.agent, self.now).map(|()| row)
                }
                _ => Err(Refusal::StaleLease),
            };
            match renewed {
                Ok(row) => {
                    row.last_heartbeat_at = Some(self.now);
                    self.dirty.insert(held.job_id);
                    if row.job.cancellation_requested {
                        response.cancel.push(held.job_id);
                    }
                    if row.job.status == Status::Paused {
                        response.paused.push(held.job_id);
                    }
                }
                Err(_) => {
                    self.doubtful |= !self.careful && self.cache.get(held.job_id).is_some();
                    response.stale.push(held.job_id);
                }
            }
        }
        response
    }

    async fn write(&mut self, more_follows: bool) -> Result<(), Error> {
        let new: Vec<&NewJob> = self.new.iter().collect();
        let rows: Vec<&JobRow> = self.dirty.iter().filter_map(|id| self.rows.get(id)).collect();
        let alone = !more_follows && !self.txn.has_begun() && self.lines.is_empty() && self.events.is_empty();
        let few = |count: usize| count <= store::jobs::MOST_AT_ONCE;
        if alone && rows.is_empty() && few(new.len()) {
            store::jobs::job_insert_at_once(&self.deps.database, &new).await?;
        } else if alone && new.is_empty() && few(rows.len()) {
            store::jobs::job_update_at_once(&self.deps.database, &rows).await?;
        } else {
            let txn = self.txn.get().await?;
            store::jobs::job_insert_many_in_txn(txn, &new).await?;
            store::jobs::job_update_many_in_txn(txn, &rows).await?;
            let chunks: Vec<Chunk<'_>> = self.lines.iter().flat_map(|(id, first, lines)| chunks(*id, *first, lines)).collect();
            store::job_logs::chunk_insert_many_in_txn(txn, &chunks, self.now).await?;
            store::job_events::job_event_insert_many_in_txn(txn, &self.events).await?;
        }
        self.done.created = self.new.iter().map(created).collect();
        self.done.written.extend(self.new.iter().map(NewJob::row));
        let rows = self.dirty.iter().filter_map(|id| self.rows.remove(id));
        self.done.written.extend(rows.map(written));
        Ok(())
    }

    /// Lets the retry policies of jobs that failed now decide.
    async fn add_retries(&mut self) -> Result<(), Error> {
        if self.failed.is_empty() {
            return Ok(());
        }
        let mut retries = Vec::new();
        for id in &self.failed {
            let Some(row) = self.rows.get(id) else { continue };
            let Some(entry) = self.deps.catalog.get_stale(row.automation_id).await? else { continue };
            if let Some(retry) = next_attempt(row, &entry.automation, rand::random(), self.now) {
                retries.push(retry);
            }
        }
        let failed: Vec<Uuid> = retries.iter().filter_map(|retry| retry.retry_of).collect();
        if failed.is_empty() {
            return Ok(());
        }
        let parameters: HashMap<_, _> = store::jobs::job_payloads(self.txn, &failed).await?.into_iter().collect();
        for mut retry in retries {
            retry.parameters = retry.retry_of.and_then(|id| parameters.get(&id).cloned()).unwrap_or_default();
            self.done.waiting.insert(retry.queue_name.clone());
            self.new.push(retry);
        }
        Ok(())
    }
}

/// The registered worker that a report speaks for without a proof: one that shows a lease token is judged by that.
fn must_speak_for(row: &JobRow, change: &Change) -> Option<Uuid> {
    let caller = match change {
        Change::Log { caller, .. } | Change::Progress { caller, .. } | Change::Cancellation { caller } => caller,
        Change::Finish(finish) => &finish.caller,
        Change::Start { .. } | Change::Expire | Change::TimeOut | Change::GiveUp | Change::Control(_) | Change::DeadLetter { .. } => {
            return None;
        }
    };
    if caller.lease_token.is_some() { None } else { row.job.lease.as_ref()?.worker_id }
}

/// What changes of this row are judged by.
fn terms(deps: &Deps, row: &JobRow, now: DateTime<Utc>) -> Terms {
    let automation = || deps.catalog.peek(row.automation_id).and_then(|entry| entry.automation.draft.timeout_s);
    Terms { leases: deps.leases, timeout_s: row.terms.timeout_s.or_else(automation), log: deps.log, now }
}

/// The row as it is after its write.
pub(super) fn written(row: JobRow) -> JobRow {
    JobRow { version: row.version + 1, result: None, ..row }
}

fn paused_conflict(scope: PauseScope, pause: &Pause) -> Failure {
    let what = match scope {
        PauseScope::Queue => "queue",
        PauseScope::Automation => "automation",
    };
    let end = pause.until.map_or_else(String::new, |until| format!(" until {}", until.to_rfc3339()));
    Failure::conflict("paused", format!("the {what} is paused{end}; the job waits"))
}

/// A start would take a place that nobody counted yet.
fn is_unannounced(row: &JobRow) -> bool {
    row.job.status == Status::Pending && row.dispatch_started_at.is_none()
}

fn chunks(job_id: Uuid, first: i64, lines: &[Line]) -> impl Iterator<Item = Chunk<'_>> {
    let (mut first_line, mut rest) = (first, lines);
    std::iter::from_fn(move || {
        let mut bytes = 0;
        let fits = rest.iter().take(LINES_PER_CHUNK).take_while(|line| {
            bytes += line.message.len();
            bytes <= BYTES_PER_CHUNK
        });
        let count = fits.count().max(1).min(rest.len());
        let (lines, others) = rest.split_at(count);
        let chunk = Chunk { job_id, first_line, lines };
        (first_line, rest) = (first_line + i64::try_from(count).unwrap_or(0), others);
        (count > 0).then_some(chunk)
    })
}

pub(super) fn touched(row: &JobRow, before: Status) -> Touched {
    Touched {
        id: row.job.id,
        queue: row.queue_name.clone(),
        automation_id: row.automation_id,
        status: row.job.status,
        changed_status: row.job.status != before,
        error_class: row.job.failure.as_ref().map(|failure| failure.class.as_str()),
        worker_id: row.job.lease.as_ref().and_then(|lease| lease.worker_id),
    }
}

fn created(new: &NewJob) -> Touched {
    Touched {
        id: new.id,
        queue: new.queue_name.clone(),
        automation_id: new.automation_id,
        status: Status::Pending,
        changed_status: true,
        error_class: None,
        worker_id: None,
    }
}
