//! A server process: services behind one listener, with the routes that every process has: health, the API description, problem responses
//! for unmatched requests, and the state of reconcilers and tasks.

mod app;
mod connection;
mod description;
mod health;
mod metrics;
mod ops;
mod server;
mod stream;
mod tls;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::Duration,
};

use actix_server::ServerHandle;
use secrecy::SecretString;
use store::Database;
use tokio::task::JoinHandle;

use self::app::Listeners;
pub use self::description::{Route, describe};
pub(crate) use self::{
    connection::{Connection, Connections, InFlight},
    description::routes,
};
use crate::{
    Context, Counts, Failure, Service, Shutdown, StartError, TaskError,
    requests::{Requests, ServiceRoutes},
    service::{LocalAccess, Running},
};

/// Time limit for tasks to end after the last request.
const TASKS_END_WITHIN: Duration = Duration::from_secs(5);

/// A server process.
pub struct Host {
    address: SocketAddr,
    local: Option<SocketAddr>,
    context: Context,
    announcements: Vec<String>,
    local_access: Option<LocalAccess>,
    handle: ServerHandle,
    server: JoinHandle<std::io::Result<()>>,
}

impl Host {
    /// Starts `services` in order and serves them on `listener`; the routes of the first are matched first.
    ///
    /// # Errors
    /// The error of the service that did not start; those started before it are stopped.
    pub async fn start(listener: TcpListener, context: Context, services: &[Box<dyn Service>]) -> Result<Self, StartError> {
        match start(listener, &context, services).await {
            Ok(Started { address, local, announcements, local_access, server }) => {
                let handle = server.handle();
                Ok(Self { address, local, context, announcements, local_access, handle, server: tokio::spawn(server) })
            }
            Err(error) => {
                context.close(TASKS_END_WITHIN).await;
                Err(error)
            }
        }
    }

    /// The port that it serves on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its URL on this machine: the bound address, or loopback if it is bound to all.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        let scheme = if self.context.settings.tls_is_on() { "https" } else { "http" };
        format!("{scheme}://{}", SocketAddr::new(ip, self.port()))
    }

    /// The URL for programs of this process, which need no certificate for themselves: that of an extra listener on loopback where the server speaks
    /// TLS, else [`Host::url`].
    #[must_use]
    pub fn local_url(&self) -> String {
        self.local.map_or_else(|| self.url(), |address| format!("http://{address}"))
    }

    /// The database, for tests.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.context.database
    }

    /// The shared worker key.
    #[must_use]
    pub const fn worker_key(&self) -> &SecretString {
        &self.context.worker_key
    }

    /// An access token for the administrator, for programs of this process.
    ///
    /// # Errors
    /// When no service of this process signs people in, or the database fails.
    pub async fn access_token(&self) -> Result<String, Failure> {
        match &self.local_access {
            Some(token) => token().await,
            None => Err(Failure::Internal("no service of this process signs people in".to_owned())),
        }
    }

    /// Runs a reconciler of this process once, for tests that drive recovery.
    ///
    /// # Errors
    /// The reconciler's, or one for an unknown name.
    pub async fn reconcile(&self, name: &str) -> Result<Counts, TaskError> {
        self.context.reconcilers.run_once(name).await.unwrap_or_else(|| Err(format!("no reconciler \"{name}\" in this process").into()))
    }

    /// The signal that ends it; [`Host::stop`] waits for the end.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.context.shutdown.clone()
    }

    /// Lines for the person who started it.
    #[must_use]
    pub fn announcements(&self) -> &[String] {
        &self.announcements
    }

    /// Stops: refuses new requests, answers those in flight, ends the tasks, then closes the connections.
    pub async fn stop(self) {
        self.context.shutdown.trigger();
        self.handle.stop(true).await;
        match self.server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "the server failed"),
            Err(error) => tracing::warn!(%error, "the server's task failed"),
        }
        self.context.close(TASKS_END_WITHIN).await;
    }
}

struct Started {
    address: SocketAddr,
    local: Option<SocketAddr>,
    announcements: Vec<String>,
    local_access: Option<LocalAccess>,
    server: actix_server::Server,
}

async fn start(listener: TcpListener, context: &Context, services: &[Box<dyn Service>]) -> Result<Started, StartError> {
    let address = listener.local_addr()?;
    let local = if context.settings.tls_is_on() { Some(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?) } else { None };
    let local_address = local.as_ref().map(TcpListener::local_addr).transpose()?;
    if services.iter().any(|service| service.needs_secrets()) {
        context.secrets.check().await?;
    }
    let mut running: Vec<(&'static str, Running)> = Vec::with_capacity(services.len());
    for service in services {
        let mut started = service.start(context).await?;
        if let Some(intake) = started.job_intake.take() {
            context.peers.offer(intake);
        }
        running.push((service.name(), started));
    }
    let reconcilers = running.iter_mut().flat_map(|(_, service)| std::mem::take(&mut service.reconcilers)).collect();
    context.reconcilers.start(reconcilers, &context.tasks).await?;
    context.access.identities.start(&context.tasks, &context.shutdown);
    context.replica.start(&context.tasks, &context.writes, context.settings.dispatch.tick, &context.shutdown);
    let announcements = running.iter_mut().flat_map(|(_, service)| std::mem::take(&mut service.announcements)).collect();
    let requests = Requests::new(&context.metrics, &requested(services, &running));
    let beside = running.iter_mut().flat_map(|(_, service)| std::mem::take(&mut service.descriptions));
    let doc = description::of(services.iter().map(|service| service.describe()).chain(beside));
    let local_access = running.iter_mut().find_map(|(_, service)| service.local_access.take());
    let is_front = services.iter().any(|service| service.is_edge());
    let server = app::serve(Listeners { public: listener, local }, context, running, &doc, (is_front, requests))?;
    Ok(Started { address, local: local_address, announcements, local_access, server })
}

/// The routes of each service, for the metrics of requests.
fn requested(services: &[Box<dyn Service>], running: &[(&'static str, Running)]) -> Vec<ServiceRoutes> {
    let of_all = services.iter().zip(running).map(|(service, (name, running))| {
        let described = std::iter::once(service.describe()).chain(running.descriptions.iter().cloned());
        (*name, described.flat_map(|doc| routes(&doc)).map(|route| route.path).collect())
    });
    of_all.collect()
}
