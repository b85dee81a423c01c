//! A TCP proxy that can be cut.

use std::net::SocketAddr;

use lapin::uri::AMQPUri;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with connections, present and future.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Forwards.
    Open,
    /// Closes all, and every new one at once.
    Cut,
    /// Forwards nothing, and keeps the connections open.
    Frozen,
}

/// A controllable route to the broker.
pub(crate) struct Proxy {
    address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    /// Listens on a free port and forwards to the broker of `url`.
    pub(crate) async fn start(url: &str) -> Self {
        let target: AMQPUri = url.parse().unwrap();
        let target = (target.authority.host, target.authority.port);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, watched) = watch::channel(Mode::Open);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, target.clone(), watched.clone()));
            }
        });
        Self { address, mode }
    }

    /// `url` with the proxy's address.
    pub(crate) fn url(&self, url: &str) -> String {
        let mut uri: AMQPUri = url.parse().unwrap();
        uri.authority.host = self.address.ip().to_string();
        uri.authority.port = self.address.port();
        uri.to_string()
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_replace(mode);
    }
}

async fn forward(mut client: TcpStream, target: (String, u16), mut mode: watch::Receiver<Mode>) {
    if *mode.borrow() == Mode::Cut {
        return;
    }
    let mut server = TcpStream::connect(target).await.unwrap();
    tokio::select! {
        _ = copy_bidirectional(&mut client, &mut server) => return,
        _ = mode.wait_for(|mode| *mode != Mode::Open) => {}
    }
    // Frozen connections stay open until they are cut, or the proxy is dropped.
    let _ = mode.wait_for(|mode| *mode == Mode::Cut).await;
}
