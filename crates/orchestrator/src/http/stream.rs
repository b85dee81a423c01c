use std::time::Duration;

use actix_web::{
    HttpRequest, HttpResponse, get,
    http::header,
    web::{Bytes, Data, Path},
};
use api_types::Problem;
use runtime::{Failure, Management};
use uuid::Uuid;

use crate::{Orchestrator, convert};

/// How often the database is asked when nothing was told: another replica may have written.
const ASK_EVERY: Duration = Duration::from_secs(1);
/// How often a silent stream shows that it lives.
const ALIVE_EVERY: u32 = 15;
/// Lines read at once.
const PAGE: usize = 1000;

/// A job's log as server-sent events: past lines, then new ones, then the end.
///
/// Events: `log` (a log line, its id is the line's number), `progress` (when it changes), `end` (the job, when it has ended). After a break
/// the browser's `Last-Event-ID` continues where it was.
#[utoipa::path(tag = "jobs", params(("id" = Uuid, Path), ("Last-Event-ID" = Option<i64>, Header)), responses(
    (status = 200, content_type = "text/event-stream", body = String), (status = 400, body = Problem), (status = 401, body = Problem),
    (status = 404, body = Problem)))]
#[get("/api/v1/jobs/{id}/logs/stream")]
pub(super) async fn logs(_: Management, request: HttpRequest, hub: Data<Orchestrator>, id: Path<Uuid>) -> Result<HttpResponse, Failure> {
    hub.job(*id).await?;
    let last = request.headers().get("last-event-id").and_then(|value| value.to_str().ok()).and_then(|text| text.parse().ok());
    let stream = events(hub.get_ref().clone(), *id, last.unwrap_or(0));
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(stream))
}

fn events(hub: Orchestrator, id: Uuid, mut cursor: i64) -> impl futures_util::Stream<Item = Result<Bytes, Failure>> {
    async_stream::try_stream! {
        let mut watch = hub.live.watch(id);
        let mut progress = None;
        let mut silent = 0;
        loop {
            // The state first: lines that come before the end was written are then all read below.
            let job = hub.job(id).await?;
            loop {
                let lines = store::job_logs::line_list(&hub.database, id, cursor, PAGE).await?;
                let count = lines.len();
                for line in lines.into_iter().map(convert::log_line) {
                    cursor = line.log_id;
                    silent = 0;
                    yield event("log", Some(cursor), &line);
                }
                if count < PAGE {
                    break;
                }
            }
            if job.progress != progress {
                progress.clone_from(&job.progress);
                yield event("progress", None, &progress);
            }
            if job.status.is_terminal() {
                yield event("end", None, &job);
                return;
            }
            if hub.shutdown.is_triggered() {
                return;
            }
            tokio::select! {
                () = watch.changed() => {}
                () = hub.shutdown.wait() => {}
                () = tokio::time::sleep(ASK_EVERY) => silent += 1,
            }
            if silent >= ALIVE_EVERY {
                silent = 0;
                yield Bytes::from_static(b": alive\n\n");
            }
        }
    }
}

fn event(name: &str, id: Option<i64>, data: &impl serde::Serialize) -> Bytes {
    let id = id.map(|id| format!("id: {id}\n")).unwrap_or_default();
    // These types have a JSON form; `null` stands for one that has not.
    let data = serde_json::to_string(data).unwrap_or_else(|_| "null".to_owned());
    Bytes::from(format!("event: {name}\n{id}data: {data}\n\n"))
}
