use std::time::Duration;

use api_types::Event;
use e2e::{Client, World};
use futures_util::{SinkExt as _, StreamExt as _, stream::BoxStream};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::{net::TcpStream, time::timeout};
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream, connect_async,
    tungstenite::{self, Message, client::IntoClientRequest as _},
};

/// Longest wait for something that must come.
const LIMIT: Duration = Duration::from_secs(60);

/// Reads live events.
pub(super) trait Read {
    /// The next events with their ids; nothing else may come before them.
    async fn events(&mut self, count: usize) -> Vec<(String, Event)>;

    /// The numbers of the source's next events.
    async fn numbers(&mut self, count: usize) -> Vec<u64> {
        self.events(count).await.into_iter().map(|(_, event)| event.data["number"].as_u64().unwrap()).collect()
    }

    /// The subjects of the next events.
    async fn subjects(&mut self, count: usize) -> Vec<String> {
        self.events(count).await.into_iter().map(|(_, event)| event.subject).collect()
    }
}

/// A server-sent event; `alive` is a comment with an id.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) event: String,
    pub(super) id: Option<String>,
    pub(super) data: Value,
}

/// A stream of server-sent events.
pub(super) struct Sse {
    body: BoxStream<'static, reqwest::Result<Vec<u8>>>,
    buffer: Vec<u8>,
    /// The first frame: `open` or `reset`.
    pub(super) first: Frame,
}

impl Sse {
    pub(super) async fn open(world: &World, query: &str) -> Self {
        Self::open_at(&world.client, query, None).await
    }

    pub(super) async fn open_after(world: &World, query: &str, last: &str) -> Self {
        Self::open_at(&world.client, query, Some(last)).await
    }

    pub(super) async fn open_as(world: &World, query: &str, token: &str) -> Self {
        Self::open_with(&world.client, query, None, Some(token)).await
    }

    pub(super) async fn open_at(client: &Client, query: &str, last: Option<&str>) -> Self {
        Self::open_with(client, query, last, None).await
    }

    pub(super) async fn open_with(client: &Client, query: &str, last: Option<&str>, token: Option<&str>) -> Self {
        let response = Self::response(client, query, last, token).await;
        assert_eq!(response.status(), 200);
        Self::read_from(response).await
    }

    /// `None` when there are too many.
    pub(super) async fn try_open(world: &World, query: &str) -> Option<Self> {
        let response = Self::response(&world.client, query, None, None).await;
        if response.status() != 429 {
            assert_eq!(response.status(), 200);
            return Some(Self::read_from(response).await);
        }
        None
    }

    async fn response(client: &Client, query: &str, last: Option<&str>, token: Option<&str>) -> reqwest::Response {
        let path = format!("/api/v1/events{query}");
        let request = match token {
            Some(token) => client.bare(Method::GET, &path).bearer_auth(token),
            None => client.request(Method::GET, &path),
        };
        let request = last.iter().fold(request, |request, last| request.header("last-event-id", *last));
        request.send().await.unwrap()
    }

    async fn read_from(response: reqwest::Response) -> Self {
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        assert_eq!(response.headers()["cache-control"], "no-store");
        let body = response.bytes_stream().map(|chunk| chunk.map(|bytes| bytes.to_vec())).boxed();
        let mut stream = Self { body, buffer: Vec::new(), first: Frame { event: String::new(), id: None, data: Value::Null } };
        stream.first = stream.next().await.expect("a first frame");
        assert!(["open", "reset"].contains(&stream.first.event.as_str()), "{:?}", stream.first);
        stream
    }

    /// The next frame, also one that only says that the stream lives; `None` at the end of the stream.
    async fn next_of_all(&mut self) -> Option<Frame> {
        loop {
            if let Some(end) = self.buffer.windows(2).position(|two| two == b"\n\n") {
                let block: Vec<u8> = self.buffer.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let data = field("data: ").map(|data| serde_json::from_str(&data).unwrap()).unwrap_or_default();
                let event = field("event: ").unwrap_or_else(|| "alive".to_owned());
                return Some(Frame { event, id: field("id: "), data });
            }
            // A stream that was cut off has no end either.
            let chunk = timeout(LIMIT, self.body.next()).await.expect("the stream is silent")?;
            self.buffer.extend(chunk.ok()?);
        }
    }

    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            let frame = self.next_of_all().await?;
            if frame.event != "alive" {
                return Some(frame);
            }
        }
    }

    /// The position of the next sign of life.
    pub(super) async fn alive(&mut self) -> String {
        let frame = self.next_of_all().await.unwrap();
        assert_eq!(frame.event, "alive", "{frame:?}");
        frame.id.unwrap()
    }

    /// Why the stream ends, which is the next that it says and the last.
    pub(super) async fn end(&mut self) -> String {
        let frame = self.next().await.expect("a reason");
        assert_eq!(frame.event, "end", "{frame:?}");
        assert!(frame.data["detail"].is_string(), "{frame:?}");
        assert!(self.next().await.is_none(), "the reason is the last");
        frame.data["code"].as_str().unwrap().to_owned()
    }

    /// The id of the last event, and why the stream ended.
    pub(super) async fn read_to_end(&mut self) -> (Option<String>, String) {
        let mut last = None;
        loop {
            let frame = self.next().await.expect("a reason");
            if frame.event == "end" {
                return (last, frame.data["code"].as_str().unwrap().to_owned());
            }
            last = frame.id;
        }
    }
}

impl Read for Sse {
    async fn events(&mut self, count: usize) -> Vec<(String, Event)> {
        let mut events = Vec::new();
        while events.len() < count {
            let frame = self.next().await.expect("an event");
            let event: Event = serde_json::from_value(frame.data.clone()).unwrap_or_else(|error| panic!("{error} in {frame:?}"));
            assert_eq!(event.kind, frame.event);
            events.push((frame.id.unwrap(), event));
        }
        events
    }
}

/// A WebSocket.
pub(super) struct Ws {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// The first message: `open` or `reset`.
    pub(super) first: Value,
}

/// How a WebSocket was closed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Close {
    pub(super) code: u16,
    pub(super) reason: String,
}

impl Ws {
    pub(super) async fn open(world: &World, query: &str) -> Self {
        let request = world.client.request(Method::GET, "/").build().unwrap();
        let authorization = request.headers()["authorization"].to_str().unwrap().to_owned();
        Self::open_with(world, query, &[("authorization", &authorization)]).await
    }

    pub(super) async fn open_as(world: &World, query: &str, token: &str) -> Self {
        Self::open_with(world, query, &[("authorization", &format!("Bearer {token}"))]).await
    }

    /// As a browser does, which cannot set headers.
    pub(super) async fn open_by_protocol(world: &World, query: &str, token: &str) -> Self {
        Self::open_with(world, query, &[("sec-websocket-protocol", &format!("regente.events.v1, bearer.{token}"))]).await
    }

    async fn open_with(world: &World, query: &str, headers: &[(&'static str, &str)]) -> Self {
        let (socket, response) = Self::connect(world, query, headers).await.unwrap();
        let protocol = response.headers().get("sec-websocket-protocol").map(|value| value.to_str().unwrap());
        let offered = headers.iter().any(|(name, _)| *name == "sec-websocket-protocol");
        assert_eq!(protocol, offered.then_some("regente.events.v1"), "the token is never repeated");
        let mut ws = Self { socket, first: Value::Null };
        ws.first = ws.next().await;
        assert!(["open", "reset"].contains(&ws.first["type"].as_str().unwrap()), "{}", ws.first);
        ws
    }

    /// The status with which a WebSocket is refused.
    pub(super) async fn refused(world: &World, headers: &[(&'static str, &str)]) -> u16 {
        match Self::connect(world, "", headers).await {
            Err(tungstenite::Error::Http(response)) => response.status().as_u16(),
            other => panic!("{other:?}"),
        }
    }

    async fn connect(
        world: &World,
        query: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<(WebSocketStream<MaybeTlsStream<TcpStream>>, tungstenite::handshake::client::Response), tungstenite::Error> {
        let url = world.client.hub().url().replace("http://", "ws://");
        let mut request = format!("{}/api/v1/ws{query}", url.trim_end_matches('/')).into_client_request().unwrap();
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        connect_async(request).await
    }

    pub(super) async fn say(&mut self, message: &Value) {
        self.say_text(&message.to_string()).await;
    }

    pub(super) async fn say_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).await.unwrap();
    }

    async fn message(&mut self) -> Message {
        timeout(LIMIT, self.socket.next()).await.expect("the socket is silent").expect("the socket has ended").unwrap()
    }

    /// The next message, also one that only says that the stream lives.
    async fn next_of_all(&mut self) -> Value {
        loop {
            match self.message().await {
                Message::Text(text) => return serde_json::from_str(&text).unwrap(),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other:?}"),
            }
        }
    }

    pub(super) async fn next(&mut self) -> Value {
        loop {
            let message = self.next_of_all().await;
            if message["type"] != "alive" {
                return message;
            }
        }
    }

    pub(super) async fn alive(&mut self) -> Value {
        loop {
            let message = self.next_of_all().await;
            if message["type"] == "alive" {
                return message;
            }
        }
    }

    /// How it is closed, which must be next.
    pub(super) async fn closed(&mut self) -> Close {
        loop {
            match self.message().await {
                Message::Ping(_) | Message::Pong(_) => {}
                Message::Text(text) if text.contains(r#""type":"alive""#) => {}
                Message::Close(Some(frame)) => return Close { code: frame.code.into(), reason: frame.reason.to_string() },
                other => panic!("{other:?}"),
            }
        }
    }

    /// How it is closed, whatever comes before.
    pub(super) async fn read_to_close(&mut self) -> Close {
        loop {
            if let Message::Close(Some(frame)) = self.message().await {
                return Close { code: frame.code.into(), reason: frame.reason.to_string() };
            }
        }
    }
}

impl Read for Ws {
    async fn events(&mut self, count: usize) -> Vec<(String, Event)> {
        let mut events = Vec::new();
        while events.len() < count {
            let mut message = self.next().await;
            assert_eq!(message["type"], json!("event"), "{message}");
            let event = serde_json::from_value(message["event"].take()).unwrap();
            events.push((message["id"].as_str().unwrap().to_owned(), event));
        }
        events
    }
}
