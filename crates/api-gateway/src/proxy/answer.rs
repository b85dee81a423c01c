//! The answer of an upstream on its way to the client: chunk by chunk, as it comes.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use actix_web::{
    HttpResponse, HttpResponseBuilder,
    body::SizedStream,
    http::{StatusCode, header},
    rt,
    web::Payload,
};
use bytes::Bytes;
use futures_util::{FutureExt as _, Stream, StreamExt as _, future::BoxFuture, stream::BoxStream};
use runtime::{Failure, Shutdown};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    time::{Instant, Sleep, sleep},
};

use super::{headers, upload::Upload, upstream::Lease};

/// Bytes of a tunnel that are read at once.
const TUNNEL_CHUNK: usize = 16 * 1024;

/// A body that comes from an upstream. What belongs to the request lives as long as it: the upload, the place among those under way.
struct Body {
    chunks: BoxStream<'static, io::Result<Bytes>>,
    /// Ends the body when nothing came for this long.
    idle: Option<(Duration, Pin<Box<Sleep>>)>,
    /// Ends it, when it has no end of its own.
    stop: Option<BoxFuture<'static, ()>>,
    lease: Lease,
    _upload: Option<Upload>,
}

impl Stream for Body {
    type Item = io::Result<Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let chunk = self.chunks.poll_next_unpin(cx);
        match &chunk {
            Poll::Ready(Some(Ok(bytes))) => {
                self.lease.upstream().stats.received(bytes.len());
                if let Some((limit, sleep)) = &mut self.idle {
                    sleep.as_mut().reset(Instant::now() + *limit);
                }
                return chunk;
            }
            Poll::Ready(_) => return chunk,
            Poll::Pending => {}
        }
        if self.stop.as_mut().is_some_and(|stop| stop.poll_unpin(cx).is_ready()) {
            return Poll::Ready(None);
        }
        if self.idle.as_mut().is_some_and(|(_, sleep)| sleep.as_mut().poll(cx).is_ready()) {
            return Poll::Ready(Some(Err(io::ErrorKind::TimedOut.into())));
        }
        Poll::Pending
    }
}

/// Ends `shutdown`'s endless bodies.
fn stopped(shutdown: &Shutdown) -> BoxFuture<'static, ()> {
    let shutdown = shutdown.clone();
    Box::pin(async move { shutdown.wait().await })
}

fn head(answer: &reqwest::Response) -> HttpResponseBuilder {
    // Both know the same statuses.
    let status = StatusCode::from_u16(answer.status().as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut head = HttpResponse::build(status);
    for header in headers::of_answer(answer.headers()) {
        head.append_header(header);
    }
    head
}

/// What the client gets.
pub(super) fn pass(answer: reqwest::Response, lease: Lease, upload: Upload, idle: Duration, shutdown: &Shutdown) -> HttpResponse {
    let mut head = head(&answer);
    if matches!(answer.status().as_u16(), 204 | 304) {
        return head.finish();
    }
    let length = answer.headers().get("content-length").and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    let is_events = answer.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
    let body = Body {
        chunks: answer.bytes_stream().map(|chunk| chunk.map_err(io::Error::other)).boxed(),
        idle: Some((idle, Box::pin(sleep(idle)))),
        stop: is_events.then(|| stopped(shutdown)),
        lease,
        _upload: Some(upload),
    };
    match length {
        Some(length) => head.body(SizedStream::new(length, body)),
        None => head.streaming(body),
    }
}

/// Connects both directions of a WebSocket. It ends with either side, or with this process.
pub(super) async fn tunnel(
    answer: reqwest::Response,
    lease: Lease,
    mut payload: Payload,
    shutdown: &Shutdown,
) -> Result<HttpResponse, Failure> {
    let mut head = head(&answer);
    let upgraded = answer.upgrade().await.map_err(|_| Failure::UpstreamLost)?;
    let (source, mut sink) = tokio::io::split(upgraded);
    let sent = lease.sent();
    // Ends with the client, whose end of the payload closes, or when the upstream takes no more.
    rt::spawn(async move {
        while let Some(Ok(chunk)) = payload.next().await {
            sent(chunk.len());
            if sink.write_all(&chunk).await.is_err() {
                break;
            }
        }
        let _closed = sink.shutdown().await;
    });
    let chunks = futures_util::stream::try_unfold(source, |mut source| async move {
        let mut buffer = bytes::BytesMut::with_capacity(TUNNEL_CHUNK);
        let read = source.read_buf(&mut buffer).await?;
        io::Result::Ok((read > 0).then(|| (buffer.freeze(), source)))
    });
    let body = Body { chunks: chunks.boxed(), idle: None, stop: Some(stopped(shutdown)), lease, _upload: None };
    head.insert_header((header::UPGRADE, "websocket"));
    Ok(head.upgrade("websocket").streaming(body))
}
