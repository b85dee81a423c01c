//! Against real sockets of this machine's loopback network, all of which Linux answers: 127.0.0.1 stands for what must not be reached.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::atomic::{AtomicUsize, Ordering},
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

use super::*;

/// A server at one address, which says how many connections came.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Handles each connection after the request's head has arrived.
    async fn start<F: Future<Output = ()> + Send>(at: &str, handle: impl Fn(TcpStream) -> F + Clone + Send + 'static) -> Self {
        let listener = TcpListener::bind(at).await.unwrap();
        let (address, connections) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
        let count = connections.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::SeqCst);
                let handle = handle.clone();
                tokio::spawn(async move {
                    let mut head = Vec::new();
                    while !head.windows(4).any(|end| end == b"\r\n\r\n") && stream.read_buf(&mut head).await.unwrap_or(0) > 0 {}
                    handle(stream).await;
                });
            }
        });
        Self { address, connections }
    }

    async fn answering(at: &str, answer: String) -> Self {
        Self::start(at, move |mut stream: TcpStream| {
            let answer = answer.clone();
            async move {
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    fn url(&self) -> String {
        format!("http://{}/services/s3cret?sig=s3cret", self.address)
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A name that has other addresses each time it is looked up.
struct Changing {
    answers: Vec<Vec<IpAddr>>,
    asked: Arc<AtomicUsize>,
}

impl Lookup for Changing {
    fn addresses(&self, _: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let nth = self.asked.fetch_add(1, Ordering::SeqCst);
        let found = self.answers.get(nth).or(self.answers.last()).cloned().unwrap_or_default();
        Box::pin(async move { Ok(found.into_iter().map(|ip| SocketAddr::new(ip, port)).collect()) })
    }
}

fn settings(allowed: &[&str]) -> OutboundSettings {
    let allowed = allowed.iter().map(|network| network.parse().unwrap()).collect();
    OutboundSettings { allowed, roots: Vec::new(), connect: Duration::from_secs(10), whole: Duration::from_secs(20) }
}

fn changing(allowed: &[&str], answers: &[&[&str]]) -> (Outbound, Arc<AtomicUsize>) {
    let asked = Arc::new(AtomicUsize::new(0));
    let answers = answers.iter().map(|ips| ips.iter().map(|ip| ip.parse().unwrap()).collect()).collect();
    (Outbound::with_lookup(settings(allowed), Arc::new(Changing { answers, asked: asked.clone() })), asked)
}

fn post(url: &str) -> OutboundRequest {
    OutboundRequest { method: Method::POST, url: Url::parse(url).unwrap(), headers: HeaderMap::new(), body: b"{}".to_vec() }
}

fn ok() -> String {
    "HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nok".to_owned()
}

#[tokio::test]
async fn a_redirect_is_an_answer_and_is_not_followed() {
    let inner = Server::answering("127.0.0.1:0", ok()).await;
    let answer = format!("HTTP/1.1 302 Found\r\nlocation: {}\r\ncontent-length: 0\r\n\r\n", inner.url());
    let outer = Server::answering("127.0.0.1:0", answer).await;
    let answer = Outbound::new(settings(&["127.0.0.0/8"])).send(post(&outer.url())).await.unwrap();
    assert_eq!((answer.status, outer.connections(), inner.connections()), (302, 1, 0));
}

#[tokio::test]
async fn a_name_is_looked_up_once_and_what_was_checked_is_connected_to() {
    let public = Server::answering("127.0.0.2:0", ok()).await;
    let port = public.address.port();
    let inner = Server::answering(&format!("127.0.0.1:{port}"), ok()).await;
    let url = format!("http://rebinding.example.com:{port}/");
    let allowed = ["127.0.0.2/32"];
    // Another address at a second look-up, which there is not.
    let (outbound, asked) = changing(&allowed, &[&["127.0.0.2"], &["127.0.0.1"]]);
    let answer = outbound.send(post(&url)).await.unwrap();
    assert_eq!((answer.status, answer.body.as_slice(), asked.load(Ordering::SeqCst)), (200, b"ok".as_slice(), 1));
    // The same at the next request: each is checked for itself.
    assert_eq!(outbound.send(post(&url)).await.unwrap_err(), OutboundError::Address(AddressFault::Private));
    // Of several addresses only those that may be reached are.
    let (outbound, _) = changing(&allowed, &[&["127.0.0.1", "::1", "127.0.0.2"]]);
    assert_eq!(outbound.send(post(&url)).await.unwrap().status, 200);
    assert_eq!(outbound.resolve("rebinding.example.com", port, true).await.unwrap(), [public.address]);
    for answers in [["127.0.0.1"].as_slice(), &["::ffff:127.0.0.1"], &["169.254.169.254"], &["10.0.0.1", "fd00::1"]] {
        let (outbound, _) = changing(&allowed, &[answers]);
        let refused = OutboundError::Address(AddressFault::Private);
        assert_eq!(outbound.send(post(&url)).await.unwrap_err(), refused, "{answers:?}");
        assert_eq!(outbound.resolve("rebinding.example.com", port, false).await.unwrap_err(), refused, "{answers:?}");
    }
    // A public address is not reached without encryption.
    let (outbound, _) = changing(&allowed, &[&["1.1.1.1"]]);
    assert_eq!(outbound.send(post(&url)).await.unwrap_err(), OutboundError::Address(AddressFault::Plain));
    assert_eq!((public.connections(), inner.connections()), (2, 0));
}

#[tokio::test]
async fn an_ip_address_is_checked_although_nobody_looks_it_up() {
    let inner = Server::answering("127.0.0.1:0", ok()).await;
    let port = inner.address.port();
    let (outbound, asked) = changing(&["127.0.0.2/32"], &[&["127.0.0.2"]]);
    for host in ["127.0.0.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]", "0.0.0.0"] {
        for scheme in ["http", "https"] {
            let error = outbound.send(post(&format!("{scheme}://{host}:{port}/"))).await.unwrap_err();
            assert_eq!(error, OutboundError::Address(AddressFault::Private), "{host}");
        }
    }
    assert_eq!((inner.connections(), asked.load(Ordering::SeqCst)), (0, 0));
}

#[tokio::test]
async fn an_answer_without_end_is_cut_and_one_that_never_comes_is_given_up() {
    let endless = Server::start("127.0.0.1:0", async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(&[b'x'; 4096]).await.is_ok() {}
    })
    .await;
    let answer = Outbound::new(settings(&["127.0.0.0/8"])).send(post(&endless.url())).await.unwrap();
    assert_eq!((answer.status, answer.body.len()), (200, MOST_ANSWER));

    let whole = Duration::from_millis(300);
    let hasty = Outbound::new(OutboundSettings { whole, ..settings(&["127.0.0.0/8"]) });
    let silent = Server::start("127.0.0.1:0", async |stream: TcpStream| {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    // A byte now and then does not keep it waiting either.
    let trickling = Server::start("127.0.0.1:0", async |mut stream: TcpStream| {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for server in [silent, trickling] {
        assert_eq!(hasty.send(post(&server.url())).await.unwrap_err(), OutboundError::Timeout(whole));
    }
}

#[tokio::test]
async fn no_error_has_the_path_or_the_query() {
    let outbound = Outbound::new(settings(&["127.0.0.0/8"]));
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let reset = Server::start("127.0.0.1:0", async |stream: TcpStream| drop(stream)).await;
    let garbage = Server::answering("127.0.0.1:0", "SSH-2.0-OpenSSH\r\n\r\n".to_owned()).await;
    for url in [format!("http://{closed}/services/s3cret?sig=s3cret"), reset.url(), garbage.url()] {
        let error = outbound.send(post(&url)).await.unwrap_err();
        assert!(matches!(error, OutboundError::Connection(_)), "{error:?}");
        let said = format!("{error} {error:?}");
        assert!(!said.contains("s3cret") && !said.contains("services"), "{said}");
    }
    let unknown = outbound.send(post("https://no-such-host.invalid/s3cret")).await.unwrap_err();
    assert!(matches!(&unknown, OutboundError::Name { host, .. } if host == "no-such-host.invalid"), "{unknown:?}");
}

const PROXIED: &str = "REGENTE_TEST_PROXIED";

/// Runs itself once more, in an environment that has a proxy: that of this process is not to be changed.
#[tokio::test]
async fn the_proxy_of_the_environment_is_not_asked() {
    let name = "outbound::tests::the_proxy_of_the_environment_is_not_asked";
    if let Ok(url) = std::env::var(PROXIED) {
        let answer = Outbound::new(settings(&["127.0.0.0/8"])).send(post(&url)).await.unwrap();
        assert_eq!(answer.status, 200);
        return;
    }
    let (target, proxy) = (Server::answering("127.0.0.1:0", ok()).await, Server::answering("127.0.0.1:0", ok()).await);
    let mut again = tokio::process::Command::new(std::env::current_exe().unwrap());
    again.args([name, "--exact"]).env(PROXIED, target.url());
    for variable in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"] {
        again.env(variable, format!("http://{}", proxy.address));
    }
    let output = again.output().await.unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((target.connections(), proxy.connections()), (1, 0));
}
