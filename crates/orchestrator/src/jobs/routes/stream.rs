use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header,
    web::{Bytes, Data, Path},
};
use auth::need::RunRead;
use domain::ids::JobId;
use futures_util::Stream;
use runtime::{Allowed, Failure};
use tokio::time::{Instant, sleep_until};

use super::reader::Reader;
use crate::jobs::{Jobs, LogStreams, follow::event};

/// Interval of keep-alives on a silent stream.
const ALIVE_EVERY: Duration = Duration::from_secs(15);
/// How often it is checked that the reader may still read, whatever happens: before lines are sent it is checked as well.
const CHECK_EVERY: Duration = Duration::from_secs(2);

/// Streams a job's log as server-sent events: stored lines, then new ones, then the end.
///
/// Events: `log` (a log line; its id is the line's number), `progress` (on each change), `end` (the job, when it has ended), `slow` (the
/// client does not keep up and is disconnected), `denied` (the caller may not read the log any more). `Last-Event-ID` resumes the stream after a lost connection.
#[utoipa::path(tag = "jobs", extensions(("x-permission" = json!("run.read"))), params(api_types::params::JobId, ("Last-Event-ID" = Option<i64>, Header, description = "Number of the last line that the client has")), responses(
    (status = 200, content_type = "text/event-stream", body = String)))]
#[get("/api/v1/jobs/{id}/logs/stream")]
pub(crate) async fn stream_logs(
    caller: Allowed<RunRead>,
    request: HttpRequest,
    jobs: Data<Jobs>,
    streams: Data<LogStreams>,
    id: Path<JobId>,
) -> Result<HttpResponse, Failure> {
    let reader = Reader::open(&request, &streams.access, jobs, &caller, *id).await?;
    let last = request.headers().get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let stream = events(streams, reader, *id, last.unwrap_or(0));
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream))
}

fn events(streams: Data<LogStreams>, mut reader: Reader, id: JobId, mut cursor: i64) -> impl Stream<Item = Result<Bytes, Failure>> {
    async_stream::try_stream! {
        let job = streams.followed.job(id);
        let mut changes = job.watch();
        let mut progress = None;
        let mut alive_at = Instant::now() + ALIVE_EVERY;
        loop {
            let is_changed = tokio::select! {
                changed = changes.changed() => if changed.is_err() { return } else { true },
                () = streams.shutdown.wait() => return,
                () = tokio::time::sleep(CHECK_EVERY) => false,
                () = sleep_until(alive_at) => {
                    yield Bytes::from_static(b": alive\n\n");
                    alive_at = Instant::now() + ALIVE_EVERY;
                    false
                }
            };
            match reader.check().await {
                Ok(None) => {}
                Ok(Some(denial)) => {
                    yield denied(&denial);
                    return;
                }
                // The database does not say: nothing is sent meanwhile.
                Err(failure) if is_changed => Err(failure)?,
                Err(_) => {}
            }
            if !is_changed {
                continue;
            }
            alive_at = Instant::now() + ALIVE_EVERY;
            let Some(now) = changes.borrow_and_update().clone() else { continue };
            while cursor < now.log_lines {
                // Retention may have deleted old lines.
                let Some(page) = job.page(cursor).await? else { break };
                for part in page.parts.iter().cloned() {
                    let offered = Instant::now();
                    yield part;
                    if offered.elapsed() > streams.patience {
                        yield slow(streams.patience);
                        return;
                    }
                }
                cursor = page.last;
            }
            if now.progress != progress {
                progress = now.progress;
                yield text(|text| event(text, "progress", None, &progress));
            }
            if let Some(end) = now.end {
                if let Some(end) = end {
                    yield end;
                }
                return;
            }
        }
    }
}

/// The last event for a caller who may not read any more.
fn denied(denial: &str) -> Bytes {
    text(|text| event(text, "denied", None, &serde_json::json!({ "detail": denial })))
}

/// The last event for a client that does not keep up.
fn slow(patience: Duration) -> Bytes {
    let detail =
        format!("the client did not read for {} s and is disconnected; reconnect with Last-Event-ID to continue", patience.as_secs_f64());
    text(|text| event(text, "slow", None, &serde_json::json!({ "detail": detail })))
}

fn text(write: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut text = Vec::new();
    write(&mut text);
    text.into()
}
