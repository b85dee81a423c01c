//! The body of an answer: compressed where that helps, and counted as under way until its end.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use actix_http::encoding::Encoder;
use actix_web::{
    HttpRequest,
    body::{BodySize, MessageBody},
    dev::ServiceResponse,
    http::header::{self, ContentEncoding, Header as _, HeaderValue},
};
use bytes::Bytes;
use pin_project_lite::pin_project;

use crate::{host::InFlight, requests::UnderWay};

/// What counts a request as under way, for its connection and for the metrics.
pub(super) type Counting = (Option<InFlight>, Option<UnderWay>);

/// Smaller bodies are not worth it.
const LEAST: u64 = 1024;

/// How the client accepts an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    /// As it is, whatever the client says.
    None,
    /// As it is, because this client accepts no other: another may get it compressed.
    Plain,
    /// Compressed.
    Gzip,
}

pin_project! {
    /// The body of an answer.
    pub(crate) struct Answer<B> {
        #[pin]
        content: Content<B>,
        // The request is under way while this lives.
        _in_flight: Counting,
    }
}

pin_project! {
    #[project = ContentOf]
    enum Content<B> {
        Whole { #[pin] body: Encoder<Bytes> },
        AsItIs { #[pin] body: B },
        Left { size: BodySize },
    }
}

impl Encoding {
    /// What the request's `Accept-Encoding` allows.
    pub(super) fn accepted(request: &HttpRequest) -> Self {
        if !request.headers().contains_key(header::ACCEPT_ENCODING) {
            return Self::Plain;
        }
        let supported = [header::Encoding::gzip(), header::Encoding::identity()];
        let chosen = header::AcceptEncoding::parse(request).ok().and_then(|accepted| accepted.negotiate(supported.iter()));
        if chosen == Some(header::Encoding::gzip()) { Self::Gzip } else { Self::Plain }
    }
}

impl<B: MessageBody> Answer<B> {
    /// An answer that is compressed if its body is whole, large and not encoded yet: what streams, or passes through, is left as it is.
    pub(super) fn new(response: ServiceResponse<B>, encoding: Encoding, in_flight: Counting) -> ServiceResponse<Self> {
        let is_large = matches!(response.response().body().size(), BodySize::Sized(size) if size >= LEAST);
        if encoding == Encoding::None || !is_large || response.headers().contains_key(header::CONTENT_ENCODING) {
            return Self::plain(response, in_flight);
        }
        response.map_body(|head, body| {
            let content = match body.try_into_bytes() {
                Ok(bytes) if encoding == Encoding::Gzip => Content::Whole { body: Encoder::response(ContentEncoding::Gzip, head, bytes) },
                Ok(bytes) => {
                    head.headers_mut().append(header::VARY, HeaderValue::from_static("accept-encoding"));
                    Content::Whole { body: Encoder::response(ContentEncoding::Identity, head, bytes) }
                }
                Err(body) => Content::AsItIs { body },
            };
            Self { content, _in_flight: in_flight }
        })
    }

    /// The same answer to HEAD: as large, with nothing of it.
    pub(super) fn without_body(self) -> Self {
        Self { content: Content::Left { size: self.size() }, _in_flight: self._in_flight }
    }

    /// An answer as it is.
    pub(super) fn plain(response: ServiceResponse<B>, in_flight: Counting) -> ServiceResponse<Self> {
        response.map_body(|_, body| Self { content: Content::AsItIs { body }, _in_flight: in_flight })
    }
}

impl<B: MessageBody> MessageBody for Answer<B> {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        match &self.content {
            Content::Whole { body } => body.size(),
            Content::AsItIs { body } => body.size(),
            Content::Left { size } => *size,
        }
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        match self.project().content.project() {
            ContentOf::Whole { body } => body.poll_next(cx).map_err(Into::into),
            ContentOf::AsItIs { body } => body.poll_next(cx).map_err(Into::into),
            ContentOf::Left { .. } => Poll::Ready(None),
        }
    }
}
