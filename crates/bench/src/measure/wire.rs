use anyhow::{Context as _, Result, ensure};
use api_types::WORKER_KEY_HEADER;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
};

use crate::context::WORKER_KEY;

/// First byte of a ping.
const PING: u8 = 0x89;

/// One connection to the hub and little else, so that this process can have thousands.
pub(crate) struct Wire {
    stream: BufReader<TcpStream>,
    host: String,
}

impl Wire {
    pub(crate) async fn connect(host: &str) -> Result<Self> {
        let stream = TcpStream::connect(host).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream: BufReader::with_capacity(1024, stream), host: host.to_owned() })
    }

    /// POST of a worker; gives the body of a good answer.
    pub(crate) async fn report(&mut self, path: &str, lease: Option<uuid::Uuid>, body: &str) -> Result<Vec<u8>> {
        let lease = lease.map(|lease| format!("{}: {lease}\r\n", api_types::LEASE_TOKEN_HEADER)).unwrap_or_default();
        let headers = format!("{WORKER_KEY_HEADER}: {WORKER_KEY}\r\n{lease}");
        let (status, body) = self.exchange("POST", &format!("/api/v1/worker/{path}"), &headers, body).await?;
        ensure!((200..300).contains(&status), "{path}: {status}: {}", String::from_utf8_lossy(&body));
        Ok(body)
    }

    /// Sends a request and reads its answer: status and body.
    pub(crate) async fn exchange(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Result<(u16, Vec<u8>)> {
        self.write(method, path, headers, body).await?;
        let (status, length) = self.head().await?;
        let mut body = vec![0; length.unwrap_or(0)];
        self.stream.read_exact(&mut body).await?;
        Ok((status, body))
    }

    /// Opens a stream, and reads it until its end.
    pub(crate) async fn follow(&mut self, path: &str, headers: &str) -> Result<()> {
        self.open(path, headers).await?;
        self.read().await
    }

    /// Opens a stream.
    pub(crate) async fn open(&mut self, path: &str, headers: &str) -> Result<()> {
        self.write("GET", path, headers, "").await?;
        let (status, _) = self.head().await?;
        ensure!(status == 200, "{path}: {status}");
        Ok(())
    }

    /// Reads a stream until its end.
    pub(crate) async fn read(&mut self) -> Result<()> {
        let mut buffer = [0; 1024];
        while self.stream.read(&mut buffer).await? > 0 {}
        Ok(())
    }

    /// Opens a WebSocket.
    pub(crate) async fn open_websocket(&mut self, path: &str, headers: &str) -> Result<()> {
        let key = "dGhlIHNhbXBsZSBub25jZQ==";
        let upgrade = format!("connection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: {key}\r\n");
        let request = format!("GET {path} HTTP/1.1\r\nhost: {}\r\n{headers}{upgrade}\r\n", self.host);
        self.stream.write_all(request.as_bytes()).await?;
        let (status, _) = self.head().await?;
        ensure!(status == 101, "{path}: {status}");
        Ok(())
    }

    /// Reads a WebSocket until its end, and answers its pings.
    pub(crate) async fn read_websocket(&mut self) -> Result<()> {
        let mut payload = Vec::new();
        // A server's frames are not masked, and these are short.
        while let Ok(opcode) = self.stream.read_u8().await {
            let length = match self.stream.read_u8().await? {
                126 => usize::from(self.stream.read_u16().await?),
                short => usize::from(short),
            };
            payload.resize(length, 0);
            self.stream.read_exact(&mut payload).await?;
            if opcode == PING {
                // A pong without a payload, masked with zeros.
                self.stream.write_all(&[0x8a, 0x80, 0, 0, 0, 0]).await?;
            }
        }
        Ok(())
    }

    async fn write(&mut self, method: &str, path: &str, headers: &str, body: &str) -> Result<()> {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\n{headers}content-length: {}\r\n\r\n{body}",
            self.host,
            body.len()
        );
        Ok(self.stream.write_all(request.as_bytes()).await?)
    }

    /// The head of an answer: its status and the length of its body.
    async fn head(&mut self) -> Result<(u16, Option<usize>)> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            ensure!(self.stream.read_line(&mut head).await? > 0, "the hub has closed the connection after {head:?}");
        }
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).context("an answer without a status")?;
        let mut fields = head.lines().filter_map(|line| line.split_once(": "));
        let length = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length"));
        Ok((status, length.and_then(|(_, length)| length.parse().ok())))
    }
}
