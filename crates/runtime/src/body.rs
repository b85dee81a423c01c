//! Reading bodies of requests: how large, how slow and how many at once they may be.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpMessage, HttpRequest,
    dev::Payload,
    error::PayloadError,
    http::header::CONTENT_LENGTH,
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{Failure, Http};

/// Bytes that a body may have on a route that needs no sign-in.
const OPEN_LIMIT: usize = 16 * 1024;
/// Bytes that all such bodies may have together.
const OPEN_MEMORY: usize = 4 << 20;
/// Bytes of memory that a value of JSON takes beside its text.
const VALUE_BYTES: usize = 48;

/// App data that bounds bodies. Clones share the memory.
#[derive(Clone, Debug)]
pub struct Bodies {
    limit: usize,
    timeout: Duration,
    memory: Arc<Semaphore>,
    open_memory: Arc<Semaphore>,
}

/// Who may send a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Anybody.
    Anybody,
    /// Somebody who showed who they are.
    Known,
}

/// The memory of a body, kept until its request has been answered.
struct Held(#[expect(dead_code, reason = "it counts while it lives")] Memory);

/// Memory taken of what all bodies have together.
pub(crate) struct Memory {
    of: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// As the settings say.
    #[must_use]
    pub fn new(settings: &Http) -> Self {
        // One body of the largest size must find room.
        let memory = settings.body_memory.max(settings.body_limit.saturating_mul(2)).min(Semaphore::MAX_PERMITS);
        Self {
            limit: settings.body_limit,
            timeout: settings.body_timeout,
            memory: Arc::new(Semaphore::new(memory)),
            open_memory: Arc::new(Semaphore::new(OPEN_MEMORY)),
        }
    }
}

impl Memory {
    /// Takes some more.
    fn take(&mut self, bytes: usize) -> Result<(), Failure> {
        let bytes = u32::try_from(bytes).map_err(|_| Failure::Overloaded)?;
        let more = self.of.clone().try_acquire_many_owned(bytes).map_err(|_| Failure::Overloaded)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }

    /// Takes what the body's values will need.
    pub(crate) fn take_values(&mut self, values: usize) -> Result<(), Failure> {
        self.take(values.saturating_mul(VALUE_BYTES))
    }

    /// Keeps it until the request has been answered.
    pub(crate) fn keep(self, request: &HttpRequest) {
        request.extensions_mut().insert(Held(self));
    }
}

/// Reads a body whole.
pub(crate) async fn read(request: &HttpRequest, mut payload: Payload, sender: Sender) -> Result<(Bytes, Memory), Failure> {
    let bodies = request.app_data::<Bodies>().ok_or_else(|| Failure::Internal("no bounds of bodies in app data".to_owned()))?;
    let (limit, of) = match sender {
        Sender::Anybody => (bodies.limit.min(OPEN_LIMIT), &bodies.open_memory),
        Sender::Known => (bodies.limit, &bodies.memory),
    };
    let mut memory = Memory { of: of.clone(), taken: None };
    if announced(request).is_some_and(|length| length > limit) {
        return Err(Failure::TooLarge(limit));
    }
    let deadline = Instant::now() + bodies.timeout;
    let mut body = BytesMut::new();
    while let Some(chunk) = timeout_at(deadline, payload.next()).await.map_err(|_| Failure::TooSlow(bodies.timeout))? {
        let chunk = chunk.map_err(|error| unreadable(&error, limit))?;
        if body.len() + chunk.len() > limit {
            return Err(Failure::TooLarge(limit));
        }
        memory.take(chunk.len())?;
        body.extend_from_slice(&chunk);
    }
    Ok((body.freeze(), memory))
}

fn announced(request: &HttpRequest) -> Option<usize> {
    request.headers().get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn unreadable(error: &PayloadError, limit: usize) -> Failure {
    match error {
        PayloadError::Overflow => Failure::TooLarge(limit),
        _ => Failure::BadRequest(format!("the body cannot be read: {error}")),
    }
}
