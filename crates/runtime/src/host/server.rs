//! What accepts connections and serves them. It is put together from the parts that `actix_web::HttpServer` is made of, because that has no place to
//! refuse a connection before its handshake, and to end one that is idle.

use std::{fmt, net::TcpListener, time::Duration};

use actix_http::{HttpService, Protocol, Request, Response, body::BoxBody, error::DispatchError};
use actix_server::{Server, ServerBuilder};
use actix_service::{IntoServiceFactory, ServiceFactory, ServiceFactoryExt as _, fn_service, map_config};
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, ServiceResponse},
};
use tokio::{net::TcpStream, time::timeout};
use tokio_rustls::TlsAcceptor;

use super::{
    connection::Connections,
    stream::{Bytes, Stream},
};
use crate::Http;

/// Time limit for requests in flight at a stop, in seconds.
const DRAIN_S: u64 = 10;

/// How a listener's connections are treated.
#[derive(Clone)]
pub(super) struct Terms {
    pub(super) connections: Connections,
    /// With it, connections are encrypted.
    pub(super) tls: Option<TlsAcceptor>,
    pub(super) header_timeout: Duration,
    pub(super) keep_alive: Duration,
    pub(super) write_timeout: Duration,
}

impl Terms {
    pub(super) fn new(settings: &Http, connections: Connections, tls: Option<TlsAcceptor>) -> Self {
        let Http { header_timeout, keep_alive, write_timeout, .. } = *settings;
        Self { connections, tls, header_timeout, keep_alive, write_timeout }
    }

    /// Takes a connection on, unless there are too many.
    async fn accept(self, stream: TcpStream) -> Result<(Stream, Protocol, Option<std::net::SocketAddr>), DispatchError> {
        let peer = stream.peer_addr().ok();
        let connection = self.connections.open(peer, self.tls.is_some()).ok_or_else(refused)?;
        // A client that is too far away for this to work gets answers later.
        let _best_effort = stream.set_nodelay(true);
        limit_writes(&stream, self.write_timeout);
        let bytes = match self.tls {
            None => Bytes::Plain(stream),
            Some(tls) => {
                let handshake = timeout(self.header_timeout, tls.accept(stream)).await;
                Bytes::Tls(Box::new(handshake.map_err(|_| refused())?.map_err(DispatchError::Io)?))
            }
        };
        Ok((Stream::new(bytes, connection, self.keep_alive + self.header_timeout), Protocol::Http1, peer))
    }
}

fn refused() -> DispatchError {
    DispatchError::Io(std::io::ErrorKind::ConnectionRefused.into())
}

/// The kernel ends a connection whose peer takes nothing of what was sent.
#[cfg(target_os = "linux")]
fn limit_writes(stream: &TcpStream, limit: Duration) {
    let millis = u32::try_from(limit.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = rustix::net::sockopt::set_tcp_user_timeout(stream, millis) {
        tracing::debug!(%error, "a connection has no time limit for writes");
    }
}

#[cfg(not(target_os = "linux"))]
fn limit_writes(_: &TcpStream, _: Duration) {}

/// A server without listeners.
pub(super) fn builder(workers: usize) -> ServerBuilder {
    Server::build().workers(workers).disable_signals().shutdown_timeout(DRAIN_S)
}

/// Adds a listener whose requests go to the app that `app` makes, once per thread.
pub(super) fn listen<F, I, S, B>(builder: ServerBuilder, listener: TcpListener, terms: Terms, app: F) -> std::io::Result<ServerBuilder>
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request>,
    S: ServiceFactory<Request, Config = AppConfig, Response = ServiceResponse<B>, Error = Error> + 'static,
    S::InitError: fmt::Debug,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let stopping = builder.graceful_shutdown_signal();
    builder.listen("http", listener, move || {
        let (stopping, terms) = (stopping.clone(), terms.clone());
        let app = app().into_factory().map_err(|error: Error| -> Response<BoxBody> { error.error_response().into() });
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(terms.keep_alive)
            .client_request_timeout(terms.header_timeout)
            .client_disconnect_timeout(Duration::from_secs(1))
            // A client that closes its side is gone: a claim of a worker that hung up must not be assigned a job.
            .h1_allow_half_closed(false)
            .on_connect_ext(|stream: &Stream, data| {
                data.insert(stream.connection.clone());
            })
            .finish(map_config(app, |()| AppConfig::default()));
        fn_service(move |stream| terms.clone().accept(stream)).and_then(http)
    })
}
