//! Where other systems send to. Who sends is known by the token in the path and the proof of the hook's scheme, and by nothing else.

use std::collections::BTreeMap;

use actix_web::{
    HttpRequest, HttpResponse,
    http::StatusCode,
    post,
    web::{Data, Path, Payload},
};
use api_types::{HookAnswer, Problem};
use domain::{hook::content::MAX_BODY, job::is_traceparent};
use runtime::{Edge, Failure, RawBody, caller_address, current_request};

use super::{Hooks, receive::Sent};

/// Receives a request of another system, and starts the job that its hook makes of it.
///
/// The last segment of the path is the hook's token. No other credential is looked at, but what the hook's scheme asks for: a signature of the body's
/// own bytes, or a secret in a header. The body is JSON or a form, of at most 1 MiB. Answers 202 with the job, also when the same request came before;
/// 200 without one when the hook's filter or the automation's overlap rule leaves it out. 404: there is no such hook; 503: it is paused.
#[utoipa::path(tag = "webhooks", params(
    ("hook" = String, Path, description = "Token of the hook", example = "rgh_5kQ0vXa1…")),
    request_body(content((Object = "application/json", example = json!({"ref": "refs/heads/main", "after": "6dcb09b5b57875f334f61aebed695e2e4193db5e"})), (Object = "application/x-www-form-urlencoded")), description = "Whatever the sender sends"), responses(
    (status = 202, description = "The job is stored, or was before", body = HookAnswer),
    (status = 200, description = "The request starts no job", body = HookAnswer),
    (status = 401, description = "The signature or the secret is missing, wrong or old", body = Problem),
    (status = 409, description = "The automation is archived", body = Problem),
    (status = 415, description = "The body is compressed, or neither JSON nor a form", body = Problem),
    (status = 422, description = "The body lacks what the hook takes from it, or the parameters do not match the automation's schema", body = Problem)))]
#[post("/api/v1/hooks/{hook}")]
pub(crate) async fn receive(
    request: HttpRequest,
    hooks: Data<Hooks>,
    hook: Path<String>,
    payload: Payload,
) -> Result<HttpResponse, Failure> {
    let edge = Edge::of(&request)?;
    let Some(hook) = hooks.find_by_token(&hook).await? else {
        edge.admit_to_no_hook(&request)?;
        return Err(Failure::NotFound("hook".to_owned()));
    };
    edge.admit_to_hook(&request, hook.id)?;
    let body = RawBody::read(&request, payload.into_inner(), MAX_BODY).await;
    let (status, answer) = hooks.receive(&hook, sent(&request, body)).await?;
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::ACCEPTED);
    Ok(HttpResponse::build(status).json(answer))
}

fn sent(request: &HttpRequest, body: Result<RawBody, Failure>) -> Sent {
    let mut headers = BTreeMap::new();
    for (name, value) in request.headers() {
        if let Ok(value) = value.to_str() {
            headers.entry(name.as_str().to_owned()).or_insert_with(|| value.to_owned());
        }
    }
    let traceparent = headers.get("traceparent").filter(|trace| is_traceparent(trace)).cloned();
    let address = caller_address(request).map(|address| address.to_string());
    Sent { headers, body, address, request_id: current_request().map(|ids| ids.request_id.clone()), traceparent }
}
