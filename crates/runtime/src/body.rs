//! Limits on request bodies: size, time to arrive, and memory of all bodies together, so that no client can exhaust the hub.

use std::{sync::Arc, time::Duration};

use actix_web::{
    HttpMessage, HttpRequest,
    dev::Payload,
    error::PayloadError,
    http::header::{CONTENT_ENCODING, CONTENT_LENGTH},
    web::{Bytes, BytesMut},
};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::{Instant, timeout_at},
};

use crate::{EdgeSettings, Failure, Http, access::is_worker_route, json};

/// Maximum size of a body on a route without sign-in, in bytes.
const OPEN_LIMIT: usize = 16 * 1024;
/// Memory of all such bodies together, in bytes.
const OPEN_MEMORY: usize = 4 << 20;
/// Memory of a JSON value besides its text, in bytes.
const VALUE_BYTES: usize = 48;

/// App data with the limits of bodies. Clones share the memory budget.
#[derive(Clone, Debug)]
pub struct Bodies {
    limit: usize,
    timeout: Duration,
    memory: Arc<Semaphore>,
    worker_memory: Arc<Semaphore>,
    open_memory: Arc<Semaphore>,
}

/// Who sends a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    /// Anybody.
    Anybody,
    /// An identified caller.
    Known,
    /// Another system, whose body of at most so many bytes is read before it is parsed.
    System(usize),
}

/// Memory of a body, reserved until its request is answered.
struct Held(#[expect(dead_code, reason = "it counts while it lives")] Memory);

/// A reservation in the memory budget of all bodies.
pub(crate) struct Memory {
    of: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Bodies {
    /// The limits of the settings.
    #[must_use]
    pub fn new(settings: &Http, edge: &EdgeSettings) -> Self {
        // A body of maximum size must fit.
        let memory = |bytes: usize| Semaphore::new(bytes.max(settings.body_limit.saturating_mul(2)).min(Semaphore::MAX_PERMITS));
        Self {
            limit: settings.body_limit,
            timeout: settings.body_timeout,
            memory: Arc::new(memory(settings.body_memory)),
            worker_memory: Arc::new(memory(edge.worker_memory)),
            open_memory: Arc::new(Semaphore::new(OPEN_MEMORY)),
        }
    }
}

impl Memory {
    /// Reserves more.
    fn take(&mut self, bytes: usize) -> Result<(), Failure> {
        let bytes = u32::try_from(bytes).map_err(|_| Failure::Overloaded)?;
        let more = self.of.clone().try_acquire_many_owned(bytes).map_err(|_| Failure::Overloaded)?;
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            None => self.taken = Some(more),
        }
        Ok(())
    }

    /// Reserves memory for the body's values.
    pub(crate) fn take_values(&mut self, values: usize) -> Result<(), Failure> {
        self.take(values.saturating_mul(VALUE_BYTES))
    }

    /// Holds the reservation until the request is answered.
    pub(crate) fn keep(self, request: &HttpRequest) {
        request.extensions_mut().insert(Held(self));
    }
}

/// A body as it came, for a route that verifies a signature of its bytes before it parses them.
pub struct RawBody {
    bytes: Bytes,
    memory: Option<Memory>,
}

impl RawBody {
    /// Reads a complete body of at most `limit` bytes.
    ///
    /// # Errors
    /// [`Failure::TooLarge`], [`Failure::TooSlow`], [`Failure::UnsupportedEncoding`] (a compressed one), [`Failure::Overloaded`].
    pub async fn read(request: &HttpRequest, payload: Payload, limit: usize) -> Result<Self, Failure> {
        let (bytes, memory) = read(request, payload, Sender::System(limit)).await?;
        Ok(Self { bytes, memory: Some(memory) })
    }

    /// One that was kept.
    #[must_use]
    pub fn kept(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), memory: None }
    }

    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Parses it as JSON, within the limits for JSON. Its memory is reserved until it is dropped.
    ///
    /// # Errors
    /// [`Failure::BadRequest`] when it is not JSON, [`Failure::Invalid`] when it is too deep or has too many values.
    pub fn json(&mut self) -> Result<Value, Failure> {
        let values = json::measure(&self.bytes)?;
        if let Some(memory) = &mut self.memory {
            memory.take_values(values)?;
        }
        json::parse(&self.bytes)
    }
}

/// Reads a complete body.
pub(crate) async fn read(request: &HttpRequest, mut payload: Payload, sender: Sender) -> Result<(Bytes, Memory), Failure> {
    let bodies = request.app_data::<Bodies>().ok_or_else(|| Failure::Internal("no bounds of bodies in app data".to_owned()))?;
    let (limit, of) = match sender {
        Sender::Anybody => (bodies.limit.min(OPEN_LIMIT), &bodies.open_memory),
        Sender::Known if is_worker_route(request.match_info().as_str()) => (bodies.limit, &bodies.worker_memory),
        Sender::Known => (bodies.limit, &bodies.memory),
        Sender::System(limit) => (bodies.limit.min(limit), &bodies.memory),
    };
    if request.headers().get(CONTENT_ENCODING).is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Failure::UnsupportedEncoding);
    }
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
