use actix_web::{
    HttpRequest, HttpResponse, delete, get, post, put,
    web::{Data, Path},
};
use api_types::{PasswordReset, Problem, Session, SessionFilter, User, UserCreate, UserCreated, UserFilter, UserUpdate};
use auth::need::AdminManage;
use domain::ids::{SessionId, UserId};
use runtime::{Allowed, Changing, Failure, JsonBody, OptionalJsonBody, Params, page, page_size};

use crate::{service::Gateway, sessions::routes::live_sessions};

/// Lists users in order of their names, 100 a page.
#[utoipa::path(tag = "users", extensions(("x-permission" = json!("admin.manage"))), params(UserFilter), responses((status = 200, body = Vec<User>)))]
#[get("/api/v1/users")]
pub(crate) async fn list(
    _caller: Allowed<AdminManage>,
    request: HttpRequest,
    gateway: Data<Gateway>,
    query: Params<UserFilter>,
) -> Result<HttpResponse, Failure> {
    let limit = page_size(query.0.limit, 100, 1000)?;
    let found = gateway.people.list(query.0, limit).await?;
    let next = found.last().filter(|_| found.len() == limit as usize).map(|last| last.username.clone());
    Ok(page(request.path(), request.query_string(), next).json(found))
}

/// Adds a user.
///
/// Without a password one is generated, which only this answer shows. By default the user has to choose another one at the first sign-in.
#[utoipa::path(tag = "users", extensions(("x-permission" = json!("admin.manage"))), request_body = UserCreate, responses(
    (status = 201, body = UserCreated), (status = 409, description = "`username_taken` or `email_taken`", body = Problem)))]
#[post("/api/v1/users")]
pub(crate) async fn create(
    caller: Changing<AdminManage>,
    gateway: Data<Gateway>,
    body: JsonBody<UserCreate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Created().json(gateway.people.create(caller.change(), body.0).await?))
}

/// Returns one user.
#[utoipa::path(tag = "users", extensions(("x-permission" = json!("admin.manage"))), params(api_types::params::UserId), responses((status = 200, body = User)))]
#[get("/api/v1/users/{id}")]
pub(crate) async fn get(_caller: Allowed<AdminManage>, gateway: Data<Gateway>, id: Path<UserId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(gateway.people.get(*id).await?))
}

/// Changes a user's e-mail address and display name. The user name stays.
#[utoipa::path(tag = "users", extensions(("x-permission" = json!("admin.manage"))), params(api_types::params::UserId), request_body = UserUpdate, responses(
    (status = 200, body = User), (status = 409, description = "`email_taken`", body = Problem)))]
#[put("/api/v1/users/{id}")]
pub(crate) async fn update(
    caller: Changing<AdminManage>,
    gateway: Data<Gateway>,
    id: Path<UserId>,
    body: JsonBody<UserUpdate>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(gateway.people.update(caller.change(), *id, body.0).await?))
}

/// Ends a user's sessions and API keys, and refuses further sign-ins, until they are reactivated.
///
/// Their tokens are refused at once by the answering replica, within a second by the others. Users are not deleted: what they changed names them.
#[utoipa::path(tag = "users", extensions(("x-permission" = json!("admin.manage"))), params(api_types::params::UserId), responses(
    (status = 200, body = User),
    (status = 409, description = "`last_administrator`: nobody else may manage the hub", body = Problem)))]
#[post("/api/v1/users/{id}/deactivate")]
pub(crate) async fn deactivate(caller: Changing<AdminManage>, gateway: Data<Gateway>, id: Path<UserId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(gateway.people.set_active(caller.change(), *id, false).await?))
}

/// Lets a deactivated user sign in again.
#[utoipa::path(tag = "users", extensions(("x-permission" = json!("admin.manage"))), params(api_types::params::UserId), responses((status = 200, body = User)))]
#[post("/api/v1/users/{id}/reactivate")]
pub(crate) async fn reactivate(caller: Changing<AdminManage>, gateway: Data<Gateway>, id: Path<UserId>) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(gateway.people.set_active(caller.change(), *id, true).await?))
}

/// Gives a user another password, and ends their sessions.
///
/// Without a password one is generated, which only this answer shows. By default the user has to choose another one at the next sign-in.
#[utoipa::path(tag = "users", extensions(("x-permission" = json!("admin.manage"))), params(api_types::params::UserId), request_body = Option<PasswordReset>, responses(
    (status = 200, body = UserCreated)))]
#[post("/api/v1/users/{id}/reset-password")]
pub(crate) async fn reset_password(
    caller: Changing<AdminManage>,
    gateway: Data<Gateway>,
    id: Path<UserId>,
    body: OptionalJsonBody<PasswordReset>,
) -> Result<HttpResponse, Failure> {
    Ok(HttpResponse::Ok().json(gateway.people.reset_password(caller.change(), *id, body.0).await?))
}

/// Lists where a user is signed in: sessions that go on, the last one first, 100 a page.
#[utoipa::path(tag = "users", extensions(("x-permission" = json!("admin.manage"))), params(api_types::params::UserId, SessionFilter), responses((status = 200, body = Vec<Session>)))]
#[get("/api/v1/users/{id}/sessions")]
pub(crate) async fn sessions(
    _caller: Allowed<AdminManage>,
    request: HttpRequest,
    gateway: Data<Gateway>,
    id: Path<UserId>,
    query: Params<SessionFilter>,
) -> Result<HttpResponse, Failure> {
    let user = gateway.people.get(*id).await?;
    live_sessions(&gateway, (user.id, None), &request, &query.0).await
}

/// Ends one of a user's sessions.
#[utoipa::path(tag = "users", extensions(("x-permission" = json!("admin.manage"))), params(("id" = uuid::Uuid, Path, description = "The user's"), ("session_id" = uuid::Uuid, Path, description = "The session's")),
    responses((status = 204, description = "The session has ended"),
        (status = 404, description = "There is no such user, or none of their sessions that go on has this id", body = Problem)))]
#[delete("/api/v1/users/{id}/sessions/{session_id}")]
pub(crate) async fn session_end(
    caller: Changing<AdminManage>,
    gateway: Data<Gateway>,
    path: Path<(UserId, SessionId)>,
) -> Result<HttpResponse, Failure> {
    let (user, session) = path.into_inner();
    gateway.sessions.end_of(caller.change(), user, session).await?;
    Ok(HttpResponse::NoContent().finish())
}
