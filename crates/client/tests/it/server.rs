//! A server that gives prepared answers, one a connection, and keeps what it was asked.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
    time::Duration,
};

use client::{Client, Settings};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
};

/// What it does with a request.
pub(crate) enum Answer {
    /// Writes these pieces, one after the other, then closes.
    Pieces(Vec<Vec<u8>>),
    /// Closes without a word.
    Close,
}

pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

/// An answer with these headers, each with its line end.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> Answer {
    let length = body.len();
    Answer::Pieces(vec![format!("HTTP/1.1 {status}\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}").into_bytes()])
}

pub(crate) fn ok(body: &str) -> Answer {
    answer("200 OK", "content-type: application/json\r\n", body)
}

/// A problem with this status, code and more headers.
pub(crate) fn problem(status: u16, code: &str, headers: &str) -> Answer {
    let body = format!(
        r#"{{"type":"urn:x","title":"t","status":{status},"detail":"não pode","code":"{code}","error":"não pode","errors":[{{"field":"parameters/cnpj","message":"is required"}}]}}"#
    );
    answer(&format!("{status} X"), &format!("content-type: application/problem+json\r\n{headers}"), &body)
}

/// The beginning of a log stream, and its events in these pieces; it breaks off after them.
pub(crate) fn stream(pieces: &[&[u8]]) -> Answer {
    let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n".to_vec();
    Answer::Pieces([head].into_iter().chain(pieces.iter().map(|piece| piece.to_vec())).collect())
}

impl Server {
    /// After the last answer nobody listens.
    pub(crate) async fn start(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let kept = requests.clone();
        let mut answers: VecDeque<Answer> = answers.into_iter().collect();
        tokio::spawn(async move {
            while let Some(answer) = answers.pop_front() {
                let (mut connection, _) = listener.accept().await.unwrap();
                let request = read(&mut connection).await;
                kept.lock().unwrap().push(request);
                if let Answer::Pieces(pieces) = answer {
                    for piece in pieces {
                        connection.write_all(&piece).await.unwrap();
                        connection.flush().await.unwrap();
                        tokio::task::yield_now().await;
                    }
                }
            }
        });
        Self { url, requests }
    }

    /// A client of it, with short limits.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.settings()).unwrap()
    }

    pub(crate) fn settings(&self) -> Settings {
        let limit = Duration::from_secs(20);
        Settings { timeout: limit, patience: limit, resume: limit, ..Settings::new(&self.url) }
    }

    /// What it was asked so far: heads and bodies.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

/// A request with its body.
async fn read(connection: &mut TcpStream) -> String {
    let mut text = Vec::new();
    loop {
        let mut part = [0; 4096];
        let read = connection.read(&mut part).await.unwrap();
        text.extend_from_slice(&part[..read]);
        let so_far = String::from_utf8_lossy(&text).to_lowercase();
        if let Some((head, body)) = so_far.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).map_or(0, |length| length.parse().unwrap());
            if body.len() >= length {
                return String::from_utf8(text).unwrap();
            }
        }
        assert!(read > 0, "half a request: {so_far}");
    }
}
