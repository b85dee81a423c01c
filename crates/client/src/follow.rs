use std::time::Duration;

use api_types::{Job, LogLine, Progress};
use domain::ids::JobId;
use futures_util::{StreamExt as _, stream::BoxStream};
use reqwest::header::HeaderName;
use serde::de::DeserializeOwned;
use sse_stream::{Sse, SseByteStream};
use tokio::time::Instant;

use crate::{Client, Error, call::Pauses};

/// A connection that lasted this long counts as working, and resets the retry limit.
const STEADY: Duration = Duration::from_secs(20);

/// Event of a followed job.
#[derive(Clone, Debug)]
pub enum LogEvent {
    /// A new log line.
    Line(LogLine),
    /// New progress.
    Progress(Progress),
    /// The stream was interrupted for this reason and is being resumed after the last line.
    Interrupted(Error),
    /// The job has ended. Nothing follows.
    Ended(Box<Job>),
}

impl Client {
    /// A job's log lines after line `after` (0: all), its progress, and its end. An interrupted stream, for example by a restart of the
    /// hub, is resumed for up to [`crate::Settings::resume`]; every line comes exactly once. The first error is the last item.
    #[must_use]
    pub fn job_follow(&self, id: JobId, after: i64) -> BoxStream<'static, Result<LogEvent, Error>> {
        let client = self.clone();
        let events = async_stream::try_stream! {
            let (mut last, mut off_since) = (after, None);
            let mut connection = Connection::open(&client, id, last).await?;
            loop {
                let opened = Instant::now();
                let error = loop {
                    let event = match connection.next().await {
                        Ok(event) => event,
                        Err(error) => break error,
                    };
                    off_since = None;
                    if let LogEvent::Line(line) = &event {
                        last = line.log_id;
                    }
                    let has_ended = matches!(event, LogEvent::Ended(_));
                    yield event;
                    if has_ended {
                        return;
                    }
                };
                let since = off_since.take_if(|_| opened.elapsed() < STEADY).unwrap_or_else(Instant::now);
                off_since = Some(since);
                let end = since + client.settings.resume;
                if !error.is_transient() || Instant::now() > end {
                    Err(error.clone())?;
                }
                yield LogEvent::Interrupted(error);
                connection = Connection::reopen(&client, id, last, end).await?;
            }
        };
        events.boxed()
    }
}

/// One connection of a stream.
struct Connection {
    url: String,
    events: BoxStream<'static, Result<Sse, sse_stream::Error>>,
}

impl Connection {
    async fn open(client: &Client, id: JobId, last: i64) -> Result<Self, Error> {
        let response = client.log_stream(id).header(HeaderName::from_static("last-event-id"), &last.to_string()).stream().await?;
        Ok(Self { url: client.url().to_owned(), events: SseByteStream::new(response.bytes_stream()).boxed() })
    }

    /// Retries until `end`.
    async fn reopen(client: &Client, id: JobId, last: i64, end: Instant) -> Result<Self, Error> {
        let mut pauses = Pauses::default();
        loop {
            tokio::time::sleep(pauses.next()).await;
            match Self::open(client, id, last).await {
                Err(error) if error.is_transient() && Instant::now() < end => {}
                outcome => return outcome,
            }
        }
    }

    /// The next event; the end of the stream is a transient error.
    async fn next(&mut self) -> Result<LogEvent, Error> {
        let broken = |url: &str, reason: &str| Error::Unanswered { url: url.to_owned(), reason: reason.to_owned() };
        while let Some(event) = self.events.next().await {
            let event = event.map_err(|error| broken(&self.url, &format!("the log stream was interrupted ({error})")))?;
            let data = event.data.unwrap_or_default();
            match event.event.as_deref() {
                Some("log") => return Ok(LogEvent::Line(self.parse(&data)?)),
                Some("progress") => return Ok(LogEvent::Progress(self.parse::<Option<_>>(&data)?.unwrap_or_default())),
                Some("end") => return Ok(LogEvent::Ended(Box::new(self.parse(&data)?))),
                Some("slow") => return Err(broken(&self.url, "the log was not read fast enough")),
                // Events of later versions.
                _ => {}
            }
        }
        Err(broken(&self.url, "the log stream ended before the job did"))
    }

    fn parse<T: DeserializeOwned>(&self, data: &str) -> Result<T, Error> {
        serde_json::from_str(data).map_err(|error| Error::of_body(&self.url, &error))
    }
}
