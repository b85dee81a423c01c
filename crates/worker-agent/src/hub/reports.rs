//! Sends the reports of many jobs in one request: reports that arrive while requests are under way share the next one.
//!
//! A lone report never waits for others. Each report gets its own answer; a batch that the hub refuses as a whole is sent again report by
//! report, so that one bad report cannot fail its neighbours.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use domain::ids::JobId;
use reqwest::{RequestBuilder, StatusCode, header::HeaderMap};
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::oneshot;
use uuid::Uuid;

use super::{HubError, Link, send};

/// Concurrent requests. The first batches the reports of a busy worker, the second keeps the hub busy during network latency.
const AT_ONCE: usize = 2;
/// Maximum reports per request.
const MOST: usize = 200;
/// Maximum bytes of the reports' bodies per request.
const MOST_BYTES: usize = 1 << 20;

type Answer = Result<Bytes, HubError>;

/// A report about one job.
pub(super) struct Report {
    pub(super) job: JobId,
    pub(super) lease: Option<Uuid>,
    /// `start` or `finish`: the last part of the path, and the name of the body in a batch.
    pub(super) action: &'static str,
    /// JSON body of the report when it is sent alone.
    pub(super) body: Bytes,
}

impl Report {
    fn alone(self, link: &Link) -> RequestBuilder {
        let request = link.raw(&format!("jobs/{}/{}", self.job, self.action), self.body);
        match self.lease {
            Some(lease) => super::leased(request, lease),
            None => request,
        }
    }

    /// Serialises it as an item of a batch.
    fn write_to(&self, batch: &mut Vec<u8>) {
        let lease = self.lease.map(|lease| format!("\"lease_token\":\"{lease}\",")).unwrap_or_default();
        batch.extend_from_slice(format!("{{\"job_id\":\"{}\",{lease}\"{}\":", self.job, self.action).as_bytes());
        batch.extend_from_slice(&self.body);
        batch.push(b'}');
    }
}

/// A report that waits for its answer.
struct Waiting {
    report: Report,
    answer: oneshot::Sender<Answer>,
}

#[derive(Default)]
struct Queue {
    waiting: VecDeque<Waiting>,
    senders: usize,
}

/// Batches reports.
pub(super) struct Reports {
    link: Arc<Link>,
    queue: Arc<Mutex<Queue>>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    status: u16,
    #[serde(borrow)]
    body: &'a RawValue,
}

impl Reports {
    pub(super) fn new(link: Arc<Link>) -> Self {
        Self { link, queue: Arc::default() }
    }

    /// Sends a report, alone or with others, and returns the answer's body.
    pub(super) async fn send(&self, report: Report) -> Answer {
        let (answer, answered) = oneshot::channel();
        let start = {
            let mut queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
            queue.waiting.push_back(Waiting { report, answer });
            let start = queue.senders < AT_ONCE;
            queue.senders += usize::from(start);
            start
        };
        if start {
            tokio::spawn(send_all(self.link.clone(), self.queue.clone()));
        }
        answered.await.unwrap_or_else(|_| Err(HubError::Unreachable("the request was abandoned".to_owned())))
    }
}

/// Sends waiting reports until there are none.
async fn send_all(link: Arc<Link>, queue: Arc<Mutex<Queue>>) {
    loop {
        let batch = {
            let mut queue = queue.lock().unwrap_or_else(PoisonError::into_inner);
            let batch = take(&mut queue.waiting);
            if batch.is_empty() {
                queue.senders -= 1;
                return;
            }
            batch
        };
        send_batch(&link, batch).await;
    }
}

fn take(waiting: &mut VecDeque<Waiting>) -> Vec<Waiting> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    while batch.len() < MOST
        && let Some(next) = waiting.front()
    {
        bytes += next.report.body.len();
        if bytes > MOST_BYTES && !batch.is_empty() {
            break;
        }
        batch.extend(waiting.pop_front());
    }
    batch
}

async fn send_batch(link: &Link, batch: Vec<Waiting>) {
    if batch.len() == 1 {
        return send_alone(link, batch).await;
    }
    let mut body = vec![b'['];
    for (index, waiting) in batch.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        waiting.report.write_to(&mut body);
    }
    body.push(b']');
    match send(link.raw("reports", body.into())).await {
        Ok(text) => distribute(&text, batch),
        // The hub refuses the batch as a whole, or is older than the route: send each report by itself.
        Err(HubError::Refused { status: 400 | 404 | 405 | 413 | 422, .. }) => send_alone(link, batch).await,
        Err(error) => batch.into_iter().for_each(|waiting| drop(waiting.answer.send(Err(error.clone())))),
    }
}

async fn send_alone(link: &Link, batch: Vec<Waiting>) {
    for Waiting { report, answer } in batch {
        // The caller may be gone; the report is sent all the same.
        drop(answer.send(send(report.alone(link)).await));
    }
}

fn distribute(text: &Bytes, batch: Vec<Waiting>) {
    let outcomes: Vec<Outcome<'_>> = match serde_json::from_slice::<Vec<Outcome<'_>>>(text) {
        Ok(outcomes) if outcomes.len() == batch.len() => outcomes,
        Ok(outcomes) => {
            let error = HubError::Answer(format!("{} outcomes for {} reports", outcomes.len(), batch.len()));
            return batch.into_iter().for_each(|waiting| drop(waiting.answer.send(Err(error.clone()))));
        }
        Err(error) => {
            let error = HubError::Answer(error.to_string());
            return batch.into_iter().for_each(|waiting| drop(waiting.answer.send(Err(error.clone()))));
        }
    };
    for (outcome, waiting) in outcomes.into_iter().zip(batch) {
        let body = text.slice_ref(outcome.body.get().as_bytes());
        let answer = match StatusCode::from_u16(outcome.status) {
            Ok(status) if status.is_success() => Ok(body),
            Ok(status) => Err(HubError::from_answer(status, &HeaderMap::new(), &body)),
            Err(error) => Err(HubError::Answer(error.to_string())),
        };
        drop(waiting.answer.send(answer));
    }
}
