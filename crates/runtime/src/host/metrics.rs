use actix_web::{HttpRequest, HttpResponse, get, http::header, web::Data};
use auth::need::WorkerRead;
use telemetry::metrics::Format;

use super::app::Frame;
use crate::{Allowed, Failure, caller_address};

/// What a proxy adds to a request that it passes on.
const FORWARDED: [&str; 3] = ["forwarded", "via", "x-forwarded-for"];

/// Returns the metrics of the answering process, for Prometheus: OpenMetrics for who accepts it, otherwise the text format 0.0.4.
///
/// From an address of `http.metrics_from`, by default this machine, it needs no credential; from elsewhere it needs one with `worker.read` for every domain.
#[utoipa::path(tag = "system", responses(
    (status = 200, description = "Metrics", body = String, content_type = "text/plain"),
    (status = 401, description = "The caller is elsewhere and shows no credential", body = api_types::Problem),
    (status = 403, description = "The caller is elsewhere and lacks the permission", body = api_types::Problem),
))]
#[get("/metrics")]
pub(super) async fn metrics(
    request: HttpRequest,
    caller: Result<Allowed<WorkerRead>, Failure>,
    frame: Data<Frame>,
) -> Result<HttpResponse, Failure> {
    answer(&request, caller, &frame)
}

/// The same, as some scrapers ask for it.
#[get("/metrics/")]
pub(super) async fn metrics_with_slash(
    request: HttpRequest,
    caller: Result<Allowed<WorkerRead>, Failure>,
    frame: Data<Frame>,
) -> Result<HttpResponse, Failure> {
    answer(&request, caller, &frame)
}

fn answer(request: &HttpRequest, caller: Result<Allowed<WorkerRead>, Failure>, frame: &Frame) -> Result<HttpResponse, Failure> {
    if !is_let_in(request, frame) {
        caller?.require_everywhere()?;
    }
    let accept = request.headers().get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let format = Format::accepted(accept.unwrap_or_default());
    Ok(HttpResponse::Ok().content_type(format.content_type()).body(frame.context.metrics.text(format)))
}

/// Whether the request comes from an address that needs no credential. What a proxy passed on comes from there only if the settings trust the proxy to
/// say so.
fn is_let_in(request: &HttpRequest, frame: &Frame) -> bool {
    let Some(address) = caller_address(request) else { return false };
    let was_forwarded = FORWARDED.iter().any(|name| request.headers().contains_key(*name));
    let is_told = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical() != address);
    (!was_forwarded || is_told) && frame.context.settings.http.metrics_from.iter().any(|network| network.contains(&address))
}
