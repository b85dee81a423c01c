//! A database in memory, and replicas that plan against it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use api_types::{ClaimRequest, HeartbeatRequest, HeldJob, JobAssignment};
use auth::Principal;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ids::{AutomationId, JobId, WorkerId},
    job::Status,
    worker::Life,
};
use runtime::Failure;
use serde_json::{Map, Value};
use store::{
    automations::{Automation, Draft},
    jobs::{CandidateFilter, FullJob, Idempotent, JobRow, NewJob, Terms},
    workers::Worker,
};
use tokio::{sync::oneshot, time::Instant};
use uuid::Uuid;

use super::super::{Chance, Circumstances, Effects, LeaseTimes, LogLimits, Plan, report::has_place};
use crate::{
    catalog::CachedAutomations,
    dispatch::{
        Claim, Counted, Uncounted, Window,
        select::{Read, View},
    },
    writer::{
        command::{Change, Command, Reply},
        memory::Memory,
    },
};

pub(super) const LEASE: TimeDelta = TimeDelta::seconds(30);
pub(super) const WINDOW: Window = Window { unknown: 3, lookahead: 2 };

type Answer = oneshot::Receiver<Result<Vec<JobAssignment>, Failure>>;

/// A stored job.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Stored {
    pub(super) row: JobRow,
    pub(super) parameters: Map<String, Value>,
    key: Option<String>,
    digest: Option<String>,
}

/// What one replica remembers.
pub(super) struct Replica {
    pub(super) memory: Memory,
    pub(super) answers: BTreeMap<u64, Answer>,
}

pub(super) struct World {
    pub(super) now: DateTime<Utc>,
    pub(super) instant: Instant,
    pub(super) automations: CachedAutomations,
    pub(super) jobs: BTreeMap<JobId, Stored>,
    pub(super) tats: HashMap<AutomationId, DateTime<Utc>>,
    pub(super) replicas: Vec<Replica>,
    /// The broker has its queues.
    pub(super) has_broker: bool,
    pub(super) chance: f64,
    /// When jobs of each automation took a place.
    pub(super) starts: Vec<(AutomationId, DateTime<Utc>)>,
    ids: Arc<AtomicU64>,
    claims: u64,
}

/// Somebody else wrote a row.
struct Outdated;

pub(super) fn automation(id: i32, draft: Draft) -> Automation {
    let at = DateTime::UNIX_EPOCH;
    Automation {
        id: id.into(),
        draft: Draft { name: format!("a{id}"), ..draft },
        pause: None,
        archived_at: None,
        created_at: at,
        updated_at: at,
    }
}

pub(super) fn draft(queue: &str) -> Draft {
    Draft { queue_name: queue.to_owned(), priority: 5, ..Draft::default() }
}

pub(super) fn worker(number: u128, queues: &[&str], labels: &[&str], uses_broker: bool) -> Worker {
    let at = DateTime::UNIX_EPOCH;
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
    Worker {
        id: Uuid::from_u128(number).into(),
        name: format!("w{number}"),
        queues: words(queues),
        labels: words(labels),
        slots: 2,
        version: String::new(),
        hostname: String::new(),
        uses_broker,
        registered_at: at,
        life: Life { last_seen_at: at, paused_at: None, stopped_at: None },
        paused_by: None,
        vitals: store::workers::Vitals::default(),
        instance_id: None,
        pid: None,
        credential: None,
    }
}

impl World {
    pub(super) fn new(automations: impl IntoIterator<Item = Automation>, replicas: usize) -> Self {
        let replica = |_| Replica { memory: Memory::default(), answers: BTreeMap::new() };
        Self {
            now: DateTime::UNIX_EPOCH + TimeDelta::days(20_000),
            instant: Instant::now(),
            automations: CachedAutomations::of(automations),
            jobs: BTreeMap::new(),
            tats: HashMap::new(),
            replicas: (0..replicas).map(replica).collect(),
            has_broker: false,
            chance: 0.5,
            starts: Vec::new(),
            ids: Arc::default(),
            claims: 0,
        }
    }

    /// All replicas know these workers, which are alive.
    pub(super) fn set_workers(&mut self, workers: &[Worker]) {
        let now = self.now;
        let alive = |worker: &Worker| Worker { life: Life { last_seen_at: now, ..worker.life }, ..worker.clone() };
        for replica in &mut self.replicas {
            replica.memory.state.set_workers(workers.iter().map(alive).collect(), |worker| worker.life.state(LEASE, now));
        }
    }

    pub(super) fn elapse(&mut self, seconds: u32) {
        self.now += TimeDelta::seconds(i64::from(seconds));
        self.instant += Duration::from_secs(u64::from(seconds));
        for replica in &mut self.replicas {
            if replica.memory.state.next_start_at.is_some_and(|at| at <= self.instant) {
                replica.memory.state.next_start_at = None;
                replica.memory.state.retry_held_back();
            }
        }
    }

    /// Every replica reads again what waits and runs.
    pub(super) fn refresh(&mut self) {
        let rows: Vec<&JobRow> = self.jobs.values().map(|job| &job.row).collect();
        for replica in &mut self.replicas {
            let pending = |row: &&&JobRow| row.job.status == Status::Pending;
            let sent = rows.iter().filter(pending).filter(|row| row.dispatch_started_at.is_some());
            let held = rows.iter().filter(|row| row.job.status.is_held());
            let holder = |row: &JobRow| row.job.lease.as_ref().and_then(|lease| lease.worker_id);
            replica.memory.state.set_jobs(
                sent.map(|row| (row.job.id, row.queue_name.clone())).collect(),
                held.map(|row| (row.job.id, row.queue_name.clone(), holder(row))).collect(),
            );
            let waiting = rows.iter().filter(pending).filter(|row| row.dispatch_started_at.is_none());
            replica.memory.state.candidate_queues.extend(waiting.map(|row| row.queue_name.clone()));
        }
    }

    pub(super) fn id(&self) -> JobId {
        next_id(&self.ids)
    }

    pub(super) fn new_job(&self, automation_id: i32) -> NewJob {
        let entry = self.automations.get(automation_id.into()).unwrap();
        let draft = &entry.automation.draft;
        NewJob {
            automation_id: automation_id.into(),
            priority: draft.priority,
            parameters: Map::from_iter([("n".to_owned(), Value::from(automation_id))]),
            created_at: self.now,
            overlap: draft.policy.overlap,
            terms: Terms { requires: draft.policy.requires.clone(), ..Terms::default() },
            ..test_support::new_job(self.id(), &draft.queue_name)
        }
    }

    /// Lets a worker's claim wait at a replica; its id.
    pub(super) fn claim(&mut self, replica: usize, worker: u128, queues: &[&str], max: u32) -> u64 {
        let (reply, answer) = oneshot::channel();
        let queues = queues.iter().map(|queue| (*queue).to_owned()).collect();
        let worker_id = WorkerId::new(Uuid::from_u128(worker));
        let held = self.jobs.values().filter(|job| job.row.job.status.is_held() && holder(&job.row) == Some(worker_id));
        let holding = held.map(|job| job.row.job.id).collect();
        self.claims += 1;
        let request = ClaimRequest { worker_id, queues, max, wait_s: 10.0, holding };
        let claim = Claim { id: self.claims, request, wait: Duration::from_secs(10) };
        let replica = &mut self.replicas[replica];
        if let Some(earlier) = replica.memory.state.claims.remove_of(worker_id) {
            earlier.answer(Vec::new());
        }
        replica.memory.state.add_claim(claim, reply, self.instant);
        replica.answers.insert(self.claims, answer);
        self.claims
    }

    /// The worker of a claim does not know what it holds: the answer to its last claim got lost.
    pub(super) fn forget_held(&mut self, replica: usize, claim: u64) {
        let state = &mut self.replicas[replica].memory.state;
        let mut waiting = state.claims.remove(claim).unwrap();
        waiting.claim.request.holding.clear();
        state.add_claim(waiting.claim, waiting.reply, self.instant);
    }

    /// The jobs that a claim was answered with.
    pub(super) fn answer(&mut self, replica: usize, claim: u64) -> Option<Vec<JobAssignment>> {
        self.replicas[replica].answers.get_mut(&claim)?.try_recv().ok()?.ok()
    }

    pub(super) fn heartbeat(&self, worker: u128) -> Command {
        let worker_id = WorkerId::new(Uuid::from_u128(worker));
        let held = self.jobs.values().filter(|job| job.row.job.status.is_held() && holder(&job.row) == Some(worker_id));
        let jobs = held.map(|job| HeldJob { job_id: job.row.job.id, lease_token: job.row.job.lease.as_ref().unwrap().token }).collect();
        Command::Heartbeat(HeartbeatRequest { worker_id, jobs, cpu_percent: None, memory_bytes: None }, Arc::new(Principal::anybody()))
    }

    pub(super) fn change(id: JobId, change: Change) -> Command {
        Command::Change(id, Box::new(change), None)
    }

    /// One command alone.
    pub(super) fn one(&mut self, command: Command) -> Reply {
        self.transact(0, &[command], true).pop().unwrap()
    }

    pub(super) fn row(&self, id: JobId) -> &JobRow {
        &self.jobs[&id].row
    }

    /// Does what the writer does with these commands: one transaction, again when a remembered row was outdated.
    pub(super) fn transact(&mut self, replica: usize, commands: &[Command], dispatches: bool) -> Vec<Reply> {
        let commands: Vec<&Command> = commands.iter().collect();
        let before = (self.jobs.clone(), self.tats.clone());
        let mut effects = match self.attempt(replica, &commands, true, dispatches) {
            Ok(effects) => effects,
            Err(Outdated) => {
                (self.jobs, self.tats) = before.clone();
                let outdated = commands.iter().flat_map(|command| command.job_ids()).collect();
                let again = self.attempt(replica, &commands, false, dispatches);
                Effects { outdated, ..again.unwrap_or_else(|_| panic!("a plan by rows that were read and locked is not outdated")) }
            }
        };
        for (id, job) in &self.jobs {
            let had_place = before.0.get(id).is_some_and(|before| has_place(&before.row));
            if !had_place && has_place(&job.row) {
                self.starts.push((job.row.automation_id, self.now));
            }
        }
        let memory = &mut self.replicas[replica].memory;
        effects.remember(memory, self.now, self.instant);
        for (claim, jobs) in effects.assignments {
            memory.state.claims.remove(claim).unwrap().answer(jobs);
        }
        assert_eq!(effects.replies.len(), commands.len());
        effects.replies
    }

    fn attempt(&mut self, replica: usize, commands: &[&Command], remembers: bool, dispatches: bool) -> Result<Effects, Outdated> {
        let Self { jobs, tats, automations, replicas, ids, .. } = self;
        let Memory { state, rows } = &replicas[replica].memory;
        let (has_broker, fraction) = (self.has_broker, self.chance);
        let is_ready = |_: &str| has_broker;
        let id = || next_id(ids).get();
        let circumstances = Circumstances {
            view: View { state, automations, window: WINDOW, is_ready: &is_ready, now: self.now },
            cache: remembers.then_some(rows),
            leases: LeaseTimes { agent: LEASE, foreign: LEASE * 2, silent: LEASE * 4 },
            log: LogLimits { lines: 100, bytes: 10_000 },
            chance: Chance { id: &id, fraction: &|| fraction },
        };
        let mut plan = Plan::new(circumstances, commands);
        let unknown = plan.take_cached();
        plan.add_rows(unknown.iter().filter_map(|id| jobs.get(id)).map(|job| job.row.clone()).collect());
        plan.add_accepted(plan.keys().iter().filter_map(|(automation, key)| accepted(jobs, *automation, key)).collect());
        let counted = count(jobs, tats, automations, plan.uncounted_starts());
        plan.selection.admission.count(counted);
        for place in plan.neighborhoods() {
            let is_beside = |row: &&JobRow| match place.key {
                _ if row.automation_id != place.automation_id || row.job.status.is_terminal() => false,
                Some(key) => row.terms.concurrency_key.as_deref() == Some(key),
                None => has_place(row) || row.queue_name == place.queue,
            };
            plan.add_neighbors(jobs.values().map(|job| &job.row).filter(is_beside).cloned().collect());
        }
        plan.carry_out();
        if plan.is_doubtful() {
            return Err(Outdated);
        }
        plan.add_parameters(plan.retried().iter().map(|id| (*id, jobs[id].parameters.clone())).collect());
        let dispatches = plan.begin_dispatch(dispatches);
        write(jobs, tats, &mut plan)?;
        while let Some(read) = plan.selection.next_read().filter(|_| dispatches) {
            dispatch(jobs, tats, automations, &mut plan, read)?;
        }
        write_placed(jobs, tats, &mut plan)?;
        Ok(plan.finish())
    }
}

fn next_id(ids: &AtomicU64) -> JobId {
    Uuid::from_u128((7 << 76) + u128::from(ids.fetch_add(1, Ordering::Relaxed))).into()
}

pub(super) fn holder(row: &JobRow) -> Option<WorkerId> {
    row.job.lease.as_ref().and_then(|lease| lease.worker_id)
}

fn accepted(jobs: &BTreeMap<JobId, Stored>, automation_id: AutomationId, key: &str) -> Option<Idempotent> {
    let is_it = |job: &&Stored| job.row.automation_id == automation_id && job.key.as_deref() == Some(key);
    let job = jobs.values().find(is_it)?;
    Some(Idempotent { automation_id, key: key.to_owned(), job_id: job.row.job.id, request_digest: job.digest.clone() })
}

fn count(
    jobs: &BTreeMap<JobId, Stored>,
    tats: &HashMap<AutomationId, DateTime<Utc>>,
    automations: &CachedAutomations,
    uncounted: Uncounted,
) -> Counted {
    let placed = |is_it: &dyn Fn(&JobRow) -> bool| jobs.values().filter(|job| has_place(&job.row) && is_it(&job.row)).count() as i64;
    let limit = |id: AutomationId| automations.get(id).unwrap().automation.draft.max_concurrency;
    let of_automation = |id: AutomationId| (id, limit(id), placed(&|row| row.automation_id == id));
    let of_key = |key: String| {
        let used = placed(&|row| row.terms.concurrency_key.as_ref() == Some(&key));
        (key, used)
    };
    Counted {
        automations: uncounted.automations.into_iter().map(of_automation).collect(),
        keys: uncounted.keys.into_iter().map(of_key).collect(),
        schedules: uncounted.schedules.into_iter().map(|(id, _)| (id, placed(&|row| row.origin.schedule_id == Some(id)))).collect(),
        rates: uncounted.rates.into_iter().map(|id| (id, tats.get(&id).copied())).collect(),
    }
}

fn write(jobs: &mut BTreeMap<JobId, Stored>, tats: &mut HashMap<AutomationId, DateTime<Utc>>, plan: &mut Plan<'_>) -> Result<(), Outdated> {
    tats.extend(plan.selection.admission.take_changed_rates());
    let changes = plan.rows.changes();
    for new in changes.new {
        assert!(new.idempotency_key.as_ref().is_none_or(|key| accepted(jobs, new.automation_id, key).is_none()), "a key has one job");
        let stored = Stored {
            row: new.row(),
            parameters: new.parameters.clone(),
            key: new.idempotency_key.clone(),
            digest: new.request_digest.clone(),
        };
        assert!(jobs.insert(new.id, stored).is_none());
    }
    let lines: BTreeMap<JobId, i64> = jobs.iter().map(|(id, job)| (*id, job.row.log_lines)).collect();
    update(jobs, &changes.rows)?;
    for chunk in &changes.chunks {
        assert!(chunk.first_line > lines[&chunk.job_id] && !chunk.lines.is_empty(), "line numbers are used once");
    }
    plan.rows.changes_written();
    Ok(())
}

fn update(jobs: &mut BTreeMap<JobId, Stored>, rows: &[&JobRow]) -> Result<(), Outdated> {
    for row in rows {
        let job = jobs.get_mut(&row.job.id).unwrap();
        if job.row.version != row.version {
            return Err(Outdated);
        }
        job.row = JobRow { version: row.version + 1, result: None, ..(*row).clone() };
    }
    Ok(())
}

fn write_placed(
    jobs: &mut BTreeMap<JobId, Stored>,
    tats: &mut HashMap<AutomationId, DateTime<Utc>>,
    plan: &mut Plan<'_>,
) -> Result<(), Outdated> {
    tats.extend(plan.selection.admission.take_changed_rates());
    update(jobs, &plan.rows.placed())?;
    plan.rows.placed_written();
    Ok(())
}

fn dispatch(
    jobs: &mut BTreeMap<JobId, Stored>,
    tats: &mut HashMap<AutomationId, DateTime<Utc>>,
    automations: &CachedAutomations,
    plan: &mut Plan<'_>,
    read: Read,
) -> Result<(), Outdated> {
    let waits = |row: &JobRow| row.job.status == Status::Pending && row.dispatch_started_at.is_none();
    match read {
        Read::Held(workers) => {
            let held = jobs.values().filter(|job| job.row.job.status.is_held()).filter_map(|job| Some((job.row.job.id, holder(&job.row)?)));
            plan.selection.found_held(held.filter(|(_, worker)| workers.contains(worker)).collect());
        }
        Read::Lost(lost) => {
            let found = lost.jobs.iter().map(|id| full(&jobs[id])).collect();
            let placements = plan.selection.found_lost(&lost, found);
            plan.place(placements);
        }
        Read::Labels(queue) => {
            let rows = jobs.values().map(|job| &job.row).filter(|row| waits(row) && row.queue_name == queue);
            let mut sets: Vec<Vec<String>> = rows.map(|row| row.terms.requires.clone()).filter(|set| !set.is_empty()).collect();
            sets.sort();
            sets.dedup();
            plan.selection.found_labels(queue, sets);
        }
        Read::Candidates(look) => {
            if plan.rows.has_placed(&look.queue) {
                write_placed(jobs, tats, plan)?;
            }
            let candidates = plan.candidates(&look);
            let mut found: Vec<FullJob> =
                jobs.values().filter(|job| waits(&job.row) && is_candidate(&job.row, &candidates)).map(full).collect();
            found.sort_by_key(|job| (-job.row.priority, job.row.job.id));
            found.truncate(usize::try_from(candidates.limit).unwrap());
            let counted = count(jobs, tats, automations, plan.uncounted(&found));
            plan.selection.admission.count(counted);
            let placements = plan.selection.found_candidates(look, found);
            plan.place(placements);
        }
    }
    Ok(())
}

fn is_candidate(row: &JobRow, candidates: &CandidateFilter<'_>) -> bool {
    row.queue_name == candidates.queue
        && row.not_before.is_none_or(|at| at <= candidates.now)
        && !candidates.except_automations.contains(&row.automation_id)
        && row.terms.concurrency_key.as_ref().is_none_or(|key| !candidates.except_keys.contains(key))
        && (row.terms.max_concurrency.is_none() || row.origin.schedule_id.is_none_or(|id| !candidates.except_schedules.contains(&id)))
        && candidates.requires.map_or(row.terms.requires.is_empty(), |sets| sets.contains(&row.terms.requires))
}

fn full(job: &Stored) -> FullJob {
    FullJob { row: job.row.clone(), parameters: job.parameters.clone() }
}
