use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, Result, ensure};
use api_types::{AutomationCreate, LoginRequest, LoginResponse};
use domain::ids::JobId;
use http_body_util::{BodyExt as _, Full};
use hyper::{
    Method, Request,
    body::Bytes,
    client::conn::http1::{SendRequest, handshake},
    header::{AUTHORIZATION, CONTENT_TYPE, HOST},
    http::request::Builder,
};
use hyper_util::rt::TokioIo;
use serde::{Deserialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};
use uuid::Uuid;

use crate::{clock::now_us, context::WORKER_KEY};

const PATIENCE: Duration = Duration::from_secs(60);

type Connection = SendRequest<Full<Bytes>>;

/// The hub's API as its users see it. Its own cost is part of the latencies, so it is a thin layer above the sockets. It is not the
/// crate `client`, whose retries and parsing would be measured with the hub.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) base: String,
    host: String,
    authorization: String,
    idle: Arc<Mutex<Vec<Connection>>>,
}

#[derive(Deserialize)]
struct Accepted {
    id: JobId,
}

#[derive(Deserialize)]
struct Created {
    id: i32,
}

/// A serialised request that submits a job: nothing happens between the clock and the socket.
pub(crate) struct Prepared {
    stream: BufReader<TcpStream>,
    request: String,
}

impl Prepared {
    /// Submits a job; returns its id and the time of the write, in microseconds of the wall clock.
    pub(crate) async fn send(&mut self) -> Result<(JobId, i64)> {
        let submitted_us = now_us();
        self.stream.write_all(self.request.as_bytes()).await?;
        let body = tokio::time::timeout(PATIENCE, self.answer()).await.context("no answer in time")??;
        Ok((serde_json::from_slice::<Accepted>(&body)?.id, submitted_us))
    }

    async fn answer(&mut self) -> Result<Vec<u8>> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            ensure!(self.stream.read_line(&mut head).await? > 0, "the hub has closed the connection after {head:?}");
        }
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        let mut body = vec![0; length.context("an answer without a length")?.1.parse()?];
        self.stream.read_exact(&mut body).await?;
        ensure!(head.starts_with("HTTP/1.1 202 "), "{head}{}", String::from_utf8_lossy(&body));
        Ok(body)
    }
}

impl Api {
    /// For the hub that listens on `host`, an address with a port.
    pub(crate) fn new(host: &str) -> Self {
        Self { base: format!("http://{host}"), host: host.to_owned(), authorization: String::new(), idle: Arc::default() }
    }

    /// Its address.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// Authorization header of the signed-in user.
    pub(crate) fn authorization(&self) -> &str {
        &self.authorization
    }

    pub(crate) async fn is_healthy(&self) -> bool {
        let Ok(answer) = self.send(self.request(Method::GET, "health"), "").await else { return false };
        serde_json::from_slice::<api_types::Health>(&answer).is_ok_and(|health| health.status == domain::health::Status::Ok)
    }

    pub(crate) async fn login(&mut self, username: &str, password: &str) -> Result<()> {
        let request = LoginRequest { username: Some(username.to_owned()), password: password.to_owned(), ..LoginRequest::default() };
        let answer = self.send(self.request(Method::POST, "auth/login"), serde_json::to_vec(&request)?).await?;
        self.authorization = format!("Bearer {}", serde_json::from_slice::<LoginResponse>(&answer)?.access_token);
        Ok(())
    }

    pub(crate) async fn automation_create(&self, create: &AutomationCreate) -> Result<i32> {
        let request = self.request(Method::POST, "automations").header(AUTHORIZATION, &self.authorization);
        let answer = self.send(request, serde_json::to_vec(create)?).await?;
        Ok(serde_json::from_slice::<Created>(&answer)?.id)
    }

    /// Makes the schedules of the automations in the document, YAML, what it says.
    pub(crate) async fn schedules_import(&self, document: String) -> Result<()> {
        let request = self.request(Method::POST, "schedules/import").header(AUTHORIZATION, &self.authorization);
        self.send(request, document).await.map(drop)
    }

    /// The answer of a path with its query.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T> {
        let answer = self.send(self.request(Method::GET, path).header(AUTHORIZATION, &self.authorization), "").await?;
        Ok(serde_json::from_slice(&answer)?)
    }

    /// Submits a job with these parameters, which are a JSON object.
    pub(crate) async fn execute(&self, automation: i32, parameters: &'static str) -> Result<JobId> {
        let request = self.request(Method::POST, &format!("automations/{automation}/execute")).header(AUTHORIZATION, &self.authorization);
        let answer = self.send(request, parameters).await?;
        Ok(serde_json::from_slice::<Accepted>(&answer)?.id)
    }

    /// A connection that only submits jobs with these parameters, one after the other.
    pub(crate) async fn prepared(&self, automation: i32, parameters: &str) -> Result<Prepared> {
        let stream = TcpStream::connect(&self.host).await?;
        stream.set_nodelay(true)?;
        let Self { host, authorization, .. } = self;
        let request = format!(
            "POST /api/v1/automations/{automation}/execute HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n\
            authorization: {authorization}\r\ncontent-length: {}\r\n\r\n{parameters}",
            parameters.len(),
        );
        Ok(Prepared { stream: BufReader::new(stream), request })
    }

    /// Sends log lines of a job: the text of the list `entries`, and how many lines were sent before.
    pub(crate) async fn log(&self, (job, lease): (JobId, Uuid), entries: &str, offset: usize) -> Result<()> {
        let body = format!("{{\"entries\":{entries},\"offset\":{offset}}}");
        let request = self.request(Method::POST, &format!("worker/jobs/{job}/log"));
        let request = request.header(api_types::WORKER_KEY_HEADER, WORKER_KEY).header(api_types::LEASE_TOKEN_HEADER, lease.to_string());
        self.send(request, body).await.map(drop)
    }

    fn request(&self, method: Method, path: &str) -> Builder {
        let request = Request::builder().method(method).uri(format!("/api/v1/{path}"));
        request.header(HOST, &self.host).header(CONTENT_TYPE, "application/json")
    }

    /// The body of a successful answer.
    async fn send(&self, request: Builder, body: impl Into<Bytes>) -> Result<Bytes> {
        let request = request.body(Full::new(body.into()))?;
        let path = request.uri().clone();
        let exchange = async {
            let mut connection = self.connection().await?;
            let answer = connection.send_request(request).await?;
            let status = answer.status();
            let body = answer.into_body().collect().await?.to_bytes();
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            anyhow::Ok((status, body))
        };
        let answered = tokio::time::timeout(PATIENCE, exchange).await.context("no answer in time").flatten();
        let (status, body) = answered.with_context(|| path.to_string())?;
        ensure!(status.is_success(), "{path}: {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    /// An idle open connection, or a new one.
    async fn connection(&self) -> Result<Connection> {
        loop {
            let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let Some(mut connection) = idle else { break };
            if connection.ready().await.is_ok() {
                return Ok(connection);
            }
        }
        let stream = TcpStream::connect(&self.host).await?;
        stream.set_nodelay(true)?;
        let (connection, exchange) = handshake(TokioIo::new(stream)).await?;
        // It ends when either side closes the connection; the sender on it gets the error.
        tokio::spawn(exchange);
        Ok(connection)
    }
}
