//! An upstream that says exactly what a test wants, byte for byte.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering},
};

use futures_util::future::BoxFuture;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// One connection, with what was read of it and not used.
pub(crate) struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Connection {
    pub(crate) async fn connect(address: &str) -> Self {
        Self { stream: TcpStream::connect(address).await.unwrap(), buffer: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Whether these bytes could be sent.
    pub(crate) async fn try_write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok()
    }

    /// Reads some more; `false` at the end.
    pub(crate) async fn fill(&mut self) -> bool {
        self.stream.read_buf(&mut self.buffer).await.is_ok_and(|read| read > 0)
    }

    /// What was read until `end`, with it; `None` when the connection ends before.
    pub(crate) async fn until(&mut self, end: &str) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(end.len()).position(|window| window == end.as_bytes()) {
                let text = self.buffer.drain(..at + end.len()).collect();
                return Some(String::from_utf8(text).unwrap());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// A head in lower case.
    pub(crate) async fn head(&mut self) -> Option<String> {
        self.until("\r\n\r\n").await.map(|head| head.to_ascii_lowercase())
    }

    /// So many bytes.
    pub(crate) async fn exactly(&mut self, length: usize) -> Vec<u8> {
        while self.buffer.len() < length {
            assert!(self.fill().await, "the connection ended after {:?}", String::from_utf8_lossy(&self.buffer));
        }
        self.buffer.drain(..length).collect()
    }

    /// All until the end.
    pub(crate) async fn rest(mut self) -> String {
        while self.fill().await {}
        String::from_utf8_lossy(&self.buffer).into_owned()
    }
}

/// The value of a header in a head.
pub(crate) fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// A request that the upstream got.
pub(crate) struct Hit {
    /// Which one it is, from 1.
    pub(crate) number: usize,
    pub(crate) head: String,
    pub(crate) connection: Connection,
}

impl Hit {
    pub(crate) fn length(&self) -> usize {
        header(&self.head, "content-length").map_or(0, |length| length.parse().unwrap())
    }

    /// Answers with a body, after the request's.
    pub(crate) async fn answer(mut self, status: &str, body: &str) -> Option<Connection> {
        let length = self.length();
        let _body = self.connection.exactly(length).await;
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nContent-Type: text/plain\r\n\r\n", body.len());
        self.connection.write(format!("{head}{body}")).await;
        Some(self.connection)
    }
}

type Answer = BoxFuture<'static, Option<Connection>>;

/// An upstream whose requests go to a function of the test, which gives back connections that stay open.
#[derive(Clone)]
pub(crate) struct Fake {
    pub(crate) url: String,
    hits: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    pub(crate) is_ready: Arc<std::sync::atomic::AtomicBool>,
}

impl Fake {
    pub(crate) async fn start<F>(answer: impl Fn(Hit) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Option<Connection>> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let fake = Self {
            url: format!("http://{}", listener.local_addr().unwrap()),
            hits: Arc::default(),
            heads: Arc::default(),
            is_ready: Arc::new(true.into()),
        };
        let (shared, answer) = (fake.clone(), Arc::new(move |hit| -> Answer { Box::pin(answer(hit)) }));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let connection = Connection { stream, buffer: Vec::new() };
                tokio::spawn(shared.clone().serve(connection, answer.clone()));
            }
        });
        fake
    }

    /// One that answers each request with 200 and `ok`.
    pub(crate) async fn fine() -> Self {
        Self::start(|hit| hit.answer("200 OK", "ok")).await
    }

    /// One whose port nobody listens on.
    pub(crate) fn gone() -> Self {
        Self { url: "http://127.0.0.1:1".to_owned(), hits: Arc::default(), heads: Arc::default(), is_ready: Arc::new(false.into()) }
    }

    async fn serve(self, connection: Connection, answer: Arc<impl Fn(Hit) -> Answer>) {
        let mut open = Some(connection);
        while let Some(mut connection) = open.take() {
            let Some(head) = connection.head().await else { return };
            if head.starts_with("get /health/ready ") {
                let status = if self.is_ready.load(Ordering::SeqCst) { "200 OK" } else { "503 Service Unavailable" };
                open = Hit { number: 0, head, connection }.answer(status, "").await;
                continue;
            }
            self.heads.lock().unwrap().push(head.clone());
            let number = self.hits.fetch_add(1, Ordering::SeqCst) + 1;
            open = answer(Hit { number, head, connection }).await;
        }
    }

    /// How many requests came.
    pub(crate) fn hits(&self) -> usize {
        self.hits.load(Ordering::SeqCst)
    }

    /// The head of the last one, in lower case.
    pub(crate) fn last(&self) -> String {
        self.heads.lock().unwrap().last().cloned().unwrap()
    }
}
