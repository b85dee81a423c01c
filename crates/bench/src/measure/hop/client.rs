//! The load: requests that are serialised before the clock starts, on connections that stay open.

use std::time::Instant;

use anyhow::{Context as _, Result, ensure};
use futures_util::future::try_join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

/// A connection to a proxy, or to the service itself.
pub(super) struct Connection {
    stream: TcpStream,
    request: String,
    buffer: Vec<u8>,
}

impl Connection {
    pub(super) async fn open(address: &str, authorization: &str) -> Result<Self> {
        let stream = TcpStream::connect(address).await.with_context(|| address.to_owned())?;
        stream.set_nodelay(true)?;
        let credential = if authorization.is_empty() { String::new() } else { format!("Authorization: {authorization}\r\n") };
        let request = format!("GET /api/v1/jobs HTTP/1.1\r\nHost: {address}\r\n{credential}\r\n");
        Ok(Self { stream, request, buffer: Vec::with_capacity(8 << 10) })
    }

    /// One request, in milliseconds.
    pub(super) async fn timed_ms(&mut self) -> Result<f64> {
        let begun = Instant::now();
        self.send().await?;
        Ok(begun.elapsed().as_secs_f64() * 1e3)
    }

    async fn send(&mut self) -> Result<()> {
        self.stream.write_all(self.request.as_bytes()).await?;
        self.buffer.clear();
        loop {
            ensure!(self.stream.read_buf(&mut self.buffer).await? > 0, "the connection was closed");
            if let Some(length) = length(&self.buffer)?
                && self.buffer.len() >= length
            {
                return Ok(());
            }
        }
    }
}

/// The length of the answer that begins here, if its head is complete.
fn length(answer: &[u8]) -> Result<Option<usize>> {
    let Some(head) = answer.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&answer[..head])?;
    ensure!(text.starts_with("HTTP/1.1 200 "), "{text}");
    let mut fields = text.lines().filter_map(|line| line.split_once(": "));
    let (_, body) = fields.find(|(name, _)| name.eq_ignore_ascii_case("content-length")).context("an answer without a length")?;
    Ok(Some(head + 4 + body.parse::<usize>()?))
}

/// Sends about so many requests over so many connections, and returns how many.
pub(super) async fn flood(address: &str, authorization: &str, connections: usize, requests: usize) -> Result<usize> {
    let each = requests.div_ceil(connections);
    let lane = async || {
        let mut connection = Connection::open(address, authorization).await?;
        for _ in 0..each {
            connection.send().await?;
        }
        anyhow::Ok(())
    };
    try_join_all((0..connections).map(|_| lane())).await?;
    Ok(each * connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_complete_with_its_body() {
        let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";
        assert_eq!((length(answer).unwrap(), length(&answer[..20]).unwrap()), (Some(answer.len()), None));
        assert!(length(b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n").is_err());
    }
}
