//! A hub in memory with only the rules that matter to a worker.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use api_types::{ClaimRequest, FinishRequest, HeartbeatRequest, JobAssignment, LogEntry, LogRequest, Progress, RegisterRequest};
use chrono::Utc;
use domain::ids::{JobId, WorkerId};
use serde_json::{Map, Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use uuid::Uuid;

#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Works,
    /// Closes every connection.
    Away,
    /// Answers 503.
    Busy,
    /// Carries the request out and closes the connection without an answer.
    LosesAnswers,
    /// Answers 401.
    Locked,
}

#[derive(Default)]
pub(crate) struct State {
    pub(crate) waiting: VecDeque<JobAssignment>,
    pub(crate) given: HashMap<JobId, JobAssignment>,
    /// Those of them that a claim has taken.
    claimed: HashSet<JobId>,
    pub(crate) logs: HashMap<JobId, Vec<LogEntry>>,
    pub(crate) progress: HashMap<JobId, Vec<Progress>>,
    pub(crate) ends: HashMap<JobId, FinishRequest>,
    pub(crate) stale: HashSet<JobId>,
    pub(crate) cancel: HashSet<JobId>,
    pub(crate) paused: HashSet<JobId>,
    /// The worker is paused.
    pub(crate) drain: bool,
    pub(crate) heartbeat_interval_s: Option<f64>,
    pub(crate) registered: usize,
    pub(crate) registration: Option<RegisterRequest>,
    pub(crate) forget_worker: bool,
    pub(crate) heartbeats: Vec<HeartbeatRequest>,
    /// So many are not answered, as by a process that is suspended.
    pub(crate) hanging_heartbeats: usize,
    pub(crate) gaps: Vec<String>,
    pub(crate) calls: HashMap<String, usize>,
    pub(crate) mode: Option<Mode>,
    pub(crate) turned_away: usize,
}

#[derive(Clone)]
pub(crate) struct Hub {
    state: Arc<Mutex<State>>,
    pub(crate) url: String,
    /// Id that it gives its worker.
    pub(crate) worker: WorkerId,
}

impl Hub {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let hub = Self { state: Arc::default(), url, worker: Uuid::now_v7().into() };
        let this = hub.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(this.clone().serve(stream));
            }
        });
        hub
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.state().mode = Some(mode);
    }

    /// Adds a job and returns its id.
    pub(crate) fn job(&self, kind: &str, script: &str, timeout_s: u32, parameters: Value) -> JobId {
        let Value::Object(parameters) = parameters else { panic!("parameters are an object") };
        self.add(assignment(kind, script, timeout_s, parameters))
    }

    /// Adds this job and returns its id.
    pub(crate) fn add(&self, job: JobAssignment) -> JobId {
        let id = job.job_id;
        self.state().waiting.push_back(job);
        id
    }

    async fn serve(self, stream: TcpStream) {
        let mut stream = BufReader::new(stream);
        while let Some((path, token, body)) = read_request(&mut stream).await {
            let mode = self.state().mode.unwrap_or(Mode::Works);
            let (status, answer) = match mode {
                Mode::Away => {
                    self.state().turned_away += 1;
                    return;
                }
                Mode::Busy => (503, json!({})),
                Mode::Locked => (401, problem(401, "unauthorized")),
                Mode::Works | Mode::LosesAnswers => self.answer(&path, token, &body).await,
            };
            if mode == Mode::LosesAnswers {
                return;
            }
            let text = answer.to_string();
            let head = format!("HTTP/1.1 {status} X\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n", text.len());
            if stream.write_all((head + &text).as_bytes()).await.is_err() {
                return;
            }
        }
    }

    async fn answer(&self, path: &str, token: Option<Uuid>, body: &[u8]) -> (u16, Value) {
        *self.state().calls.entry(path.rsplit('/').next().unwrap().to_owned()).or_default() += 1;
        if path == "heartbeat" && self.takes_hanging() {
            return std::future::pending().await;
        }
        if path == "jobs/claim" {
            return self.claim(&serde_json::from_slice(body).unwrap()).await;
        }
        let mut state = self.state();
        match path {
            "register" => {
                state.registered += 1;
                let interval_s = state.heartbeat_interval_s.unwrap_or(0.05);
                state.registration = Some(serde_json::from_slice(body).unwrap());
                state.forget_worker = false;
                (200, json!({"worker_id": self.worker, "heartbeat_interval_s": interval_s, "lease_s": 30.0}))
            }
            "heartbeat" if state.forget_worker => (404, problem(404, "not_found")),
            "heartbeat" => {
                state.heartbeats.push(serde_json::from_slice(body).unwrap());
                (200, json!({"stale": state.stale, "cancel": state.cancel, "paused": state.paused, "drain": state.drain}))
            }
            "goodbye" => (200, json!({})),
            "reports" => {
                let reports: Vec<Value> = serde_json::from_slice(body).unwrap();
                let outcomes: Vec<Value> = reports.iter().map(|report| state.one_of_many(report)).collect();
                (200, json!(outcomes))
            }
            _ => {
                let (job, verb) = path.strip_prefix("jobs/").unwrap().split_once('/').unwrap();
                state.report(job.parse().unwrap(), verb, token, body)
            }
        }
    }

    fn takes_hanging(&self) -> bool {
        let mut state = self.state();
        let left = state.hanging_heartbeats.checked_sub(1);
        state.hanging_heartbeats = left.unwrap_or_default();
        left.is_some()
    }

    async fn claim(&self, request: &ClaimRequest) -> (u16, Value) {
        for _ in 0..200 {
            {
                let mut state = self.state();
                if state.forget_worker {
                    return (404, problem(404, "not_found"));
                }
                let jobs = state.claim(request);
                if !jobs.is_empty() {
                    return (200, json!(jobs));
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        (200, json!([]))
    }
}

impl State {
    fn claim(&mut self, request: &ClaimRequest) -> Vec<JobAssignment> {
        let claimed = self.given.values().filter(|job| self.claimed.contains(&job.job_id));
        let lost = claimed.filter(|job| !self.ends.contains_key(&job.job_id) && !request.holding.contains(&job.job_id));
        let mut jobs: Vec<_> = lost.filter(|job| !self.stale.contains(&job.job_id)).cloned().collect();
        while !self.drain
            && jobs.len() < request.max as usize
            && let Some(job) = self.waiting.pop_front()
        {
            self.given.insert(job.job_id, job.clone());
            self.claimed.insert(job.job_id);
            jobs.push(job);
        }
        jobs
    }

    fn one_of_many(&mut self, report: &Value) -> Value {
        let job: JobId = report["job_id"].as_str().unwrap().parse().unwrap();
        let token = report.get("lease_token").and_then(Value::as_str).map(|token| token.parse().unwrap());
        let verb = if report.get("start").is_some() { "start" } else { "finish" };
        *self.calls.entry(verb.to_owned()).or_default() += 1;
        let body = serde_json::to_vec(&report[verb]).unwrap();
        let (status, body) = self.report(job, verb, token, &body);
        json!({"status": status, "body": body})
    }

    fn report(&mut self, job: JobId, verb: &str, token: Option<Uuid>, body: &[u8]) -> (u16, Value) {
        if verb == "start" || verb == "status" {
            return self.start(job, verb);
        }
        if self.stale.contains(&job) || token != self.given.get(&job).map(|job| job.lease_token) {
            return (409, problem(409, "stale_lease"));
        }
        match verb {
            "log" => {
                let request: LogRequest = serde_json::from_slice(body).unwrap();
                let last = self.store(job, request.entries.unwrap(), request.offset);
                (201, json!({"message": "stored", "log_id": last}))
            }
            "progress" => {
                self.progress.entry(job).or_default().push(serde_json::from_slice(body).unwrap());
                (200, json!({"message": "stored", "job_id": job, "status": "running"}))
            }
            "finish" => {
                let mut request: FinishRequest = serde_json::from_slice(body).unwrap();
                self.store(job, std::mem::take(&mut request.entries), request.offset);
                let status = request.status;
                self.ends.entry(job).or_insert(request);
                (200, json!({"message": "ended", "job_id": job, "status": status}))
            }
            other => panic!("unexpected call of {other}"),
        }
    }

    fn start(&self, job: JobId, verb: &str) -> (u16, Value) {
        match self.given.get(&job) {
            None => (404, problem(404, "not_found")),
            Some(_) if verb == "start" && self.ends.contains_key(&job) => (409, problem(409, "conflict")),
            Some(given) => {
                let lease = json!({"lease_token": given.lease_token, "lease_expires_at": Utc::now()});
                let mut answer = json!({"message": "x", "job_id": job, "status": "running"});
                answer.as_object_mut().unwrap().extend(lease.as_object().unwrap().clone());
                (200, answer)
            }
        }
    }

    fn store(&mut self, job: JobId, entries: Vec<LogEntry>, offset: Option<i64>) -> usize {
        let lines = self.logs.entry(job).or_default();
        let offset = offset.map_or(lines.len(), |offset| offset as usize);
        if offset > lines.len() {
            self.gaps.push(format!("{job}: offset {offset} after {} lines", lines.len()));
        }
        let known = lines.len().saturating_sub(offset);
        lines.extend(entries.into_iter().skip(known));
        lines.len()
    }
}

pub(crate) fn assignment(kind: &str, script: &str, timeout_s: u32, parameters: Map<String, Value>) -> JobAssignment {
    JobAssignment {
        traceparent: None,
        job_id: Uuid::now_v7().into(),
        automation_id: 7.into(),
        automation_name: "Notas".into(),
        queue_name: "q".into(),
        script_path: script.into(),
        entrypoint_type: kind.into(),
        parameters,
        timeout_s,
        attempt: 1,
        cancel_grace_s: None,
        display: false,
        cpu_limit: None,
        memory_limit_bytes: None,
        lease_token: Uuid::now_v7(),
        lease_expires_at: Utc::now(),
    }
}

fn problem(status: u16, code: &str) -> Value {
    json!({"type": "about:blank", "title": "x", "status": status, "detail": code, "code": code, "error": code})
}

async fn read_request(stream: &mut BufReader<TcpStream>) -> Option<(String, Option<Uuid>, Vec<u8>)> {
    let mut first = String::new();
    if stream.read_line(&mut first).await.ok()? == 0 {
        return None;
    }
    let path = first.split(' ').nth(1)?.strip_prefix("/api/v1/worker/")?.to_owned();
    let (mut length, mut token) = (0, None);
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().ok()?,
            "x-lease-token" => token = value.parse().ok(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some((path, token, body))
}
