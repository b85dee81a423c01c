use api_types::{Event, EventFilter};
use futures_util::{StreamExt as _, stream::BoxStream};
use reqwest::header::HeaderName;
use serde::Deserialize;
use sse_stream::{Sse, SseByteStream};
use tokio::time::Instant;

use crate::{Client, Error, call::Pauses};

/// What comes on a stream of live events.
#[derive(Clone, Debug)]
pub enum LiveEvent {
    /// Something happened.
    Happened(Event),
    /// Events were missed: the state must be read again. What follows is complete.
    Missed,
    /// The stream was interrupted for this reason and is being resumed after the last event.
    Interrupted(Error),
}

/// Why the hub ended a stream.
#[derive(Deserialize)]
struct End {
    code: String,
    detail: String,
}

impl Client {
    /// What happens in the hub from now on, or after `filter.last_event_id`. An interrupted stream is resumed for up to
    /// [`crate::Settings::resume`] at a time. The first error is the last item.
    #[must_use]
    pub fn events(&self, filter: &EventFilter) -> BoxStream<'static, Result<LiveEvent, Error>> {
        let (client, mut filter) = (self.clone(), filter.clone());
        let events = async_stream::try_stream! {
            let mut connection = Connection::open(&client, &mut filter).await?;
            loop {
                let error = loop {
                    match connection.next(&mut filter).await {
                        Ok(event) => yield event,
                        Err(error) => break error,
                    }
                };
                if !error.is_transient() {
                    Err(error.clone())?;
                }
                yield LiveEvent::Interrupted(error);
                connection = Connection::reopen(&client, &mut filter).await?;
            }
        };
        events.boxed()
    }
}

/// One connection of a stream.
struct Connection {
    url: String,
    frames: BoxStream<'static, Result<Sse, sse_stream::Error>>,
}

impl Connection {
    async fn open(client: &Client, filter: &mut EventFilter) -> Result<Self, Error> {
        let last = filter.last_event_id.take();
        let call = client.get::<()>(&["events"]).query(filter);
        filter.last_event_id.clone_from(&last);
        let call = match &last {
            Some(last) => call.header(HeaderName::from_static("last-event-id"), last),
            None => call,
        };
        let response = call.stream().await?;
        Ok(Self { url: client.url().to_owned(), frames: SseByteStream::new(response.bytes_stream()).boxed() })
    }

    /// Retries until a stream may no longer be resumed.
    async fn reopen(client: &Client, filter: &mut EventFilter) -> Result<Self, Error> {
        let (mut pauses, end) = (Pauses::default(), Instant::now() + client.settings.resume);
        loop {
            tokio::time::sleep(pauses.next()).await;
            match Self::open(client, filter).await {
                Err(error) if error.is_transient() && Instant::now() < end => {}
                outcome => return outcome,
            }
        }
    }

    /// The next event, whose id is kept in the filter; the end of the stream is an error.
    async fn next(&mut self, filter: &mut EventFilter) -> Result<LiveEvent, Error> {
        let broken = |reason: String| Error::Unanswered { url: self.url.clone(), reason };
        while let Some(frame) = self.frames.next().await {
            let frame = frame.map_err(|error| broken(format!("the stream of events was interrupted ({error})")))?;
            if frame.id.is_some() {
                filter.last_event_id = frame.id;
            }
            let (Some(kind), Some(data)) = (frame.event, frame.data) else { continue };
            let misread = |error| Error::of_body(&self.url, &error);
            match kind.as_str() {
                "open" => {}
                "reset" => return Ok(LiveEvent::Missed),
                "end" => {
                    let End { code, detail } = serde_json::from_str(&data).map_err(misread)?;
                    // What may not be listened to any more is refused when the stream is opened again.
                    return Err(broken(format!("{detail} ({code})")));
                }
                _ => return Ok(LiveEvent::Happened(serde_json::from_str(&data).map_err(misread)?)),
            }
        }
        Err(broken("the stream of events ended".to_owned()))
    }
}
