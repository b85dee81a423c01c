use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header,
    web::{Bytes, Data},
};
use api_types::{EventFilter, Problem};
use auth::need::RunRead;
use futures_util::Stream;
use runtime::{Allowed, Failure, Params};

use super::{
    filter::Filter,
    frame,
    hub::{Live, Watch},
    reader::Next,
};

/// Streams what happens in the hub as server-sent events.
///
/// Events: `open` (what follows is everything after its id), every kind of event (its data is the event), `reset` (events were missed: read
/// the state again, what follows is complete), `end` (the reason why the stream ends). Each has an id; with `Last-Event-ID` or `last_event_id` the stream goes on
/// after it. Only what the caller may see is sent, by their permissions at the time.
#[utoipa::path(tag = "events", extensions(("x-permission" = json!("run.read"))), params(EventFilter, ("Last-Event-ID" = Option<String>, Header, description = "Id of the last event that the client has")), responses(
    (status = 200, content_type = "text/event-stream", body = String),
    (status = 429, description = "The caller has too many streams; see Retry-After", body = Problem)))]
#[get("/api/v1/events")]
pub(crate) async fn events(
    _: Allowed<RunRead>,
    request: HttpRequest,
    live: Data<Live>,
    params: Params<EventFilter>,
) -> Result<HttpResponse, Failure> {
    let watch = open(&request, &live, params.0).await?;
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream(watch)))
}

/// Opens the stream that a request asks for.
pub(super) async fn open(request: &HttpRequest, live: &Live, wanted: EventFilter) -> Result<Watch, Failure> {
    let header = request.headers().get("last-event-id").map(|value| value.to_str().unwrap_or_default().to_owned());
    let last = header.or_else(|| wanted.last_event_id.clone());
    let filter = Filter::new(wanted).map_err(Failure::BadQuery)?;
    live.open(request, filter, last.as_deref()).await
}

fn stream(watch: Watch) -> impl Stream<Item = Result<Bytes, Failure>> {
    async_stream::stream! {
        loop {
            match watch.reader.next().await {
                Next::Frame(frame) => yield Ok(frame.sse()),
                Next::End(end) => {
                    yield Ok(frame::end(end));
                    return;
                }
            }
        }
    }
}
