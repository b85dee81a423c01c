//! Client of the hub's worker API: one attempt per call; whoever calls decides about retries.

mod error;
mod health;
mod reports;

use std::{sync::Arc, time::Duration};

use api_types::{
    ClaimRequest, FinishRequest, GoodbyeRequest, HeartbeatRequest, HeartbeatResponse, JobStatusResponse, LEASE_TOKEN_HEADER, LogEntry,
    LogRequest, LogResponse, Progress, RegisterRequest, RegisterResponse, StartRequest, StartResponse, WORKER_KEY_HEADER,
};
use bytes::Bytes;
use domain::ids::{JobId, WorkerId};
use reqwest::{
    Method, RequestBuilder, Url,
    header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue},
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::Semaphore;
use uuid::Uuid;

pub use self::error::HubError;
pub(crate) use self::health::HubHealth;
use self::reports::{Report, Reports};
use crate::{Auth, Claimed, Error};

/// Concurrent requests about jobs. More would cost memory without being answered sooner.
const AT_ONCE: usize = 64;

/// Client of the hub's worker API. Every method makes one attempt. Dropping its future abandons the attempt, which the hub may have carried
/// out all the same.
///
/// It is not the crate `client`, which is for people and services: it sends the reports of many jobs in one request and log lines as they were
/// written, its memory is counted in MiB, and what is sent again is the outbox's decision.
pub struct HubClient {
    link: Arc<Link>,
    reports: Reports,
    at_once: Semaphore,
}

/// The connection to the hub.
struct Link {
    http: reqwest::Client,
    /// The hub's API.
    base: Url,
    timeout: Duration,
}

impl HubClient {
    /// A client for the hub at `server`. `timeout` is the limit of one request.
    ///
    /// # Errors
    /// `server` is not a URL, the key is not a valid header value, or there are no CA certificates for an `https` server.
    pub fn new(server: &str, auth: &Auth, timeout: Duration) -> Result<Self, Error> {
        // A second call finds the provider that the first call, or the embedding program, installed.
        let _already = rustls::crypto::ring::default_provider().install_default();
        let mut builder = reqwest::Client::builder()
            .default_headers(auth_headers(auth)?)
            .user_agent(concat!("regente-worker/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .http1_only()
            .pool_max_idle_per_host(AT_ONCE + 2)
            .connect_timeout(timeout.min(Duration::from_secs(10)));
        if server.starts_with("http://") {
            // Plain HTTP works on hosts without CA certificates; loading them would fail there.
            builder = builder.tls_certs_only([]);
        }
        let http = builder.build().map_err(|error| Error::Client(error::chain(&error)))?;
        let mut base = Url::parse(server).map_err(|error| Error::Settings(format!("server {server:?} is not a URL: {error}")))?;
        base.set_path(&format!("{}/api/v1", base.path().trim_end_matches('/')));
        let link = Arc::new(Link { http, base, timeout });
        Ok(Self { reports: Reports::new(link.clone()), link, at_once: Semaphore::new(AT_ONCE) })
    }

    /// Registers this worker.
    ///
    /// # Errors
    /// As every method: see [`HubError`].
    pub async fn register(&self, request: &RegisterRequest) -> Result<RegisterResponse, HubError> {
        read(self.link.post("register", request)?).await
    }

    /// Renews the leases of the jobs listed in it. `within` is how long its answer may take, if that is shorter than the limit of any request.
    ///
    /// # Errors
    /// 404 when the worker is not registered; see [`HubError`].
    pub async fn heartbeat(&self, request: &HeartbeatRequest, within: Duration) -> Result<HeartbeatResponse, HubError> {
        read(self.link.post("heartbeat", request)?.timeout(within.min(self.link.timeout))).await
    }

    /// Signs the worker off: it stops in order and is not lost.
    ///
    /// # Errors
    /// 404 when the worker is not registered; see [`HubError`].
    pub async fn sign_off(&self, worker: WorkerId) -> Result<(), HubError> {
        done(self.link.post("goodbye", &GoodbyeRequest { worker_id: worker })?).await
    }

    /// Claims jobs. The hub holds the request for up to `wait_s`.
    ///
    /// # Errors
    /// 404 when the worker is not registered; see [`HubError`].
    pub async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Claimed>, HubError> {
        let wait = Duration::try_from_secs_f64(request.wait_s).unwrap_or_default();
        let answer = send(self.link.post("jobs/claim", request)?.timeout(self.link.timeout + wait)).await?;
        Claimed::parse_all(&answer).map_err(|error| HubError::Answer(error.to_string()))
    }

    /// Starts a job that came as a message, and takes its lease.
    ///
    /// # Errors
    /// 409 when another worker has the job or it has ended, 404 when there is no such job; see [`HubError`].
    pub async fn start(&self, job: JobId, worker: WorkerId) -> Result<StartResponse, HubError> {
        let body = json(&StartRequest { worker_id: Some(worker) })?;
        parse(&self.reports.send(Report { job, lease: None, action: "start", body }).await?)
    }

    /// Stores log lines.
    ///
    /// # Errors
    /// 409 `stale_lease` when the worker has lost the job; see [`HubError`].
    pub async fn log(&self, job: JobId, lease: Uuid, entries: Vec<LogEntry>, offset: Option<i64>) -> Result<LogResponse, HubError> {
        let request = LogRequest { entries: Some(entries), offset, ..LogRequest::default() };
        self.log_raw(job, lease, json(&request)?).await
    }

    /// Stores log lines whose request is already serialised.
    pub(crate) async fn log_raw(&self, job: JobId, lease: Uuid, body: Bytes) -> Result<LogResponse, HubError> {
        let _turn = self.at_once.acquire().await;
        read(leased(self.link.raw(&format!("jobs/{job}/log"), body), lease)).await
    }

    /// Stores the job's progress.
    ///
    /// # Errors
    /// As [`HubClient::log`].
    pub async fn progress(&self, job: JobId, lease: Uuid, progress: &Progress) -> Result<(), HubError> {
        let _turn = self.at_once.acquire().await;
        done(leased(self.link.post(&format!("jobs/{job}/progress"), progress)?, lease)).await
    }

    /// Ends the job. Repeated for an ended job, it changes nothing.
    ///
    /// # Errors
    /// As [`HubClient::log`].
    pub async fn finish(&self, job: JobId, lease: Uuid, request: &FinishRequest) -> Result<(), HubError> {
        let body = json(request)?;
        self.reports.send(Report { job, lease: Some(lease), action: "finish", body }).await.map(drop)
    }

    /// The job's status.
    ///
    /// # Errors
    /// 404 when there is no such job; see [`HubError`].
    pub async fn status(&self, job: JobId) -> Result<JobStatusResponse, HubError> {
        let link = &self.link;
        let request = link.http.request(Method::GET, link.url(&format!("worker/jobs/{job}/status"))).timeout(link.timeout);
        read(request).await
    }
}

impl Link {
    fn post<T: Serialize>(&self, path: &str, body: &T) -> Result<RequestBuilder, HubError> {
        Ok(self.raw(path, json(body)?))
    }

    fn raw(&self, path: &str, body: Bytes) -> RequestBuilder {
        let request = self.http.request(Method::POST, self.url(&format!("worker/{path}"))).timeout(self.timeout);
        request.header(CONTENT_TYPE, HeaderValue::from_static("application/json")).body(body)
    }

    /// URL of a path in the API. The base is parsed once, not per request.
    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}/{path}", self.base.path()));
        url
    }
}

fn json<T: Serialize>(body: &T) -> Result<Bytes, HubError> {
    serde_json::to_vec(body).map(Bytes::from).map_err(|error| HubError::Encode(error.to_string()))
}

fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, HubError> {
    serde_json::from_slice(body).map_err(|error| HubError::Answer(error.to_string()))
}

fn leased(request: RequestBuilder, lease: Uuid) -> RequestBuilder {
    request.header(LEASE_TOKEN_HEADER, lease.to_string())
}

async fn read<T: DeserializeOwned>(request: RequestBuilder) -> Result<T, HubError> {
    parse(&send(request).await?)
}

async fn done(request: RequestBuilder) -> Result<(), HubError> {
    send(request).await.map(drop)
}

async fn send(request: RequestBuilder) -> Result<Bytes, HubError> {
    let response = request.send().await.map_err(|error| HubError::unreachable(&error))?;
    let status = response.status();
    let headers = (!status.is_success()).then(|| response.headers().clone());
    let body = response.bytes().await.map_err(|error| HubError::unreachable(&error))?;
    match headers {
        None => Ok(body),
        Some(headers) => Err(HubError::from_answer(status, &headers, &body)),
    }
}

fn auth_headers(auth: &Auth) -> Result<HeaderMap, Error> {
    let secret = |text: &str| {
        let mut value =
            HeaderValue::from_str(text).map_err(|_| Error::Settings("the worker's key has characters that no header takes".into()))?;
        value.set_sensitive(true);
        Ok::<_, Error>(value)
    };
    let bearer = |token: &SecretString| secret(&format!("Bearer {}", token.expose_secret()));
    let mut headers = HeaderMap::new();
    match auth {
        Auth::None => {}
        Auth::WorkerKey(key) => drop(headers.insert(WORKER_KEY_HEADER, secret(key.expose_secret())?)),
        Auth::Bearer(token) => drop(headers.insert(AUTHORIZATION, bearer(token)?)),
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(server: &str) -> Result<HubClient, Error> {
        HubClient::new(server, &Auth::None, Duration::from_secs(1))
    }

    #[tokio::test]
    async fn paths_stand_below_the_server_s_own() {
        for (server, url) in [
            ("http://hub:8080", "http://hub:8080/api/v1/worker/register"),
            ("http://hub/", "http://hub/api/v1/worker/register"),
            ("http://proxy/regente/", "http://proxy/regente/api/v1/worker/register"),
        ] {
            assert_eq!(client(server).unwrap().link.url("worker/register").as_str(), url);
        }
    }

    #[tokio::test]
    async fn what_is_no_address_is_named() {
        for server in ["http://", "http://hub:port", "http://[::1"] {
            let refused = client(server).err().unwrap();
            assert!(matches!(&refused, Error::Settings(text) if text.contains(server)), "{server}: {refused}");
        }
    }
}
