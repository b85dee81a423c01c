use actix_web::{
    HttpRequest, HttpResponse, delete, get,
    http::header,
    post, put,
    web::{Data, Path},
};
use api_types::{Channel, ChannelCreate, ChannelFilter, ChannelRotate, ChannelShown, ChannelTest, ChannelUpdate, Problem};
use auth::need::{RobotPublish, RobotRead};
use domain::ids::ChannelId;
use runtime::{Allowed, Changing, Failure, JsonBody, OptionalJsonBody, Params, page, page_size};
use store::channels::Filter;

use super::Channels;

/// Creates a channel, over which people are told of alerts.
///
/// Secrets are sealed and never shown; of a webhook whose request gives no signing secret, the hub makes one, which only this answer shows. An address
/// that is not public is refused unless `sla.allow_private_addresses` has it. 409: the name is taken, or the hub has no master key.
#[utoipa::path(tag = "channels", extensions(("x-permission" = json!("robot.publish"))), request_body = ChannelCreate, responses(
    (status = 201, body = ChannelShown), (status = 409, description = "The name is taken, or the hub has no master key to seal secrets with", body = Problem)))]
#[post("/api/v1/channels")]
pub(crate) async fn create(
    caller: Changing<RobotPublish>,
    channels: Data<Channels>,
    body: JsonBody<ChannelCreate>,
) -> Result<HttpResponse, Failure> {
    let shown = channels.create(&caller, body.0).await?;
    let location = format!("/api/v1/channels/{}", shown.channel.id);
    Ok(HttpResponse::Created().insert_header((header::LOCATION, location)).json(shown))
}

/// Lists channels in order of creation, 100 a page.
#[utoipa::path(tag = "channels", extensions(("x-permission" = json!("robot.read"))), params(ChannelFilter), responses((status = 200, body = Vec<Channel>)))]
#[get("/api/v1/channels")]
pub(crate) async fn list(
    caller: Allowed<RobotRead>,
    request: HttpRequest,
    channels: Data<Channels>,
    query: Params<ChannelFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let ChannelFilter { limit: _, after, kind, enabled, name } = query.0;
    let found = channels.list(&caller, &Filter { kind, enabled, name, after, limit: limit.into() }).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.id.to_string());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Returns a channel.
#[utoipa::path(tag = "channels", extensions(("x-permission" = json!("robot.read"))), params(api_types::params::ChannelId), responses((status = 200, body = Channel)))]
#[get("/api/v1/channels/{id}")]
pub(crate) async fn get(caller: Allowed<RobotRead>, channels: Data<Channels>, id: Path<ChannelId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(channels.get(&caller, *id).await?))
}

/// Changes a channel.
///
/// Absent fields keep their values. Settings that lead to another server are taken only with every secret given again. 409: the name is taken, or the
/// channel was changed since.
#[utoipa::path(tag = "channels", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ChannelId), request_body = ChannelUpdate, responses(
    (status = 200, body = Channel), (status = 409, description = "The name is taken, the channel was changed since, or the hub has no master key", body = Problem)))]
#[put("/api/v1/channels/{id}")]
pub(crate) async fn update(
    caller: Changing<RobotPublish>,
    channels: Data<Channels>,
    id: Path<ChannelId>,
    body: JsonBody<ChannelUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(channels.update(&caller, *id, body.0).await?))
}

/// Deletes a channel with its secrets.
///
/// 409 names the SLA rules that notify it.
#[utoipa::path(tag = "channels", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ChannelId), responses(
    (status = 204), (status = 409, description = "SLA rules notify it", body = Problem)))]
#[delete("/api/v1/channels/{id}")]
pub(crate) async fn delete(caller: Changing<RobotPublish>, channels: Data<Channels>, id: Path<ChannelId>) -> Result<HttpResponse, Failure> {
    channels.delete(&caller, *id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Sends a test message over a channel and says what became of it.
///
/// The message is real and goes to whoever reads the channel; at PagerDuty and Jira it opens and closes an incident of its own. A channel that is off
/// can be tested. The answer is 200 also when the message was not taken: `sent` says whether it was, `answer` why not.
#[utoipa::path(tag = "channels", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ChannelId), responses((status = 200, body = ChannelTest)))]
#[post("/api/v1/channels/{id}/test")]
pub(crate) async fn test(caller: Changing<RobotPublish>, channels: Data<Channels>, id: Path<ChannelId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(channels.test(&caller, *id).await?))
}

/// Replaces the signing secret of a webhook.
///
/// Requests are signed with the old one too for a day, or as long as the request says, so that the receiver can follow. Only this answer shows a secret
/// that the hub made. 409: the channel is no webhook.
#[utoipa::path(tag = "channels", extensions(("x-permission" = json!("robot.publish"))), params(api_types::params::ChannelId), request_body = Option<ChannelRotate>, responses(
    (status = 200, body = ChannelShown), (status = 409, description = "The channel is no webhook, or the hub has no master key", body = Problem)))]
#[post("/api/v1/channels/{id}/rotate")]
pub(crate) async fn rotate(
    caller: Changing<RobotPublish>,
    channels: Data<Channels>,
    id: Path<ChannelId>,
    body: OptionalJsonBody<ChannelRotate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(channels.rotate(&caller, *id, body.0).await?))
}
