use std::{
    collections::VecDeque,
    net::SocketAddr,
    pin::pin,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// A TCP proxy that simulates a failing network: it can cut its connections, stall them, and forward to other targets.
pub struct Proxy {
    address: SocketAddr,
    targets: Targets,
    flow: Arc<watch::Sender<Flow>>,
}

/// Where connections go, the next one to the first.
type Targets = Arc<Mutex<VecDeque<String>>>;

/// State of the connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    /// Forwarded. A number greater than the one that a connection began with closes it.
    Open(u64),
    /// Stalled: nothing is forwarded, and no connection is closed.
    Stalled(u64),
    /// Closed, and new ones refused.
    Cut(u64),
}

impl Flow {
    const fn generation(self) -> u64 {
        match self {
            Self::Open(generation) | Self::Stalled(generation) | Self::Cut(generation) => generation,
        }
    }
}

impl Proxy {
    /// Listens on a free port of this machine and forwards to `target` (`host:port`).
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(target: String) -> std::io::Result<Self> {
        Self::start_before(vec![target]).await
    }

    /// Listens on a free port of this machine and forwards each connection to the next of `targets`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start_before(targets: Vec<String>) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let targets = Arc::new(Mutex::new(targets.into()));
        let flow = Arc::new(watch::Sender::new(Flow::Open(0)));
        tokio::spawn(accept(listener, targets.clone(), flow.clone()));
        Ok(Self { address, targets, flow })
    }

    /// Address of the proxy.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes every connection, visibly to both sides when this returns, and refuses new ones.
    pub async fn cut(&self) {
        self.flow.send_modify(|flow| *flow = Flow::Cut(flow.generation() + 1));
        self.flow.closed().await;
    }

    /// Stalls all connections; they stay open, and new ones are accepted.
    pub fn stall(&self) {
        self.flow.send_modify(|flow| *flow = Flow::Stalled(flow.generation()));
    }

    /// Forwards again, including what was stalled.
    pub fn restore(&self) {
        self.flow.send_modify(|flow| *flow = Flow::Open(flow.generation()));
    }

    /// Closes every connection and forwards new ones to `target` from now on.
    pub fn switch(&self, target: String) {
        self.switch_to(vec![target]);
    }

    /// [`Proxy::switch`] to several targets: each connection goes to the next one.
    pub fn switch_to(&self, targets: Vec<String>) {
        *self.targets.lock().unwrap_or_else(PoisonError::into_inner) = targets.into();
        self.flow.send_modify(|flow| *flow = Flow::Open(flow.generation() + 1));
    }
}

async fn accept(listener: TcpListener, targets: Targets, flow: Arc<watch::Sender<Flow>>) {
    while let Ok((client, _)) = listener.accept().await {
        let now = *flow.borrow();
        if !matches!(now, Flow::Cut(_)) {
            tokio::spawn(forward(flow.subscribe(), client, targets.clone(), now.generation()));
        }
    }
}

/// `flow` comes first because it is dropped last: while it has a receiver, a connection may be open.
async fn forward(mut flow: watch::Receiver<Flow>, mut client: TcpStream, targets: Targets, generation: u64) {
    // The proxy lives as long as its connections: waiting cannot fail while it matters.
    let Ok(now) = flow.wait_for(|flow| !matches!(flow, Flow::Stalled(_))).await.map(|flow| *flow) else { return };
    if now.generation() != generation {
        return;
    }
    let Some(target) = next(&targets) else { return };
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    let mut copy = pin!(copy_bidirectional(&mut client, &mut server));
    loop {
        let now = *flow.borrow_and_update();
        if now.generation() != generation {
            return;
        }
        tokio::select! {
            // How a connection ends is up to its two ends.
            _ = &mut copy, if matches!(now, Flow::Open(_)) => return,
            changed = flow.changed() => if changed.is_err() { return },
        }
    }
}

fn next(targets: &Targets) -> Option<String> {
    let mut targets = targets.lock().unwrap_or_else(PoisonError::into_inner);
    let target = targets.pop_front()?;
    targets.push_back(target.clone());
    Some(target)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::timeout,
    };

    use super::*;

    /// Answers each byte with `mark`.
    async fn server(mark: u8) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                tokio::spawn(async move { while connection.read_u8().await.is_ok() && connection.write_u8(mark).await.is_ok() {} });
            }
        });
        address
    }

    async fn ask(connection: &mut TcpStream) -> std::io::Result<u8> {
        connection.write_u8(0).await?;
        connection.read_u8().await
    }

    #[tokio::test]
    async fn a_cut_closes_connections_and_a_restore_accepts_new_ones() {
        let proxy = Proxy::start(server(1).await).await.unwrap();
        let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut connection).await.unwrap(), 1);
        proxy.cut().await;
        assert!(connection.read_u8().await.is_err());
        let mut refused = TcpStream::connect(proxy.address()).await.unwrap();
        assert!(refused.read_u8().await.is_err());
        proxy.restore();
        assert_eq!(ask(&mut TcpStream::connect(proxy.address()).await.unwrap()).await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_stall_delays_everything_and_loses_nothing() {
        let proxy = Proxy::start(server(1).await).await.unwrap();
        let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut connection).await.unwrap(), 1);
        proxy.stall();
        connection.write_u8(0).await.unwrap();
        let mut new = TcpStream::connect(proxy.address()).await.unwrap();
        new.write_u8(0).await.unwrap();
        assert!(timeout(Duration::from_millis(100), connection.read_u8()).await.is_err());
        proxy.restore();
        assert_eq!((connection.read_u8().await.unwrap(), new.read_u8().await.unwrap()), (1, 1));
    }

    #[tokio::test]
    async fn a_switch_closes_connections_and_changes_the_target() {
        let proxy = Proxy::start(server(1).await).await.unwrap();
        let mut connection = TcpStream::connect(proxy.address()).await.unwrap();
        assert_eq!(ask(&mut connection).await.unwrap(), 1);
        proxy.switch(server(2).await);
        assert!(connection.read_u8().await.is_err());
        assert_eq!(ask(&mut TcpStream::connect(proxy.address()).await.unwrap()).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn connections_go_to_the_targets_in_turn() {
        let proxy = Proxy::start_before(vec![server(1).await, server(2).await]).await.unwrap();
        for mark in [1, 2, 1, 2] {
            assert_eq!(ask(&mut TcpStream::connect(proxy.address()).await.unwrap()).await.unwrap(), mark);
        }
    }
}
