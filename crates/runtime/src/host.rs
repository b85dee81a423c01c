//! A process that serves: some services behind one listener, with what every process has whichever they are: health, the description of the
//! API, problems for what no route takes, and a view of its reconcilers and tasks.

mod app;
mod description;
mod health;
mod ops;

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    time::{Duration, SystemTime},
};

use actix_web::dev::ServerHandle;
use secrecy::SecretString;
use store::Database;
use tokio::task::JoinHandle;

pub use self::description::describe;
use crate::{Context, Counts, Service, Shutdown, StartError, TaskError, service::Running};

/// How long tasks may take to end after the last request.
const TASKS_END_WITHIN: Duration = Duration::from_secs(5);

/// A process that serves.
pub struct Host {
    address: SocketAddr,
    context: Context,
    announcements: Vec<String>,
    handle: ServerHandle,
    server: JoinHandle<std::io::Result<()>>,
}

impl Host {
    /// Starts `services` in their order, and serves them on `listener`: the routes of the first are tried first.
    ///
    /// # Errors
    /// What is in the way of one of them; then nothing of them runs any more.
    pub async fn start(listener: TcpListener, context: Context, services: &[Box<dyn Service>]) -> Result<Self, StartError> {
        match start(listener, &context, services).await {
            Ok((address, announcements, server)) => {
                let handle = server.handle();
                Ok(Self { address, context, announcements, handle, server: tokio::spawn(server) })
            }
            Err(error) => {
                context.close(TASKS_END_WITHIN).await;
                Err(error)
            }
        }
    }

    /// The port it serves on.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.address.port()
    }

    /// Where it is reached from this machine: the address it is bound to, or loopback when it is bound to all.
    #[must_use]
    pub fn url(&self) -> String {
        let ip = match self.address.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.port()))
    }

    /// The database, for tests that look into it.
    #[must_use]
    pub const fn database(&self) -> &Database {
        &self.context.database
    }

    /// The workers' key.
    #[must_use]
    pub const fn worker_key(&self) -> &SecretString {
        &self.context.worker_key
    }

    /// An access token for the administrator, for programs of this process.
    ///
    /// # Errors
    /// When it cannot be signed.
    pub fn access_token(&self) -> Result<String, auth::Error> {
        self.context.access.tokens.issue(&self.context.settings.admin.username, SystemTime::now())
    }

    /// Runs a reconciler of this process once, for tests that drive recovery.
    ///
    /// # Errors
    /// Those of the reconciler, or that there is none of that name.
    pub async fn reconcile(&self, name: &str) -> Result<Counts, TaskError> {
        self.context.reconcilers.run_once(name).await.unwrap_or_else(|| Err(format!("no reconciler \"{name}\" in this process").into()))
    }

    /// Tells it to end; [`Host::stop`] waits for that.
    #[must_use]
    pub fn shutdown(&self) -> Shutdown {
        self.context.shutdown.clone()
    }

    /// Lines for the person who started it.
    #[must_use]
    pub fn announcements(&self) -> &[String] {
        &self.announcements
    }

    /// Ends: no new requests, those under way are answered, tasks end, then the connections are closed.
    pub async fn stop(self) {
        self.context.shutdown.trigger();
        self.handle.stop(true).await;
        match self.server.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "server ended badly"),
            Err(error) => tracing::warn!(%error, "server task ended badly"),
        }
        self.context.close(TASKS_END_WITHIN).await;
    }
}

type Started = (SocketAddr, Vec<String>, actix_web::dev::Server);

async fn start(listener: TcpListener, context: &Context, services: &[Box<dyn Service>]) -> Result<Started, StartError> {
    let address = listener.local_addr()?;
    if services.iter().any(|service| service.needs_secrets()) {
        context.secrets.check().await?;
    }
    let mut running: Vec<(&'static str, Running)> = Vec::with_capacity(services.len());
    for service in services {
        running.push((service.name(), service.start(context).await?));
    }
    let reconcilers = running.iter_mut().flat_map(|(_, service)| std::mem::take(&mut service.reconcilers)).collect();
    context.reconcilers.start(reconcilers, &context.tasks).await?;
    context.replica.start(&context.tasks, &context.writes, context.settings.dispatch.tick, &context.shutdown);
    let announcements = running.iter_mut().filter_map(|(_, service)| service.announcement.take()).collect();
    let server = app::serve(listener, context, running, &describe(services))?;
    Ok((address, announcements, server))
}
